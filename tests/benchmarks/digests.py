"""Print digests of what the package computes, so that a refactoring can be shown to change nothing.

    python -m tests.benchmarks.digests rollouts prompts trainings

Run it on one machine before and after a change, and compare the lines. It uses the public interface only.

    rollouts   1,000 random Spaceworld episodes: observations, rewards, ends, infos
    prompts    200 requests to a model, as the critic renders them
    trainings  60,000 environment steps of five learners: every number they report but the seconds
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers import (
    Completion,
    CreditStore,
    LLMCreditWrapper,
    LLMCritic,
    LLMTaskWrapper,
    Request,
    ScriptedClient,
)
from credit_wrappers.adapters import lbf, rware
from spaceworld import PRESETS, spaceworld_v0

EPISODES = 1000
PROMPTS = 200
LBF = "lbf:Foraging-5x5-2p-1f-coop-v3"
TRAININGS = {
    "duet mca": ["--env", "spaceworld:duet", "--method", "mca"],
    "duet student": ["--env", "spaceworld:duet", "--method", "student", "--labels", "60"],
    "duet taca": ["--env", "spaceworld:duet", "--method", "taca"],
    "lbf mca": ["--env", LBF, "--method", "mca"],
    "duet mca, double DQN per agent": [
        *("--env", "spaceworld:duet", "--method", "mca", "--algo", "ddqn", "--policy", "per-agent"),
    ],
}
# Numbers that differ from run to run, and one that was not always told.
SECONDS = ("wall", "wall_seconds", "times", "seconds", "student/fit_seconds", "team_reward")


def add(digest: Any, value: Any) -> None:
    """Add a value to a digest: arrays and numbers by their bytes, dicts by sorted key, anything else by its text."""
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            add(digest, value[key])
    elif isinstance(value, np.ndarray):
        digest.update(str((value.shape, value.dtype)).encode())
        digest.update(value.tobytes())
    elif isinstance(value, list | tuple):
        for item in value:
            add(digest, item)
    else:
        digest.update(repr(value).encode())


def rollouts() -> Iterator[tuple[str, str]]:
    """Yield a digest of random episodes for every preset."""
    each = EPISODES // len(PRESETS)
    for scenario in PRESETS:
        digest = hashlib.sha256()
        rng = np.random.default_rng(0)
        for seed in range(each):
            kind = "image" if seed % 8 == 7 else "vector"
            env = spaceworld_v0.parallel_env(scenario=scenario, observation=kind)
            add(digest, env.reset(seed=seed))
            while env.agents:
                add(digest, env.step({agent: int(rng.integers(6)) for agent in env.agents}))
            add(digest, env.unwrapped.describe_state())
        yield f"rollouts {scenario}", digest.hexdigest()


class Listener:
    """Answers as the scripted client, and keeps the questions."""

    source = "scripted"

    def __init__(self) -> None:
        self.client = ScriptedClient()
        self.name = self.client.name
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Completion:
        """Return the scripted answer."""
        self.requests.append(request)
        return self.client.complete(request)


def prompts() -> Iterator[tuple[str, str]]:
    """Yield a digest of rendered requests for each kind of environment, question and answer format."""
    worlds = {
        "duet": lambda: spaceworld_v0.parallel_env(scenario="duet"),
        "pair": lambda: spaceworld_v0.parallel_env(scenario="pair"),
        "truss": lambda: spaceworld_v0.parallel_env(scenario="truss"),
        "crew": lambda: spaceworld_v0.parallel_env(scenario="crew"),
        "lbf": lambda: lbf.parallel_env("Foraging-8x8-2p-2f-coop-v3"),
        "rware": lambda: rware.parallel_env("rware-tiny-2ag-easy-v2"),
    }
    kinds: list[tuple[str, Any, dict[str, Any]]] = [
        ("events", LLMCreditWrapper, {"answer_format": "events"}),
        ("arrays", LLMCreditWrapper, {"answer_format": "arrays"}),
        ("curve", LLMCreditWrapper, {"answer_format": "curve"}),
        ("tasks", partial(LLMTaskWrapper, wean_steps=1000), {"answer_format": "events", "tasks": True}),
    ]
    each = -(-PROMPTS // (len(worlds) * len(kinds)))
    for world, make in worlds.items():
        for kind, wrapper, options in kinds:
            listener = Listener()
            critic = LLMCritic(listener, **options)  # type: ignore[arg-type]
            env = wrapper(make(), store=CreditStore(critic, workers=0, episodes_per_query=2))
            rng = np.random.default_rng(0)
            seed, wanted = 0, 1 if world == "rware" else each
            while len(listener.requests) < wanted:
                env.reset(seed=seed)
                seed += 1
                while env.agents:
                    env.step({agent: int(rng.integers(5)) for agent in env.agents})
                env.store.ready()
            digest = hashlib.sha256()
            for request in listener.requests:
                add(digest, dataclasses.asdict(request))
            yield f"prompts {world} {kind} ({len(listener.requests)})", digest.hexdigest()


def stripped(value: Any) -> Any:
    """Return JSON data without what depends on the clock."""
    if isinstance(value, dict):
        return {key: stripped(item) for key, item in value.items() if key not in SECONDS}
    return [stripped(item) for item in value] if isinstance(value, list) else value


def trainings(steps: int) -> Iterator[tuple[str, str]]:
    """Yield a digest of each short training's metrics and results."""
    for name, arguments in TRAININGS.items():
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            command = [sys.executable, "-m", "tianshou_examples.train", *arguments, "--steps", str(steps)]
            subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
            lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            results = json.loads((out / "results.json").read_text(encoding="utf-8"))
            digest = hashlib.sha256()
            for line in lines:
                add(digest, stripped(json.loads(line)))
            add(digest, stripped(results))
            returns = results["results"][0]["sampled"]["team_return"]
            yield f"training {name} (sampled return {returns:.4f})", digest.hexdigest()


def main() -> None:
    """Compute and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["rollouts", "prompts", "trainings"])
    parser.add_argument("--steps", type=int, default=60_000, help="of each training")
    options = parser.parse_args()
    makers = {"rollouts": rollouts, "prompts": prompts, "trainings": lambda: trainings(options.steps)}
    for what in options.what:
        for name, digest in makers[what]():
            print(f"{digest[:16]}  {name}", flush=True)


if __name__ == "__main__":
    main()
