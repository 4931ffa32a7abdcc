"""A compiled kernel is compiled again when any file that it depends on changes, and only then."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from numba import config
from numba.core.registry import CPUDispatcher

import spaceworld
from spaceworld.rules import jit
from spaceworld.rules.jit import cache_folder, sources_of
from tianshou_examples.experiment import compiled_rules, compiled_ways, ways

PACKAGE = Path(spaceworld.__file__).parent
PACKAGES = ("spaceworld", "credit_wrappers", "tianshou_examples")
MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(spaceworld.__path__, "spaceworld.")
    if not found.name.endswith("__main__") and ".render" not in found.name and ".app" not in found.name
]
MODULES += [compiled_rules, compiled_ways, ways]  # the only ones elsewhere


def kernels_of(module: ModuleType) -> list[CPUDispatcher]:
    """The compiled functions that a module defines."""
    found = [value for value in vars(module).values() if isinstance(value, CPUDispatcher)]
    return [value for value in found if value.py_func.__module__ == module.__name__]


def origins(module: ModuleType) -> dict[str, Path]:
    """For each name that a module imports from our packages, the file that it comes from; by Python's own parser."""
    files: dict[str, Path] = {}
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            source = importlib.import_module(str(node.module))
            for alias in node.names:
                value = getattr(source, alias.name)
                file = (value if isinstance(value, ModuleType) else source).__file__
                files[alias.asname or alias.name] = Path(str(file))
    return files


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_whatever_a_kernel_uses_is_among_its_sources() -> None:
    checked = 0
    for module in MODULES:
        imported = origins(module)
        for kernel in kernels_of(module):
            used = {imported[name] for name in kernel.py_func.__code__.co_names if name in imported}
            sources = sources_of(Path(str(module.__file__)))
            assert used | {Path(str(module.__file__)), PACKAGE / "rules" / "jit.py"} <= set(sources), kernel
            for file in (file for file in used if file.is_relative_to(PACKAGE)):  # and what that one depends on
                assert set(sources_of(file)) <= set(sources), kernel
            assert kernel._cache.cache_path.startswith(cache_folder(Path(str(module.__file__)))), kernel
            checked += 1
    assert checked > 70


def test_no_other_module_compiles_kernels() -> None:
    files = [path for package in PACKAGES for path in (PACKAGE.parent / package).rglob("*.py")]
    found = {path for path in files if "rules.jit import" in path.read_text(encoding="utf-8")}
    assert found - {Path(str(module.__file__)) for module in MODULES} == set()


def test_the_sources_are_found_however_they_are_imported(tmp_path: Path) -> None:
    files = {
        "robots/kernels.py": "from .parts.grip import grip\nfrom . import numbers\nfrom robots.far import FAR\n"
        "from critic.worth import DOCK",
        "robots/parts/grip.py": "from ..sizes import (\n    WIDTH,\n)",
        "robots/sizes.py": "WIDTH = 1",
        "robots/numbers.py": "ONE = 1",
        "robots/far.py": "FAR = 2",
        "robots/unused.py": "",
        "critic/worth.py": "from critic.other import X\nDOCK = 200",
        "critic/other.py": "X = 1",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text, encoding="utf-8")
    found = sources_of(tmp_path / "robots" / "kernels.py")
    names = {str(path.relative_to(tmp_path)) for path in found if path.is_relative_to(tmp_path)}
    expected = files.keys() - {"robots/unused.py", "critic/other.py"}  # of another package, one step far
    assert {name for name in names if not name.endswith("__init__.py")} == expected


