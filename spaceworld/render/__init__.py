"""Pictures and texts of a `Scene`; import by name the part you want: some need pygame, some imageio."""

import os

# Set before any module of this package imports pygame, which would otherwise greet on standard output.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
