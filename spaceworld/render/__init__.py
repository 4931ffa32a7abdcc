"""Pictures and texts of a `Scene`. Import the module that you need: some import pygame, some imageio."""

import os

# before any module of this package imports pygame, which otherwise prints a greeting
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
