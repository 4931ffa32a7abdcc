"""Measure what credit loses where robots see less, and where nobody is told what each robot can do.

    python -m tianshou_examples.sight
    python -m tianshou_examples.sight --scenario crew --sight 2 3 whole --roles all critic nobody

The critic is the scripted stand-in. It reads the whole world, however far robots see; what it is told of their
abilities is `--roles`. A student sees what the robots see, so its error grows where they see less.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentDefaultsHelpFormatter, Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from credit_wrappers import Credit, CreditError
from credit_wrappers.cli.output import printing
from spaceworld import get_scenario
from spaceworld.env import SpaceworldEnv
from tianshou_examples.experiment.command_line import OneLineParser
from tianshou_examples.experiment.scale_measures import (
    HELD_OUT,
    culprit_measures,
    culprit_play,
    disturbed_play,
    scripted_labels,
    student_measures,
    truth_measures,
    truth_of_steps,
)
from tianshou_examples.experiment.settings import number

ROLES = ("all", "critic", "nobody")
FIRST_SEED, CULPRIT_SEED = 2000, 6000
MIRROR = 2  # the world in which the planner values states for the second time; also of grids that are no squares
COLUMNS = {
    "sight": "sight", "roles": "roles told to", "rank": "rank, critic", "sign": "sign, critic",
    "others above": "others paid more than the culprit", "student rank": "rank, student",
    "student sign": "sign, student", "student error": "error, student",
}  # fmt: skip


def parse(argv: list[str] | None = None) -> Namespace:
    """Read the command line.

    Raises:
        SystemExit: With code 2 and one line.
    """
    parser = OneLineParser(
        prog="python -m tianshou_examples.sight", description=(__doc__ or "").partition("\n")[0],
        formatter_class=ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    add, count = parser.add_argument, number(int, 1)
    add("--scenario", default="crew", help="of Spaceworld")
    add("--sight", nargs="+", default=["2", "3", "whole"], metavar="CELLS", help="how far robots see; or whole")
    add("--roles", nargs="+", choices=ROLES, default=["all"], help="whom it is told what each robot can do")
    add("--episodes", type=number(int, 2 * HELD_OUT), default=24, help="disturbed episodes of the scripted team")
    add("--culprits", type=count, default=12, help="episodes in which one robot acts by chance")
    add("--truth-steps", type=number(int, 2), default=60, help="steps that the planner values")
    add("--folds", type=number(int, 1, most=HELD_OUT), default=HELD_OUT, help="students, each tested on another fourth")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    options = parser.parse_args(argv)
    try:
        get_scenario(options.scenario)
        [_cells(options.scenario, sight) for sight in options.sight]
    except ValueError as error:
        parser.error(str(error))
    return options


def _cells(scenario: str, sight: str) -> int:
    if sight != "whole" and not sight.isdigit():
        raise ValueError(f"--sight {sight!r} must be a number of cells, or whole")
    world = get_scenario(scenario)
    return max(world.height, world.width) - 1 if sight == "whole" else int(sight)


def rows_of(options: Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for each way to tell roles and each sight."""
    make_world = partial(SpaceworldEnv, options.scenario)
    played = [(FIRST_SEED + k, disturbed_play(make_world, FIRST_SEED + k)) for k in range(options.episodes)]
    culprits = [(CULPRIT_SEED + k, *culprit_play(make_world, CULPRIT_SEED + k)) for k in range(options.culprits)]
    random = np.random.default_rng(0)
    turns = [k % len(played) for k in range(options.truth_steps)]
    steps = [(k, int(random.integers(len(played[k][1])))) for k in turns]
    truths, mirrored = (
        [truth_of_steps(make_world, *played[k], [t], mirror) for k, t in steps] for mirror in (0, MIRROR)
    )
    for roles in options.roles:
        make_told = partial(make_world, roles_told=roles)
        labels: list[Credit] = scripted_labels(make_told, played)
        credit = np.array([labels[k].values[t] for k, t in steps])
        judged = truth_measures(truths, mirrored, credit) | culprit_measures(make_told, culprits)
        for sight in options.sight:
            make_env = partial(make_told, sight=_cells(options.scenario, sight))
            folds = [student_measures(make_env, played, labels, fold) for fold in range(options.folds)]
            student = {f"student {key}": [fold[key] for fold in folds] for key in ("rank", "sign", "error")}
            yield {"sight": sight, "roles": roles, **judged, **student}


def line_of(row: dict[str, Any]) -> str:
    """Return a row of the table: means over the folds, and their range."""
    cells = []
    for key in COLUMNS:
        value = row[key]
        if isinstance(value, list):
            value = f"{np.mean(value):.2f} ({min(value):.2f} to {max(value):.2f})"
        cells.append(f"{value:.2f}" if isinstance(value, float) else str(value))
    return f"| {' | '.join(cells)} |"


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done; 2 something cannot be measured; 130 interrupted."""
    options, rows = parse(argv), []
    print(f"| {' | '.join(COLUMNS.values())} |\n|{'---|' * len(COLUMNS)}", flush=True)
    try:
        with tqdm(rows_of(options), total=len(options.sight) * len(options.roles), unit=" rows", disable=None) as bar:
            for row in bar:
                rows.append(row)
                with bar.external_write_mode(sys.stdout):
                    print(line_of(row), flush=True)
    except KeyboardInterrupt:
        return 130
    except (CreditError, ImportError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    rank, sign = (rows[0][f"{figure} in a mirror"] for figure in ("rank", "sign"))
    print(f"\nPlanner and planner in a mirror: rank {rank:.2f}, sign {sign:.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    with printing():
        sys.exit(main())
