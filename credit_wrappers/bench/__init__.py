"""CreditBench: how right a critic is, measured on frozen suites of episodes with a known truth."""
