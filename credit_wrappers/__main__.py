"""`python -m credit_wrappers ledger ...`: what is in a ledger; `... prompts FOLDER`: the prompt templates."""

import sys

from credit_wrappers.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
