"""Writes docs/spaceworld.md from the module docstring, and its pictures: `python docs/make_pages.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from spaceworld import PRESETS, spaceworld_v0
from spaceworld.render.pixels import Painter

HERE = Path(__file__).parent


def main() -> None:
    """Regenerates both."""
    text = (spaceworld_v0.__doc__ or "").strip()
    (HERE / "spaceworld.md").write_text(text + "\n\n![The four presets](images/presets.png)\n", encoding="utf-8")
    painter = Painter(height=360, panel=False)
    pictures = []
    for k, name in enumerate(PRESETS):
        env = spaceworld_v0.parallel_env(scenario=name)
        env.reset(seed=5 + k)
        pictures.append(painter.paint(env.scene()))
    (HERE / "images").mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(pictures, axis=1)).save(HERE / "images" / "presets.png", optimize=True)


if __name__ == "__main__":
    main()
