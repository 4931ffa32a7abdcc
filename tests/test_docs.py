"""The documentation tells the truth: its code runs, its facts fit the code, its links lead somewhere."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from spaceworld import PRESETS, spaceworld_v0
from spaceworld.env import SpaceworldEnv
from tianshou_examples.experiment.settings import OWN_CRITICS, Settings, critics

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_python_block_runs(page: Path, tmp_path: Path) -> None:
    blocks = [b for b in BLOCK.findall(page.read_text(encoding="utf-8")) if "import" in b]
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
            env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_and_picture_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_readme_has_exactly_two_set_up_commands_of_one_line() -> None:
    commands = re.findall(r"^python3\.11 .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 2
    assert "tianshou_examples.train" in commands[0] and "pytest" in commands[1]
    assert all("-c constraints.txt" in c for c in commands)


def test_the_environment_page_is_the_module_docstring_and_its_facts_fit_the_code() -> None:
    page = (ROOT / "docs" / "spaceworld.md").read_text(encoding="utf-8")
    text = spaceworld_v0.__doc__ or ""
    assert text.strip() in page
    for name, scenario in PRESETS.items():
        env = SpaceworldEnv(name)
        (features,) = env.observation_space("robot_0").shape
        (line,) = re.findall(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        assert cells[0] == f"{scenario.height}x{scenario.width}"
        count = re.match(r"\d+", cells[3])
        assert count and (int(cells[1]), int(count[0])) == (len(scenario.robots), len(scenario.modules))
        assert (int(cells[2]), int(cells[5])) == (features, scenario.horizon)
        assert not re.search("TODO", line)


def test_the_training_page_names_every_option_and_every_critic() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    options = [f.name for f in fields(Settings) if "help" in f.metadata]
    assert not [name for name in options if f"`--{name.replace('_', '-')}" not in page]
    assert {*OWN_CRITICS, "equal", "shared"} <= set(critics())
    assert not [name for name in critics() if f"`{name}`" not in page]


@pytest.mark.parametrize("package", ["credit_wrappers", "spaceworld"])
def test_the_reference_has_everything_that_a_package_offers(package: str) -> None:
    offered = {f"{package}.{name}" for name in importlib.import_module(package).__all__}
    assert offered and not offered - set(_referenced())


def test_everything_in_the_reference_exists_once() -> None:
    names = _referenced()
    assert len(names) == len(set(names))
    for name in names:
        module, _, item = name.rpartition(".")
        assert hasattr(importlib.import_module(module), item), name


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = [
        target
        for page in tmp_path.rglob("*.html")
        for target in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="?(https?://[^"> ]+)', page.read_text("utf-8"))
    ]
    assert not loaded, "the site loads from elsewhere"


def _referenced() -> list[str]:
    return [name for page in REFERENCE for name in re.findall(r"^::: ([\w.]+)$", page.read_text("utf-8"), re.MULTILINE)]