def folders(copy: Path) -> dict[str, str]:
    """The cache folders of two modules of a copy of the package, seen by a fresh process."""
    code = (
        "from pathlib import Path; from spaceworld.rules.jit import cache_folder; import spaceworld;"
        "at = Path(spaceworld.__file__).parent;"
        "print(*(cache_folder(at / name) for name in ('batch.py', 'planner/search.py')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=copy)
    return dict(zip(("batch", "search"), done.stdout.split(), strict=True))


def test_a_change_renames_the_cache_of_the_kernels_that_depend_on_it_and_no_other(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "spaceworld", ignore=shutil.ignore_patterns("__pycache__"))
    before = folders(tmp_path)
    changed = {}
    for name in ("rules/packing.py", "observations/large_teams.py", "planner/keys.py", "render/panel.py"):
        with (tmp_path / "spaceworld" / name).open("a", encoding="utf-8") as file:
            file.write("\n# changed\n")
        after = folders(tmp_path)
        changed[name] = {module for module in after if after[module] != before[module]}
        before = after
    assert changed == {
        "rules/packing.py": {"batch", "search"},
        "observations/large_teams.py": {"batch"},
        "planner/keys.py": {"search"},
        "render/panel.py": set(),
    }


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The package cannot keep its kernels beside its files: something is in the way. The temporary directory is new."""
    for name in ("package", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "package" / "__pycache__").write_text("in the way", encoding="utf-8")
    monkeypatch.setattr(jit, "_PACKAGE", tmp_path / "package")
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    own = tmp_path / "tmp" / f"spaceworld-{os.getuid()}"
    return {"package": tmp_path / "package", "own": own, "all": tmp_path}


def base() -> Path | None:
    """Where kernels would be kept, found again."""
    return jit.cache_base.__wrapped__()


def test_kernels_are_kept_beside_pythons_compiled_files(places: dict[str, Path], monkeypatch: Any) -> None:
    (places["package"] / "__pycache__").unlink()
    assert base() == places["package"] / "__pycache__"
    monkeypatch.setattr(sys, "pycache_prefix", str(places["all"] / "prefix"))
    assert base() == places["all"] / "prefix" / places["package"].relative_to("/")
    monkeypatch.setattr(config, "CACHE_DIR", str(places["all"] / "new" / "chosen"))
    assert base() == places["all"] / "new" / "chosen"
    assert not places["own"].exists()


def test_where_the_package_cannot_be_written_to_the_folder_is_this_users_alone(places: dict[str, Path]) -> None:
    assert base() == base() == places["own"]  # made, then found
    assert stat.S_IMODE(places["own"].stat().st_mode) == 0o700


def to_all(own: Path) -> None:
    own.mkdir()
    own.chmod(0o777)


def to_the_group(own: Path) -> None:
    own.mkdir()
    own.chmod(0o770)


def a_link(own: Path) -> None:
    (own.parent / "elsewhere").mkdir(mode=0o700)
    own.symlink_to(own.parent / "elsewhere")


def a_file(own: Path) -> None:
    own.write_text("", encoding="utf-8")


@pytest.mark.parametrize("made", [to_all, to_the_group, a_link, a_file])
def test_a_folder_into_which_others_could_write_is_not_used(
    places: dict[str, Path], made: Callable[[Path], None]
) -> None:
    made(places["own"])
    with pytest.warns(RuntimeWarning, match=rf"compiles them again: .*__pycache__.*; {places['own']} is not a folder"):
        assert base() is None


def test_a_folder_of_somebody_else_is_not_used(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    places["own"].mkdir(mode=0o700)
    user = os.getuid() + 1
    places["own"].rename(places["own"].with_name(f"spaceworld-{user}"))
    monkeypatch.setattr(os, "getuid", lambda: user)
    with pytest.warns(RuntimeWarning, match=f"spaceworld-{user} is not a folder into which only this user can write"):
        assert base() is None


def test_a_missing_temporary_directory_is_no_error(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(places["all"] / "nowhere"))
    with pytest.warns(RuntimeWarning, match="nowhere"):
        assert base() is None


PROGRAM = """
import multiprocessing
import numpy as np
from spaceworld.rules import lookup, packing

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # the worker imports this file, too
        pool.apply(int)
    print(lookup.shifted(np.arange(packing.H_NEXT + 50), 5, 3) - packing.H_NEXT)
"""


@pytest.mark.parametrize("usable", [True, False])
def test_an_unusable_chosen_folder_is_said_once_and_kernels_work(tmp_path: Path, usable: bool) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "run.py").write_text(PROGRAM, encoding="utf-8")
    chosen = tmp_path / ("folder" if usable else "file") / "cache"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(chosen), "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, str(tmp_path / "run.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["33"]
    assert done.stderr.count("RuntimeWarning: compiled kernels are kept nowhere") == (0 if usable else 1)
    assert bool(list(tmp_path.rglob("*.nbc"))) == usable
