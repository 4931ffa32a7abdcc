"""Learn offline from one data set with team reward, credit and exact credit, and compare the teams.

    python -m tianshou_examples.offline
    python -m tianshou_examples.offline --env spaceworld:duet --data scripted mixture chance --seeds 5
    python -m tianshou_examples.offline --data duet-claude
    python -m tianshou_examples.offline --data FOLDER --methods bc crr --rewards team credit

Data are a team's play made on the spot (scripted, mixture or chance; the scripted critic gives the credit), or a data
set by path or published name. The methods are behaviour cloning, which reads no reward, and Tianshou's discrete BCQ,
CQL and CRR. Finished teams are kept in the folder `--out`: the same command goes on after an interruption, and learns
only what is missing. The folder holds `cells.jsonl`, `results.json` and `table.txt`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentDefaultsHelpFormatter
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from tqdm import tqdm

from credit_wrappers import CreditError
from credit_wrappers.cli.output import printing
from tianshou_examples.experiment.command_line import OneLineParser
from tianshou_examples.experiment.offline_data import REWARDS, SEEDS_APART
from tianshou_examples.experiment.offline_learners import OFFLINE_METHODS, OfflineSettings
from tianshou_examples.experiment.offline_report import one_line, write_offline_report
from tianshou_examples.experiment.offline_study import OfflineStudy, finished, run_cells
from tianshou_examples.experiment.settings import number

# Of learner settings.
HELP = {
    "steps": "gradient steps",
    "batch": "rows of a gradient step",
    "hidden": "width of the two hidden layers",
    "lr": "learning rate",
    "gamma": "discount",
    "target": "gradient steps between two renewals of the target networks",
    "threshold": "how likely, against the likeliest, an action must be for bcq",
    "conservative": "weight of the term that lowers values of actions that the data do not have (cql, crr)",
    "quantiles": "of the return (cql)",
}
LIMITS = {
    "gamma": (0, None, 1),
    "threshold": (0, None, 0.99),
    "conservative": (0, None, None),
    "quantiles": (2, None, None),
}


def parse(argv: list[str] | None = None) -> tuple[OfflineStudy, Path]:
    """Read the command line; return what is compared, and the folder.

    Raises:
        SystemExit: With code 2 and one line.
    """
    parser = OneLineParser(
        prog="python -m tianshou_examples.offline", description=(__doc__ or "").partition("\n")[0],
        formatter_class=ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    usual = OfflineStudy()
    parser.add_argument("--env", default=usual.env, help="world in which scripted, mixture and chance are played")
    parser.add_argument("--data", nargs="+", default=list(usual.data), help="scripted, mixture, chance, or data sets")
    parser.add_argument(
        "--methods", nargs="+", default=list(usual.methods), choices=list(OFFLINE_METHODS), help="learners"
    )
    parser.add_argument("--rewards", nargs="+", default=list(usual.rewards), choices=REWARDS, help="what pays an agent")
    parser.add_argument(
        "--seeds", type=number(int, 1), default=usual.seeds, help="of each team; a quality of play is made for each"
    )
    most = {"type": number(int, 1, most=SEEDS_APART)}
    parser.add_argument("--episodes", default=usual.episodes, help="of play, for each seed", **most)  # type: ignore[arg-type]
    parser.add_argument("--eval-episodes", type=number(int, 1), default=usual.eval_episodes, help="unseen layouts")
    for one in fields(OfflineSettings):
        kind = int if isinstance(one.default, int) else float
        least, above, top = LIMITS.get(one.name, (1, None, None) if kind is int else (None, 0, None))
        parser.add_argument(
            f"--{one.name}", type=number(kind, least, above, top), default=one.default, help=HELP[one.name]
        )
    parser.add_argument("--out", type=Path, default=Path("runs/offline"), help="folder of the results")
    given = vars(parser.parse_args(argv))
    learner = OfflineSettings(**{one.name: given.pop(one.name) for one in fields(OfflineSettings)})
    out = given.pop("out")
    given |= {name: tuple(dict.fromkeys(given[name])) for name in ("data", "methods", "rewards")}
    return OfflineStudy(**given, learner=learner), out


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done; 2 bad input; 130 interrupted."""
    study, folder = parse(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    cells = list(study.cells())
    kept = [record["cell"] for record in finished(folder)]
    there = sum(cell in kept for cell in cells)
    if there:
        console.print(f"{there} of {len(cells)} teams are in {folder} already")
    records = []
    with tqdm(total=(len(cells) - there) * study.learner.steps, unit=" steps", disable=None) as bar:
        learning: list[object] = []
        try:
            for record in run_cells(study, folder, learning.append, bar.update):
                if record["cell"] in learning:
                    with bar.external_write_mode(sys.stdout):
                        console.print(one_line(record))
                records.append(record)
        except KeyboardInterrupt:
            print(
                f"interrupted; {len(records)} of {len(cells)} teams are done; the same command goes on", file=sys.stderr
            )
            return 130
        except (CreditError, ImportError, OSError, ValueError) as error:
            print(error, file=sys.stderr)
            return 2
    write_offline_report(study, folder, records, console)
    console.print(f"In {folder}: cells.jsonl, results.json, table.txt")
    return 0


if __name__ == "__main__":
    with printing():
        sys.exit(main())
