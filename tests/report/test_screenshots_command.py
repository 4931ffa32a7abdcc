"""`docs/make_screenshots.py`: its command line. The pictures themselves are made by hand, with a browser."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright, of the extra dev, is not installed")
SCRIPT = Path(__file__).parents[2] / "docs" / "make_screenshots.py"


def refuse_browser() -> None:
    raise AssertionError("a browser was started")


@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("--hlep", 2), ("folder", 2)])
def test_help_and_wrong_words_make_no_picture(word, code, monkeypatch, capsys):
    monkeypatch.setattr("playwright.sync_api.sync_playwright", refuse_browser)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), word])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == code
    assert "--out" in "".join(capsys.readouterr())


def test_pictures_go_to_the_folder_that_is_named(monkeypatch, tmp_path):
    script = runpy.run_path(str(SCRIPT))
    written: dict[str, object] = {}
    monkeypatch.setitem(script["main"].__globals__, "write_pictures", lambda folder: written.update(folder=folder))
    script["main"](["--out", str(tmp_path / "pictures")])
    assert written["folder"] == tmp_path / "pictures"
    script["main"]([])
    assert written["folder"] == SCRIPT.parent / "images"
