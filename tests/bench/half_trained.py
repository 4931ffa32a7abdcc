"""Write down how a half-trained team plays, for a suite: `python -m tests.bench.half_trained RUN SUITE`.

RUN is the folder of a training of `train.py` that ended early, such as

    python -m tianshou_examples.train --env spaceworld:duet --method mca --seeds 3 --steps 400000

and, of the team that plays in `truss`,

    python -m tianshou_examples.train --loop fast --env spaceworld:truss --action-mask safe --agent-id --method mca \
        --jobs 1 --steps 300000 --eval-episodes 20 --set evaluations=1 entropy_debit=2.5 sharp=0.25

The seeds and sampled actions go to `half_trained.json` beside this file, from which `make_suites` takes them. Where the
truth is an estimate by plans, a seed is passed over if the play comes to a state from which no plan is found: the bench
would leave such an episode out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic
from credit_wrappers.bench.environments import make_environment
from credit_wrappers.bench.suite import Suite, SuiteEpisode
from credit_wrappers.bench.truth import suite_truth
from credit_wrappers.core.errors import CreditError
from tianshou_examples.experiment.actors import Actors, load_actors
from tianshou_examples.experiment.settings import Settings, checkpoint_of

FILE = Path(__file__).with_name("half_trained.json")
EPISODES, FIRST_SEED = 4, 9_000


def episodes_of(run: Path, max_cycles: int | None) -> list[dict[str, Any]]:
    """Return seeds and actions of episodes with a truth, by the learners of the run that have been saved, in turn."""
    settings = Settings.read(run)
    checkpoints = [file for learner in settings.learners if (file := checkpoint_of(run, *learner)).exists()]
    options = settings.world_options if settings.env.startswith("spaceworld:") else {}
    env = make_environment(settings.env, max_cycles, **options)  # with the masks that the team was trained with
    found: list[dict[str, Any]] = []
    seed = FIRST_SEED
    while len(found) < EPISODES:
        actors = load_actors(settings, env, checkpoints[len(found) % len(checkpoints)])
        joints = _played(env, actors, seed)
        if has_truth(settings.env, max_cycles, seed, joints):
            found.append({"seed": seed, "actions": joints})
        seed += 1
    return found


def has_truth(world: str, max_cycles: int | None, seed: int, joints: list[list[int]]) -> bool:
    """Return whether every step of an episode has a known credit, in each value that the world has.

    Where the truth is an estimate, the second estimate that the rows `again` pay must exist, too.
    """
    episode = SuiteEpisode(seed, np.array(joints, np.int64), "half-trained", "report")
    suite = Suite("tried", world, max_cycles, (episode,))
    episodes = suite.replay(snapshots=True)
    truth = suite_truth(suite, episodes)
    if not truth.credits or any(np.isnan(values).any() for (values,) in truth.credits.values()):
        return False
    if truth.quality == "estimate":
        words = ["again-work" if value == "work" else "again" for value, _ in truth.credits]
        try:
            for word in dict.fromkeys(words):
                bench_critic(word, CriticOptions({}))(suite).score(episodes)
        except CreditError:
            return False
    return True


def _played(env: Any, actors: Actors, seed: int) -> list[list[int]]:
    """Return the joint actions that a team draws in the episode of a seed."""
    generator = torch.Generator().manual_seed(seed)
    observations, infos = env.reset(seed=seed)
    joints: list[list[int]] = []
    while env.agents:
        masks = np.stack([infos[agent]["action_mask"] for agent in env.possible_agents])
        seen = np.stack([observations[agent] for agent in env.possible_agents])
        joints.append(actors.choose(seen[None], masks[None], False, generator)[0].tolist())
        observations, *_, infos = env.step(dict(zip(env.possible_agents, joints[-1], strict=True)))
    return joints


def main(run: str, suite: str) -> None:
    """Add the episodes of a suite to the file."""
    from tests.bench.make_suites import RECIPES

    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    known[suite] = episodes_of(Path(run), RECIPES[suite].max_cycles)
    FILE.write_text(json.dumps(known) + "\n", encoding="utf-8")
    print([len(episode["actions"]) for episode in known[suite]])


if __name__ == "__main__":
    main(*sys.argv[1:])
