"""What `python -m credit_wrappers ledger` does: statistics, one entry for a person, the dataset, comparing two."""
