"""How large a report is, how long a browser takes to open it, and how smoothly it scrubs.

python -m tests.benchmarks.report_speed runs/<name>/report.html
python -m tests.benchmarks.report_speed            (makes reports of 20 episodes of duet, pair and rware)
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from credit_wrappers import LLMCritic, ScriptedClient, annotate
from credit_wrappers.bench.environments import make_environment
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.recording.replay import replay
from credit_wrappers.report import ReportOptions, write_report

WORLDS = ("spaceworld:duet", "spaceworld:pair", "rware:rware-tiny-2ag-easy-v2")
OPENINGS, FRAMES = 7, 300
SHOWN = "performance.getEntriesByName('report-shown')[0]?.startTime ?? 0"
# Moves the slider in every frame, to and fro over the episode, as fast as a hand can; returns the frames' times.
SCRUB = """(frames) => new Promise((done) => {
  const slider = document.querySelector(".slider");
  const last = Number(slider.max);
  const times = [];
  const frame = (now) => {
    times.push(now);
    if (times.length > frames) return done(times);
    const at = times.length % (2 * last);
    slider.value = at < last ? at : 2 * last - at;
    slider.dispatchEvent(new Event("input"));
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""


def main() -> None:
    """Print one row for each report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", nargs="*", type=Path)
    options = parser.parse_args()
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        parser.error("there is no Chromium on this machine")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        reports = options.report or [made(world, Path(folder)) for world in WORLDS]
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        print(f"{browser.browser_type.name} {browser.version}, {OPENINGS} openings, {FRAMES} frames of scrubbing")
        for report in reports:
            print(row(browser, report))
        browser.close()


def made(world: str, folder: Path) -> Path:
    """Return a report of 20 episodes of play by chance, credited by the scripted critic."""
    env, rng = make_environment(world), np.random.default_rng(0)
    episodes = []
    for seed in range(20):
        _, infos = env.reset(seed=seed)
        actions = []
        while env.agents:
            joint = {a: int(rng.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in env.agents}
            actions.append([joint[a] for a in env.possible_agents])
            *_, infos = env.step(joint)
        episodes.append(replay(env, seed, np.array(actions)))
    credits = annotate(episodes, LLMCritic(ScriptedClient()))
    labels = [LabelledEpisode(e, c) for e, c in zip(episodes, credits, strict=True)]
    return write_report(labels, folder / f"{world.partition(':')[2]}.html", ReportOptions(title=world))


def row(browser: Browser, report: Path) -> str:
    """Return what was measured of one report."""
    openings, times = [], []
    for _ in range(OPENINGS):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(report.resolve().as_uri())
        while not page.evaluate(SHOWN):
            page.wait_for_timeout(20)
        openings.append(page.evaluate(SHOWN))
        if not times:
            times = page.evaluate(SCRUB, FRAMES)
        page.close()
    apart: Any = np.diff(times)
    size, slowest = report.stat().st_size / 1e6, np.percentile(apart, 99)
    return (
        f"{report.name}: {size:.2f} MB; shown after {np.median(openings):.0f} ms (at most {max(openings):.0f}); "
        f"scrubbing {1000 / apart.mean():.1f} frames a second, {slowest:.1f} ms for the slowest hundredth"
    )


if __name__ == "__main__":
    main()
