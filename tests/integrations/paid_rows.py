"""What each row must have been paid where `step` pays credit: by a critic that is known, or by a student of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from known_credit import N_ACTIONS, PLACEHOLDER, KnownCreditEnv, KnownCritic, Log, credit

from credit_wrappers import CreditWrapper, Deferred, StudentCritic, fit_student

Key = tuple[int, int, int, int]  # env, episode, agent, t
PAYERS = ["critic", "student"]


class AnyOrder(KnownCreditEnv):
    """Takes actions in any order (RLlib), and of agents that have left, which it ignores (TorchRL)."""

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        return super().step({agent: actions[agent] for agent in self.agents})


@cache
def payer_of(kind: str) -> Any:
    """Return a critic that pays what `credit` says, or a student of it, for two agents."""
    if kind == "critic":
        return KnownCritic()
    labels: list = []
    rng = np.random.default_rng(0)
    for number in range(4):
        env = CreditWrapper(KnownCreditEnv(number, 2, {}), Deferred(KnownCritic()), record_observations=True)
        env.add_listener(lambda episode, credit: labels.append((episode, credit)))
        for _ in range(4):
            _, infos = env.reset()
            while env.agents:
                *_, infos = env.step({agent: int(rng.integers(N_ACTIONS)) for agent in env.agents})
            env.store.settle([infos["walker_0"]["episode_id"]])
    return fit_student(labels, n_actions=N_ACTIONS, epochs=20, networks=2)


def due(log: Log, payer: Any) -> dict[Key, float]:
    """Return what each agent earned in each step that was played, from the log alone."""
    rows = {}
    for (env, episode), played in log.items():
        acted = np.array(played.actions)  # (T, N)
        if not len(acted):
            continue
        steps, n_agents = acted.shape
        if isinstance(payer, StudentCritic):
            last = np.concatenate([np.full((1, n_agents), -1), acted])
            seen = [[[env, episode, i, t, last[t, i]] for i in range(n_agents)] for t in range(steps + 1)]
            observed = np.array(seen, dtype=np.float32)
            ended = np.zeros(steps, dtype=bool)
            ended[-1] = "terminated" in played.ends.values()
            values = payer.step(observed[:-1], acted, observed[1:], np.full(steps, PLACEHOLDER), ended)
        else:
            values = np.array([[credit(env, episode, i, t) for i in range(n_agents)] for t in range(steps)])
        rows |= {(env, episode, i, t): float(values[t, i]) for t in range(steps) for i in range(n_agents)}
    return rows


def check_paid(observations: np.ndarray, rewards: np.ndarray, log: Log, payer: Any) -> set[Key]:
    """Assert that each row was paid what its own agent earned in that very step; return which rows these were.

    Args:
        observations: (R, 5), before the step: they say which row it is.
        rewards: (R,).
    """
    keys = [tuple(int(x) for x in row[:4]) for row in np.asarray(observations)]
    earned = due(log, payer)
    expected = np.array([earned[key] for key in keys])
    np.testing.assert_allclose(rewards, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    # The check is worth something: the other agent and the step before earned other sums.
    for others in ([(e, n, 1 - i, t) for e, n, i, t in keys], [(e, n, i, t - 1) for e, n, i, t in keys]):
        wrong = [earned.get(key, np.inf) for key in others]
        assert np.isclose(expected, wrong, rtol=1e-4).mean() < 0.1
    return set(keys)


def check_ends(keys: Iterable[Key], log: Log) -> None:
    """Assert that last steps of episodes of both kinds are among the rows, and first steps of later episodes."""
    found = set(keys)
    ends = {
        end
        for (env, episode), played in log.items()
        if played.over and (env, episode, 0, len(played.actions) - 1) in found
        for end in played.ends.values()
    }
    assert ends == {"terminated", "truncated"}
    assert {t for _, episode, _, t in found if episode > min(key[1] for key in found)} >= {0, 1, 2}
