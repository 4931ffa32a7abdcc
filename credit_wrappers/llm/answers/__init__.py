"""What a model must answer, and what is taken for an answer."""
