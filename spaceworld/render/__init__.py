"""Pictures and texts of a `Scene`; the parts that need pygame or imageio are imported by name, when wanted."""

import os

# Set before any module of this package imports pygame, which would otherwise greet on standard output.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
