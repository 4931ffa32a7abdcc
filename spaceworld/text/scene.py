"""One moment of an episode as plain values, for pictures and texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.scenario import Cell, Scenario


@dataclass(frozen=True, slots=True)
class RobotView:
    """One robot."""

    name: str
    cell: Cell
    role: str
    thrust: int
    grips: int | None  # index of the gripped module
    action: int | None  # in the last step; None after reset
    collisions: int  # in the last step
    violations: int  # in the last step
    cost: float  # collisions + violations since reset


@dataclass(frozen=True, slots=True)
class ModuleView:
    """One module, loose, gripped or docked."""

    name: str
    cell: Cell
    type: str
    mass: int
    docked: bool
    just_docked: bool  # docked in the last step


@dataclass(frozen=True, slots=True)
class SlotView:
    """One place for a module."""

    name: str
    cell: Cell
    type: str
    filled: bool
    open: bool  # not filled, and its precedence is met


@dataclass(frozen=True, slots=True)
class DebrisView:
    """One piece of debris; `direction` is an action number 1..4, or 0 when it stands still."""

    cell: Cell
    direction: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of an episode."""

    scenario: str
    height: int
    width: int
    step: int
    horizon: int
    structure: tuple[Cell, ...]  # the station core, without docked modules
    keep_out: tuple[Cell, ...]
    robots: tuple[RobotView, ...]
    modules: tuple[ModuleView, ...]
    slots: tuple[SlotView, ...]
    debris: tuple[DebrisView, ...]
    team_reward: float  # of the last step
    team_return: float  # since reset
    terminated: bool
    truncated: bool


@dataclass(frozen=True, slots=True)
class Overlay:
    """What a wrapper or a game adds to a picture; empty by default."""

    credits: Mapping[str, float] = field(default_factory=dict)  # agent -> credit
    tasks: Mapping[str, str] = field(default_factory=dict)  # agent -> task
    text: str = ""  # the critic's last explanation
    hint: str = ""  # a line for the person who plays or watches
    player: str = ""  # the agent that a person steers


def overlay_of(agents: Sequence[str], credits: Mapping[str, float], tasks: Mapping[str, str], text: str) -> Overlay:
    """Return an overlay with copies of the mappings; raise a ValueError for what `set_overlay` refuses."""
    for agent in (*credits, *tasks):
        if agent not in agents:
            raise ValueError(f"there is no agent {agent!r}; the agents are {', '.join(agents)}")
    amounts = {agent: float(credit) for agent, credit in credits.items()}
    for agent, amount in amounts.items():
        if not math.isfinite(amount):
            raise ValueError(f"the credit of {agent!r} is {amount}; it must be finite")
    return Overlay(amounts, dict(tasks), text)


def scene_of(scenario: Scenario, spec: np.ndarray, row: np.ndarray, horizon: int, collision_penalty: float) -> Scene:
    """Return the scene of one packed state, (rowsize,) int64."""
    views, width, step = pk.blocks(spec, row), scenario.width, int(row[pk.S_STEP])
    robots, total = views["robots"], scenario.total_mass
    docked_now = sum(m.mass for m, at in zip(scenario.modules, views["modules"], strict=True) if at[pk.M_WHEN] == step)
    faults_now = int(robots[:, pk.R_HITS].sum() + robots[:, pk.R_VIOLATION].sum())

    def cell(value: int) -> Cell:
        return int(value) // width, int(value) % width

    filled = {k for k, s in enumerate(views["slots"]) if s[pk.T_FILLED]}
    return Scene(
        scenario=scenario.name,
        height=scenario.height,
        width=width,
        step=step,
        horizon=horizon,
        structure=tuple(cell(c) for c in views["core"]),
        keep_out=tuple(cell(c) for c in views["keep_out"]),
        robots=tuple(
            RobotView(
                name=f"robot_{k}",
                cell=cell(r[pk.R_CELL]),
                role=scenario.robots[k].role,
                thrust=scenario.robots[k].thrust,
                grips=int(r[pk.R_GRIPS]) if r[pk.R_GRIPS] >= 0 else None,
                action=int(r[pk.R_ACTION]) if r[pk.R_ACTION] >= 0 else None,
                collisions=int(r[pk.R_HITS]),
                violations=int(r[pk.R_VIOLATION]),
                cost=float(r[pk.R_COST]),
            )
            for k, r in enumerate(robots)
        ),
        modules=tuple(
            ModuleView(
                name=f"module_{k}",
                cell=cell(m[pk.M_CELL]),
                type=scenario.modules[k].type,
                mass=scenario.modules[k].mass,
                docked=bool(m[pk.M_SLOT] >= 0),
                just_docked=bool(m[pk.M_WHEN] == step and m[pk.M_SLOT] >= 0),
            )
            for k, m in enumerate(views["modules"])
        ),
        slots=tuple(
            SlotView(
                name=f"slot_{k}",
                cell=cell(t[pk.T_CELL]),
                type=scenario.slots[k].type,
                filled=k in filled,
                open=k not in filled and set(scenario.slots[k].needs) <= filled,
            )
            for k, t in enumerate(views["slots"])
        ),
        debris=tuple(DebrisView(cell(d[pk.D_CELL]), int(d[pk.D_DIR])) for d in views["debris"]),
        team_reward=docked_now / total - collision_penalty * faults_now,
        team_return=int(row[pk.S_DOCKED]) / total - collision_penalty * int(row[pk.S_FAULTS]),
        terminated=bool(row[pk.S_STATUS] == pk.TERMINATED),
        truncated=bool(row[pk.S_STATUS] == pk.TRUNCATED),
    )
