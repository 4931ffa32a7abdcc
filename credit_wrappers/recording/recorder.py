"""The recorder: from the steps of environments to an `Episode` each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.recording.observation_spaces import Features
from credit_wrappers.recording.team_reward import number


@dataclass(frozen=True)
class RecordedEnv:
    """What a recorder must know of one environment.

    Attributes:
        agents: All agents, in `possible_agents` order.
        env_id: Name of the environment.
        narrator: Captures what must be remembered of each state; None: nothing is remembered.
        readers: How the observations of some agents become arrays of numbers; those of the others are kept as they are.
        action_width: A, the longest vector that is an action; None: all actions are whole numbers. See `action_width`.
        action_sizes: Length of each agent's own vectors, in the order of `agents`; (): they are not checked.
        get_state: Returns a snapshot of the present state, a value that no later step changes; None: none are kept.
    """

    agents: tuple[str, ...]
    env_id: str
    narrator: Narrator | None = None
    readers: Mapping[str, Features] = field(default_factory=dict)
    action_width: int | None = None
    action_sizes: tuple[int, ...] = ()
    get_state: Callable[[], object] | None = None

    def joint(self, actions: Mapping[str, Any]) -> list[Any] | np.ndarray:
        """Return a copy of a joint action as it is recorded: N numbers, -1 for an agent without one, or (N, A).

        Raises:
            CreditError: An action is no whole number, or a vector of another length than its space's.
        """
        if self.action_width is None:
            given: list[Any] = []
            for agent in self.agents:  # a comprehension would cost a call: this runs in every step
                given.append(actions.get(agent, -1))
            try:
                whole = type(total := sum(given)) is int and -_LARGEST < total < _LARGEST
            except (TypeError, ValueError):  # one of them is no number
                whole = False
            return given if whole else [_whole(action, agent) for action, agent in zip(given, self.agents, strict=True)]
        rows = np.full((len(self.agents), self.action_width), np.nan)
        sizes = self.action_sizes or (None,) * len(self.agents)
        for row, agent, size in zip(rows, self.agents, sizes, strict=True):
            if actions.get(agent) is not None:
                vector = _vector(actions[agent], agent, size)
                row[: vector.size] = vector
        return rows

    def costs(self, infos: Mapping[str, Mapping[str, Any]]) -> list[float]:
        """Return each agent's `cost`, 0 where infos tell none.

        Raises:
            CreditError: A cost is no number.
        """
        costs: list[Any] = []
        try:
            for agent in self.agents:  # a comprehension would cost a call: this runs in every step
                costs.append(infos[agent].get("cost", 0.0))
            if type(sum(costs)) is float:
                return costs
        except (KeyError, TypeError, AttributeError):  # an agent has no info, or its cost is no number
            costs = [(infos.get(agent) or {}).get("cost", 0.0) for agent in self.agents]
        named = zip(costs, self.agents, strict=True)
        return [number(cost, f"the cost of agent {agent!r}") for cost, agent in named]

    def moment(self, observations: Mapping[str, Any]) -> object:
        """Return what the narrator remembers of the present state.

        Raises:
            CreditError: An agent observes that `possible_agents` does not name.
        """
        if not self._known.issuperset(observations):
            new = next(agent for agent in observations if agent not in self._known)
            raise CreditError(
                f"{self.env_id}: agent {new!r} is not one of possible_agents, {list(self.agents)}; an episode has the "
                "same agents from start to end"
            )
        return self._capture(observations)

    def kept(self, observations: Mapping[str, Any]) -> list[Any]:
        """Return copies of the observations: environments may write the next one into the same array."""
        return [self._kept(agent, observations.get(agent)) for agent in self.agents]

    def _kept(self, agent: str, observation: Any) -> Any:
        if observation is None or agent not in self.readers:
            return copy.deepcopy(observation)
        return self.readers[agent].numbers(observation)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", frozenset(self.agents))
        object.__setattr__(self, "_capture", _nothing if self.narrator is None else self.narrator.capture)

    _known: frozenset[str] = field(init=False, repr=False, compare=False, default=frozenset())
    _capture: Callable[[Mapping[str, Any]], object] = field(init=False, repr=False, compare=False, default=None)  # type: ignore[assignment]


class StepColumns(NamedTuple):
    """One step of e environments of a recorder; every column has e entries, as an array, a list or a tuple.

    Attributes:
        chosen: (e,) numbers of the environments, each once.
        actions: (e, N), or (e, N, A) for vectors.
        team_reward: (e,).
        costs: (e, N).
        moments: What each environment's narrator captured after the step.
        observations: (e, N, ...) what is recorded of the observations after the step.
        terminated: (e,) bool, whether the world ended with the step.
        truncated: (e,) bool, whether time ran out with it.
        over: (e,) bool, whether the episode is over, for whatever reason.
        rows: (e, N, F) what a payer reads of the observations after the step; it is not recorded.
    """

    chosen: Any
    actions: Any
    team_reward: Any
    costs: Any
    moments: Any
    observations: Any
    terminated: Any
    truncated: Any
    over: Any
    rows: Any = None


# One step of one environment: an entry for each column of `StepColumns` but the last. A plain tuple is the cheapest.
Row = tuple[int, Any, float, list[float], object, Any, bool, bool, bool]


_LARGEST = 2**53  # whole numbers below are exact in every type
_TRIM = 64  # columns that are kept before any are dropped


class EpisodeRecorder:
    """Remembers the running episode of each of E environments, as cheaply as possible.

    A step is kept as it comes, a row for one environment or columns for many, and becomes arrays when an episode ends.

    Args:
        envs: The E environments.

    Attributes:
        envs: As given.
        active: For each environment, whether it is between a reset and the end of its episode.
        episode_ids: Number of each environment's episode.
        keeps_snapshots: Whether those of any environment are kept; then `keep_snapshot` is due after each step.
    """

    def __init__(self, envs: Sequence[RecordedEnv]) -> None:
        self.envs = list(envs)
        self.active = [False] * len(self.envs)
        self.episode_ids = [-1] * len(self.envs)
        self._seeds: list[int | None] = [None] * len(self.envs)
        self._starts: list[tuple[Any, Any]] = [(None, None)] * len(self.envs)  # first moment, first observations
        self._rows: list[list[Row]] = [[] for _ in self.envs]
        self.keeps_snapshots = any(env.get_state is not None for env in self.envs)
        self._snapshots: list[list[object]] = [[] for _ in self.envs]  # at reset, then after each step
        self._everyone = np.arange(len(self.envs))
        # Steps that came as columns, each with the places of the environments in it ({}: all of them, in order).
        self._columns: list[tuple[StepColumns, dict[int, int]]] = []
        # Which of these steps each episode begins with, counted from the very first.
        self._begin = [0] * len(self.envs)
        self._dropped = 0
        self._trim_at = _TRIM

    def start(self, k: int, episode_id: int, seed: int | None, moment: Any, observations: Any = None) -> None:
        """Begin an episode of environment `k` with the state after its reset; an unfinished one is forgotten.

        Args:
            k: Which environment.
            episode_id: The episode's number.
            seed: Seed of the reset, if one was given.
            moment: What the narrator captured.
            observations: Observations of all agents, where they are kept.
        """
        self.active[k], self.episode_ids[k], self._seeds[k] = True, episode_id, seed
        self._starts[k] = moment, observations
        self._rows[k], self._snapshots[k] = [], []
        self.keep_snapshot(k)
        self._begin[k] = self._dropped + len(self._columns)

    def add_row(self, row: Row) -> None:
        """Record one step of one environment."""
        self._rows[row[0]].append(row)

    def add(self, step: StepColumns) -> None:
        """Record one step of some environments. Its columns are kept, not copied: nobody may change them later."""
        everyone = len(step.chosen) == len(self.envs) and (step.chosen == self._everyone).all()
        places = {} if everyone else {k: j for j, k in enumerate(step.chosen.tolist())}
        self._columns.append((step._replace(rows=None), places))
        if len(self._columns) >= self._trim_at:
            self._trim()

    def keep_snapshot(self, k: int) -> None:
        """Keep a snapshot of environment `k`, whose step was just recorded; do nothing where none are kept."""
        get_state = self.envs[k].get_state
        if get_state is not None:
            self._snapshots[k].append(get_state())

    def length(self, k: int) -> int:
        """Return how many steps of the running episode of environment `k` are recorded."""
        return len(self._steps(k))

    def episode(self, k: int, terminated: bool, truncated: bool) -> Episode:
        """Return the episode of environment `k`; raise CreditError when it was paid NaN or infinity."""
        return self._episode(k, self._steps(k), self._starts[k], 0, terminated, truncated)

    def window(self, k: int, most: int, terminated: bool, truncated: bool) -> Episode:
        """Return the last steps, `most` of them or all, as an episode whose `start` says where they begin.

        Raises:
            CreditError: NaN or infinity was paid.
        """
        steps = self._steps(k)
        begin = max(0, len(steps) - most)
        before = steps[begin - 1][4:6] if begin else self._starts[k]
        return self._episode(k, steps[begin:], before, begin, terminated, truncated)

    def _steps(self, k: int) -> list[Row]:
        """Return the rows of the running episode of environment `k`."""
        if not self._columns:
            return self._rows[k]
        rows = list(self._rows[k])
        for step, places in self._columns[self._begin[k] - self._dropped :]:
            if (j := places.get(k) if places else k) is not None:
                observations = None if step.observations is None else step.observations[j]
                known = step.actions[j], step.team_reward[j], step.costs[j], step.moments[j], observations
                rows.append((k, *known, step.terminated[j], step.truncated[j], step.over[j]))
        return rows

    def _trim(self) -> None:
        """Drop the columns that no running episode needs."""
        ends = self._dropped + len(self._columns)
        for k, active in enumerate(self.active):
            # An episode that took part in few of the columns since it began must not keep them all.
            if active and ends - self._begin[k] > _TRIM and 4 * len(steps := self._steps(k)) < ends - self._begin[k]:
                self._rows[k], self._begin[k] = steps, ends
        needed = min((begin for begin, active in zip(self._begin, self.active, strict=True) if active), default=ends)
        del self._columns[: needed - self._dropped]
        self._dropped = needed
        self._trim_at = max(_TRIM, 2 * len(self._columns))

    def _episode(
        self,
        k: int,
        rows: list[Row],
        before: tuple[Any, Any],
        start: int,
        terminated: bool,
        truncated: bool,
    ) -> Episode:
        env = self.envs[k]
        _, actions, rewards, costs, moments, observations, *_ = zip(*rows, strict=True)
        team_reward, moments = np.array(rewards, dtype=np.float64), (before[0], *moments)
        if not np.isfinite(team_reward).all():
            step = int(np.flatnonzero(~np.isfinite(team_reward))[0])
            raise CreditError(f"{env.env_id}, step {start + step}: the team reward is {team_reward[step]}")
        narrator: Any = env.narrator
        if narrator is not None and hasattr(narrator, "detached"):
            narrator = narrator.detached()
        return Episode(
            id=self.episode_ids[k],
            agents=env.agents,
            actions=np.array(actions, dtype=np.int64 if env.action_width is None else np.float64),
            team_reward=team_reward,
            cost=np.array(costs, dtype=np.float64),
            terminated=terminated,
            truncated=truncated,
            moments=() if any(moment is None for moment in moments) else moments,
            narrator=narrator,
            observations=None if before[1] is None else _stack([before[1], *observations]),
            env_id=env.env_id,
            seed=self._seeds[k],
            start=start,
            snapshots=tuple(self._snapshots[k][start : start + len(rows) + 1]),
        )


def _whole(action: Any, agent: str) -> int:
    """Return an action as a whole number; None is no action, -1."""
    if action is None:
        return -1
    value = number(action, f"the action of agent {agent!r}")
    if not -_LARGEST < value < _LARGEST or value != int(value):
        raise CreditError(f"the action of agent {agent!r} is {action!r}; a whole number is needed")
    return int(value)


def _vector(action: Any, agent: str, size: int | None) -> np.ndarray:
    """Return an action as numbers, flat."""
    try:
        vector = np.asarray(action, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise CreditError(f"the action of agent {agent!r} is {action!r}; numbers are needed") from None
    if size is not None and vector.size != size:
        raise CreditError(f"the action of agent {agent!r} has {vector.size} numbers, {action!r}; its space has {size}")
    return vector


def _nothing(observations: Mapping[str, Any]) -> None:
    """Remember nothing."""


def _stack(rows: list[Any]) -> np.ndarray:
    """Return observations as one (T+1, N, ...) array; an object array where they have no common shape."""
    try:
        return np.asarray(rows)
    except ValueError:
        array = np.empty((len(rows), len(rows[0])), dtype=object)
        for t, row in enumerate(rows):
            for i, observation in enumerate(row):
                array[t, i] = observation
        return array
