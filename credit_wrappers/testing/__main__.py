"""Check an environment from the command line: `python -m credit_wrappers.testing MODULE:FUNCTION`."""

from __future__ import annotations

import argparse
import pkgutil
import sys
from collections.abc import Callable
from typing import Any, get_args

from credit_wrappers.recording.team_reward import TeamRewardRule
from credit_wrappers.testing.conformance import check_env


def main(argv: list[str] | None = None) -> int:
    """Print the report; return 0 without problems, 1 with some, 2 where there is no such function."""
    parser = argparse.ArgumentParser(
        prog="python -m credit_wrappers.testing",
        description="Tell what of an environment works with this package, and why the rest does not.",
    )
    parser.add_argument("factory", metavar="MODULE:FUNCTION", help="makes the environment, without arguments")
    parser.add_argument("--steps", type=int, default=500, help="steps to play, at most (500)")
    parser.add_argument("--seed", type=int, default=0, help="of the first reset and the actions (0)")
    parser.add_argument(
        "--team-reward",
        choices=get_args(TeamRewardRule),
        default="auto",
        help="how the agents' rewards become the team reward, as the wrapper is to be given it (auto)",
    )
    options = parser.parse_args(argv)
    try:
        make = _resolved(options.factory)
        report = check_env(make, steps=options.steps, seed=options.seed, team_reward=options.team_reward)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report)
    return 1 if report.problems else 0


def _resolved(name: str) -> Callable[[], Any]:
    """Return the function of that name.

    Raises:
        ValueError: There is none.
    """
    how = "write MODULE:FUNCTION, for example myenv:Ring; the module must be importable from the current folder"
    if ":" not in name:
        raise ValueError(f"{name} names no function; {how}")
    try:
        found = pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise ValueError(f"{name}: {error}; {how}") from None
    if not callable(found):
        raise ValueError(f"{name} is no function but a {type(found).__name__}; {how}")
    return found


if __name__ == "__main__":
    sys.exit(main())
