"""How long the critic's questions are.

    python -m tests.benchmarks.prompt_size [--episodes 8] [--tokenizer estimate|cl100k]

For Spaceworld's `pair`, by chance and by the planner, `station` and the corridor: characters and tokens of a step, over
whole episodes with their starts; tokens of the base prompt, which providers cache; tokens of a query of 8 episodes
without it. `--tokenizer cl100k` needs tiktoken and its vocabulary (TIKTOKEN_CACHE_DIR where there is no network).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from credit_wrappers import CreditStore, CreditWrapper, Deferred, LLMCritic, Request, ScriptedClient
from credit_wrappers.llm.tokens import estimate_tokens
from credit_wrappers.scripted.read_prompt import read_transcripts
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy


class AskedClient(ScriptedClient):
    """The scripted critic, which keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Any:
        self.requests.append(request)
        return super().complete(request)


def requests_of(env: ParallelEnv, team: Any, seeds: range, per_query: int = 8, **critic_options: Any) -> list[Request]:
    """Return the requests for one whole episode a seed.

    Args:
        env: The environment.
        team: Called with observations and infos; None: chance, among the possible actions where there is a mask.
        seeds: Of the resets.
        per_query: Episodes in one request.
        critic_options: Options of `LLMCritic`.
    """
    client = AskedClient()
    store = CreditStore(LLMCritic(client, **critic_options), workers=0, episodes_per_query=per_query)
    wrapped, random = CreditWrapper(env, Deferred(store)), np.random.default_rng(0)
    for seed in seeds:
        observations, infos = wrapped.reset(seed=seed)
        while wrapped.agents:
            if team is not None:
                actions = team(observations, infos)
            else:
                legal = {a: infos[a].get("action_mask", np.ones(env.action_space(a).n)) for a in wrapped.agents}
                actions = {a: int(random.choice(np.flatnonzero(mask))) for a, mask in legal.items()}
            observations, *_, infos = wrapped.step(actions)
    store.settle(range(len(seeds)))
    return client.requests


def steps_of(requests: list[Request]) -> int:
    """Return how many steps the requests tell."""
    return sum(len(episode.steps) for request in requests for episode in read_transcripts(request.prompt))


def _tokenizer(name: str) -> Callable[[str], int]:
    if name == "estimate":
        return estimate_tokens
    import tiktoken

    encoding = tiktoken.get_encoding("cl100k_base")
    return lambda text: len(encoding.encode(text))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--episodes", type=int, default=8, help="of each kind")
    parser.add_argument("--tokenizer", choices=["estimate", "cl100k"], default="estimate")
    args = parser.parse_args()
    count = _tokenizer(args.tokenizer)
    print(f"{'':<16} {'steps':>6} {'chars/step':>10} {'tokens/step':>11} {'prefix':>7} {'8 episodes':>10}")
    for name, make, plans in (
        ("pair, chance", lambda: SpaceworldEnv("pair"), False),
        ("pair, planner", lambda: SpaceworldEnv("pair"), True),
        ("station, chance", lambda: SpaceworldEnv("station"), False),
        ("station, planner", lambda: SpaceworldEnv("station"), True),
        ("corridor, chance", CorridorEnv, False),
    ):
        env = make()
        requests = requests_of(env, policy(env) if plans else None, range(args.episodes))
        steps = steps_of(requests)
        characters = sum(len(request.prompt) for request in requests)
        tokens = sum(count(request.prompt) for request in requests)
        print(
            f"{name:<16} {steps:>6} {characters / steps:>10.1f} {tokens / steps:>11.1f} "
            f"{count(requests[0].system):>7} {8 * tokens / args.episodes:>10.0f}"
        )


if __name__ == "__main__":
    main()
