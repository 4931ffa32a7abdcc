"""The commands of `credit-wrappers`: statistics of a ledger, one entry, the dataset, a comparison; templates."""
