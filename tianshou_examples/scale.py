"""Measure how credit scales with the number of robots, and what a thousand would need.

    python -m tianshou_examples.scale
    python -m tianshou_examples.scale --robots 2 4 8 16 --prices 3 15 0.3
    python -m tianshou_examples.scale --robots 16 --parts truth --truth-steps 6 --minutes 30
    python -m tianshou_examples.scale --robots 2 4 --runs runs/fleet-2 runs/fleet-4       (of tianshou_examples.train)

The worlds are Spaceworld's fleets, the critic is the scripted stand-in. What is measured stays in the folder `--out`:
the same command goes on after an interruption. The folder holds `fleet-N.json`, `table.md`, `results.json` and
`growth.png`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentDefaultsHelpFormatter
from pathlib import Path

from tqdm import tqdm

from credit_wrappers import CreditError
from credit_wrappers.cli.output import printing
from credit_wrappers.llm.budget import Prices
from spaceworld.presets import LARGEST_FLEET, LEAST_FLEET
from tianshou_examples.experiment.command_line import OneLineParser
from tianshou_examples.experiment.scale_report import write_scale_report
from tianshou_examples.experiment.scale_study import PARTS, ScaleStudy, results_of, run_study, trained
from tianshou_examples.experiment.settings import number


def parse(argv: list[str] | None = None) -> tuple[ScaleStudy, Path, float, int, list[Path]]:
    """Read the command line; return what is measured, the folder, the minutes, the size of the outlook, and runs.

    Raises:
        SystemExit: With code 2 and one line.
    """
    usual = ScaleStudy()
    parser = OneLineParser(
        prog="python -m tianshou_examples.scale", description=(__doc__ or "").partition("\n")[0],
        formatter_class=ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    add, count = parser.add_argument, number(int, 1)
    size = number(int, LEAST_FLEET, most=LARGEST_FLEET)
    add("--robots", nargs="+", type=size, default=list(usual.robots), metavar="N", help="sizes of the fleets")
    add("--parts", nargs="+", choices=PARTS, default=list(usual.parts), help="what is measured")
    add("--layouts", type=count, default=usual.layouts, help="episodes of the scripted team")
    add("--episodes", type=number(int, 8), default=usual.episodes, help="disturbed episodes; a fourth tests students")
    add("--culprits", type=count, default=usual.culprits, help="episodes in which one robot acts by chance")
    add("--truth-steps", type=number(int, 2), default=usual.truth_steps, help="steps that the planner values")
    add("--prices", nargs=3, type=number(float, 0), default=[3.0, 15.0, 0.3], metavar="P",
        help="of a million tokens read, written, and read from the cache")  # fmt: skip
    add("--outlook", type=number(int, 1), default=1000, metavar="N", help="size for which the laws are continued")
    add("--minutes", type=number(float, above=0), default=600.0, help="nothing is begun later")
    add(
        "--runs",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="trainings of fleets: how soon they dock half",
    )
    add("--out", type=Path, default=Path("runs/scale"), help="folder of the results")
    given = vars(parser.parse_args(argv))
    out, minutes, outlook, runs = (given.pop(name) for name in ("out", "minutes", "outlook", "runs"))
    read, written, cached = given.pop("prices")
    given |= {"robots": tuple(sorted(set(given["robots"]))), "parts": tuple(given["parts"])}
    return ScaleStudy(**given, prices=Prices(read, written, cached)), out, minutes, outlook, runs


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done; 1 the minutes are over; 2 bad input; 130 interrupted."""
    study, folder, minutes, outlook, runs = parse(argv)
    code = 0
    try:
        for run in runs:
            trained(run, folder)
        with tqdm(run_study(study, folder, minutes), unit=" pieces", disable=None) as bar:
            for line in bar:
                bar.set_description(line)
    except TimeoutError as late:
        print(late, file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    except (CreditError, ImportError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if results := results_of(study, folder):
        print(write_scale_report(results, folder, outlook))
        print(f"In {folder}: table.md, results.json, growth.png")
    return code


if __name__ == "__main__":
    with printing():
        sys.exit(main())
