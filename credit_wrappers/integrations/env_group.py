"""Many ParallelEnvs with the same team, stepped one after another: what their agents get becomes arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from operator import itemgetter
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from credit_wrappers.delivery.session import CreditSession, join_sessions
from credit_wrappers.recording.attendance import Attendance, Presence
from credit_wrappers.recording.observation_spaces import MASK
from credit_wrappers.recording.recorder import Row
from credit_wrappers.recording.team_reward import number
from credit_wrappers.wrappers.credit_wrapper import CreditWrapper


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the agents of e envs got, in rows: all agents of the first env, then of the next. R = e * N.

    Attributes:
        observations: (R, ...); zeros for an agent that is not there.
        masks: (R, A) bool, legal actions; None when the envs have no masks.
        rewards: (R,) float64.
        terminated: (e, N) bool, the agents' own flags.
        truncated: (e, N) bool, in no agent together with `terminated`.
        there: (e, N) bool, who acts next: agents that go on, arrive or come back.
    """

    observations: np.ndarray
    masks: np.ndarray | None
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    there: np.ndarray

    @property
    def over(self) -> np.ndarray:
        """(e,) bool, envs in which no agent goes on."""
        return np.logical_not(self.there.any(axis=1))


class EnvGroup:
    """E environments with the same N agents.

    If the outermost wrapper of every environment is a `CreditWrapper` with the same credit source, the environments
    inside are stepped directly, and one crediting session credits them all.

    Args:
        envs: The environments.
        agents: Their agents, in the order of rows.

    Attributes:
        session: The common crediting session, or None.
    """

    # The loops below run once for each env and step, which for a cheap env is most of what collecting costs:
    # hence local names, one length check in place of look-ups with defaults, and one array for all rows.

    def __init__(self, envs: Sequence[ParallelEnv], agents: Sequence[str]) -> None:
        self.agents = list(agents)
        self.masked: bool | None = None  # whether infos bring action masks; known at the first reset
        space = envs[0].observation_space(agents[0])
        self._blank = np.zeros(space.shape, space.dtype)  # what an agent sees that is not there
        self._all_legal = np.ones(0, dtype=bool)
        self._pick = _getter(agents)
        self.session = _common_session(envs)
        self._envs: list[Any] = list(envs) if self.session is None else [env.env for env in envs]
        self._attendance = (
            [Attendance(_name(env), agents) for env in envs] if self.session is None else self.session.attendance
        )

    def require_masks(self, n_actions: int) -> None:
        """Give masks in any case; where infos bring none, every action is legal."""
        self.masked, self._all_legal = True, np.ones(n_actions, dtype=bool)

    def reset(
        self, chosen: np.ndarray, seeds: Iterable[int | None], options: dict[str, Any] | None
    ) -> tuple[Gathered, list[int | None]]:
        """Reset some envs.

        Returns:
            What the agents got; the id of each env's episode, if it has one.
        """
        observations: list[Any] = []
        masks: list[Any] = []
        there: list[list[bool]] = []
        episodes: list[int | None] = []
        for k, seed in zip(chosen.tolist(), seeds, strict=True):
            returned = self._envs[k].reset(seed=seed, options=options)
            if self.session is not None:
                episodes.append(self.session.start(k, seed, returned))
                obs, infos = returned
            else:
                obs, infos = self._attendance[k].reset(returned)
                stamped = (info["episode_id"] for info in infos.values() if info and "episode_id" in info)
                episodes.append(next(stamped, None))
            if self.masked is None:
                self._look_for_masks(infos)
            observations += self._complete(obs, self._blank)
            masks += self._masks(infos)
            there.append(self._are_in(self._attendance[k].now.live))
        nothing = np.zeros((len(there), len(self.agents)))
        flags = nothing.astype(bool)
        return self._gather(observations, masks, nothing.ravel(), flags, flags, np.array(there)), episodes

    def step(self, chosen: np.ndarray, actions: np.ndarray, acting: np.ndarray) -> Gathered:
        """Step some envs.

        Args:
            chosen: (e,) numbers of envs.
            actions: (R,) actions, or (R, ...).
            acting: (e, N) bool: agents that are still there; the actions of the others are dropped.
        """
        envs, agents, pick, session = self._envs, self.agents, self._pick, self.session
        n = len(agents)
        observations: list[Any] = []
        masks: list[Any] = []
        rewards: list[float] = []
        ended: list[tuple[int, Presence]] = []  # where the team changed, or is not complete, and how
        steps: list[tuple[Row, np.ndarray | None]] = []
        places: list[int] = []  # of these steps among the chosen envs
        # Python numbers are the cheapest thing to hand to an env; the vectors of a Box stay arrays.
        moved = actions.tolist() if actions.ndim == 1 else list(actions)
        first = 0
        paid = None
        try:
            for place, (k, here) in enumerate(zip(chosen.tolist(), acting.tolist(), strict=True)):
                complete = all(here)
                moves = dict(zip(agents, moved[first : first + n], strict=True))
                first += n
                env, attendance = envs[k], self._attendance[k]
                if not complete:
                    moves = dict(compress(moves.items(), here))
                if session is not None and session.recorder.active[k]:
                    taken = session.taken(k, moves)
                    returned = env.step(moves)
                    steps.append(session.read(k, taken, env.agents, returned))
                    places.append(place)
                    presence = attendance.now
                else:  # what happens after the end is up to the environment
                    returned = env.step(moves)
                    attendance.check_step(returned)
                    presence = attendance.step(env.agents, returned)
                obs, reward, _, _, infos = returned
                if complete and attendance.complete and len(obs) == n == len(reward):
                    observations += pick(obs)
                    rewards += pick(reward)
                else:
                    observations += self._complete(obs, self._blank)
                    rewards += self._complete(reward, 0.0)
                    ended.append((place, presence))
                masks += self._masks(infos)
        finally:  # the steps that were made are recorded, also when a later env raises
            if session is not None and steps:
                paid = session.credit_rows(steps)
        shape = acting.shape
        values = self._numbers(rewards, shape)
        if steps:
            values = values.reshape(shape)
            values[places] = np.array([row[2] for row, _ in steps])[:, None] * acting[places] if paid is None else paid
            values = values.reshape(-1)
        there = np.ones(shape, dtype=bool)
        terminated, truncated = np.zeros((2, *shape), dtype=bool)
        for place, presence in ended:
            there[place] = self._are_in(presence.live)
            terminated[place], truncated[place] = self._are_in(presence.terminated), self._are_in(presence.truncated)
        return self._gather(observations, masks, values, terminated, truncated, there)

    def _gather(
        self,
        observations: list[Any],
        masks: list[Any],
        rewards: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        there: np.ndarray,
    ) -> Gathered:
        legal = self._legal(masks) if self.masked else None
        return Gathered(np.array(observations), legal, rewards, terminated, truncated, there)

    def _are_in(self, some: Collection[str]) -> list[bool]:
        return [agent in some for agent in self.agents]

    def _numbers(self, rewards: list[Any], shape: tuple[int, ...]) -> np.ndarray:
        """Return rewards as (R,) numbers; raise CreditError for one that is none."""
        with suppress(ValueError):  # arrays of different shapes, which the loop names
            values = np.array(rewards)
            if values.ndim == 1 and values.dtype.kind in "fiub":
                return values.astype(np.float64)
        names = self.agents * shape[0]
        return np.array(
            [number(value, f"the reward of agent {name!r}") for name, value in zip(names, rewards, strict=True)]
        )

    def _complete(self, values: Mapping[str, Any], missing: Any) -> list[Any]:
        """Return a value for each agent, with a stand-in for agents that are not there."""
        return [values.get(agent, missing) for agent in self.agents]

    def _masks(self, infos: Mapping[str, Mapping[str, Any]]) -> list[Any]:
        if not self.masked:
            for agent in self.agents:
                if (infos.get(agent) or {}).get(MASK) is not None:
                    raise late_mask(repr(agent))
            return []
        try:
            return [info[MASK] for info in self._pick(infos)]
        except (KeyError, TypeError):  # an agent is not there, or has no info or no mask
            return [(infos.get(agent) or {}).get(MASK, self._all_legal) for agent in self.agents]

    def _legal(self, masks: list[Any]) -> np.ndarray:
        """Return the masks as an array; None stands for a mask of which every action is legal."""
        shape = self._all_legal.shape
        with suppress(ValueError):  # masks of several shapes
            legal = np.array(masks, dtype=bool)
            if legal.shape == (len(masks), *shape):
                return legal
        complete = [self._all_legal if mask is None else np.asarray(mask) for mask in masks]
        for row, mask in enumerate(complete):
            if mask.shape != shape:
                raise ValueError(
                    f"{self.agents[row % len(self.agents)]!r} has an action_mask of shape {mask.shape}, expected "
                    f"{shape}: all agents share one array of masks, whose shape never changes"
                )
        return np.array(complete, dtype=bool)

    def _look_for_masks(self, infos: Mapping[str, Mapping[str, Any]]) -> None:
        found = [info[MASK] for info in infos.values() if info and info.get(MASK) is not None]
        if len({len(mask) for mask in found}) > 1:
            raise ValueError("agents with action masks of different lengths cannot share one array of masks")
        self.masked = bool(found)
        if found:
            self._all_legal = np.ones(len(found[0]), dtype=bool)


def late_mask(whose: str) -> ValueError:
    """Return the error for masks of which the first reset of the first env told nothing."""
    return ValueError(
        f"{whose} has an action_mask in its infos, but at the first reset of the first env there was none, which "
        "decides for all rows: return masks at reset, too"
    )


def _common_session(envs: Sequence[Any]) -> CreditSession | None:
    """Return one crediting session for all envs, where each one's wrapper is outermost and does nothing else."""
    for env in envs:
        plain = isinstance(env, CreditWrapper) and type(env).step is CreditWrapper.step
        # A window shows credits while the env steps, which the wrapper does.
        if not plain or type(env).reset is not CreditWrapper.reset or getattr(env, "render_mode", None) == "human":
            return None
    if len({id(env.session) for env in envs}) < max(2, len(envs)):
        return None
    return join_sessions([env.session for env in envs])


def _name(env: Any) -> str:
    return str((getattr(env, "metadata", None) or {}).get("name") or type(env.unwrapped).__name__)


def _getter(agents: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function from a dict to the tuple of the agents' values."""
    if len(agents) == 1:  # where itemgetter would return the value itself
        return lambda values: (values[agents[0]],)
    return itemgetter(*agents)
