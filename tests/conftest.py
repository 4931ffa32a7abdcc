"""Processes start as they do for a user, in whatever order test files are imported."""

from __future__ import annotations

import multiprocessing

multiprocessing.get_start_method()  # settles it: TorchRL, when imported, sets "spawn" where nothing is settled yet
