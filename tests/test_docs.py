"""The documentation tells the truth: its code runs, its facts fit the code, its links lead somewhere."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
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
IMPORTED = re.compile(r"^(?:from|import) ([\w.]+)", re.MULTILINE)


# Imports once what the blocks import, and loads once what Spaceworld and Tianshou compile, which takes longer than most
# of them, and runs each block in a fork of that.
RUNNER = """
import contextlib, importlib, json, multiprocessing, os, signal, sys

def run(folder, block):
    os.chdir(folder)
    for stream, name in ((1, os.devnull), (2, "errors.txt")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), stream)
    signal.alarm(120)
    exec(compile(block, "block", "exec"), {"__name__": "__main__"})

def load_compiled():
    import spaceworld.env, tianshou.data, tianshou_examples.experiment.learners
    tianshou_examples.experiment.learners.cache_compiled()
    tianshou.data.VectorReplayBuffer(2, 2)
    env = spaceworld.env.SpaceworldEnv("duet")
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 0))

multiprocessing.set_start_method("fork")
for name in json.loads(sys.stdin.readline()):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
with contextlib.suppress(ImportError):
    load_compiled()
for line in sys.stdin:
    process = multiprocessing.Process(target=run, args=json.loads(line))
    process.start()
    process.join()
    print(process.exitcode, flush=True)
"""


def blocks_of(page: Path) -> list[str]:
    return [block for block in BLOCK.findall(page.read_text(encoding="utf-8")) if "import" in block]


@pytest.fixture(scope="module")
def runner() -> Iterator[subprocess.Popen[str]]:
    """A process that runs the code of each line that it reads, and prints the exit status."""
    # the first optimizer of a process imports torch._dynamo
    imported = {name for page in PAGES for block in blocks_of(page) for name in IMPORTED.findall(block)}
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        assert process.stdin
        print(json.dumps([*sorted(imported), "torch._dynamo"]), file=process.stdin, flush=True)
        yield process


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_python_block_runs(page: Path, tmp_path: Path, runner: subprocess.Popen[str]) -> None:
    assert runner.stdin and runner.stdout
    for block in blocks_of(page):
        print(json.dumps([str(tmp_path), block]), file=runner.stdin, flush=True)
        assert runner.stdout.readline() == "0\n", (tmp_path / "errors.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_and_picture_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_results_are_one_page_that_leads_to_every_page_of_details() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert len(page.split()) <= 1_700, "ten minutes of reading"
    details = sorted((ROOT / "docs" / "results").glob("*.md"))
    assert details and not [detail.name for detail in details if f"(results/{detail.name})" not in page]


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


def test_each_data_set_of_the_page_about_them_has_a_path_of_its_own() -> None:
    page = (ROOT / "docs" / "dataset.md").read_text(encoding="utf-8")
    out = re.findall(r"--out (\S+)", page) + re.findall(r'dataset\.save\("([^"]+)"', page)
    assert len(out) > 5 and len(out) == len(set(out))


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
