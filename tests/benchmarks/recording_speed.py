"""What `RecordEpisodes` costs: `python -m tests.benchmarks.recording_speed`. Prints ratios, asserts nothing.

All rows are played in turns in one process, by the time of the processor, and compared with the bare environment.

    drawn     actions that were drawn before the clock started: nothing but steps
    sampled   actions from `action_space(agent).sample()`
    legal     a team that chooses among the possible actions at random
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from credit_wrappers import RecordEpisodes
from spaceworld import spaceworld_v0

Choose = Callable[[Any, int, dict[str, Any]], dict[str, int]]


def ways_to_play(env: Any, steps: int) -> dict[str, Choose]:
    """Return functions of environment, step and infos that return a joint action."""
    rng = np.random.default_rng(0)
    agents = env.possible_agents
    drawn = [dict(zip(agents, row, strict=True)) for row in rng.integers(0, 6, (steps, len(agents))).tolist()]
    spaces = {agent: env.action_space(agent) for agent in agents}

    def legal(env: Any, t: int, infos: dict[str, Any]) -> dict[str, int]:
        return {agent: int(rng.choice(np.flatnonzero(infos[agent]["action_mask"]))) for agent in env.agents}

    return {
        "drawn": lambda env, t, infos: drawn[t],
        "sampled": lambda env, t, infos: {agent: space.sample() for agent, space in spaces.items()},
        "legal": legal,
    }


def rate(env: Any, choose: Choose, steps: int) -> float:
    """Return steps a second."""
    infos = env.reset(seed=0)[1]
    began = time.process_time()
    for t in range(steps):
        if not env.agents:
            infos = env.reset()[1]
        infos = env.step(choose(env, t, infos))[4]
    return steps / (time.process_time() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="pair")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--steps", type=int, default=10000, help="of each row in each round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:

        def make() -> Any:
            return spaceworld_v0.parallel_env(scenario=options.scenario)

        rows = {
            "bare": make(),
            "actions": RecordEpisodes(make(), f"{folder}/a"),
            "everything": RecordEpisodes(make(), f"{folder}/b", keep="everything"),
        }
        for name, choose in ways_to_play(rows["bare"], options.steps).items():
            for env in rows.values():
                rate(env, choose, 500)  # compile and warm up
            found = np.array(
                [[rate(env, choose, options.steps) for env in rows.values()] for _ in range(options.rounds)]
            )
            shares = np.median(found / found[:, :1], axis=0)
            told = [
                f"{row} {value:,.0f} ({share:.2f})"
                for row, value, share in zip(rows, np.median(found, 0), shares, strict=True)
            ]
            print(f"{name:<8} steps/s, and as a share of the bare environment's: {'; '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
