"""A compiled kernel is compiled anew when any file that it depends on changes, and only then."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from numba import config
from numba.core.registry import CPUDispatcher

import spaceworld
from spaceworld.rules.jit import cache_folder, sources_of

PACKAGE = Path(spaceworld.__file__).parent
MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(spaceworld.__path__, "spaceworld.")
    if not found.name.endswith("__main__") and ".render" not in found.name and ".app" not in found.name
]


def kernels_of(module: ModuleType) -> list[CPUDispatcher]:
    """The compiled functions that a module defines."""
    found = [value for value in vars(module).values() if isinstance(value, CPUDispatcher)]
    return [value for value in found if value.py_func.__module__ == module.__name__]


def origins(module: ModuleType) -> dict[str, Path]:
    """For each name that a module imports from this package, the file that it comes from; by Python's own parser."""
    files: dict[str, Path] = {}
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "spaceworld":
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
            for file in used:  # and what that one depends on
                assert set(sources_of(file)) <= set(sources), kernel
            assert kernel._cache.cache_path.startswith(cache_folder(Path(str(module.__file__)))), kernel
            checked += 1
    assert checked > 70


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
