"""The numba decorator of all kernels: compiled once, kept on disk, never stale.

Numba's own cache looks only at the file of the function it compiles, so a function would go on with the old code of
another file that it calls. Here the folder of the cache is named after the sources of all kernels.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import config

_HERE = Path(__file__).parent
_SOURCES = (
    "packing.py",
    "kernel.py",
    "observation.py",
    "planes.py",
    "generator.py",
    "batch.py",
    "planner/keys.py",
    "planner/bound.py",
    "planner/choices.py",
    "planner/search.py",
    "planner/spacetime.py",
    "planner/routes.py",
)


def _cache_folder() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for name in _SOURCES:
        digest.update((_HERE / name).read_bytes())
    if config.CACHE_DIR:  # NUMBA_CACHE_DIR: the user's choice
        base = Path(config.CACHE_DIR)
    elif os.access(_HERE, os.W_OK):
        base = _HERE / "__pycache__"
    else:
        base = Path(tempfile.gettempdir()) / f"spaceworld-{os.getuid() if hasattr(os, 'getuid') else 'kernels'}"
    return str(base / f"kernels-{digest.hexdigest()[:12]}")


_FOLDER = _cache_folder()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles `function` at its first call; later processes load it from disk."""
    before, config.CACHE_DIR = config.CACHE_DIR, _FOLDER
    try:
        compiled: Callable[..., Any] = numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    finally:
        config.CACHE_DIR = before
    return compiled
