"""`python -m spaceworld`, the same as the command `spaceworld`."""

import sys

from spaceworld.app.command import main

if __name__ == "__main__":
    sys.exit(main())
