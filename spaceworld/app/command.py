"""The command line: `spaceworld`, or `python -m spaceworld`."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from spaceworld.app.teams import Team, team_of
from spaceworld.env import SpaceworldEnv
from spaceworld.presets import PRESETS, get_scenario, is_scenario
from spaceworld.render.display import NoDisplay
from spaceworld.text.output import printing

DESCRIPTION = "Robots assemble a station in orbit. Without a command: play `pair`, one robot from the keyboard."
LARGE = 16  # rows; recordings of larger grids are taller
DEFAULT_HEIGHT, LARGE_HEIGHT = 480, 720


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 2 bad input or no display, 130 interrupted.

    Raises:
        SystemExit: With code 2, for arguments that argparse refuses.
    """
    given = sys.argv[1:] if argv is None else argv
    with printing():
        try:
            options = _parser().parse_args(_with_command(given))
            options.run(options)
        except BrokenPipeError:
            raise
        except (ValueError, OSError, ImportError, NoDisplay) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    return 0


def _with_command(argv: list[str]) -> list[str]:
    """Add the command that is meant when none is named: `watch` with --record, else `play`.

    Raises:
        ValueError: A scenario or a folder stands where a command is expected; the message has the command.
    """
    if argv and is_scenario(argv[0]):
        raise ValueError(f"{argv[0]} is a scenario; to play it: spaceworld play {' '.join(argv)}")
    if argv and Path(argv[0]).is_dir():
        raise ValueError(f"{argv[0]} is a folder; to watch the team of a run: spaceworld watch {' '.join(argv)}")
    if argv and (not argv[0].startswith("-") or argv[0] in ("-h", "--help")):
        return argv
    recording = any(word == "--record" or word.startswith("--record=") for word in argv)
    return ["watch" if recording else "play", *argv]


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line; --help shows the usage."""

    def error(self, message: str) -> NoReturn:
        """End with code 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def _parser() -> OneLineParser:
    parser = OneLineParser(prog="spaceworld", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="play | watch | record | list")
    world = OneLineParser(add_help=False)
    world.add_argument("--scenario", help=f"{', '.join(PRESETS)} (default pair, or the run's own)")
    world.add_argument("--seed", type=int, help="seed of the first layout, counted up for the next (default: random)")
    world.add_argument("--fps", type=float, help="steps per second (default 6)")
    world.add_argument("--height", type=int, help="height of the picture in pixels")
    team = OneLineParser(add_help=False)
    team.add_argument(
        "--episodes", type=int, help="number of episodes (default: without end in a window, one in a recording)"
    )
    team.add_argument("--steps", type=int, help="longest episode in steps")
    team.add_argument("--smooth", type=int, default=4, help="pictures per step in a recording (default 4)")
    team.add_argument(
        "--policy",
        metavar="MODULE:FUNCTION",
        help="for the folder of a training run: the function that loads it. It gets the folder as a Path, and returns "
        "the arguments of SpaceworldEnv and a function from an environment to a policy. By default the installed "
        "packages are asked, which is right for runs of tianshou_examples.train",
    )
    who = "planner, random, or the folder of a training run"

    play = commands.add_parser("play", parents=[world], help="steer one robot; the planner steers the others")
    play.add_argument("preset", nargs="?", metavar="SCENARIO", help="the same as --scenario")
    play.add_argument("--robot", type=int, default=0, help="the robot that you steer (default 0)")
    play.add_argument("--real-time", action="store_true", help="the world does not wait for you")
    play.set_defaults(run=_play)
    watch = commands.add_parser("watch", parents=[world, team], help="watch a team")
    watch.add_argument("team", nargs="?", default="planner", help=f"{who} (default planner)")
    watch.add_argument("--record", metavar="FILE", help="write a .gif or .mp4 instead of opening a window")
    watch.set_defaults(run=_watch)
    record = commands.add_parser("record", parents=[world, team], help="write a .gif or .mp4; no screen needed")
    record.add_argument("record", metavar="FILE", help="ends in .gif or .mp4")
    record.add_argument("preset", nargs="?", metavar="SCENARIO", help="the same as --scenario")
    record.add_argument("--team", default="planner", help=f"{who} (default planner)")
    record.set_defaults(run=_record)
    listed = commands.add_parser("list", help="show the presets")
    listed.add_argument("preset", nargs="?", metavar="SCENARIO", help="the same as --scenario")
    listed.add_argument("--scenario", help="show this one only")
    listed.add_argument("--seed", type=int, default=0, help="seed of the layouts (default 0)")
    listed.set_defaults(run=_list)
    return parser


