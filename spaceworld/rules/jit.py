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

_HERE = Path(__file__).parent.parent
_SOURCES = (
    "rules/jit.py",
    "rules/packing.py",
    "rules/kernel.py",
    "observations/large_teams.py",
    "observations/feature_vector.py",
    "observations/image.py",
    "rules/generator.py",
    "thread_pool.py",
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
    return _compiled(function, _nrt=True)  # said outright, or a lean caller's setting would be taken over


def lean_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`kernel` for a function that makes no arrays (nor assigns one to a slice, for which numba may make one).

    It counts no references. Otherwise numba counts one for every slice taken, by an atomic operation on one word of the
    whole batch, which threads even pass to and fro: that was a fifth of a step on one thread, more on two.
    """
    return _compiled(function, _nrt=False)


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A `lean_kernel` that is pasted into the kernels that call it.

    Each array is seven numbers to a call, most of them on the stack: the calls alone were a fifth of a step.
    """
    return _compiled(function, _nrt=False, forceinline=True)


def _compiled(function: Callable[..., Any], **options: bool) -> Callable[..., Any]:
    before, config.CACHE_DIR = config.CACHE_DIR, _FOLDER
    try:
        make = numba.njit(cache=True, error_model="numpy", nogil=True, **options)
        compiled: Callable[..., Any] = make(function)
    finally:
        config.CACHE_DIR = before
    return compiled
