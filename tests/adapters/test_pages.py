"""The pages of the adapters are their module docstrings, and the facts in them fit the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from credit_wrappers.adapters import lbf, rware

DOCS = Path(__file__).parent.parent.parent / "docs"
ADAPTERS = DOCS.parent / "credit_wrappers" / "adapters"
NAMES = sorted({file.stem for file in ADAPTERS.glob("*.py")} & {page.stem for page in DOCS.glob("*.md")})


def test_every_adapter_has_its_page() -> None:
    narrated = {file.stem.removesuffix("_narrator") for file in ADAPTERS.glob("*_narrator.md")}
    assert narrated == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_the_docstring(name: str) -> None:
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert (importlib.import_module(f"credit_wrappers.adapters.{name}").__doc__ or "").strip() in page


@pytest.mark.parametrize("name", NAMES)
def test_the_actions_of_the_page_are_those_of_the_code(name: str) -> None:
    module, narrator = (importlib.import_module(f"credit_wrappers.adapters.{name}{part}") for part in ("", "_narrator"))
    numbered = {}
    for numbers, names in re.findall(r"^\| ([\d, ]+) \| ([a-z, ]+) \|", module.__doc__ or "", re.MULTILINE):
        numbered.update(zip(map(int, numbers.split(", ")), names.split(", "), strict=True))
    assert numbered == dict(enumerate(narrator.ACTIONS))


def test_the_shapes_of_the_pages_are_those_of_the_code() -> None:
    for sight, bits in ((1, 0), (2, 3)):
        env = rware.parallel_env("rware-tiny-2ag-v2", sensor_range=sight, msg_bits=bits)
        assert env.observation_space("robot_0").shape == (8 + (2 * sight + 1) ** 2 * (7 + bits),)
        assert env.action_space("robot_0").shape == (() if bits == 0 else (1 + bits,))
    assert lbf.parallel_env("Foraging-8x8-4p-3f-v3").observation_space("player_0").shape == (3 * 3 + 3 * 4,)
    grid = lbf.parallel_env("Foraging-grid-3s-8x8-2p-3f-v3")
    assert grid.observation_space("player_0").shape == (3, 7, 7)
    assert rware.parallel_env("rware-img-2s-tiny-8h-2ag-v2").observation_space("robot_0").shape == (5, 5, 5)


@pytest.mark.parametrize("module", [lbf, rware])
def test_every_argument_of_the_page_is_taken(module: ModuleType) -> None:
    text = (module.__doc__ or "").split("each can be overridden: ")[1].split("render_mode")[0]
    named = set(re.findall(r"`([a-z_]+)`", text.split(";")[0]))
    from lbforaging.foraging import ForagingEnv
    from rware.warehouse import Warehouse

    library = ForagingEnv if module is lbf else Warehouse
    arguments = set(library.__init__.__code__.co_varnames[1 : library.__init__.__code__.co_argcount])
    assert named == arguments - {"render_mode"}
