"""Check an environment from the command line: `python -m credit_wrappers.testing MODULE:FUNCTION`."""

from __future__ import annotations

import argparse
import pkgutil
import sys

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
    options = parser.parse_args(argv)
    try:
        make = pkgutil.resolve_name(options.factory)
    except (ValueError, ImportError, AttributeError) as error:
        print(f"error: {options.factory}: {error}; write MODULE:FUNCTION", file=sys.stderr)
        return 2
    report = check_env(make, steps=options.steps, seed=options.seed)
    print(report)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
