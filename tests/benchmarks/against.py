"""Speed of this checkout against another one, in one interleaved run.

`python -m tests.benchmarks.against OTHER_CHECKOUT [--rounds 9] [--only wrapper training]`

Each round runs every case in a fresh process of each checkout, in turn, so that both see the same noise. A ratio is the
other's process time divided by ours: above 1 we are faster. Cases use the public interface alone.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[2]


def _play(env: object, steps: int) -> None:
    env.reset(seed=0)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    agents = env.possible_agents  # type: ignore[attr-defined]
    moves = rng.integers(0, 6, (steps, len(agents)))
    for row in moves.tolist():
        env.step(dict(zip(agents, row, strict=True)))  # type: ignore[attr-defined]
        if not env.agents:  # type: ignore[attr-defined]
            env.reset()  # type: ignore[attr-defined]


def dicts(scenario: str, steps: int) -> Callable[[], None]:
    """Return a case: single steps of a bare Spaceworld."""
    from spaceworld import spaceworld_v0

    env = spaceworld_v0.parallel_env(scenario=scenario)
    return lambda: _play(env, steps)


def wrapped(scenario: str, steps: int) -> Callable[[], None]:
    """Return a case: single steps in a credit wrapper."""
    from credit_wrappers import CreditStore, CreditWrapper, Deferred, SharedCritic
    from spaceworld import spaceworld_v0

    store = CreditStore(SharedCritic(), workers=0)
    store.ready()
    env = CreditWrapper(spaceworld_v0.parallel_env(scenario=scenario), Deferred(store))

    def run() -> None:
        _play(env, steps)
        store.ready()

    return run


def batches(scenario: str, steps: int) -> Callable[[], None]:
    """Return a case: 1,024 bare worlds at once."""
    from spaceworld.vector import SpaceworldVectorEnv

    env = SpaceworldVectorEnv(1024, scenario)
    env.reset(seed=0)
    moves = np.random.default_rng(0).integers(0, 6, (steps, *env.action_space.shape))

    def run() -> None:
        for row in moves:
            env.step(row)

    return run


def one_after_another(steps: int) -> Callable[[], None]:
    """Return a case: 64 environments of plain Python behind agent rows, each in a credit wrapper."""
    from credit_wrappers import CreditStore, CreditWrapper, Deferred, SharedCritic
    from credit_wrappers.integrations.tianshou import AgentVectorEnv
    from tests.benchmarks.toy_env import ToyTeamEnv

    store = CreditStore(SharedCritic(), workers=0)
    store.ready()
    venv = AgentVectorEnv([lambda: CreditWrapper(ToyTeamEnv(), Deferred(store))] * 64)
    venv.reset()
    actions = np.full(len(venv), 2)

    def run() -> None:
        for _ in range(steps):
            *_, terminated, truncated, _ = venv.step(actions)
            if (over := terminated | truncated).any():
                venv.reset(np.flatnonzero(over))
        store.ready()

    return run


def student(n_envs: int, steps: int) -> Callable[[], None]:
    """Return a case: a student pays 4 agents that observe 310 numbers."""
    from credit_wrappers import StudentSettings
    from credit_wrappers.student.inference import StudentInference
    from tests.benchmarks.student_speed import N_ACTIONS, untrained

    rng = np.random.default_rng(1)
    model = untrained(4, 310, StudentSettings())
    before, after = rng.normal(size=(2, n_envs, 4, 310)).astype(np.float32)
    actions = rng.integers(0, N_ACTIONS, (n_envs, 4))
    everyone, over = np.arange(n_envs), np.zeros(n_envs, bool)
    inference = StudentInference(model, n_envs)
    inference.begin(everyone, before)

    def run() -> None:
        for _ in range(steps):
            inference.pay(everyone, actions, after, np.zeros(n_envs), over)

    return run


def training(steps: int) -> Callable[[], None]:
    """Return a case: `train.py` on `duet` from credit, with evaluation left out."""
    import tempfile

    from tianshou_examples.train import main

    def run() -> None:
        with tempfile.TemporaryDirectory() as out:
            sys.argv[1:] = []
            arguments = ["--env", "spaceworld:duet", "--method", "mca", "--steps", str(steps), "--out", out]
            main([*arguments, "--eval-episodes", "1"])

    return run


CASES: dict[str, Callable[[], Callable[[], None]]] = {
    "dicts pair": lambda: dicts("pair", 80_000),
    "dicts station": lambda: dicts("station", 30_000),
    "batches pair": lambda: batches("pair", 1_500),
    "batches station": lambda: batches("station", 250),
    "wrapper pair": lambda: wrapped("pair", 50_000),
    "wrapper crew": lambda: wrapped("crew", 30_000),
    "rows one after another": lambda: one_after_another(700),
    "student 1": lambda: student(1, 12_000),
    "student 64": lambda: student(64, 1_000),
    "training": lambda: training(40_000),
}


def measured(case: str) -> float:
    """Return the process time of a case in seconds, after one run to warm up (none for a training)."""
    run = CASES[case]()
    if case != "training":
        run()
        gc.collect()
        gc.freeze()  # else whether a full collection, over all that was imported, falls into the run is chance
    before = time.process_time(), os.times()
    run()
    spent = time.process_time() - before[0]
    return spent + sum(os.times()[2:4]) - sum(before[1][2:4])  # and that of child processes


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="*", default=[], help="cases whose names begin so")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(measured(options.case))
        return
    print("| case | other / this, minima | median of pairs | this, s |\n|---|---|---|---|")
    for case in CASES:
        if options.only and not case.startswith(tuple(options.only)):
            continue
        spent: dict[Path, list[float]] = {options.other.resolve(): [], HERE: []}
        for _ in range(options.rounds):
            for checkout, times in spent.items():
                times.append(_in(checkout, case))
        other, ours = spent.values()
        pairs = statistics.median(a / b for a, b in zip(other, ours, strict=True))
        print(f"| {case} | {min(other) / min(ours):.3f} | {pairs:.3f} | {min(ours):.2f} |", flush=True)


def _in(checkout: Path, case: str) -> float:
    """Return what a case takes in a checkout: its packages, and this benchmark."""
    code = (
        "import sys, runpy, importlib.util as u, types; "
        f"sys.path.insert(0, {str(checkout)!r}); sys.path.append({str(HERE)!r}); "
        "import spaceworld, credit_wrappers; "
        f"assert credit_wrappers.__file__.startswith({str(checkout)!r}), credit_wrappers.__file__; "
        f"sys.argv = ['against', '.', '--case', {case!r}]; "
        f"runpy.run_path({str(Path(__file__).resolve())!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=checkout, check=False)
    if done.returncode:
        raise SystemExit(f"{case} in {checkout} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
