"""Episodes of the adapters, recorded and credited by the scripted critic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_wrappers import Credit, CreditStore, CreditWrapper, Deferred, Episode, LLMCritic, Request, ScriptedClient
from credit_wrappers.adapters.library_env import TeamEnv
from tests.adapters.worlds import busy


class Keep:
    """A critic that keeps what went through it, and is its own client, which keeps the question."""

    label = "kept"
    name, source = "scripted-4", "scripted"

    def __init__(self) -> None:
        self.client = ScriptedClient()
        self.critic = LLMCritic(self, bound=1e9)
        self.episode: Episode | None = None
        self.credit: Credit | None = None
        self.request: Request | None = None

    def complete(self, request: Request) -> Any:
        self.request = request
        return self.client.complete(request)

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        credits = self.critic.score(episodes)
        self.episode, self.credit = episodes[0], credits[0]
        return credits


class Placed:
    """Makes `reset` of an environment begin where it is now; the random stream goes on."""

    def __init__(self, env: TeamEnv) -> None:
        self.env, self.start = env, env.get_state()

    def __call__(self, seed: int | None = None, options: Any = None) -> Any:
        self.env.set_state(self.start)
        return self.env.observe_all()


def play(env: TeamEnv, plan: Sequence[Sequence[int]] | None = None, seed: int = 0) -> Keep:
    """One episode from the present state: the joint actions of a plan, then agents wait; None: random play."""
    keep = Keep()
    wrapped = CreditWrapper(env, Deferred(CreditStore(keep, workers=0)))
    if plan is not None:
        env.reset = Placed(env)  # type: ignore[method-assign]
    rng = np.random.default_rng(seed)
    _, infos = wrapped.reset(seed=seed)
    t = 0
    while wrapped.agents:
        if plan is None:
            actions = busy(env, infos, rng)
        else:
            joint = plan[t] if t < len(plan) else [0] * len(env.agents)
            actions = dict(zip(env.agents, joint, strict=True))
        *_, infos = wrapped.step(actions)
        t += 1
    wrapped.store.settle([0])
    return keep
