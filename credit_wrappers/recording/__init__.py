"""From the steps of environments to episodes."""
