"""The scripted team: follows a plan, and makes a new one when the state is not the expected one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spaceworld.env import SpaceworldEnv
from spaceworld.planner.board import NEVER, World
from spaceworld.planner.caution import cautious, safest
from spaceworld.planner.schedule import Plan, make_plan
from spaceworld.rules import packing as pk

ABSENT = 6  # a robot that has not done its part of the plan for so many steps is not counted on


def spaceworld_in(env: Any) -> SpaceworldEnv:
    """Return the Spaceworld inside wrappers and conversions.

    Raises:
        TypeError: When there is none.
    """
    inner = env
    for _ in range(20):
        if isinstance(inner, SpaceworldEnv):
            return inner
        names = ("par_env", "aec_env", "env", "unwrapped")
        inner = next((deeper for name in names if (deeper := getattr(inner, name, inner)) is not inner), None)
    raise TypeError(f"there is no Spaceworld inside {type(env).__name__}")


class ScriptedPolicy:
    """A callable `act(observations=None, infos=None)` that returns an action for each robot.

    It reads the environment itself and ignores the observations, so that it can be called at any moment: in the middle
    of an episode, after `set_state`, behind wrappers.

    Args:
        env: A Spaceworld, wrapped or not.
        agents: The robots that it steers; None: all. It assumes that other robots help, plans again when they act
            otherwise, and keeps clear of every cell that they could enter.
        tries: Orders of deliveries that are compared for each plan; None: by the size of the world, up to 10.

    Raises:
        TypeError: When there is no Spaceworld inside `env`.
        ValueError: For an unknown agent.
    """

    def __init__(self, env: Any, agents: Sequence[str] | None = None, *, tries: int | None = None) -> None:
        self.env = spaceworld_in(env)
        names = self.env.possible_agents
        for agent in agents or ():
            if agent not in names:
                raise ValueError(f"there is no agent {agent!r}; the agents are {', '.join(names)}")
        self.world = World.of(self.env._spec)
        self.own = tuple(agents is None or a in agents for a in names)
        self.plan: Plan | None = None
        self._last = max(self.env.scenario.horizon, 100)
        by_size = 10 if self.world.m <= 2 else 6 if self.world.m <= 6 else 2 if self.world.m <= 16 else 1
        self._tries = by_size if tries is None else tries
        self._physical = physical(self.world)
        self._seen: np.ndarray | None = None  # cells and grips at the last call
        self._asked = np.zeros(self.world.n, np.bool_)  # the robots that had something to do in it
        self._idle = np.zeros(self.world.n, np.int64)  # calls without doing their part
        self._still = np.zeros(self.world.n, np.int64)  # calls without moving

    def __call__(
        self, observations: Mapping[str, Any] | None = None, infos: Mapping[str, Any] | None = None
    ) -> dict[str, int]:
        """Return the actions of its robots in the present state; empty after the end."""
        if not self.env.agents:
            return {}
        row = self.env._row.copy()
        joint = self._planned(row, self.world, self._tries) if all(self.own) else self._among_others(row)
        return {a: int(x) for a, x, mine in zip(self.env.possible_agents, joint, self.own, strict=True) if mine}

    def _planned(self, row: np.ndarray, world: World, tries: int, limit: int = NEVER) -> np.ndarray:
        """Return the plan's joint action, (N,); make a new plan when the state is not the expected one."""
        if not self._expected(row):
            self.plan = make_plan(world, row, self._last, tries, limit)
        assert self.plan is not None
        k = int(row[pk.S_STEP]) - self.plan.first
        if k >= len(self.plan.actions):
            return safest(world, row, np.zeros(world.n, np.int64))
        joint: np.ndarray = self.plan.actions[k]
        return safest(world, row, joint) if self.plan.cost else joint

    def _expected(self, row: np.ndarray) -> bool:
        if self.plan is None:
            return False
        k = int(row[pk.S_STEP]) - self.plan.first
        if not 0 <= k < len(self.plan.actions):
            return False
        return bool((self.plan.rows[k] == row)[self._physical].all())

    def _among_others(self, row: np.ndarray) -> np.ndarray:
        """Return the joint action, (N,), when others steer some robots."""
        views = pk.blocks(self.world.spec, row)
        seen = views["robots"][:, [pk.R_CELL, pk.R_GRIPS]]
        moved = np.ones(self.world.n, np.bool_) if self._seen is None else (seen != self._seen).any(axis=1)
        self._still = np.where(moved, 0, self._still + 1)
        self._idle = np.where(moved, 0, self._idle + self._asked)
        self._seen = seen.copy()
        absent = tuple(bool(x) for x in (self._idle >= ABSENT) & ~np.array(self.own))
        world = self.world
        if any(absent):
            grip = tuple(can and not away for can, away in zip(world.can_grip, absent, strict=True))
            dock = tuple(can and not away for can, away in zip(world.can_dock, absent, strict=True))
            world = replace(world, rests=absent, can_grip=grip, can_dock=dock)
        joint = self._planned(row, world, tries=1, limit=world.n)
        if any(absent) and self.plan is not None and self.plan.docked == int(row[pk.S_DOCKED]):
            self.plan = None  # nothing can be done without them: wait beside the next module
            joint = self._planned(row, self.world, tries=1, limit=world.n)
        self._asked = joint != pk.STAY
        return cautious(self.world, row, joint, self.own, self._still)


def scripted_team(env: Any) -> Callable[[], list[int]]:
    """Return a function that returns the whole team's joint action, a number for each robot.

    It takes the first plan that it finds, so it is quick also where robots keep leaving the plan.
    """
    act = ScriptedPolicy(env, tries=1)
    return lambda: list(act().values())


policy = ScriptedPolicy  # called like a function: `act = policy(env)`


def physical(world: World) -> np.ndarray:
    """Return the columns of a row that the future depends on, (rowsize,) bool."""
    marks = np.zeros(int(world.spec[pk.H_ROWSIZE]), np.bool_)
    views = pk.blocks(world.spec, marks)
    marks[pk.S_STEP] = True
    views["robots"][:, [pk.R_CELL, pk.R_GRIPS]] = True
    views["modules"][:, [pk.M_CELL, pk.M_SLOT]] = True
    for name in ("slots", "debris", "core", "keep_out"):
        views[name][...] = True
    return marks
