"""Write the pictures of docs/report.md: `python docs/make_screenshots.py`. Needs Chromium; --help says where to."""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from credit_wrappers import EqualSplitCritic, LLMCritic, ScriptedClient, annotate
from credit_wrappers.bench.suite import load_suite
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.report import ReportOptions, write_report
from credit_wrappers.report.replayed import with_exact

IMAGES = Path(__file__).parent / "images"
LARGE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 1180}, "device_scale_factor": 1.5}
SHOTS = {  # picture: suite, link, colours, screen, whether a second critic stands beside
    "report.png": ("duet", "#10/13/robot_1", "light", LARGE, False),
    "report-two.png": ("lbf-8x8", "#5/9/player_0", "light", LARGE, True),
    "report-dark.png": ("rware-tiny", "#3/21/robot_0", "dark", LARGE, False),
    "report-phone.png": ("duet", "#10/13/robot_1", "dark", PHONE, False),
}


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write the pictures of docs/report.md. Needs Chromium.")
    about = "where to; docs/images by default, whose pictures it overwrites"
    parser.add_argument("--out", type=Path, default=IMAGES, metavar="FOLDER", help=about)
    write_pictures(parser.parse_args(argv).out)


def write_pictures(out: Path) -> None:
    """Write all pictures to a folder."""
    out.mkdir(parents=True, exist_ok=True)
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for name, (suite, link, colours, screen, two) in SHOTS.items():
            report = made(suite, two, Path(folder))
            (out / name).write_bytes(shot(browser, report.as_uri() + link, colours, screen))
        browser.close()


def made(name: str, two: bool, folder: Path) -> Path:
    """Return a report of a suite's first twelve episodes, with exact credit where there is some."""
    suite = load_suite(name)
    episodes = suite.replay()[:12]
    labels = [
        LabelledEpisode(e, c) for e, c in zip(episodes, annotate(episodes, LLMCritic(ScriptedClient())), strict=True)
    ]
    labels, _ = with_exact(labels, suite.make_env)
    equal = annotate(episodes, EqualSplitCritic())
    others = [LabelledEpisode(e, c) for e, c in zip(episodes, equal, strict=True)] if two else []
    return write_report(labels, folder / f"{name}-{two}.html", ReportOptions(title=suite.world, compare=others))


def shot(browser: Browser, address: str, colours: Any, screen: dict[str, Any]) -> bytes:
    """Return the picture of a page as a small PNG."""
    page = browser.new_page(color_scheme=colours, **screen)
    page.goto(address)
    page.wait_for_selector("#app:not([hidden])")
    page.wait_for_timeout(800)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    small = io.BytesIO()
    picture.quantize(160, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


if __name__ == "__main__":
    main()
