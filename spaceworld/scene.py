"""What a picture or a text needs to know of one moment: plain values, no packed arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Cell = tuple[int, int]  # (row, col); row 0 is the top


@dataclass(frozen=True, slots=True)
class RobotView:
    """One robot as it stands now."""

    name: str
    cell: Cell
    role: str
    thrust: int
    grips: int | None  # index of the gripped module
    action: int | None  # what it chose in the last step, None after reset
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
    """One place where a module belongs."""

    name: str
    cell: Cell
    type: str
    filled: bool
    open: bool  # its precedence is met and it is not filled


@dataclass(frozen=True, slots=True)
class DebrisView:
    """One piece of debris; `direction` is an action number 1..4, or 0 when it stands still."""

    cell: Cell
    direction: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of an episode, as pictures and texts read it."""

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
    """What a wrapper may add to the side panel; empty by default."""

    credits: Mapping[str, float] = field(default_factory=dict)  # agent -> credit of the last step
    tasks: Mapping[str, str] = field(default_factory=dict)  # agent -> task
    text: str = ""  # the critic's last explanation
