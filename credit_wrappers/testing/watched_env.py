"""Look on while an environment is played: what it returns, as it returns it, and how its actions are drawn."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.recording.attendance import Attendance
from credit_wrappers.recording.observation_spaces import MASK


class WatchedEnv(BaseParallelWrapper):
    """Changes nothing, and notes what an environment does.

    Args:
        env: A PettingZoo parallel environment.

    Attributes:
        steps: How many steps were taken.
        last: What the last reset or step returned.
        outside: The first observation that is not in its space, in words; "".
        bad_seen: The first observation with a number that is not finite, in words; "".
        bad_reward: The first reward of an acting agent that is not finite, in words; "".
        late_mask: Whether a step returned an action mask and the reset before it none.
        again: What is returned again with other contents: "the same dict", "the same array"; "".
        shared: Whether agents were given arrays that share memory.
        with_mask: How many infos had an action mask, of agents that act next.
        without_mask: How many had none.
        costs: Whether an info had a cost.
        everyone: Whether there was a flag "__all__".
    """

    def __init__(self, env: ParallelEnv) -> None:
        super().__init__(env)
        self.steps = 0
        self.last: tuple[Any, ...] = ()
        self.outside, self.again, self.bad_seen, self.bad_reward = "", "", "", ""
        self.late_mask = False
        self._masked_reset = False
        self.shared = self.costs = self.everyone = False
        self.with_mask = self.without_mask = 0
        self._spaces = {agent: env.observation_space(agent) for agent in env.possible_agents}

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Reset the environment."""
        returned = self.env.reset(seed=seed, options=options)
        self._note(returned)
        self._masked_reset = self._masked()
        return returned

    def step(self, actions: Mapping[str, Any]) -> Any:
        """Advance the environment."""
        before = self.last
        returned = self.env.step(actions)
        self.steps += 1
        if not self.again and _dicts(returned) and _dicts(before):
            self.again = _again(before[0], returned[0])
        if _dicts(returned) and len(returned) == 5:
            self.everyone |= any("__all__" in flags for flags in returned[2:4])
            for agent in actions:
                if not self.bad_reward and (bad := _not_finite(returned[1].get(agent))):
                    self.bad_reward = f"step {self.steps - 1}: the reward of agent {agent!r} is {bad}"
        self._note(returned)
        self.late_mask |= self._masked() and not self._masked_reset
        return returned

    def _masked(self) -> bool:
        """Return whether an info of what was returned last has an action mask."""
        return bool(self.last) and any(MASK in (info or {}) for info in self.last[-1].values())

    def _note(self, returned: Any) -> None:
        self.last = returned if _dicts(returned) else ()
        if not self.last:
            return
        observations, infos = returned[0], returned[-1]
        arrays = [seen for seen in observations.values() if isinstance(seen, np.ndarray)]
        self.shared |= any(np.may_share_memory(a, b) for a, b in pairwise(arrays))
        for agent, seen in observations.items():
            if bad := _not_finite(seen):
                self.bad_seen = self.bad_seen or f"step {self.steps}: agent {agent!r} observes {bad}"
            elif not self.outside and agent in self._spaces and not _inside(self._spaces[agent], seen):
                self.outside = (
                    f"step {self.steps}: agent {agent!r} observes {_what(seen)}, its space is {self._spaces[agent]}"
                )
        for agent in self.env.agents:
            info = infos.get(agent) or {}
            self.costs |= "cost" in info
            self.with_mask += MASK in info
            self.without_mask += MASK not in info


class DrawnActions:
    """Draws legal actions, the same ones for the same seed.

    Args:
        env: Whose actions; its own spaces are not touched.
        seed: Seed.
    """

    def __init__(self, env: ParallelEnv, seed: int) -> None:
        self._spaces = {agent: copy.deepcopy(env.action_space(agent)) for agent in env.possible_agents}
        for k, space in enumerate(self._spaces.values()):
            space.seed(seed + k)

    def __call__(self, agent: str, observations: Mapping[str, Any], infos: Mapping[str, Any]) -> Any:
        """Return an action of an agent, by the mask in its info, or in its observation, where there is one."""
        space, seen = self._spaces[agent], observations.get(agent)
        mask = (infos.get(agent) or {}).get(MASK)
        if mask is None and isinstance(seen, Mapping):
            mask = seen.get(MASK)
        if mask is None or not isinstance(space, Discrete) or not np.any(mask):
            return space.sample()
        return space.sample(np.asarray(mask, np.int8))


def digest(env: ParallelEnv, draw: DrawnActions, returned: Any, steps: int) -> list[str]:
    """Play on after a reset; return a fingerprint of what it returned, and of each step.

    Args:
        env: The environment.
        draw: Draws actions.
        returned: What its last reset returned.
        steps: How many steps, at most; it ends with the episode.
    """
    attendance = Attendance("", env.possible_agents)
    attendance.reset(returned)
    prints = [_print(returned)]
    while len(prints) <= steps and not attendance.now.ends[2]:
        live = [agent for agent in env.possible_agents if agent in attendance.now.live]
        returned = env.step({agent: draw(agent, returned[0], returned[-1]) for agent in live})
        attendance.step(env.agents, returned)
        prints.append(_print(returned))
    return prints


def _print(value: Any) -> str:
    return hashlib.sha256(repr(_plain(value)).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [(str(key), _plain(value[key])) for key in sorted(value, key=str)]
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray | np.generic):
        return (value.shape, value.dtype.str, value.tobytes() if value.dtype != object else repr(value.tolist()))
    return value if isinstance(value, int | float | str | bool | None) else type(value).__name__


def _dicts(returned: Any) -> bool:
    return isinstance(returned, tuple) and bool(returned) and all(isinstance(part, Mapping) for part in returned)


def _inside(space: Any, seen: Any) -> bool:
    try:
        return bool(space.contains(seen))
    except Exception:  # a space that cannot say it does not contain it
        return False


def _not_finite(value: Any) -> str:
    """Return "nan" or "inf" if a number in a value is one; "" otherwise."""
    if isinstance(value, Mapping):
        return next((bad for part in value.values() if (bad := _not_finite(part))), "")
    array = np.asarray(value) if isinstance(value, float | np.ndarray | np.generic) else np.zeros(0)
    found = array[~np.isfinite(array)] if array.dtype.kind == "f" else np.zeros(0)
    return str(found[0]) if found.size else ""


def _what(seen: Any) -> str:
    if not isinstance(seen, np.ndarray):
        return f"a {type(seen).__name__}"
    return f"an array of shape {seen.shape}, {seen.dtype}" + (f", {seen.min()} to {seen.max()}" if seen.size else "")


def _again(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if before is now:
        return "the same dict"
    same = any(isinstance(seen, np.ndarray) and seen is before.get(agent) for agent, seen in now.items())
    return "the same array" if same else ""
