"""Tianshou learners on credit: `python -m tianshou_examples.train --help`."""
