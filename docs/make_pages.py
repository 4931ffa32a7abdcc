"""Write the pages of the environments from their module docstrings, and the pictures: `python docs/make_pages.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from credit_wrappers.adapters import lbf, rware
from spaceworld import PRESETS, spaceworld_v0
from spaceworld.app.command import main as record
from spaceworld.planner import policy
from spaceworld.render.pixels import Painter

HERE = Path(__file__).parent
SIDE, ACROSS = 480, 4  # in the picture of all presets: pixels of each, presets in a row


def main() -> None:
    """Write all pages and pictures."""
    adapter_pages()
    text = (spaceworld_v0.__doc__ or "").strip()
    picture = f"![The presets: {', '.join(PRESETS)}](images/presets.png)"
    film = "![The scripted team at work on crew](images/crew.gif)\n\n"
    film += "`spaceworld record crew.gif crew --seed 3 --smooth 1`"
    (HERE / "spaceworld.md").write_text(f"{text}\n\n{picture}\n\n{film}\n", encoding="utf-8")
    record(["record", str(HERE / "images" / "crew.gif"), "--scenario", "crew", "--seed", "3", "--smooth", "1"])
    pictures = []
    for k, name in enumerate(PRESETS):
        env = spaceworld_v0.parallel_env(scenario=name)
        env.reset(seed=5 + k)
        act = policy(env)
        for _ in range(6 if len(env.agents) > 3 else 0):  # in large presets, the team at work
            env.step(act())
        frame = Image.fromarray(Painter(height=720, panel=False).paint(env.scene()))
        pictures.append(np.asarray(frame.resize((SIDE, SIDE), Image.Resampling.LANCZOS)))
    pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % ACROSS)
    rows = [np.concatenate(pictures[k : k + ACROSS], axis=1) for k in range(0, len(pictures), ACROSS)]
    (HERE / "images").mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(HERE / "images" / "presets.png", optimize=True)


def adapter_pages() -> None:
    """Write the pages of Level-Based Foraging and Robotic Warehouse, each with a picture of random play."""
    for name, module, env_id, seed in (
        ("lbf", lbf, "Foraging-8x8-2p-3f-v3", 3),
        ("rware", rware, "rware-tiny-2ag-v2", 12),  # one robot carries a shelf
    ):
        env = module.parallel_env(env_id, render_mode="rgb_array")
        rng = np.random.default_rng(2)
        _, infos = env.reset(seed=seed)
        for _ in range(20):
            if not env.agents:
                break
            masks = {agent: info["action_mask"] for agent, info in infos.items()}
            choices = {agent: int(rng.choice(np.flatnonzero(mask))) for agent, mask in masks.items()}
            *_, infos = env.step(choices)
        Image.fromarray(env.render()).save(HERE / "images" / f"{name}.png", optimize=True)
        text = (module.__doc__ or "").strip()
        (HERE / f"{name}.md").write_text(f"{text}\n\n![{env_id}](images/{name}.png)\n", encoding="utf-8")


if __name__ == "__main__":
    main()
