"""What is installed, and under which names: pyproject.toml, MANIFEST.in and the constraints fit the source."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import credit_wrappers
import spaceworld

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
PACKAGES = ("spaceworld", "credit_wrappers", "tianshou_examples")
UNPINNED = {"ray", "flashbax"}  # large and not in the extra dev, which the constraints are made for


def plain(name: str) -> str:
    """Return a distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def tracked() -> list[str]:
    """Return the files in git."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def manifest_has(name: str) -> bool:
    """Return whether MANIFEST.in names a file."""
    for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines():
        command, *words = line.partition("#")[0].split() or [""]
        if command == "include" and any(fnmatch(name, word) for word in words):
            return True
        inside = command == "recursive-include" and name.startswith(words[0] + "/")
        if inside and any(fnmatch(Path(name).name, word) for word in words[1:]):
            return True
    return False


@pytest.mark.parametrize(
    "reference",
    [
        *PROJECT["scripts"].values(),
        *(value for group in PROJECT.get("entry-points", {}).values() for value in group.values()),
    ],
)
def test_every_command_and_entry_point_is_a_function_of_ours(reference):
    module, _, function = reference.partition(":")
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))  # not imported: it may need what is not installed here
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_extra_that_a_message_or_a_page_names_exists():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    files += [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.toml"), ROOT / "Makefile"]
    named = set()
    for path in files:
        text = path.read_text(encoding="utf-8")
        for extras in re.findall(r"(?:llm-credit-wrappers|-e [\"']?\.)\[([\w, -]+)\]", text):
            named |= {extra.strip() for extra in extras.split(",")}
        named |= set(re.findall(r"extra `(\w+)`", text))
    assert "tianshou" in named
    assert named - EXTRAS.keys() == set()


def test_everything_in_git_is_in_the_source_distribution_and_everything_beside_the_source_in_the_wheel():
    data = PYPROJECT["tool"]["setuptools"]["package-data"]
    for name in tracked():
        package, _, inside = name.partition("/")
        if package not in PACKAGES:
            assert manifest_has(name) or name == "MANIFEST.in" or name == "pyproject.toml", name
        elif not name.endswith(".py"):
            assert any(fnmatch(inside, pattern) for pattern in data.get(package, ())), name


def test_what_the_manifest_names_is_there():
    for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines():
        command, *words = line.partition("#")[0].split() or [""]
        for word in {"include": words, "recursive-include": words[:1]}.get(command, ()):
            assert list(ROOT.glob(word)), word


def test_every_package_that_we_install_has_an_exact_version_in_the_constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins)
    pinned = {plain(name) for name, _ in pins}
    assert len(pinned) == len(pins)
    wanted = [*PROJECT["dependencies"], *(requirement for extra in EXTRAS.values() for requirement in extra)]
    names = {plain(re.match(r"[\w.-]+", requirement)[0]) for requirement in wanted}
    assert names - pinned - UNPINNED == {plain(PROJECT["name"])}  # that is how an extra includes another


def test_the_version_is_written_once():
    assert PROJECT["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "credit_wrappers.__version__"}
    own = credit_wrappers.__version__
    try:
        assert spaceworld.__version__ == version(PROJECT["name"])
    except PackageNotFoundError:
        assert spaceworld.__version__ == "0+source"
    assert own not in (ROOT / "CITATION.cff").read_text(encoding="utf-8").split()
    assert re.search(rf"^## {re.escape(own)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_python_that_we_name_is_tested():
    named = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert PROJECT["requires-python"] == f">={named[0]}"
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert str(named).replace("'", '"') in workflow
    assert f"for version in {' '.join(named[1:])};" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_examples_are_installed_too():
    found = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert found == [f"{package}*" for package in PACKAGES]
    assert (ROOT / "tianshou_examples" / "experiment" / "__init__.py").exists()
