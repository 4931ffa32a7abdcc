"""The numba decorators of all kernels: compiled once, kept on disk, never stale.

Numba's own cache looks only at the file of the function that it compiles, so a kernel would keep the old code of a
kernel that it calls in another file, and old constants. Here the folder of the cache is named after the contents of
the kernel's module and of all that it imports (see `sources_of`). When another file changes, nothing is compiled again.

Loading a kernel from disk runs what is in the file, so no folder is used into which somebody else could write, unless
the user chose it. Where there is no folder, kernels are compiled in every process.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from multiprocessing import current_process
from pathlib import Path
from typing import Any

import numba
from numba import config

_PACKAGE = Path(__file__).parent.parent
_IMPORT = re.compile(r"^\s*(?:import|from) +(\.*)([\w.]*)(?: +import +(\([^)]*\)|[^\n]*))?", re.MULTILINE)


@cache
def _imported_files(file: Path) -> frozenset[Path]:
    """Return the files that a file imports by itself: of its own package, of this one, and of those beside them."""
    files: set[Path] = set()
    for dots, module, names in _IMPORT.findall(file.read_text(encoding="utf-8")):
        folders = [file.parents[len(dots) - 1]] if dots else [_root(file), _PACKAGE.parent]
        for folder in folders:
            at = folder.joinpath(*module.split("."))
            inside = (at / f"{name}.py" for name in ("__init__", *re.findall(r"\w+", names)))
            files.update(path for path in (Path(f"{at}.py"), *inside) if path.is_file())
    return frozenset(files)


def _root(file: Path) -> Path:
    """Return the folder that holds a file's outermost package, or the file itself if it is in no package."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


@cache
def sources_of(file: Path) -> tuple[Path, ...]:
    """Return the files that a kernel in `file` may depend on, the file among them.

    They are what it imports from this package and from its own, directly or not, and what these files import from
    packages that lie beside them: constants, which a kernel keeps as they were when it was compiled.
    """
    root = _root(file)
    followed = (_PACKAGE, root / file.relative_to(root).parts[0])
    found, queue = {file, Path(__file__)}, [file]
    while queue:
        new = _imported_files(queue.pop()) - found
        found |= new
        queue.extend(path for path in new if any(path.is_relative_to(package) for package in followed))
    return tuple(sorted(found))


@cache
def cache_base() -> Path | None:
    """Return the folder that holds the folders of all kernels; None, with a warning, where there is none to write to.

    It is NUMBA_CACHE_DIR, if set. Else it is where Python keeps the compiled files of this package, or a folder in the
    temporary directory that belongs to this user alone.
    """
    faults = []
    for find in (_chosen,) if config.CACHE_DIR else (_beside_bytecode, _temporary):
        try:
            folder = find()
            tempfile.TemporaryFile(dir=folder).close()
            return folder
        except OSError as error:
            faults.append(str(error))
    if current_process().name == "MainProcess":  # workers do not say it again
        warnings.warn(
            f"compiled kernels are kept nowhere, so every process compiles them again: {'; '.join(faults)}. Set "
            "NUMBA_CACHE_DIR to a folder into which only you can write",
            RuntimeWarning,
            stacklevel=2,
        )
    return None


def _chosen() -> Path:
    folder = Path(config.CACHE_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _beside_bytecode() -> Path:
    folder = Path(cache_from_source(str(_PACKAGE / "__init__.py"))).parent  # heeds PYTHONPYCACHEPREFIX
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _temporary() -> Path:
    if not hasattr(os, "getuid"):  # Windows, where the temporary directory is the user's own
        folder = Path(tempfile.gettempdir()) / "spaceworld-kernels"
        folder.mkdir(exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir()) / f"spaceworld-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()  # of a link itself
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is not a folder into which only this user can write")
    return folder


@cache
def cache_folder(file: Path) -> str | None:
    """Return the folder in which the compiled kernels of `file` are kept; None for nowhere."""
    base = cache_base()
    if base is None:
        return None
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sources_of(file):
        digest.update(source.read_bytes())
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
    if config.DISABLE_JIT:
        return function
    folder = cache_folder(Path(function.__code__.co_filename))
    before, config.CACHE_DIR = config.CACHE_DIR, folder or config.CACHE_DIR
    try:
        make = numba.njit(cache=folder is not None, error_model="numpy", nogil=True, **options)
        compiled: Callable[..., Any] = make(function)
    finally:
        config.CACHE_DIR = before
    return compiled
