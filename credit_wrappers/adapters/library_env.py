"""A ParallelEnv over a library environment that steps the whole team at once: one subclass for each library."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from pettingzoo.utils.env import ParallelEnv
from pettingzoo.utils.env_logger import EnvLogger

RENDER_MODES = ("rgb_array", "ansi")

Observed = tuple[dict[str, Any], dict[str, dict[str, Any]]]  # observations and infos, by agent


@dataclass(frozen=True, slots=True)
class LibraryState:
    """The whole state of one environment, random stream included."""

    env_id: str
    arguments: str  # all of the library's, as text
    values: tuple[Any, ...]
    random: dict[str, Any]  # of the bit generator


class TeamEnv(ParallelEnv[str, Any, Any]):
    """What the adapters have in common; what differs is abstract.

    Every agent is paid the sum of the library's rewards; `infos[agent]` holds its `own_reward` and its `action_mask`.

    `library` is the library's environment, without any wrapper, made with `arguments`; `grid` are its rows and columns.
    An unknown `render_mode` raises ValueError.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": list(RENDER_MODES), "render_fps": 5}

    feature_names: tuple[str, ...]  # of the numbers in an observation, the same for all agents; () for images
    state_names: tuple[str, ...]  # of the numbers in `state()`
    state_space: Box

    def __init__(
        self,
        env_id: str,
        library: Any,
        grid: tuple[int, int],
        agents: Sequence[str],
        arguments: Mapping[str, Any],
        render_mode: str | None,
    ) -> None:
        if render_mode not in (None, *RENDER_MODES):
            raise ValueError(
                f"unknown render_mode {render_mode!r}; valid are None, {', '.join(map(repr, RENDER_MODES))}"
            )
        self.metadata = {**type(self).metadata, "name": env_id}  # type: ignore[misc]  # each instance has its own name
        self.library = library
        self.grid = grid
        self.render_mode = render_mode
        self.possible_agents = list(agents)
        self.agents: list[str] = []
        self.observation_spaces = dict(zip(agents, library.observation_space, strict=True))
        self.action_spaces = dict(zip(agents, library.action_space, strict=True))
        self.chosen: tuple[Any, ...] = ()  # the joint action of the last step; () after reset
        self._arguments = repr(sorted(arguments.items()))
        self._own: Sequence[float] = [0.0] * len(agents)  # rewards of the last step
        self._began = False
        first = library.action_space[0]
        self._legal = frozenset(range(int(first.n))) if isinstance(first, Discrete) else frozenset()

    # -- PettingZoo -----------------------------------------------------------------------------------------

    def observation_space(self, agent: str) -> Space:
        """Return the agent's observation space, the same object at each call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space:
        """Return the agent's action space, the same object at each call."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Observed:
        """Start an episode; with a seed the library's own, without one the random stream continues."""
        observations, _ = self.library.reset(seed=seed, options=options)
        self.agents = list(self.possible_agents)
        self.chosen, self._own, self._began = (), [0.0] * len(self.agents), True
        self._begin()
        return self._observed(observations)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance the library by one joint action.

        Raises:
            AssertionError: PettingZoo's, before `reset` or after the end.
            ValueError: A missing or unknown agent, or an action outside its space; the state is unchanged.
        """
        agents = self.agents
        if not agents:
            EnvLogger.error_step_before_reset()
        chosen = self._choices(actions)
        observations, own, over, _, _ = self.library.step(chosen)
        self.chosen, self._own = tuple(chosen), own
        reward = float(sum(own))
        ended = cut = False
        if over:  # the libraries call everything termination
            ended = self._solved()
            cut = not ended
            self.agents = []
        seen, infos = self._observed(observations)
        every = dict.fromkeys
        return seen, every(agents, reward), every(agents, ended), every(agents, cut), infos

    def render(self) -> np.ndarray | str | None:
        """Return the present state as `render_mode` says: a picture, (H, W, 3) uint8, or text. No screen is needed."""
        if self.render_mode is None:
            return None
        self._require_reset("render")
        return self._picture() if self.render_mode == "rgb_array" else self._text()

    @abstractmethod
    def state(self) -> np.ndarray:
        """Return the global state, float32 of `state_space`; `state_names` says what its numbers are."""

    def close(self) -> None:
        """Free what the library holds."""
        self.library.close()

    # -- beyond PettingZoo ----------------------------------------------------------------------------------

    def get_state(self) -> LibraryState:
        """Return a small picklable state, from which `set_state` continues bit-identically; call `reset` before."""
        self._require_reset("get_state")
        values = (bool(self.agents), self.chosen, tuple(map(float, self._own)), self._save())
        return LibraryState(self.metadata["name"], self._arguments, values, self.library.np_random.bit_generator.state)

    def set_state(self, state: LibraryState) -> None:
        """Restore a state of this environment; `observe_all` then returns what `reset` or `step` had returned.

        Raises:
            TypeError: It is not a state that `get_state` returned.
            ValueError: It is of another id or other arguments.
        """
        if not isinstance(state, LibraryState):
            raise TypeError(f"set_state takes what get_state returned, not {type(state).__name__}")
        name = self.metadata["name"]
        if state.env_id != name:
            raise ValueError(f"the state is of {state.env_id!r}, this environment is {name!r}")
        if state.arguments != self._arguments:
            raise ValueError(f"the state is of {name!r} with other arguments: {state.arguments}")
        if not self._began:
            self.library.reset()  # makes the objects that are filled below
            self._begin()
        alive, self.chosen, self._own, own = state.values
        self._load(own)
        self.library.np_random.bit_generator.state = state.random
        self.agents = list(self.possible_agents) if alive else []
        self._began = True

    def observe_all(self) -> Observed:
        """Return observations and infos of the present state."""
        return self._observed(self._observe())

    def describe(self) -> str:
        """Return the world, its rules and its goal in English."""
        return str(self.narrator.describe())

    def describe_state(self) -> str:
        """Return the present state in English."""
        order = range(len(self.possible_agents))
        return str(self.narrator.frames([self._moment()], order, self.possible_agents)[0])

    @property
    @abstractmethod
    def narrator(self) -> Any:
        """What turns histories of this environment into text; bound to it."""

    @abstractmethod
    def task_target(self, task: str, agent: str) -> tuple[int, int] | None:
        """Return the cell (row, column) that a task of `narrator.tasks()` leads an agent to now; None for none.

        Raises:
            ValueError: There is no such task or agent, or `reset` was not called yet.
        """

    def task_offset(self, task: str, agent: str) -> tuple[float, float] | None:
        """Return the way to `task_target`: rows and columns, divided by the grid's, in [-1, 1]; None for none."""
        target = self.task_target(task, agent)
        if target is None:
            return None
        row, column = self._place(self._index(agent))
        return (target[0] - row) / self.grid[0], (target[1] - column) / self.grid[1]

    # -- what each library does in its own way ----------------------------------------------------------------

    def _begin(self) -> None:
        """Store what holds for the whole episode."""

    @abstractmethod
    def _solved(self) -> bool:
        """Return whether the world, not a time limit, ended an episode that is over."""

    @abstractmethod
    def _place(self, index: int) -> tuple[int, int]:
        """Return the cell (row, column) of one agent."""

    @abstractmethod
    def _masks(self) -> np.ndarray:
        """Return which actions may have an effect, (N, A) int8, fresh."""

    @abstractmethod
    def _observe(self) -> Sequence[Any]:
        """Return all observations of the present state, as the library makes them."""

    @abstractmethod
    def _moment(self) -> Any:
        """Return the present state as the narrator remembers it."""

    @abstractmethod
    def _save(self) -> Any:
        """Return the library's state as a value."""

    @abstractmethod
    def _load(self, values: Any) -> None:
        """Restore what `_save` returned."""

    @abstractmethod
    def _picture(self) -> np.ndarray:
        """Return the picture, (H, W, 3) uint8."""

    @abstractmethod
    def _text(self) -> str:
        """Return the grid as text."""

    # -- inside -----------------------------------------------------------------------------------------------

    def _observed(self, observations: Sequence[Any]) -> Observed:
        seen, infos = {}, {}
        each = zip(self.possible_agents, observations, self._own, self._masks())  # noqa: B905  # strict is slow
        for agent, observation, own, mask in each:
            seen[agent] = _fresh(observation)
            infos[agent] = {"action_mask": mask, "own_reward": float(own)}
        return seen, infos

    def _choices(self, actions: Mapping[str, Any]) -> list[Any]:
        agents = self.agents
        try:
            chosen = [actions[agent] for agent in agents]
            if len(actions) == len(agents) and self._legal.issuperset(chosen):
                return list(map(int, chosen))
        except (KeyError, TypeError):  # an agent is missing, or an action is an array
            pass
        if set(actions) != set(agents):
            raise ValueError(f"actions are needed for {agents}, not for {list(actions)}")
        return [self._choice(agent, actions[agent]) for agent in agents]

    def _choice(self, agent: str, action: Any) -> Any:
        space, value = self.action_spaces[agent], np.asarray(action)
        single = isinstance(space, Discrete)
        if np.issubdtype(value.dtype, np.integer) and value.size == int(np.prod(space.shape)):
            value = value.reshape(space.shape).astype(np.int64)
            if space.contains(value[()] if single else value):
                return int(value) if single else tuple(map(int, value))
        raise ValueError(f"{agent} chose {action!r}, which is not in {space}")

    def _index(self, agent: str) -> int:
        if agent not in self.possible_agents:
            raise ValueError(f"there is no agent {agent!r}; valid: {', '.join(self.possible_agents)}")
        return self.possible_agents.index(agent)

    @cached_property
    def _numbers(self) -> dict[str, int | None]:
        """The number k of each task `verb thing_k`; None for other tasks."""
        ends = {task: task.rpartition("_")[2] for task in self.narrator.tasks()}
        return {task: int(end) if end.isdecimal() else None for task, end in ends.items()}

    def _number(self, task: str) -> int | None:
        """Return the number of a task; raise ValueError if there is no such task, or before `reset`."""
        if task not in self._numbers:
            raise ValueError(f"there is no task {task!r}; valid: {', '.join(self._numbers)}")
        self._require_reset("task_target")
        return self._numbers[task]

    def _require_reset(self, what: str) -> None:
        if not self._began:
            raise ValueError(f"call reset before {what}")


def _fresh(observation: Any) -> Any:
    """Return an observation of its own memory: the library's may be views of one array, shared by the agents."""
    if isinstance(observation, dict):
        return {key: _fresh(part) for key, part in observation.items()}
    return observation if observation.base is None else observation.copy()
