"""What a student's `step` costs per agent: `python -m tests.benchmarks.student_speed`. Its weights are untrained."""

from __future__ import annotations

import argparse
import time

import numpy as np

from credit_wrappers import Agreement, StudentCritic, StudentSettings
from credit_wrappers.student.agreement import Match
from credit_wrappers.student.network import initial, statistics
from credit_wrappers.student.team import Team

N_ACTIONS = 6


def untrained(n_agents: int, size: int, settings: StudentSettings) -> StudentCritic:
    names = tuple(f"agent_{i}" for i in range(n_agents))
    team = Team(names, ("agent",) * n_agents, (size,) * n_agents, (N_ACTIONS,) * n_agents)
    rng = np.random.default_rng(0)
    parameters = initial(team, settings, rng) | statistics(team, rng.normal(size=(100, n_agents, size)))
    nothing = Match(0.0, 0.0, 0.0, 0)
    return StudentCritic(settings, team, parameters, 1.0, Agreement(0, nothing, nothing), 0)


def main() -> None:
    """Print microseconds of process time per agent and step: the median of several rounds, and the range."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=20)
    options = parser.parse_args()
    print("| form | agents | observation | environments | us per agent |\n|---|---|---|---|---|")
    for form in ("potential", "free"):
        for n_agents, size, envs in ((2, 47, 1), (2, 47, 64), (4, 310, 64), (16, 310, 64)):
            student = untrained(n_agents, size, StudentSettings(form=form))  # type: ignore[arg-type]
            rng = np.random.default_rng(1)
            before, after = rng.normal(size=(2, envs, n_agents, size)).astype(np.float32)
            actions = rng.integers(0, N_ACTIONS, (envs, n_agents))
            reward, over = np.zeros(envs), np.zeros(envs, bool)
            rounds = []
            for _ in range(options.rounds):
                start = time.process_time()
                for _ in range(options.calls):
                    student.step(before, actions, after, reward, over)
                rounds.append(1e6 * (time.process_time() - start) / (options.calls * envs * n_agents))
            spread = f"{np.median(rounds):.1f} ({min(rounds):.1f}-{max(rounds):.1f})"
            print(f"| {form} | {n_agents} | {size} | {envs} | {spread} |")


if __name__ == "__main__":
    main()
