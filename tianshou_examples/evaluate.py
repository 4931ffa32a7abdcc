"""Plays a finished run's teams on more layouts: `python -m tianshou_examples.evaluate runs/<name> --episodes 900`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.environments import world_factory
from tianshou_examples.experiment.evaluation import UNSEEN, evaluate
from tianshou_examples.experiment.learner_process import arm_name
from tianshou_examples.experiment.learners import actors_of
from tianshou_examples.experiment.play import settings_of


def main(argv: list[str] | None = None) -> None:
    """Prints return, success, collisions and length of each learner, greedy and sampled.

    Raises:
        SystemExit: with code 2 and one line, when the folder holds no run or a learner left no checkpoint.
    """
    parser = argparse.ArgumentParser(prog="python -m tianshou_examples.evaluate", description=__doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--episodes", type=int, default=900)
    parser.add_argument(
        "--skip", type=int, default=100, help="layouts left out; the run's own table played the first 100"
    )
    options = parser.parse_args(argv)
    try:
        settings = settings_of(options.run)
    except ValueError as error:
        parser.error(str(error))
    family, make_env = family_of(settings.env), world_factory(settings.env, action_mask=settings.action_mask)
    torch.set_num_threads(1)
    print(f"{settings.env}, {options.episodes} layouts after the first {options.skip}")
    for method, seed in settings.arms:
        checkpoint = options.run / "checkpoints" / f"{arm_name(method, seed)}.pt"
        if not checkpoint.exists():
            parser.error(f"there is no {checkpoint}; was {arm_name(method, seed)} trained?")
        actors = actors_of(settings, make_env(), checkpoint)
        for how in ("greedy", "sampled"):
            played = evaluate(make_env, actors, options.episodes, how == "greedy", UNSEEN + options.skip)
            success = f", success {played.success:.3f}" if family.success else ""
            collisions = f", collisions {played.collisions:.3f}" if family.collisions else ""
            print(
                f"{arm_name(method, seed)} after {actors.steps:,} steps, {how:<7}: return {played.team_return:.3f}"
                f"{success}{collisions}, length {played.steps:.1f}"
            )


if __name__ == "__main__":
    main()
