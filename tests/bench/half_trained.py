"""Write down how a half-trained team plays, for a suite: `python -m tests.bench.half_trained RUN SUITE`.

RUN is the folder of a training of `train.py` that ended early, such as

    python -m tianshou_examples.train --env spaceworld:duet --method mca --seeds 3 --steps 400000

The seeds and sampled actions go to `half_trained.json` beside this file, from which `make_suites` takes them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from credit_wrappers.bench.environments import make_environment
from tianshou_examples.experiment.actors import load_actors
from tianshou_examples.experiment.settings import Settings, checkpoint_of

FILE = Path(__file__).with_name("half_trained.json")
EPISODES, FIRST_SEED = 4, 9_000


def episodes_of(run: Path, max_cycles: int | None) -> list[dict[str, Any]]:
    """Return seeds and actions of episodes, by the learners of the run that have been saved, in turn."""
    settings = Settings.read(run)
    checkpoints = [file for learner in settings.learners if (file := checkpoint_of(run, *learner)).exists()]
    found = []
    for k in range(EPISODES):
        env = make_environment(settings.env, max_cycles)
        actors = load_actors(settings, env, checkpoints[k % len(checkpoints)])
        generator = torch.Generator().manual_seed(FIRST_SEED + k)
        observations, infos = env.reset(seed=FIRST_SEED + k)
        joints: list[list[int]] = []
        while env.agents:
            masks = np.stack([infos[agent]["action_mask"] for agent in env.possible_agents])
            seen = np.stack([observations[agent] for agent in env.possible_agents])
            joints.append(actors.choose(seen[None], masks[None], False, generator)[0].tolist())
            observations, *_, infos = env.step(dict(zip(env.possible_agents, joints[-1], strict=True)))
        found.append({"seed": FIRST_SEED + k, "actions": joints})
    return found


def main(run: str, suite: str) -> None:
    """Add the episodes of a suite to the file."""
    from tests.bench.make_suites import RECIPES

    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    known[suite] = episodes_of(Path(run), RECIPES[suite].max_cycles)
    FILE.write_text(json.dumps(known) + "\n", encoding="utf-8")
    print([len(episode["actions"]) for episode in known[suite]])


if __name__ == "__main__":
    main(*sys.argv[1:])
