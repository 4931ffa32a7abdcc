"""What the teams of a run on Spaceworld do in an episode: `python -m tests.benchmarks.team_events runs/<name>`.

Counted are the events of all robots (grips, releases, docks, ...), sampled or `--greedy`, over unseen layouts. A team
that farms its credit grips and lets go until time runs out.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from spaceworld.text.events import event_names
from spaceworld.vector import SpaceworldVectorEnv
from tianshou_examples.experiment.actors import load_actors
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.evaluation import UNSEEN
from tianshou_examples.experiment.settings import Settings, checkpoint_of
from tianshou_examples.experiment.trained_team import load


def counted(envs: SpaceworldVectorEnv, choose, layouts: int) -> Counter[str]:  # type: ignore[no-untyped-def]
    """Return events by name, without the things they name, and "steps", of one episode in each world, summed."""
    observations, infos = envs.reset(seed=UNSEEN)
    found: Counter[str] = Counter()
    playing = np.ones(layouts, bool)
    while playing.any():
        observations, _, terminated, truncated, infos = envs.step(choose(observations, infos["action_mask"]))
        found["steps"] += int(playing.sum())
        for code in infos["events"][playing].ravel().tolist():
            found.update(re.sub(r"_by .*|( for| on)? \w+_\d+.*", "", name) for name in event_names(code))
        playing &= ~(terminated | truncated)[:, 0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--layouts", type=int, default=100)
    parser.add_argument("--greedy", action="store_true")
    options = parser.parse_args()
    settings, (world, _) = Settings.read(options.run), load(options.run)
    make_env = environment_maker(settings.env, action_mask=settings.action_mask)
    envs = SpaceworldVectorEnv(options.layouts, **world)
    totals: dict[str, list[Counter[str]]] = {}
    for method, seed in settings.learners:
        actors = load_actors(settings, make_env(), checkpoint_of(options.run, method, seed))
        generator = torch.Generator().manual_seed(seed)
        found = counted(
            envs,
            lambda seen, masks, actors=actors, draw=generator: actors.choose(seen, masks, options.greedy, draw),
            options.layouts,
        )
        totals.setdefault(method, []).append(found)
    how = "greedy" if options.greedy else "sampled"
    print(f"{settings.env}, {how}, events of the team in an episode; mean over {options.layouts} layouts of each seed")
    for method, seeds in totals.items():
        total = sum(seeds, Counter())
        means = (f"{name} {total[name] / len(seeds) / options.layouts:.1f}" for name, _ in total.most_common())
        print(f"{method:<13} " + ", ".join(means))


if __name__ == "__main__":
    main()
