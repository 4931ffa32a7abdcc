"""A gymnasium-style vector environment: many Spaceworlds stepped by one call, in arrays (env, agent)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv

from spaceworld.env import SpaceworldEnv
from spaceworld.rules import packing as pk
from spaceworld.scenario import Scenario


class SpaceworldVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """E worlds of N robots each, for learners written in plain numpy or torch (ours).

    World k equals, bit for bit, a single `spaceworld_v0.parallel_env` with the same arguments that is reset with its
    seed, and reset without a seed after each episode. The reset happens in the step that ends the episode
    (`AutoresetMode.SAME_STEP`): the returned observation is the first of the next episode, and `infos["final_obs"]` has
    the last one of the episode that ended, for the value of a truncated episode.

    Args:
        num_envs: The number of worlds, E.
        scenario: A preset's name or a `Scenario`.
        threads: The number of threads; the results are the same for any number. Several pay from about a thousand
            worlds on, because waking a thread takes tens of microseconds.
        render_mode: "rgb_array", "ansi" or None.
        options: The other arguments of `SpaceworldEnv`: `max_cycles`, `max_idle`, `on_collision`, `collision_penalty`,
            `action_mask`, `observation`.

    Attributes:
        agents: The names of the N robots.
        single_observation_space: The observation space of each robot.
        single_action_space: The action space of each robot.

    Raises:
        ValueError: For bad arguments; the message names the valid ones.

    Examples:
        >>> from spaceworld.vector import SpaceworldVectorEnv
        >>> envs = SpaceworldVectorEnv(4, "pair")
        >>> observations, infos = envs.reset(seed=0)
        >>> observations.shape, infos["action_mask"].shape
        ((4, 2, 70), (4, 2, 6))
        >>> observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
        >>> rewards.shape, infos["cost"].shape
        ((4, 2), (4, 2))
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "spaceworld_v0",
        "render_modes": ["rgb_array", "ansi"],
        "render_fps": 6,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        scenario: str | Scenario = "pair",
        *,
        threads: int = 1,
        render_mode: Literal["rgb_array", "ansi"] | None = None,
        **options: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs is {num_envs}; at least 1 is needed")
        first = SpaceworldEnv(scenario, render_mode=render_mode, **options)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.agents = list(first.possible_agents)
        self.n_agents = len(self.agents)
        self.scenario, self.max_cycles = first.scenario, first.max_cycles
        self.single_observation_space: Box = first.observation_space(self.agents[0])
        self.single_action_space: Discrete = first.action_space(self.agents[0])
        shape = (num_envs, self.n_agents)
        self.observation_space = Box(-1.0, 1.0, (*shape, *self.single_observation_space.shape), np.float32)
        self.action_space = MultiDiscrete(np.full(shape, pk.N_ACTIONS))
        self._shown = first  # is given the memory of the world that it renders
        self._batch = first.copies(num_envs, threads)
        self._all = np.arange(num_envs)
        self._playing = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin new episodes in all worlds.

        Args:
            seed: World k gets `seed + k`, or its own of a sequence; None continues the random streams.
            options: Ignored.

        Returns:
            Observations (E, N, ...) float32, and infos with `action_mask` (E, N, 6) int8.
        """
        many = [None] * self.num_envs if seed is None else seed
        seeds = [many + k for k in range(self.num_envs)] if isinstance(many, int | np.integer) else list(many)
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} worlds")
        self._batch.seed(self._all, seeds)
        observations, masks = self._batch.reset(self._all)
        self._playing = True
        return observations, {"action_mask": masks}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Advance every world by one joint action; worlds whose episode ends begin the next.

        Args:
            actions: (E, N) integers in 0..5.

        Returns:
            Observations (E, N, ...) float32; rewards (E, N) float64, the team reward for each robot; terminations and
            truncations (E, N) bool; infos. All arrays are fresh. `infos["cost"]` (E, N) float64 and `infos["events"]`
            (E, N), codes for `spaceworld.text.events.event_names`, belong to this step; `infos["action_mask"]`
            (E, N, 6) belongs to the observations. Where `infos["_final_obs"]` (E,) marks an ended episode,
            `infos["final_obs"]` is its last observation and `infos["episode"]` its return `r`, length `l` and cost
            `c`, (E,) each; elsewhere they are 0.

        Raises:
            RuntimeError: Before the first `reset`.
            ValueError: For actions of another shape, or outside 0..5; the worlds are unchanged.
        """
        if not self._playing:
            raise RuntimeError("call reset() before step()")
        step = self._batch.step(self._all, self._checked(actions))
        shape = (self.num_envs, self.n_agents)
        over = step.status > 0
        infos: dict[str, Any] = {"action_mask": step.masks, "cost": step.costs, "events": step.events}
        ended = np.flatnonzero(over)
        if len(ended):
            rows, faults = self._batch.rows[ended], self._batch.rows[ended, pk.S_FAULTS]
            returns = rows[:, pk.S_DOCKED] / self.scenario.total_mass - self._batch.penalty * faults
            numbers = {"r": returns, "l": rows[:, pk.S_STEP], "c": faults}
            infos["episode"] = {key: self._spread(ended, values) for key, values in numbers.items()}
            infos["final_obs"] = self._spread(ended, step.observations[ended])
            infos["_final_obs"] = infos["_episode"] = over
            step.observations[ended], step.masks[ended] = self._batch.reset(ended)
        return (
            step.observations,
            np.repeat(step.rewards, self.n_agents).reshape(shape),
            np.repeat(step.terminated, self.n_agents).reshape(shape),
            np.repeat(step.truncated, self.n_agents).reshape(shape),
            infos,
        )

    def render(self) -> tuple[Any, ...] | None:
        """Return a picture, (H, W, 3) uint8, or a text of every world; None without a render mode."""
        if self.render_mode is None:
            return None
        pictures = []
        for world in self._batch.memory:
            self._shown._use(world)
            pictures.append(self._shown.render())
        return tuple(pictures)

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads; called by `close`."""
        self._batch.close()
        self._shown.close()

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        given = np.asarray(actions)
        shape = (self.num_envs, self.n_agents)
        if given.shape != shape or given.dtype.kind not in "iu":
            raise ValueError(f"actions must be integers of shape {shape}, got {given.dtype} of shape {given.shape}")
        if given.min() < 0 or given.max() >= pk.N_ACTIONS:
            k, i = np.argwhere((given < 0) | (given >= pk.N_ACTIONS))[0].tolist()
            last = pk.N_ACTIONS - 1
            raise ValueError(f"action {given[k, i]} of {self.agents[i]!r} in world {k} is not one of 0..{last}")
        return given

    def _spread(self, ended: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the values of the worlds that ended, in an array for all worlds."""
        array = np.zeros((self.num_envs, *values.shape[1:]), values.dtype)
        array[ended] = values
        return array
