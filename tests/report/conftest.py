"""A real browser, and entry points as pyproject.toml has them."""

from __future__ import annotations

import shutil

import pytest

from tests.bench.conftest import families  # noqa: F401  # environments by name, also where an older version is installed

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    """Start the browser of this machine, once for all tests; skip where there is none."""
    library = pytest.importorskip("playwright.sync_api", reason="playwright, of the extra dev, is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with library.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
