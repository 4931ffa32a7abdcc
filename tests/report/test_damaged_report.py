"""A report that is damaged or was cut off says so in a real browser, instead of being blank or opening for ever."""

from __future__ import annotations

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright, of the extra dev, is not installed").expect


@pytest.mark.parametrize("damage", ["data", "version"])
def test_a_damaged_report_says_so_instead_of_being_blank(browser, alone, tmp_path, damage):
    page_text = alone.read_text(encoding="utf-8")
    path = tmp_path / "report.html"
    start = page_text.index('id="data">') + len('id="data">')
    if damage == "data":
        page_text = page_text[:start] + page_text[start + 40 :]
    else:
        page_text = re.sub(r'(id="data">)[^<]*', r"\1eJyrVipLLSrOzM9TslIyVaoFACUUBLg=", page_text)
    path.write_text(page_text, encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    expect(page.locator("#state")).to_contain_text("This report cannot be shown")
    page.close()


CUTS = ("<title>", "--paper: light", "</style>", "<body>", "Opening", "runs no scripts. Here", '<div id="app"',
        'id="data">', "</script>\n<script type", '<script type="module">', "const SVG", "class Viewer",
        "</script>\n</body>")  # fmt: skip


@pytest.mark.parametrize("cut", CUTS)
def test_a_report_that_was_cut_off_anywhere_says_that_it_is_incomplete(browser, alone, tmp_path, cut):
    page_text = alone.read_text(encoding="utf-8")
    assert page_text.count(cut) == 1, cut
    path = tmp_path / "report.html"
    path.write_text(page_text[: page_text.index(cut) + 3], encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    expect(page.locator("#state")).to_contain_text("the file is incomplete")
    assert "Opening" not in page.content()
    expect(page.locator("#app:not([hidden])")).to_have_count(0)
    page.close()


def test_a_report_that_lacks_its_last_line_alone_is_whole(opened, alone, tmp_path):
    page_text = alone.read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(page_text[: page_text.rindex("</script>") + 9], encoding="utf-8")
    expect(opened(tmp_path / "report.html").locator("#state")).to_be_hidden()
