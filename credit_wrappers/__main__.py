"""`python -m credit_wrappers`: the same as the command `credit-wrappers`."""

import sys

from credit_wrappers.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
