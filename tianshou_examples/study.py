"""Run a study: methods x tasks x seeds of a TOML file, resumable, with intervals, figures and marl-eval's JSON.

    python -m tianshou_examples.study small                 (studies that come with the package have names)
    python -m tianshou_examples.study MINE.toml --jobs 8
    python -m tianshou_examples.study MINE.toml --ray       (on all machines of a cluster of Ray)
    python -m tianshou_examples.study small --report        (of what is finished so far, without training)

Each method in each task with each seed is one learner of `train.py`, in its own process. What is finished is kept in
`runs/studies/<name>`: the same command goes on after Ctrl-C, a crash or a kill. The folder holds `study.md`,
`figures/`, `marl-eval-greedy.json`, `marl-eval-sampled.json`, and a run's folder for each task and method.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from credit_wrappers import CreditError
from credit_wrappers.cli.output import printing
from tianshou_examples.comparison.cell_runners import CellRunner, ProcessRunner, RayRunner
from tianshou_examples.comparison.estimates import check_rliable
from tianshou_examples.comparison.measures import kept, run_measures
from tianshou_examples.comparison.schedule import Schedule
from tianshou_examples.comparison.study_file import Study, find_studies, read_study
from tianshou_examples.comparison.study_folder import StudyFolder
from tianshou_examples.experiment.command_line import OneLineParser
from tianshou_examples.experiment.settings import number

HERE = "here"  # --ray without an address


def parse(argv: list[str] | None = None) -> tuple[list[Study], Namespace]:
    """Read the command line; return the studies, and the options.

    Raises:
        SystemExit: With code 2 and one line.
    """
    parser = OneLineParser(prog="python -m tianshou_examples.study", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="a TOML file, a folder of them, or the "
                        "name of a packaged study")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("runs/studies"), help="each study has a folder in it "
                        "(default: runs/studies)")  # fmt: skip
    parser.add_argument("--jobs", type=number(int, 1), help="learners at the same time (default: one for each core)")
    parser.add_argument("--ray", nargs="?", const=HERE, metavar="ADDRESS", help="let Ray run the learners, on this "
                        "machine or on the cluster at this address; all machines must see the folder")  # fmt: skip
    parser.add_argument("--tasks", nargs="+", default=[], help="only these")
    parser.add_argument("--methods", nargs="+", default=[], help="only these")
    parser.add_argument("--seeds", type=number(int, 1), help="at most so many")
    parser.add_argument("--report", action="store_true", help="train nothing; report on what is finished")
    options = parser.parse_args(argv)
    try:
        check_rliable()
        found = [each for name in options.studies for each in find_studies(name)]
        studies = [
            read_study(path, name).only(options.tasks, options.methods, options.seeds)
            for name, path in dict.fromkeys(found)
        ]
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    return studies, options


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0: done; 1: a learner failed, or none is finished yet; 2: bad input; 130: interrupted.
    """
    studies, options = parse(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    code = 0
    for study in studies:
        try:
            code = max(code, run_study(study, StudyFolder(options.out / study.name), options, console))
        except (CreditError, ImportError, OSError, ValueError) as error:
            print(f"{study.name}: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            code = 130
        if code == 130:
            console.print("interrupted; the same command goes on")
            return code
    return code


def run_study(study: Study, folder: StudyFolder, options: Namespace, console: Console) -> int:
    """Run what is not finished of a study, and report on what is; return the exit code."""
    # these import PyTorch, which --help does not need
    from tianshou_examples.comparison.preparation import prepare, warm_up
    from tianshou_examples.comparison.scores import load_scores
    from tianshou_examples.comparison.study_report import PAGE, write_study_report

    code = 0
    began = time.monotonic()
    if not options.report:
        with folder.held():
            study = prepare(study, folder, console)
            cells = list(study.cells())
            waiting = [cell for cell in cells if folder.result(cell) is None]
            if cells:
                told = f"{study.name}: {len(cells)} learners, {len(cells) - len(waiting)} of them finished"
                console.print(told, markup=False)
            if waiting:
                warm_up(study, console)
                outcome = Schedule(waiting, folder, make_runner(options), console).run()
                for message in outcome.errors:
                    print(message, file=sys.stderr)
                code = 130 if outcome.interrupted else 1 if outcome.errors else 0
            if study.measures and code != 130:
                errors = run_measures(study.measures, folder.path, options.jobs or _cores(), console)
                for message in errors:
                    print(message, file=sys.stderr)
                code = 1 if errors else code
            console.print(f"{study.name}: {(time.monotonic() - began) / 60:.1f} min", markup=False)
    scores = load_scores(study, folder)
    if not any(scores.cells.values()) and not any(kept(measure, folder.path) for measure in study.measures):
        console.print(f"{study.name}: nothing is finished, so there is nothing to report", markup=False)
        return code or 1
    written = write_study_report(scores, folder.path)
    console.print(f"\n{(folder.path / PAGE).read_text(encoding='utf-8').partition('![')[0].strip()}\n", markup=False)
    console.print(f"In {folder.path}: {', '.join(written)}", markup=False)
    return code


def make_runner(options: Namespace) -> CellRunner:
    """Return what runs the learners."""
    if options.ray is not None:
        return RayRunner(None if options.ray == HERE else options.ray, options.jobs)
    return ProcessRunner(options.jobs or _cores())


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    with printing():
        sys.exit(main())
