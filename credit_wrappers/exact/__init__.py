"""Credit computed from a simulator: what would have been, had an agent done otherwise. Exact where the values are."""
