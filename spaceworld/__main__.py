"""`python -m spaceworld`: opens the game; `--help` tells the rest."""

import sys

from spaceworld.app.command import main

if __name__ == "__main__":
    sys.exit(main())
