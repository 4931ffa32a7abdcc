"""Train teams on the team reward by BenchMARL's MAPPO, IPPO, QMIX, VDN and IQL, and judge them as `train.py` does.

    python -m tianshou_examples.benchmarl_baselines --env spaceworld:duet --algo mappo qmix vdn --seeds 5
    python -m tianshou_examples.benchmarl_baselines --algo mappo --settings published ours --steps 400000
    python -m tianshou_examples.benchmarl_baselines --algo qmix --set lr=0.0005 off_policy_n_optimizer_steps=100

Needs the extra `benchmarl`. Settings are BenchMARL's own (`published`) and those of the learners here, as far as they
fit (`ours`). Finished teams are kept in the folder `--out`: the same command goes on after an interruption, and trains
only what is missing. The folder holds `results.json`, `table.txt` and BenchMARL's checkpoints.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentDefaultsHelpFormatter
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from credit_wrappers.cli.output import printing
from tianshou_examples.experiment.benchmarl_names import ALGORITHMS, SETTINGS
from tianshou_examples.experiment.command_line import OneLineParser
from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.environments import check_environment
from tianshou_examples.experiment.settings import number

COLUMNS = {"team_return": "return", "success": "success", "collisions": "collisions", "steps": "length"}


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done; 2 bad input; 130 interrupted."""
    parser = OneLineParser(
        prog="python -m tianshou_examples.benchmarl_baselines", description=(__doc__ or "").partition("\n")[0],
        formatter_class=ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--env", default="spaceworld:duet", help="as of train.py")
    parser.add_argument("--action-mask", default="possible", choices=("possible", "safe"), help="of Spaceworld")
    parser.add_argument("--algo", nargs="+", default=["mappo", "qmix", "vdn"], choices=ALGORITHMS, help="of BenchMARL")
    parser.add_argument("--settings", nargs="+", default=["published"], choices=SETTINGS, help="of the algorithms")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of BenchMARL's experiment or algorithm"
    )
    parser.add_argument("--steps", type=number(int, 0), default=0, help="of each team; 0: the environment's own number")
    parser.add_argument("--seeds", type=number(int, 1), default=1, help="of each algorithm and settings")
    parser.add_argument("--eval-episodes", type=number(int, 1), default=900, help="unseen layouts")
    parser.add_argument("--skip", type=number(int, 0), default=100, help="unseen layouts to leave out")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarl"), help="folder of the results")
    given = parser.parse_args(argv)
    try:
        scenario, family = check_environment(given.env), family_of(given.env)
        from tianshou_examples.experiment.benchmarl_runs import BenchmarlRun, names_of, train_and_evaluate

        changed = _changed(given.set, {name: value for algo in given.algo for name, value in names_of(algo).items()})
    except (ImportError, ValueError) as error:
        hint = ' (pip install "llm-credit-wrappers[tianshou,benchmarl]")' if isinstance(error, ImportError) else ""
        parser.error(f"{error}{hint}")
    usual = BenchmarlRun(
        given.env, "", "", 0, given.steps or family.steps.get(scenario, family.other_steps), changed,
        given.action_mask, given.eval_episodes, given.skip,
    )  # fmt: skip
    runs = [
        replace(usual, algo=algo, settings=settings, seed=seed)
        for seed in range(given.seeds) for settings in given.settings for algo in given.algo
    ]  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    kept, console = read(given.out), Console(width=None if sys.stdout.isatty() else 150)
    try:
        for run in runs:
            if not any(result["cell"] == run.cell() for result in kept):
                console.print(f"{run.algo}, {run.settings} settings, seed {run.seed}: {run.steps:,} steps ...")
                kept.append(train_and_evaluate(run, given.out))
                (given.out / "results.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    wanted = [run.cell() for run in runs]
    results = [result for result in kept if result["cell"] in wanted]
    with (given.out / "table.txt").open("w", encoding="utf-8") as file:
        for to in (console, Console(file=file, width=150)):
            to.print(table_of(results))
    return 0


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the results that are in a folder already."""
    path = folder / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _changed(given: Sequence[str], names: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the settings that `--set` names, of the types that BenchMARL's own have.

    Raises:
        ValueError: An unknown name or a wrong value.
    """
    values = []
    for pair in given:
        name, _, text = pair.partition("=")
        if not isinstance(names.get(name), bool | int | float):
            numbers = [key for key, value in names.items() if isinstance(value, bool | int | float)]
            near = get_close_matches(name, numbers, n=3, cutoff=0.0)
            raise ValueError(f"--set {pair}: give NAME=VALUE, with a number of BenchMARL's; near are {', '.join(near)}")
        kind = type(names[name])
        try:
            values.append((name, text == "True" if kind is bool else kind(text)))
        except ValueError:
            raise ValueError(f"--set {pair}: {name} is {names[name]!r} in BenchMARL's settings") from None
    return tuple(values)


def table_of(results: Sequence[dict[str, Any]]) -> Table:
    """Return a row for each algorithm and settings: means over seeds (± standard deviation), greedy / sampled."""
    cell = results[0]["cell"]
    table = Table(
        title=f"{cell['env']}, team reward, {cell['eval_episodes']} unseen layouts after the first {cell['skip']}; "
        "greedy / sampled, mean ± standard deviation over seeds",
        title_justify="left",
    )
    for column in ("algorithm", "settings", "seeds", "steps", *COLUMNS.values(), "wall", "CPU"):
        table.add_column(column, justify="left" if column in ("algorithm", "settings") else "right")
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["cell"]["algo"], result["cell"]["settings"]), []).append(result)
    for (algo, settings), group in groups.items():
        shown = [" / ".join(_mean([r[how][key] for r in group]) for how in ("greedy", "sampled")) for key in COLUMNS]
        spent = [f"{np.mean([r[key] for r in group]):.0f} s" for key in ("wall_seconds", "cpu_seconds")]
        table.add_row(algo, settings, str(len(group)), f"{group[0]['steps']:,}", *shown, *spent)
    return table


def _mean(values: Sequence[float]) -> str:
    spread = f" ±{np.std(values):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


if __name__ == "__main__":
    with printing():
        sys.exit(main())
