"""Entry points as pyproject.toml has them, also where what is installed is older."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from credit_wrappers.bench import environments

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture(autouse=True, scope="session")
def families():
    """Register the families of environments, and a broken one."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    registered = {**project["entry-points"][environments.GROUP], "broken": "credit_wrappers.nowhere:make"}
    found = EntryPoints(EntryPoint(name, value, environments.GROUP) for name, value in registered.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environments, "entry_points", lambda **wanted: found.select(**wanted))
        yield
