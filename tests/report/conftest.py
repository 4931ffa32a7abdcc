"""A real browser, and entry points as pyproject.toml has them."""

from __future__ import annotations

import shutil
import time

import pytest

from credit_wrappers.report import ReportOptions, write_report
from tests.bench.conftest import families  # noqa: F401  # environments by name, also where an older version is installed
from tests.report.labelled import duets

NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT = 30  # seconds, at most, for what an action changes: tests may share the processor with many
SHOWN = "performance.getEntriesByName('report-shown').length > 0 || document.querySelector('.state.failed') !== null"


def becomes(page, condition):
    """Wait until a condition holds; the page's policy forbids Playwright's own way, which evaluates a text in it."""
    until = time.monotonic() + WAIT
    while not page.evaluate(condition):
        assert time.monotonic() < until, condition
        page.wait_for_timeout(20)


@pytest.fixture(scope="session")
def browser():
    """Start the browser of this machine, once for all tests; skip where there is none."""
    library = pytest.importorskip("playwright.sync_api", reason="playwright, of the extra dev, is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    library.expect.set_options(timeout=WAIT * 1000)
    with library.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the path of a report of one critic."""
    return write_report(duets(3), tmp_path_factory.mktemp("page") / "report.html", ReportOptions(title="Duets"))


@pytest.fixture
def opened(browser):
    """Return a function that opens a report; afterwards nothing may have been said or asked for."""
    contexts, said, asked = [], [], []

    def open_page(path, link="", **options):
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT * 1000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + link)
        becomes(page, SHOWN)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert {url for url in asked if not url.startswith(("file:", "data:", "blob:"))} == set()
    assert len([url for url in asked if url.startswith("file:")]) <= len(contexts), "no file beside the report is read"
