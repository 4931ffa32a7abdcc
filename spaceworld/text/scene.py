"""One moment of an episode as plain values, for pictures and texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spaceworld.scenario import Cell


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
    """Return an overlay with copies of the mappings.

    Raises:
        ValueError: For an agent outside `agents`, or a credit that is not finite.
    """
    for agent in (*credits, *tasks):
        if agent not in agents:
            raise ValueError(f"there is no agent {agent!r}; the agents are {', '.join(agents)}")
    amounts = {agent: float(credit) for agent, credit in credits.items()}
    for agent, amount in amounts.items():
        if not math.isfinite(amount):
            raise ValueError(f"the credit of {agent!r} is {amount}; it must be finite")
    return Overlay(amounts, dict(tasks), text)
