"""Tianshou and CleanRL-style learners on a critic's credit: `python -m tianshou_examples.train --help`."""
