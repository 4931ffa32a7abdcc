"""The rules of the house hold, and each of them can fail. The rooms and their order are in `tests/architecture.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import (
    NAMED_IN_STRINGS,
    House,
    circle,
    files_at_the_root,
    imports_upward,
    long_files,
    named_in_strings,
    names_twice,
    read_house,
    rooms_without_a_place,
    small_descriptions,
    texts_of_the_locale,
)

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def house() -> House:
    """Return the packages of this repository."""
    return read_house(ROOT)


@pytest.fixture
def made_up(tmp_path):
    """Return a function that writes a small house: file name -> text."""

    def make(files: dict[str, str]) -> House:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return read_house(tmp_path)

    return make


def test_no_modules_import_each_other_in_a_circle(house):
    assert circle(house) == []


def test_no_import_goes_upward_or_into_a_package_that_must_not_be_known(house):
    assert list(imports_upward(house)) == []


def test_every_room_has_its_place_in_the_order(house):
    assert rooms_without_a_place(house) == set()


def test_no_module_is_imported_by_a_string_but_for_the_listed_reasons(house):
    found = {string for _, string in named_in_strings(house)}
    assert [(module, s) for module, s in named_in_strings(house) if s not in NAMED_IN_STRINGS] == []
    assert NAMED_IN_STRINGS.keys() - found == set(), "these exceptions are no longer needed"


def test_no_public_class_and_no_file_has_the_name_of_another(house):
    assert list(names_twice(house)) == []


def test_no_python_file_is_too_long():
    assert list(long_files(ROOT)) == []


def test_only_rooms_lie_at_the_root_of_credit_wrappers():
    assert files_at_the_root(ROOT) == set()


def test_descriptions_in_docstrings_begin_with_a_capital_letter(house):
    assert list(small_descriptions(house)) == []


def test_text_files_are_utf_8_in_every_locale(house):
    # `archive.open(name, "w")` of a zip file takes bytes
    assert [call for call in texts_of_the_locale(house) if not call.startswith("credit_wrappers.cli.export")] == []


@pytest.mark.parametrize(
    "text",
    [
        "from credit_wrappers.core import b",
        "from . import b",
        "from .b import X",
        "import credit_wrappers.core.b",
        "def f():\n    from credit_wrappers.core.b import X",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..core.b import X",
    ],
)
def test_a_circle_is_found_however_the_import_is_written(made_up, text):
    files = {"credit_wrappers/core/a.py": text, "credit_wrappers/core/b.py": "from credit_wrappers.core.a import Y"}
    assert set(circle(made_up(files))) == {"credit_wrappers.core.a", "credit_wrappers.core.b"}
    assert circle(made_up({**files, "credit_wrappers/core/b.py": ""})) == []


@pytest.mark.parametrize(
    ("importer", "name"),
    [
        ("credit_wrappers/core/a.py", "credit_wrappers.llm.client"),
        ("credit_wrappers/core/a.py", "credit_wrappers"),
        ("credit_wrappers/wrappers/a.py", "credit_wrappers.cli.main"),
        ("credit_wrappers/cli/a.py", "credit_wrappers.adapters.lbf"),
        ("credit_wrappers/cli/a.py", "credit_wrappers.wrappers.overlay"),
        ("credit_wrappers/new/a.py", "credit_wrappers.llm.client"),
        ("credit_wrappers/core/a.py", "spaceworld.env"),
        ("credit_wrappers/core/a.py", "tests.drawing"),
        ("spaceworld/presets.py", "spaceworld.env"),
        ("spaceworld/env.py", "credit_wrappers.llm.client"),
        ("spaceworld/env.py", "torch"),
        ("tianshou_examples/experiment/a.py", "tianshou_examples.train"),
        ("tianshou_examples/mca.py", "tianshou_examples.train"),
        ("tianshou_examples/train.py", "tests.drawing"),
    ],
)
def test_an_import_upward_is_found(made_up, importer, name):
    rooms = ("llm/client", "cli/main", "adapters/lbf", "wrappers/overlay", "__init__")
    files = {f"credit_wrappers/{room}.py": "" for room in rooms}
    files |= {"spaceworld/env.py": "", "tianshou_examples/train.py": "", importer: f"def f():\n    import {name}"}
    (fault,) = imports_upward(made_up(files))
    assert f" imports {name.removesuffix('.drawing')}: " in fault


def test_imports_downward_and_of_the_root_are_allowed(made_up):
    files = {
        "credit_wrappers/__init__.py": "from credit_wrappers.wrappers.a import A",
        "credit_wrappers/__main__.py": "from credit_wrappers.cli.main import main",
        "credit_wrappers/cli/main.py": "from credit_wrappers.core.b import B",
        "credit_wrappers/wrappers/a.py": "import torch\nfrom credit_wrappers.core.b import B",
        "credit_wrappers/core/b.py": "",
        "tianshou_examples/train.py": "import credit_wrappers, tianshou_examples.experiment.c",
        "tianshou_examples/experiment/c.py": "import spaceworld",
    }
    assert list(imports_upward(made_up(files))) == []


def test_a_room_without_a_place_is_found(made_up):
    assert rooms_without_a_place(made_up({"credit_wrappers/new/a.py": ""})) == {"credit_wrappers.new"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("import_module('spaceworld')", "spaceworld"),
        ("importlib.import_module('.env', __package__)", ".env"),
        ("__import__(f'spaceworld.{name}')", "spaceworld."),
        ("pkgutil.resolve_name('spaceworld' + name)", "spaceworld"),
        ("TRAINED = 'spaceworld.env'", "spaceworld.env"),
        ("POLICY = 'spaceworld.env:make'", "spaceworld.env:make"),
        ("'a docstring names spaceworld.env'\nx = 'see spaceworld.env', 'spaceworld', 'spaceworld.unknown'", None),
        ("'spaceworld.env'\nimport_module('torch')", None),
    ],
)
def test_a_module_named_in_a_string_is_found(made_up, text, named):
    house = made_up({"spaceworld/__init__.py": "", "spaceworld/env.py": "", "spaceworld/app/a.py": text})
    assert {string for _, string in named_in_strings(house)} == ({named} if named else set())


def test_a_name_that_occurs_twice_is_found(made_up):
    house = made_up({"spaceworld/app/a.py": "class Team: ...\nclass _T: ...", "spaceworld/text/a.py": "class _T: ..."})
    assert list(names_twice(house)) == ["spaceworld: file a.py in spaceworld.app.a, spaceworld.text.a"]
    house = made_up(
        {"spaceworld/text/a.py": "", "spaceworld/text/b.py": "class Team: ...", "spaceworld/b/__init__.py": ""}
    )
    assert "spaceworld: class Team in spaceworld.app.a, spaceworld.text.b" in list(names_twice(house))


def test_a_file_that_is_too_long_and_one_at_the_wrong_place_are_found(made_up, tmp_path):
    made_up({"credit_wrappers/long.py": "\n" * 401, "tests/short.py": "\n" * 400, "credit_wrappers/py.typed": ""})
    assert list(long_files(tmp_path)) == ["credit_wrappers/long.py: 401 lines"]
    assert files_at_the_root(tmp_path) == {"long.py"}


def test_a_description_that_begins_with_a_small_letter_is_found(made_up):
    text = '''
def f(a, b):
    """Return nothing.

    Args:
        a: Is described: well,
            on two lines: both.
        b: as it should not be.
    """
'''
    (fault,) = small_descriptions(made_up({"spaceworld/env.py": text}))
    assert fault == "spaceworld.env.f: Args: b: as it should not be."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("path.write_text(text)", True),
        ("path.read_text(encoding='utf-8')", False),
        ("open(name, 'w')", True),
        ("open(name)", True),
        ("open('a.txt', 'rb')", False),
        ("path.open('x', encoding='utf-8')", False),
        ("path.open('rb')", False),
        ("store.open()", False),
        ("source.open(k)", False),
    ],
)
def test_a_text_file_in_the_locales_encoding_is_found(made_up, text, found):
    assert bool(list(texts_of_the_locale(made_up({"spaceworld/env.py": text})))) == found
