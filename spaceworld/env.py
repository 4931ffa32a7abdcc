"""The Spaceworld ParallelEnv, the one place that holds a current state; `spaceworld_v0` is its documentation page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from pettingzoo.utils.env_logger import EnvLogger

from spaceworld.batch import Batch
from spaceworld.observations.feature_vector import feature_names, state_vector
from spaceworld.observations.image import image_shape
from spaceworld.observations.look import advance_and_look, look_around
from spaceworld.presets import get_scenario
from spaceworld.rules import packing as pk
from spaceworld.rules.actions import ACTIONS, bad, indices
from spaceworld.rules.generator import generate
from spaceworld.rules.mirrors import mirror_count, mirror_row, mirrored_actions
from spaceworld.rules.packing import blocks, build_spec, clear, memory_of, place, seed_row
from spaceworld.rules.snapshot import VERSION, Snapshot, check, fingerprint, rewound
from spaceworld.scenario import Scenario, seeing
from spaceworld.text.events import EVENTS
from spaceworld.text.narration import SpaceworldNarrator
from spaceworld.text.scene import Overlay, Scene, overlay_of, scene_of
from spaceworld.text.tasks import TaskTargets

FLOAT32, INT8 = np.dtype(np.float32), np.dtype(np.int8)
TERMINATED, TRUNCATED = pk.TERMINATED, pk.TRUNCATED
RENDER_MODES = ("human", "rgb_array", "ansi")


class SpaceworldEnv(ParallelEnv[str, np.ndarray, int]):
    """In-orbit assembly by a team of robots (the rules, which are ours, are in `spaceworld_v0`).

    Args:
        scenario: A preset's name or a `Scenario`.
        render_mode: None, "human" (a window, drawn at every reset and step), "rgb_array" or "ansi".
        max_cycles: Steps until truncation; None: the scenario's horizon.
        max_idle: Steps in a row without a dock after which the episode is truncated as well; None: any number. While a
            team learns, it meets more beginnings so, and fewer steps in which nothing happens any more.
        observation: "vector", or "image": egocentric planes, (C, 2r+1, 2r+1); see `spaceworld.observations.image`.
        image_radius: The r of the planes; None: the largest sensor range, at most what the grid has and at most 5.
        sight: The sensor range of all robots, in cells; None: the scenario's own.
        roles_told: Whom it is told what each robot can do: "all", the robots and the critic; "critic", in the
            narrator's text alone; or "nobody".
        on_collision: "block" (a collision costs), or "terminate" (it also ends the episode).
        collision_penalty: What one collision or violation takes from the team reward.
        action_mask: "possible" masks actions without effect or cost; "safe" also masks flying into anything solid that
            the robot sees, except other robots.

    Raises:
        ValueError: For an unknown scenario or option; the message names the valid ones.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "spaceworld_v0",
        "render_modes": list(RENDER_MODES),
        "render_fps": 6,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        scenario: str | Scenario = "pair",
        *,
        render_mode: str | None = None,
        max_cycles: int | None = None,
        max_idle: int | None = None,
        observation: Literal["vector", "image"] = "vector",
        on_collision: Literal["block", "terminate"] = "block",
        collision_penalty: float = 0.05,
        action_mask: Literal["possible", "safe"] = "possible",
        image_radius: int | None = None,
        sight: int | None = None,
        roles_told: Literal["all", "critic", "nobody"] = "all",
    ) -> None:
        self.scenario = seeing(get_scenario(scenario), sight)
        for what, value, valid in (
            ("render_mode", render_mode, (None, *RENDER_MODES)),
            ("observation", observation, ("vector", "image")),
            ("on_collision", on_collision, ("block", "terminate")),
            ("action_mask", action_mask, ("possible", "safe")),
            ("roles_told", roles_told, ("all", "critic", "nobody")),
        ):
            if value not in valid:
                raise ValueError(f"unknown {what} {value!r}; valid are {', '.join(map(repr, valid))}")
        for what, steps in (("max_cycles", max_cycles), ("max_idle", max_idle)):
            if steps is not None and steps < 1:
                raise ValueError(f"{what} is {steps}; at least 1 step is needed")
        if image_radius is not None and (observation != "image" or image_radius < 1):
            raise ValueError(f"image_radius is {image_radius}; it is 1 or more, and for observation='image' only")
        if not collision_penalty >= 0.0:
            raise ValueError(f"collision_penalty is {collision_penalty}; it must be 0 or more")
        self.render_mode = render_mode
        self.max_cycles = self.scenario.horizon if max_cycles is None else max_cycles
        self.collision_penalty = float(collision_penalty)
        self._n = len(self.scenario.robots)
        self.roles_told, terminate, safe = roles_told, on_collision == "terminate", action_mask == "safe"
        spec = build_spec(self.scenario, self.max_cycles, terminate, safe, roles_told == "all", max_idle or 0)
        self._use(memory_of(spec))
        self.feature_names = () if observation == "image" else feature_names(self.scenario)
        vector = (len(feature_names(self.scenario)),)
        shape = image_shape(self.scenario, image_radius) if observation == "image" else vector
        self._mass = self.scenario.total_mass
        self._view: Any = None
        self._overlay = Overlay()
        self._fingerprint = fingerprint(self._spec)
        clear(self._spec, self._row)

        self.possible_agents = [f"robot_{i}" for i in range(self._n)]
        self.agents: list[str] = []
        self._never = dict.fromkeys(self.possible_agents, False)
        self._shapes = (self._n, *shape), (self._n, pk.N_ACTIONS)
        box = {a: Box(-1.0, 1.0, shape, np.float32) for a in self.possible_agents}
        self.observation_spaces: dict[str, Box] = box
        self.action_spaces = {a: Discrete(pk.N_ACTIONS) for a in self.possible_agents}
        size = state_vector(self.scenario, blocks(self._spec, self._row), 1.0).size
        self.state_space = Box(-1.0, 1.0, (size,), np.float32)

    # -- PettingZoo -----------------------------------------------------------------------------------------

    def observation_space(self, agent: str) -> Box:
        """Return the agent's observation space, the same object at each call: Box(-1, 1), (F,) or (C, 2r+1, 2r+1)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        """Return the agent's action space: Discrete(6)."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin a new episode; without a seed the random stream continues.

        Args:
            seed: Seed of the layout.
            options: `{"mirror": k}` turns or reflects the layout; see `mirrors`.

        Raises:
            ValueError: There is no such mirror.
        """
        mirror = self._mirror_of(options)
        seed_row(self._row, seed)
        clear(self._spec, self._row)
        if self.scenario.layout is not None:
            place(self._spec, self._row, self.scenario)
        elif not generate(self._spec, self._row, self._work):
            raise ValueError(f"scenario {self.scenario.name!r}: no solvable layout was found; give it more room")
        if mirror:
            mirror_row(self._spec, self._row, mirror)
        self.agents = list(self.possible_agents)
        observations, mask = self._observe()
        if self.render_mode == "human":
            self.render()
        return self._by_agent(observations, mask, 0)

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance the world by one joint action.

        Raises:
            AssertionError: PettingZoo's, before `reset` or after the end.
            ValueError: For a missing or unknown agent or an action outside 0..5; the state is unchanged.
        """
        agents = self.agents
        if not agents:
            EnvLogger.error_step_before_reset()
        taken = self._taken
        try:
            chosen = [actions[agent] for agent in agents]
            if len(actions) != self._n or not ACTIONS.issuperset(chosen):
                raise bad(actions, agents)
            for i, action in enumerate(chosen):  # for a few numbers faster than a slice of an array
                taken[i] = action
        except (KeyError, TypeError):  # not a number, or an array of one
            for i, action in enumerate(indices(actions, agents)):
                taken[i] = action
        # fresh arrays: reused ones would alias replay buffers
        shape, mask_shape = self._shapes
        observations, mask = np.empty(shape, FLOAT32), np.empty(mask_shape, INT8)
        mass, faults, docked, status = advance_and_look(self._memory, observations, mask)
        # shares are differences of the docked total, so that a complete assembly sums to 1.0
        reward = docked / self._mass - (docked - mass) / self._mass if mass else 0.0
        if faults:
            reward -= self.collision_penalty * faults
        if status:
            self.agents = []
        if self._view is not None and self.render_mode == "human":  # a copy has no view and renders on request only
            self.render()
        seen, infos = self._by_agent(observations, mask, faults)
        return (
            seen,
            dict.fromkeys(agents, reward),
            dict.fromkeys(agents, True) if status == TERMINATED else self._never.copy(),
            dict.fromkeys(agents, True) if status == TRUNCATED else self._never.copy(),
            infos,
        )

    def render(self) -> np.ndarray | str | None:
        """Return a picture, (H, W, 3) uint8, or a text of the present state, or show it, by `render_mode`.

        Raises:
            NoDisplay: For "human" where no window can be opened.
        """
        if self.render_mode is None:
            return None
        if self._view is None:
            from spaceworld.render.view import View

            self._view = View(self.render_mode)
        picture: np.ndarray | str | None = self._view.render(self.scene(), self._overlay, self.metadata["render_fps"])
        return picture

    def state(self) -> np.ndarray:
        """Return the global state, float32 in [-1, 1], of `state_space`."""
        left = 1.0 - int(self._row[pk.S_STEP]) / self.max_cycles
        return state_vector(self.scenario, blocks(self._spec, self._row), left)

    def close(self) -> None:
        """Close the window and free the painter."""
        if self._view is not None:
            self._view.close()
            self._view = None

    # -- beyond PettingZoo ----------------------------------------------------------------------------------

    def get_state(self) -> Snapshot:
        """Return a small picklable snapshot, from which `set_state` continues bit for bit."""
        return Snapshot(self.scenario.name, VERSION, self._fingerprint, self._row.copy())

    def set_state(self, snapshot: Snapshot) -> None:
        """Restore a snapshot of this scenario.

        Raises:
            TypeError: When it is not a snapshot.
            ValueError: When it is one of another scenario, other arguments or another version.
        """
        self._row[:] = check(snapshot, self.scenario.name, self._fingerprint)
        self.agents = [] if self._row[pk.S_STATUS] else list(self.possible_agents)

    def mirrors(self) -> np.ndarray:
        """Return what each action becomes in each mirror, (K, 6) int64.

        `reset(seed, options={"mirror": k})` begins in the layout of the seed, turned or reflected. Actions that are
        mirrored, `mirrors()[k][action]`, make the same episode there: the same rewards and costs. It can become another
        one after a grip beside several loose modules, since the one in the lowest cell is taken. Mirror 0 changes
        nothing. A square grid has eight, another one four.
        """
        count = mirror_count(self.scenario)
        return np.stack([mirrored_actions(mirror) for mirror in range(count)])

    def _mirror_of(self, options: dict[str, Any] | None) -> int:
        mirror = (options or {}).get("mirror", 0)
        count = mirror_count(self.scenario)
        if mirror not in range(count):
            raise ValueError(f"options={{'mirror': {mirror!r}}}: the mirrors here are 0 to {count - 1}")
        return int(mirror)

    def rewind(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot with the episode's clock set back, which goes on unless the world ended the episode.

        Debris that drifts by the clock keeps its beat.

        Raises:
            TypeError: When it is not a snapshot.
            ValueError: When it is one of another scenario, other arguments or another version.
        """
        check(snapshot, self.scenario.name, self._fingerprint)
        return rewound(snapshot, self._spec)

    def observe_all(self) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Return observations and infos of the present state, like `reset`; useful after `set_state`."""
        return self._by_agent(*self._observe(), int(self._faults.sum()))

    @property
    def narrator(self) -> SpaceworldNarrator:
        """The narrator that turns states of this environment into text."""
        told = self.roles_told != "nobody"
        return SpaceworldNarrator(self.scenario, self.max_cycles, self.collision_penalty, self._live, told=told)

    def describe(self) -> str:
        """Return the world, its rules and its goal in English."""
        return self.narrator.describe()

    def describe_state(self) -> str:
        """Return the present state in English."""
        return self.narrator.frames([self._row], range(self._n), self.possible_agents)[0]

    def task_target(self, task: str, agent: str) -> tuple[int, int] | None:
        """Return the cell (row, column) that a task of `narrator.tasks()` leads to now, or None.

        Raises:
            ValueError: For an unknown task or agent.
        """
        return self._targets.target(task, agent)

    def task_offset(self, task: str, agent: str) -> tuple[float, float] | None:
        """Return rows and columns from the robot to that cell, divided by the grid's, both in [-1, 1], or None.

        Raises:
            ValueError: For an unknown task or agent.
        """
        return self._targets.offset(task, agent)

    def scene(self) -> Scene:
        """Return the present moment as plain values, for pictures."""
        return scene_of(self.scenario, self._spec, self._row, self.max_cycles, self.collision_penalty)

    def set_overlay(
        self, *, credits: Mapping[str, float] | None = None, tasks: Mapping[str, str] | None = None, text: str = ""
    ) -> None:
        """Set what the side panel shows beside the world, from the next picture on; what is not given is removed.

        Args:
            credits: The credit of each agent, drawn as a bar.
            tasks: The task of each agent.
            text: The critic's last explanation.

        Raises:
            ValueError: For an agent that does not exist, or a credit that is not finite.
        """
        self._overlay = overlay_of(self.possible_agents, credits or {}, tasks or {}, text)

    @staticmethod
    def batch(envs: Sequence[SpaceworldEnv], threads: int = 1) -> Batch:
        """Return a `Batch` over the states of environments, which become views of it: both see each other's steps.

        Only `agents` is not kept up to date: the caller must empty it at the end of an episode and fill it at reset.

        Raises:
            ValueError: When the environments differ in scenario or arguments.
        """
        first = envs[0]
        for k, env in enumerate(envs):
            alike = env.collision_penalty == first.collision_penalty and env._shapes == first._shapes
            if not alike or not np.array_equal(env._spec, first._spec):
                raise ValueError(f"environment {k} differs from the first one in its scenario or its arguments")
        memory = np.stack([env._memory for env in envs])
        for env, own in zip(envs, memory, strict=True):
            env._use(own)
        return first._batch_over(memory, threads)

    def copies(self, worlds: int, threads: int = 1) -> Batch:
        """Return a `Batch` over as many copies of this world, which share nothing with it."""
        return self._batch_over(np.tile(self._memory, (worlds, 1)), threads)

    def _batch_over(self, memory: np.ndarray, threads: int) -> Batch:
        start, fixed = self._row.copy(), self.scenario.layout is not None
        clear(self._spec, start)
        if fixed:
            place(self._spec, start, self.scenario)
        features = self._shapes[0][1:]
        return Batch(memory, start, fixed=fixed, features=features, penalty=self.collision_penalty, threads=threads)

    def _use(self, memory: np.ndarray) -> None:
        """Take over a world's memory and make views of its parts: spec, row, actions and scratch."""
        self._memory = memory
        ends = np.cumsum([memory[pk.H_SPECSIZE], memory[pk.H_ROWSIZE], self._n])
        self._spec, self._row, self._actions, self._work = np.split(memory, ends)
        self._taken = memoryview(self._actions)  # type: ignore[arg-type]  # numpy's arrays are buffers
        self._targets = TaskTargets(self.scenario, self._spec, self._row)
        first = int(self._spec[pk.H_ROBOT])
        robots = self._row[first : first + self._n * pk.R_WIDTH].reshape(self._n, pk.R_WIDTH)
        self._codes, self._faults = robots[:, pk.R_EVENT], robots[:, pk.R_HITS : pk.R_VIOLATION + 1]

    def _live(self) -> np.ndarray:
        return self._row

    def _observe(self) -> tuple[np.ndarray, np.ndarray]:
        shape, mask_shape = self._shapes
        observations, mask = np.empty(shape, FLOAT32), np.empty(mask_shape, INT8)
        look_around(self._spec, self._row, self._work, observations, mask)
        return observations, mask

    def _by_agent(
        self, observations: np.ndarray, mask: np.ndarray, faults: int
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Return observations and infos by agent, in one loop, because this is a good part of a step."""
        seen, infos = {}, {}
        each = zip(self.possible_agents, observations, mask, self._codes.tolist())  # noqa: B905  # strict is slow
        for agent, own, legal, code in each:
            seen[agent] = own
            infos[agent] = {"action_mask": legal, "cost": 0.0, "events": EVENTS[code]}
        if faults:
            for info, cost in zip(infos.values(), self._faults.sum(axis=1).tolist(), strict=True):
                info["cost"] = float(cost)
        return seen, infos

    def __getstate__(self) -> dict[str, Any]:
        # without the views of the memory, which a copy would not follow, and without the window
        views = dict.fromkeys(("_spec", "_row", "_actions", "_work", "_codes", "_faults", "_taken", "_targets"))
        return {**self.__dict__, **views, "_view": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._use(self._memory)
