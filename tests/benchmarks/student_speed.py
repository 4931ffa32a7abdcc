"""What a student with untrained weights costs per agent, by `step` and by a StudentInference.

`python -m tests.benchmarks.student_speed`
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper

from credit_wrappers import Agreement, CreditWrapper, Student, StudentCritic, StudentSettings
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from credit_wrappers.student.agreement import AgreementScores
from credit_wrappers.student.inference import StudentInference
from credit_wrappers.student.network import initial, statistics
from credit_wrappers.student.team_spec import TeamSpec
from credit_wrappers.testing.corridor import CorridorEnv

N_ACTIONS = 6


def untrained(
    n_agents: int, size: int, settings: StudentSettings, name: str = "agent", n_actions: int = N_ACTIONS
) -> StudentCritic:
    names = tuple(f"{name}_{i}" for i in range(n_agents))
    team = TeamSpec(names, ("agent",) * n_agents, (size,) * n_agents, (n_actions,) * n_agents)
    rng = np.random.default_rng(0)
    parameters = initial(team, settings, rng) | statistics(team, rng.normal(size=(100, n_agents, size)))
    nothing = AgreementScores(0.0, 0.0, 0.0, 0)
    return StudentCritic(settings, team, parameters, 1.0, Agreement(0, nothing, nothing), 0)


def main() -> None:
    """Print microseconds of process time per agent and step: the median of several rounds, and the range."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each round")
    options = parser.parse_args()
    print("| form | agents | observation | environments | `step` | `pay`, no reward | `pay`, reward |")
    print("|---|---|---|---|---|---|---|")
    for form in ("potential", "free"):
        for n_agents, size in ((2, 47), (4, 310), (16, 310)):
            student = untrained(n_agents, size, StudentSettings(form=form))  # type: ignore[arg-type]
            for envs in (1, 64):
                rng = np.random.default_rng(1)
                before, after = rng.normal(size=(2, envs, n_agents, size)).astype(np.float32)
                actions = rng.integers(0, N_ACTIONS, (envs, n_agents))
                every, over = np.arange(envs), np.zeros(envs, bool)
                inference = StudentInference(student, envs)
                inference.begin(every, before)
                cells = [
                    spent(options.rounds, options.seconds, envs * n_agents, call)
                    for call in (
                        partial(student.step, before, actions, after, np.zeros(envs), over),
                        partial(inference.pay, every, actions, after, np.zeros(envs), over),
                        partial(inference.pay, every, actions, after, np.ones(envs), over),
                    )
                ]
                print(f"| {form} | {n_agents} | {size} | {envs} | {' | '.join(cells)} |", flush=True)
    in_vector_env(options.rounds, options.seconds)


def in_vector_env(rounds: int, seconds: float) -> None:
    """Print what a step of 64 small vectorised environments costs, bare, and paid at once or each in its own step."""
    student = untrained(2, 2, StudentSettings(), "walker", 3)
    credited = partial(CreditWrapper, source=Student(student))
    makes: dict[str, Callable[[], ParallelEnv]] = {
        "bare": lambda: CorridorEnv(horizon=10**9),
        "paid together": lambda: credited(CorridorEnv(horizon=10**9)),
        "paid one by one": lambda: BaseParallelWrapper(credited(CorridorEnv(horizon=10**9))),
    }
    print("\n`AgentVectorEnv.step` of 64 corridors with 2 agents, who stand still and are paid nothing:")
    for name, make in makes.items():
        venv = AgentVectorEnv([make] * 64)
        venv.reset(seed=0)
        print(f"{name:<16} {spent(rounds, seconds, 128, partial(venv.step, np.zeros(128, int)))}", flush=True)


def spent(rounds: int, seconds: float, agents: int, call: Callable[[], object]) -> str:
    """Return what a call takes for each of its agents: median (least-most)."""
    call()
    start, calls, found = time.process_time(), 0, []
    while time.process_time() - start < seconds:
        call()
        calls += 1
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(calls):
            call()
        found.append(1e6 * (time.process_time() - start) / (calls * agents))
    return f"{np.median(found):.1f} ({min(found):.1f}-{max(found):.1f})"


if __name__ == "__main__":
    main()