def _play(options: argparse.Namespace) -> None:
    team = team_of("planner")
    env = _env(options, team)
    robots = len(env.possible_agents)
    if not 0 <= options.robot < robots:
        raise ValueError(f"--robot is {options.robot}; {env.scenario.name} has robots 0 to {robots - 1}")
    _show(options, env, team, env.scenario.name, player=options.robot, real_time=options.real_time)


def _watch(options: argparse.Namespace) -> None:
    if options.record is not None:
        _record(options)
        return
    team = team_of(options.team, options.policy)
    env = _env(options, team)
    _show(options, env, team, f"{env.scenario.name}, {team.name}", steps=_positive(options, "steps"))


def _show(options: argparse.Namespace, env: SpaceworldEnv, team: Team, title: str, **choices: Any) -> None:
    """Open a window and play in it until its end."""
    from spaceworld.app.game import Game
    from spaceworld.render.window import Window

    layouts, fps = _layouts(options.seed, _positive(options, "episodes")), _fps(options, env)
    window = Window(options.height, f"Spaceworld: {title}")
    try:
        Game(env, team, window, layouts, fps=fps, **choices).run()
    finally:
        window.close()
        env.close()


def _record(options: argparse.Namespace) -> None:
    from spaceworld.app.film import film
    from spaceworld.render.record import check_name, save

    check_name(options.record)
    team = team_of(options.team, options.policy)
    env = _env(options, team)
    smooth, fps = _positive(options, "smooth") or 1, _fps(options, env)
    pictures = film(
        env,
        team,
        _layouts(options.seed, _positive(options, "episodes") or 1),
        height=options.height or (DEFAULT_HEIGHT if env.scenario.height <= LARGE else LARGE_HEIGHT),
        smooth=smooth,
        fps=fps,
        steps=_positive(options, "steps"),
    )
    save(options.record, pictures, fps * smooth)
    print(f"wrote {options.record}")


def _list(options: argparse.Namespace) -> None:
    from spaceworld.app.listing import listing
    from spaceworld.render.ansi import LEGEND

    scenario = _scenario(options)
    for name in [get_scenario(scenario).name] if scenario else PRESETS:
        print(listing(name, options.seed))
    print("\n".join(LEGEND))


def _env(options: argparse.Namespace, team: Team) -> SpaceworldEnv:
    scenario = _scenario(options)
    trained_on = team.world.get("scenario", scenario)
    if scenario is not None and scenario != trained_on:
        raise ValueError(f"{team.name} was trained on {trained_on}; leave {scenario} out")
    return SpaceworldEnv(**team.world) if scenario is None else SpaceworldEnv(**{**team.world, "scenario": scenario})


def _scenario(options: argparse.Namespace) -> str | None:
    """Return the scenario that was named, by position or as --scenario."""
    named: str | None = getattr(options, "preset", None)
    option: str | None = options.scenario
    if named is not None and option is not None and named != option:
        raise ValueError(f"two scenarios are named, {named} and --scenario {option}; name one")
    return named if option is None else option


def _layouts(seed: int | None, episodes: int | None) -> Iterator[int]:
    first = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    return itertools.islice(itertools.count(first), episodes)


def _fps(options: argparse.Namespace, env: SpaceworldEnv) -> float:
    fps = env.metadata["render_fps"] if options.fps is None else options.fps
    if not fps > 0:
        raise ValueError(f"--fps is {fps}; it must be more than 0")
    return float(fps)


def _positive(options: argparse.Namespace, name: str) -> int | None:
    value: int | None = getattr(options, name, None)
    if value is not None and value < 1:
        raise ValueError(f"--{name} is {value}; it must be at least 1")
    return value
