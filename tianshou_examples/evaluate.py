"""Play a finished run's teams on more layouts: `python -m tianshou_examples.evaluate runs/<name> --episodes 900`."""

from __future__ import annotations

from pathlib import Path

import torch

from credit_wrappers.cli.output import printing
from tianshou_examples.experiment.actors import load_actors
from tianshou_examples.experiment.command_line import OneLineParser
from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.evaluation import UNSEEN, evaluate
from tianshou_examples.experiment.settings import Settings, checkpoint_of, learner_name


def main(argv: list[str] | None = None) -> None:
    """Print return, success, collisions and length of each learner, greedy and sampled."""
    parser = OneLineParser(prog="python -m tianshou_examples.evaluate", description=__doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--episodes", type=int, default=900)
    parser.add_argument("--skip", type=int, default=100, help="layouts to leave out; the run's own table played 100")
    options = parser.parse_args(argv)
    try:
        settings = Settings.read(options.run)
        make_env = environment_maker(settings.env, **settings.world_options)
    except (ImportError, ValueError) as error:
        parser.error(str(error))
    family = family_of(settings.env)
    torch.set_num_threads(1)
    print(f"{settings.env}, {options.episodes} layouts after the first {options.skip}")
    for learner in settings.learners:
        name, checkpoint = learner_name(*learner), checkpoint_of(options.run, *learner)
        if not checkpoint.exists():
            parser.error(f"there is no {checkpoint}; was {name} trained?")
        actors = load_actors(settings, make_env(), checkpoint)
        for how in ("greedy", "sampled"):
            played = evaluate(make_env, actors, options.episodes, how == "greedy", UNSEEN + options.skip)
            success = f", success {played.success:.3f}" if family.success else ""
            collisions = f", collisions {played.collisions:.3f}" if family.collisions else ""
            print(
                f"{name} after {actors.steps:,} steps, {how:<7}: return {played.team_return:.3f}"
                f"{success}{collisions}, length {played.steps:.1f}"
            )


if __name__ == "__main__":
    with printing():
        main()
