"""A table of how the scripted team plays the presets: `python -m spaceworld.planner --seeds 1000`.

The last column is the mean return of random choices among the possible actions, on the same layouts. With `--exact`,
the shortest joint plans are played instead, for the presets that are small enough: `solo`, `duet`, `pair`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from spaceworld.env import SpaceworldEnv
from spaceworld.planner.exact import shortest_plan
from spaceworld.planner.scripted_policy import policy
from spaceworld.presets import PRESETS
from spaceworld.text.output import printing
from spaceworld.vector import SpaceworldVectorEnv

CHUNK = 5  # seeds that a process is given at once
EXACT = ("solo", "duet", "pair")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one episode."""

    preset: str
    seed: int
    steps: int
    cost: float
    completed: bool
    slowest: float  # seconds for the slowest action, with planning
    seconds: float


def play(job: tuple[str, int, bool]) -> Outcome:
    """Play one episode of a preset, given as (preset, seed, exact), by the scripted team or the shortest plan."""
    preset, seed, exact = job
    env = SpaceworldEnv(preset)
    env.reset(seed=seed)
    cost, steps, completed, begin = 0.0, 0, False, time.perf_counter()
    team = policy(env)
    plan = shortest_plan(env).tolist() if exact else []
    slowest = time.perf_counter() - begin
    while env.agents:
        before = time.perf_counter()
        actions = dict(zip(env.agents, plan[steps], strict=True)) if exact else team()
        slowest = max(slowest, time.perf_counter() - before)
        _, _, terminated, _, infos = env.step(actions)
        cost += sum(info["cost"] for info in infos.values())
        completed = all(terminated.values())
        steps += 1
    return Outcome(preset, seed, steps, cost, completed, slowest, time.perf_counter() - begin)


def random_return(preset: str, first: int, seeds: int) -> float:
    """Return the mean return of random choices among the possible actions, over one episode for each seed."""
    envs = SpaceworldVectorEnv(seeds, preset)
    _, infos = envs.reset(seed=first)
    rng = np.random.default_rng(first)
    returns = np.full(seeds, np.nan)
    while np.isnan(returns).any():
        chances = rng.random(infos["action_mask"].shape) * infos["action_mask"]
        _, _, _, _, infos = envs.step(chances.argmax(axis=-1))
        if "episode" in infos:
            ended = infos["_episode"] & np.isnan(returns)
            returns[ended] = infos["episode"]["r"][ended]
    return float(returns.mean())


def table_line(preset: str, done: Sequence[Outcome], first: int) -> str:
    """Return one line of the table."""
    steps = [o.steps for o in done]
    return (
        f"{preset:<8} {len(done):>6} {sum(o.completed for o in done):>9} {sum(o.cost for o in done):>6.0f} "
        f"{sum(steps) / len(steps):>7.1f} {max(steps):>5} {PRESETS[preset].horizon:>8} "
        f"{1000 * sum(o.seconds for o in done) / len(done):>9.0f} {1000 * max(o.slowest for o in done):>9.0f} "
        f"{random_return(preset, first, len(done)):>8.2f}"
    )


HEAD = "preset    seeds completed   cost    mean   max  horizon   ms mean    ms max   random"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and print a table; return 1 when an episode failed."""
    parser = argparse.ArgumentParser(
        prog="python -m spaceworld.planner", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("presets", nargs="*", help="names of presets; none: all")
    parser.add_argument("--seeds", type=int, default=100, help="episodes of each preset (default 100)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--exact", action="store_true", help=f"shortest plans, for {', '.join(EXACT)}")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.presets if name not in PRESETS]
    if unknown:
        parser.error(f"unknown preset {unknown[0]!r}; the presets are {', '.join(PRESETS)}")
    if options.exact and not set(options.presets) <= set(EXACT):
        parser.error(f"--exact is for {', '.join(EXACT)}; the others have too many states")
    if options.seeds < 1 or options.jobs < 1:
        parser.error("--seeds and --jobs must be at least 1")
    print(HEAD, flush=True)
    failures: list[Outcome] = []
    for preset in options.presets or (EXACT if options.exact else PRESETS):
        jobs = [(preset, seed, options.exact) for seed in range(options.first, options.first + options.seeds)]
        done = []
        for outcome in _played(jobs, options.jobs):
            done.append(outcome)
            if sys.stderr.isatty():
                print(f"\r{preset}: {len(done)} of {len(jobs)}", end="\r", file=sys.stderr, flush=True)
        print(table_line(preset, done, options.first), flush=True)
        failures += [o for o in done if o.cost or not o.completed]
    for o in failures:
        what = "was completed" if o.completed else "was not completed"
        print(f"failed: {o.preset} seed {o.seed} {what} in {o.steps} steps, at cost {o.cost:.0f}")
    return 1 if failures else 0


def _played(jobs: list[tuple[str, int, bool]], processes: int) -> Iterable[Outcome]:
    if processes == 1:
        yield from map(play, jobs)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(play, jobs, chunksize=CHUNK)


if __name__ == "__main__":
    with printing():
        sys.exit(main())
