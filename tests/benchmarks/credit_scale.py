"""Whether a deed is worth the same whichever episodes share its query.

    python -m tests.benchmarks.credit_scale [--scenarios truss crew] [--seeds 8]

A perfect team (the planner) plays one episode for each seed. The scripted critic scores it alone in a query, and then
beside seven episodes of random play. The table has, for each rule of `normalise`, the mean of the team's credit in both
cases, and the largest change of any agent's credit in any step.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from credit_wrappers import (
    Credit,
    CreditStore,
    CreditWrapper,
    Deferred,
    Episode,
    LLMCritic,
    ScriptedClient,
    SharedCritic,
)
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy

RULES = ("none", "bound", "full")
COMPANY = 7


class Keep(SharedCritic):
    """Keeps the episodes."""

    def __init__(self) -> None:
        self.episodes: list[Episode] = []

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the team reward."""
        self.episodes += episodes
        return super().score(episodes)


def played(scenario: str, seeds: Sequence[int], *, perfect: bool) -> list[Episode]:
    """Return one episode for each seed, played by the planner or at random among the possible actions."""
    keep, rng = Keep(), np.random.default_rng(0)
    env = SpaceworldEnv(scenario)
    wrapped = CreditWrapper(env, Deferred(CreditStore(keep, workers=0)))
    for seed in seeds:
        observations, infos = wrapped.reset(seed=seed)
        team = policy(env) if perfect else None
        while wrapped.agents:
            if team is not None:
                actions = team(observations, infos)
            else:
                actions = {a: int(rng.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in wrapped.agents}
            observations, *_, infos = wrapped.step(actions)
    wrapped.store.settle(range(len(seeds)))
    return keep.episodes


def alone_and_beside(critic: LLMCritic, episode: Episode, company: Sequence[Episode]) -> tuple[np.ndarray, np.ndarray]:
    """Return the credit of an episode, (T, N), alone in a query and as the last of a query with others."""
    [alone] = critic.score([episode])
    *_, beside = critic.score([*company, episode])
    return alone.values, beside.values


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", nargs="+", default=["truss", "crew"])
    parser.add_argument("--seeds", type=int, default=8, help="episodes of the perfect team")
    options = parser.parse_args()
    print("| world | `normalise` | perfect team's credit, alone | beside seven random episodes | largest change |")
    print("|---|---|---|---|---|")
    for scenario in options.scenarios:
        episodes = played(scenario, range(options.seeds), perfect=True)
        company = played(scenario, range(100, 100 + COMPANY), perfect=False)
        for rule in RULES:
            critic = LLMCritic(ScriptedClient(), normalise=rule)
            pairs = [alone_and_beside(critic, episode, company) for episode in episodes]
            alone, beside = (np.mean([pair[k].sum() for pair in pairs]) for k in (0, 1))
            change = max(float(np.abs(a - b).max()) for a, b in pairs)
            print(f'| `{scenario}` | `"{rule}"` | {alone:.2f} | {beside:.2f} | {change:.2f} |', flush=True)


if __name__ == "__main__":
    main()
