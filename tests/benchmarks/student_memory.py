"""Whether memory stays flat while a student pays: `python -m tests.benchmarks.student_memory`. Scripted critic."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from credit_wrappers import CreditWrapper, Distillation, Distilled, LLMCritic, ScriptedClient
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from spaceworld import spaceworld_v0


def resident() -> float:
    """Return the memory of this process, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    """Play at random and print memory, labels and speed as environment steps go by."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--scenario", default="duet")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=500)
    parser.add_argument("--envs", type=int, default=64)
    options = parser.parse_args()
    distillation = Distillation(LLMCritic(ScriptedClient()), options.labels)
    venv = AgentVectorEnv(
        [lambda: CreditWrapper(spaceworld_v0.parallel_env(scenario=options.scenario), Distilled(distillation))]
        * options.envs
    )
    rng = np.random.default_rng(0)
    observations, _ = venv.reset(seed=0)
    began, told = time.monotonic(), 0
    print("| env steps | MB | labels | student | steps/s |\n|---|---|---|---|---|")
    for step in range(0, options.steps + 1, options.envs):
        if step >= told:
            speed = step / max(time.monotonic() - began, 1e-9)
            labels, version = len(distillation.labels), distillation.newest[1]
            print(f"| {step:,} | {resident():.1f} | {labels} | {version} | {speed:,.0f} |", flush=True)
            told += options.steps // 10
        masks = observations.mask
        actions = (rng.random(masks.shape) * masks).argmax(axis=1)
        observations, _, terminated, truncated, _ = venv.step(actions)
        over = np.flatnonzero(terminated | truncated)
        if len(over):
            fresh, _ = venv.reset(over)
            for key in tuple(observations.keys()):
                observations[key][over] = fresh[key]


if __name__ == "__main__":
    main()
