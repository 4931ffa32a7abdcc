"""Writes docs/spaceworld.md from the module docstring, and its pictures: `python docs/make_pages.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from spaceworld import PRESETS, spaceworld_v0
from spaceworld.app.command import main as record
from spaceworld.planner import policy
from spaceworld.render.pixels import Painter

HERE = Path(__file__).parent
SIDE = 480  # pixels of one preset in the picture of all


def main() -> None:
    """Regenerates both."""
    text = (spaceworld_v0.__doc__ or "").strip()
    picture = f"![The eight presets: {', '.join(PRESETS)}](images/presets.png)"
    film = "![The scripted team at work on crew](images/crew.gif)\n\n"
    film += "`python -m spaceworld record crew.gif --scenario crew --seed 3 --smooth 1`"
    (HERE / "spaceworld.md").write_text(f"{text}\n\n{picture}\n\n{film}\n", encoding="utf-8")
    record(["record", str(HERE / "images" / "crew.gif"), "--scenario", "crew", "--seed", "3", "--smooth", "1"])
    pictures = []
    for k, name in enumerate(PRESETS):
        env = spaceworld_v0.parallel_env(scenario=name)
        env.reset(seed=5 + k)
        act = policy(env)
        for _ in range(6 if len(env.agents) > 3 else 0):  # the large ones at work
            env.step(act())
        frame = Image.fromarray(Painter(height=720, panel=False).paint(env.scene()))
        pictures.append(np.asarray(frame.resize((SIDE, SIDE), Image.Resampling.LANCZOS)))
    rows = [np.concatenate(pictures[k : k + 4], axis=1) for k in (0, 4)]
    (HERE / "images").mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(HERE / "images" / "presets.png", optimize=True)


if __name__ == "__main__":
    main()
