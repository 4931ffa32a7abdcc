"""Train teams on a critic's credit, side by side with teams on the shared reward, and report on both.

    python -m tianshou_examples.train --env spaceworld:duet
    python -m tianshou_examples.train --env spaceworld:pair --method mca summed shared --seeds 3
    python -m tianshou_examples.train --env lbf:Foraging-5x5-2p-1f-coop-v3 --method mca shared --seeds 5
    python -m tianshou_examples.train --critic anthropic --steps 20000     (needs ANTHROPIC_API_KEY)
    python -m tianshou_examples.train --resume runs/<name>

Each method with each seed is one learner in its own process. The folder of the run, `runs/<name>` in the current
folder, holds `config.json`, `metrics.jsonl`, `tensorboard/`, `learning_curve.png`, `team.gif`, `ledger-*.sqlite`,
`report.html`, `credits.txt`, `results.json`, `table.txt` and `checkpoints/`. Ctrl-C stops cleanly; `--resume` goes on.
"""

from __future__ import annotations

import sys
import time

from rich.console import Console

from credit_wrappers import CreditError
from credit_wrappers.cli.output import printing
from credit_wrappers.llm.providers.base import MissingKey
from tianshou_examples.experiment.command_line import parse
from tianshou_examples.experiment.training_run import TrainingRun, open_folder


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0: done; 1: a learner failed, or no answer of its model could be used; 2: bad input; 130: interrupted.
    """
    began = time.monotonic()
    settings, resume = parse(argv)
    # these import the SDKs and PyTorch, which --help does not need
    from tianshou_examples.experiment.actors import check_network
    from tianshou_examples.experiment.critics import check_critics
    from tianshou_examples.experiment.environments import environment_maker
    from tianshou_examples.experiment.fast_learner import check_fast
    from tianshou_examples.experiment.recorded_answers import (
        check_labels,
        check_no_student,
        fit_run_student,
        fitting_note,
        with_data_sets,
    )

    console = Console(width=None if sys.stdout.isatty() else 150)
    try:
        settings, folder = open_folder(settings, resume)
        check_critics(settings)
        if settings.loop == "fast":
            check_fast(settings)
        if settings.network != "flat":
            check_network(settings.network, environment_maker(settings.env)())
        if settings.answers_name:
            check_labels(settings)
            if resume is None:
                check_no_student(folder)
            settings = with_data_sets(settings, folder)
        folder.mkdir(parents=True, exist_ok=True)
        settings.write(folder)  # so that a fit that is interrupted can be resumed
        if settings.answers_name:
            if note := fitting_note(settings, folder):
                console.print(note)
            console.print(fit_run_student(settings, folder, progress=sys.stderr.isatty()))
    except MissingKey as error:
        print(
            f"--critic {settings.critic} needs a key: set {error.variable} in the environment, or name a server that "
            "needs none by --base-url; --critic scripted asks no model",
            file=sys.stderr,
        )
        return 2
    except CreditError as error:
        print(f"--critic {settings.critic}: {error}", file=sys.stderr)
        return 2
    except (ImportError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    run = TrainingRun(settings, folder, console)
    try:
        run.prepare()
        run.train()
        run.report(time.monotonic() - began)
    except KeyboardInterrupt:
        run.interrupted = True
    for message in run.errors:
        print(message, file=sys.stderr)
    if run.interrupted:
        console.print(f"interrupted; go on with: python -m tianshou_examples.train --resume {folder}")
        return 130
    return 1 if run.errors else 0


if __name__ == "__main__":
    with printing():
        sys.exit(main())
