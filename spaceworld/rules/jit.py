"""The numba decorators of all kernels: compiled once, kept on disk, never stale.

Numba's own cache looks only at the file of the function that it compiles, so a kernel would keep the old code of a
kernel that it calls in another file. Here the folder of the cache is named after the contents of the kernel's module
and of every module of this package that it imports, directly or not. Other files may change without compiling anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import config

_PACKAGE = Path(__file__).parent.parent
_IMPORT = re.compile(r"^\s*(?:import|from) +([\w.]+)(?: +import +(\([^)]*\)|[^\n]*))?", re.MULTILINE)


@cache
def _imported_files(file: Path) -> frozenset[Path]:
    """Return the files of this package that a file imports by itself, by absolute imports."""
    files: set[Path] = set()
    for module, names in _IMPORT.findall(file.read_text(encoding="utf-8")):
        first, *rest = module.split(".")
        if first == _PACKAGE.name:
            at = _PACKAGE.joinpath(*rest)
            inside = (at / f"{name}.py" for name in ("__init__", *re.findall(r"\w+", names)))
            files.update(path for path in (at.with_suffix(".py"), *inside) if path.is_file())
    return frozenset(files)


@cache
def sources_of(file: Path) -> tuple[Path, ...]:
    """Return the files that a kernel in `file` may depend on: the file and all that it imports, directly or not."""
    found, queue = {file, Path(__file__)}, [file]
    while queue:
        new = _imported_files(queue.pop()) - found
        found |= new
        queue.extend(new)
    return tuple(sorted(found))


@cache
def cache_folder(file: Path) -> str:
    """Return the folder in which the compiled kernels of `file` are kept."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sources_of(file):
        digest.update(source.read_bytes())
    if config.CACHE_DIR:  # NUMBA_CACHE_DIR: the user's choice
        base = Path(config.CACHE_DIR)
    elif os.access(_PACKAGE, os.W_OK):
        base = _PACKAGE / "__pycache__"
    else:
        base = Path(tempfile.gettempdir()) / f"spaceworld-{os.getuid() if hasattr(os, 'getuid') else 'kernels'}"
    return str(base / f"kernels-{digest.hexdigest()[:12]}")


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first call; later processes load it from disk."""
    return _compiled(function, _nrt=True)  # explicit, because numba would otherwise take over a lean caller's setting


def lean_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile like `kernel` a function that makes no arrays and assigns none to a slice, for which numba may make one.

    The compiled code counts no references. Otherwise numba counts one for every slice taken, by an atomic operation on
    one word of the whole batch, which all threads share: that was a fifth of a step on one thread, more on two.
    """
    return _compiled(function, _nrt=False)


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile like `lean_kernel` a function that is inlined into the kernels that call it.

    Each array is seven numbers to a call, most of them on the stack: the calls alone were a fifth of a step.
    """
    return _compiled(function, _nrt=False, forceinline=True)


def _compiled(function: Callable[..., Any], **options: bool) -> Callable[..., Any]:
    folder = cache_folder(Path(function.__code__.co_filename))
    before, config.CACHE_DIR = config.CACHE_DIR, folder
    try:
        make = numba.njit(cache=True, error_model="numpy", nogil=True, **options)
        compiled: Callable[..., Any] = make(function)
    finally:
        config.CACHE_DIR = before
    return compiled
