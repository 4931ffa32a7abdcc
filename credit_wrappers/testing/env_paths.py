"""Which credit sources, vectorised environments and copies an environment can be used with: each is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Literal

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.critics.baselines import EqualSplitCritic
from credit_wrappers.delivery.deferred import Deferred
from credit_wrappers.delivery.online import Online
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.integrations.group_checks import check_discrete
from credit_wrappers.integrations.gymnasium import ParallelVecEnv
from credit_wrappers.recording.team_reward import TeamRewardRule
from credit_wrappers.student.inputs import StudentInputs
from credit_wrappers.testing.env_report import EnvFinding, failed
from credit_wrappers.testing.watched_env import DrawnActions, digest
from credit_wrappers.wrappers.credit_wrapper import CreditWrapper

_REPAIR = "repair what 'reset and step' says"

# How far an environment was played: an error before its first step, or later; no episode ended, or one did.
Progress = Literal["not begun", "stopped", "played", "ended"]


def env_name(env: Any) -> str:
    """Return what messages call an environment."""
    world = getattr(env, "unwrapped", env)
    return str((getattr(env, "metadata", None) or {}).get("name") or type(world).__name__)


class FreshEnvs:
    """Makes environments, and closes those that it made; or gives always the same one, which it never closes.

    Args:
        env: The one environment; None: they are made.
        factory: Makes them.

    Attributes:
        count: How many there can be at a time, for a vectorised environment: 1 or 2.
    """

    def __init__(self, env: Any, factory: Callable[[], Any] | None) -> None:
        self._env, self._factory, self._made = env, factory, []  # type: ignore[var-annotated]
        self.count = 2 if factory else 1

    def make(self) -> Any:
        """Return an environment."""
        if self._factory is None:
            return self._env
        self._made.append(self._factory())
        return self._made[-1]

    def close(self) -> None:
        """Close all that were made since the last call: an environment may be a process."""
        made, self._made = self._made, []
        for env in made:
            with suppress(Exception):
                env.close()


def found_of_sources(
    env: ParallelEnv, fresh: FreshEnvs, seed: int, steps: int, rule: TeamRewardRule, progress: Progress, away: str
) -> Iterator[EnvFinding]:
    """Yield for each credit source whether it works.

    Args:
        env: The environment that was played.
        fresh: Makes others.
        seed: Of resets and actions.
        steps: Steps to play with each.
        rule: How its team reward is made.
        progress: How far it was played.
        away: Which agent left or arrived in mid-episode, in words; "".
    """
    if progress in ("played", "ended"):
        if progress == "ended":
            yield EnvFinding("works", "Deferred", "every finished episode is credited")
        else:
            yield EnvFinding("note", "Deferred", "not checked: no episode ended")
        yield _tried("Online", lambda: _online(fresh.make(), seed, steps, rule), "the critic is asked in every step")
    else:
        yield EnvFinding("problem", "Deferred", "the wrapper cannot record it", _REPAIR)
    try:
        StudentInputs(env)
        text = f"{away}: a student needs every agent in every step"
        if away:
            yield EnvFinding("problem", "Student", text, "credit by Deferred")
        elif progress == "not begun":
            yield EnvFinding("note", "Student", "not checked: play stopped before the first step")
        else:
            yield EnvFinding("works", "Student", "a student reads what the agents observe and do")
    except Exception as error:
        yield EnvFinding("problem", "Student", str(error), "credit by Deferred, or flatten what is observed and done")


def found_of_vectors(fresh: FreshEnvs, seed: int, steps: int, rule: TeamRewardRule) -> Iterator[EnvFinding]:
    """Yield for each vectorised environment whether it works; see `found_of_sources` for the arguments."""
    for topic, play in (("ParallelVecEnv", _vectorised), ("AgentVectorEnv", _for_tianshou)):
        yield _tried(topic, partial(play, fresh, seed, steps, rule), "one row for each agent")
        fresh.close()


def found_of_copies(fresh: FreshEnvs, seed: int, steps: int) -> Iterator[EnvFinding]:
    """Yield whether a seed repeats an episode, and whether a snapshot does, where there are any."""
    env: Any = fresh.make()
    first, second = (_rollout(each, seed, steps) for each in (env, fresh.make()))
    if first == second:
        text = "the same seed and actions give the same episode" + (", in two environments" if fresh.count > 1 else "")
        yield EnvFinding("works", "seeds", text)
    else:
        step = next((t for t, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
        where = f"step {step - 1}" if step else "the reset"
        text = f"the same seed and actions give another episode, from {where} on: a run cannot be repeated"
        yield EnvFinding("note", "seeds", text, "draw everything from one generator that reset(seed=) seeds")
    if hasattr(env.unwrapped, "get_state") and hasattr(env.unwrapped, "set_state"):
        text = "set_state() goes on as it went on after get_state()"
        yield _tried("snapshots", lambda: _snapshot(env, seed), text, "repair get_state and set_state")
    fresh.close()


def _tried(topic: str, trial: Callable[[], Any], text: str, way_out: str = "") -> EnvFinding:
    try:
        noted = trial()
    except Exception as error:
        return failed(topic, error, way_out or "as the message says, or use CreditWrapper alone")
    return EnvFinding("note", topic, noted) if noted else EnvFinding("works", topic, text)


def _wrapped(env: ParallelEnv, store: Any, rule: TeamRewardRule) -> CreditWrapper:
    source = Deferred(store)
    source.team_reward.changed = lambda decision: None  # what it means was found before: no log
    return CreditWrapper(env, source, team_reward=rule)


def _online(env: ParallelEnv, seed: int, steps: int, rule: TeamRewardRule) -> None:
    source = Online(EqualSplitCritic())
    source.team_reward.changed = lambda decision: None
    wrapped = CreditWrapper(env, source, team_reward=rule)
    digest(wrapped, DrawnActions(env, seed), wrapped.reset(seed=seed), steps)


def _vectorised(fresh: FreshEnvs, seed: int, steps: int, rule: TeamRewardRule) -> None:
    store = CreditStore(EqualSplitCritic(), workers=0)
    envs = ParallelVecEnv([lambda: _wrapped(fresh.make(), store, rule)] * fresh.count)
    _, infos = envs.reset(seed=seed)
    draw = DrawnActions(envs.envs[0], seed)
    for _ in range(steps):
        *_, infos = envs.step(_rows(envs.agents, draw, fresh.count, infos.get("action_mask")))


def _for_tianshou(fresh: FreshEnvs, seed: int, steps: int, rule: TeamRewardRule) -> str:
    try:
        from credit_wrappers.integrations.tianshou import AgentVectorEnv
    except ImportError:
        return "Tianshou is not installed (extra tianshou), so it was not tried"
    store = CreditStore(EqualSplitCritic(), workers=0)
    envs = AgentVectorEnv([lambda: _wrapped(fresh.make(), store, rule)] * fresh.count)
    seen, _ = envs.reset(seed=seed)
    draw = DrawnActions(envs.envs[0], seed)
    for _ in range(steps):
        actions = _rows(envs.agents, draw, fresh.count, None if isinstance(seen, np.ndarray) else seen.mask)
        seen, _, terminated, truncated, _ = envs.step(actions)
        if (terminated | truncated).any():
            seen, _ = envs.reset()
    try:
        check_discrete(envs.envs[0], envs.agents)
    except ValueError as error:
        return f"works with learners='shared', not with 'per-agent': {error}"
    return ""


def _rows(agents: list[str], draw: DrawnActions, count: int, masks: Any) -> np.ndarray:
    rows = []
    for row in range(count * len(agents)):
        agent = agents[row % len(agents)]
        info = {} if masks is None else {agent: {"action_mask": masks[row]}}
        rows.append(draw(agent, {}, info))
    return np.array(rows)


def _rollout(env: ParallelEnv, seed: int, steps: int) -> list[str]:
    return digest(env, DrawnActions(env, seed), env.reset(seed=seed), steps)


def _snapshot(env: ParallelEnv, seed: int) -> None:
    draw = DrawnActions(env, seed)
    returned = env.reset(seed=seed)
    world: Any = env.unwrapped
    state = world.get_state()
    first = digest(env, draw, returned, 10)
    world.set_state(state)
    if digest(env, DrawnActions(env, seed), returned, 10) != first:
        raise ValueError("after set_state() the episode went on otherwise than after get_state()")
