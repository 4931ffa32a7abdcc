"""When worker processes pay: `python -m tests.benchmarks.worker_speed`. Prints ratios, asserts nothing.

    python -m tests.benchmarks.worker_speed [--worlds sleep burn rware duet] [--workers subprocess ray] [--envs 8]

`AgentVectorEnv` plays random legal actions inline and with workers, in turns, in one run, so that a noisy machine
slows both alike; what is counted is wall time, resets as they come. A ratio of 2.0 says that the workers make twice as
many steps a second. `sleep` waits 5 ms a step, as for a simulator on another machine; `burn` computes for 5 ms.
Medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from credit_wrappers.adapters import rware
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from spaceworld import spaceworld_v0
from tests.benchmarks.toy_env import ToyTeamEnv

STEP = 0.005  # seconds


class Sleeping(ToyTeamEnv):
    """Waits in every step."""

    def step(self, actions: dict[str, Any]) -> Any:
        time.sleep(STEP)
        return super().step(actions)


class Burning(ToyTeamEnv):
    """Computes in every step, by its own processor time."""

    def step(self, actions: dict[str, Any]) -> Any:
        until = time.process_time() + STEP
        while time.process_time() < until:
            pass
        return super().step(actions)


WORLDS: dict[str, Callable[[], ParallelEnv]] = {
    "sleep": Sleeping,
    "burn": Burning,
    "rware": lambda: rware.parallel_env("rware-small-4ag-v2"),
    "duet": lambda: spaceworld_v0.parallel_env(scenario="duet"),
}


class Player:
    """Plays random legal actions in all slots."""

    def __init__(self, venv: AgentVectorEnv) -> None:
        self.venv, self.rng = venv, np.random.default_rng(0)
        self.masks = venv.reset(seed=0)[0].mask

    def seconds(self, steps: int) -> float:
        """Seconds that so many steps of all envs take."""
        began = time.perf_counter()
        for _ in range(steps):
            actions = np.argmax(self.rng.random(self.masks.shape) * self.masks, axis=1)
            obs, _, terminated, truncated, _ = self.venv.step(actions)
            self.masks = obs.mask
            over = np.flatnonzero(terminated | truncated)
            if len(over):
                self.masks[over] = self.venv.reset(over)[0].mask
        return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--workers", nargs="+", choices=["subprocess", "ray"], default=["subprocess"])
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=100, help="steps of all envs in each round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    kinds = ["inline", *options.workers]
    print(f"medians of {options.rounds} interleaved rounds of {options.steps} steps of {options.envs} envs, ", end="")
    print(f"{os.cpu_count()} processors")
    for world in options.worlds:
        venvs = [AgentVectorEnv([WORLDS[world]] * options.envs, worker=kind) for kind in kinds]
        players = [Player(venv) for venv in venvs]
        rounds = [[player.seconds(options.steps) for player in players] for _ in range(options.rounds)]
        for venv in venvs:
            venv.close()
        taken = [statistics.median(column) / options.steps / options.envs for column in zip(*rounds, strict=True)]
        for kind, own, column in zip(kinds, taken, zip(*rounds, strict=True), strict=True):
            ratio = statistics.median(first[0] / second for first, second in zip(rounds, column, strict=True))
            print(f"  {world:6} {kind:10} {1 / own:10,.0f} env steps/s   {ratio:5.2f} x inline", flush=True)


if __name__ == "__main__":
    main()
