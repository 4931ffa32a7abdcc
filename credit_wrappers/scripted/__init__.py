"""The stand-in for a model: rules that read the same text and answer in the same form."""
