"""Scenarios: what a Spaceworld consists of, before anything has a place in it.

A scenario is a frozen value. The presets are `solo`, `duet`, `pair` (default) and `truss`; a custom scenario is
`Scenario(...)`, or a preset changed with `dataclasses.replace`. Rules and presets: ours (the paper names the
benchmark but publishes neither).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cell = tuple[int, int]  # (row, col); row 0 is the top

MAX_SLOTS = 60  # the filled slots are one bit mask in an int64


@dataclass(frozen=True, slots=True)
class Robot:
    """What one robot is able to do."""

    role: str = "tug"
    thrust: int = 1  # how much mass it moves
    sensor_range: int | None = None  # in cells, the larger of row and column distance; None: the whole grid
    can_grip: bool = True
    can_dock: bool = True


@dataclass(frozen=True, slots=True)
class Module:
    """One part that waits to be assembled."""

    type: str
    mass: int = 1  # the total thrust needed to move it


@dataclass(frozen=True, slots=True)
class Slot:
    """One place where a module belongs."""

    type: str  # the module type it takes
    needs: tuple[int, ...] = ()  # indices of the slots that must be filled before it


@dataclass(frozen=True, slots=True)
class Debris:
    """One solid hazard; `direction` is an action number 1..4 (north, south, west, east), or 0 to stand still."""

    direction: int = 0
    period: int = 2  # drifts one cell every `period` steps


@dataclass(frozen=True, slots=True)
class Layout:
    """Fixed cells for everything, in the order of the scenario's tuples; for custom scenarios and tests."""

    core: tuple[Cell, ...]
    slots: tuple[Cell, ...]
    modules: tuple[Cell, ...]
    robots: tuple[Cell, ...]
    debris: tuple[Cell, ...] = ()
    keep_out: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One Spaceworld task.

    Raises:
        ValueError: when it is impossible in itself; the message names the culprit.
    """

    name: str
    height: int
    width: int
    robots: tuple[Robot, ...]
    modules: tuple[Module, ...]
    slots: tuple[Slot, ...]
    horizon: int  # steps until truncation
    debris: tuple[Debris, ...] = ()
    slot_pattern: Literal["beside", "line"] = "beside"  # slots next to the core, or a truss growing out of it
    layout: Layout | None = None  # None: a random layout, checked to be solvable, at every reset

    def __post_init__(self) -> None:
        _check(self)

    @property
    def total_mass(self) -> int:
        """The mass of all modules together; docking all of it is worth 1.0."""
        return sum(m.mass for m in self.modules)

    @property
    def types(self) -> tuple[str, ...]:
        """Module and slot types, in order of appearance."""
        return tuple(dict.fromkeys([m.type for m in self.modules] + [s.type for s in self.slots]))


def _check(s: Scenario) -> None:
    where = f"scenario {s.name!r}"
    if s.height < 3 or s.width < 3:
        raise ValueError(f"{where}: the grid is {s.height}x{s.width}; at least 3x3 is needed")
    for what, things in (("robot", s.robots), ("module", s.modules), ("slot", s.slots)):
        if not things:
            raise ValueError(f"{where}: there is no {what}")
    if len(s.slots) > MAX_SLOTS:
        raise ValueError(f"{where}: {len(s.slots)} slots; at most {MAX_SLOTS} are supported")
    if s.horizon < 1:
        raise ValueError(f"{where}: horizon is {s.horizon}; at least 1 step is needed")
    solids = len(s.robots) + len(s.modules) + len(s.debris) + 1
    if s.layout is None and solids + len(s.slots) > s.height * s.width:
        raise ValueError(f"{where}: {solids} solid things and {len(s.slots)} slots do not fit in "
                         f"{s.height}x{s.width} cells")  # fmt: skip
    thrust = sum(r.thrust for r in s.robots if r.can_grip)
    for k, r in enumerate(s.robots):
        if r.thrust < 1:
            raise ValueError(f"{where}: robot_{k} has thrust {r.thrust}; it must be at least 1")
    for k, m in enumerate(s.modules):
        if m.mass < 1:
            raise ValueError(f"{where}: module_{k} has mass {m.mass}; it must be at least 1")
        if m.mass > thrust:
            raise ValueError(f"{where}: module_{k} has mass {m.mass}, but all robots that grip together "
                             f"have thrust {thrust}")  # fmt: skip
        slots = sum(slot.type == m.type for slot in s.slots)
        if sum(other.type == m.type for other in s.modules) > slots:
            raise ValueError(f"{where}: module_{k} has type {m.type!r}, of which there are more modules than slots")
    for k, slot in enumerate(s.slots):
        for need in slot.needs:
            if not 0 <= need < len(s.slots):
                raise ValueError(f"{where}: slot_{k} needs slot {need}, which does not exist")
    if not any(r.can_dock and r.can_grip for r in s.robots):
        raise ValueError(f"{where}: no robot can both grip and dock")
    dock_order(s)
    if s.layout is not None:
        _check_layout(s, s.layout, where)


def dock_order(s: Scenario) -> tuple[int, ...]:
    """The slots in an order in which precedence allows them to be filled.

    Raises:
        ValueError: when the precedence has a cycle.
    """
    order: list[int] = []
    while len(order) < len(s.slots):
        ready = [k for k, slot in enumerate(s.slots) if k not in order and set(slot.needs) <= set(order)]
        if not ready:
            stuck = ", ".join(f"slot_{k}" for k in range(len(s.slots)) if k not in order)
            raise ValueError(f"scenario {s.name!r}: the precedence of {stuck} has a cycle")
        order.extend(ready)
    return tuple(order)


def _check_layout(s: Scenario, layout: Layout, where: str) -> None:
    counted = (("slots", s.slots), ("modules", s.modules), ("robots", s.robots), ("debris", s.debris))
    for what, things in counted:
        cells = getattr(layout, what)
        if len(cells) != len(things):
            raise ValueError(f"{where}: the layout places {len(cells)} {what}, the scenario has {len(things)}")
    for what in ("core", "slots", "modules", "robots", "debris", "keep_out"):
        for row, col in getattr(layout, what):
            if not (0 <= row < s.height and 0 <= col < s.width):
                raise ValueError(f"{where}: the layout puts {what} at ({row}, {col}), outside the grid")
    seen: dict[Cell, str] = {}
    for what in ("core", "modules", "robots", "debris"):
        for cell in getattr(layout, what):
            if cell in seen:
                raise ValueError(f"{where}: the layout puts {what} and {seen[cell]} on one cell, {cell}")
            seen[cell] = what
    for cell in layout.slots:
        if seen.get(cell) == "core" or layout.slots.count(cell) > 1:
            raise ValueError(f"{where}: the slot at {cell} is not a free cell")


def _presets() -> dict[str, Scenario]:
    tug = Robot()
    light, heavy = Module("panel", 1), Module("truss", 2)
    strut, node = Module("strut", 1), Module("node", 2)
    chain = (strut, node, strut, node, strut)
    return {
        s.name: s
        for s in (
            Scenario("solo", 5, 5, (tug,), (light,), (Slot("panel"),), horizon=40),
            Scenario("duet", 6, 6, (tug, tug), (heavy,), (Slot("truss"),), horizon=60),
            Scenario("pair", 6, 6, (tug, tug), (light, heavy), (Slot("panel"), Slot("truss")), horizon=100),
            Scenario("truss", 9, 9, (tug, tug, tug), chain, tuple(
                Slot(m.type, (k - 1,) if k else ()) for k, m in enumerate(chain)
            ), horizon=250, slot_pattern="line"),
        )
    }  # fmt: skip


PRESETS: dict[str, Scenario] = _presets()


def get_scenario(scenario: str | Scenario) -> Scenario:
    """The scenario itself, or the preset of that name.

    Raises:
        ValueError: for an unknown name; the message lists the presets.
    """
    if isinstance(scenario, Scenario):
        return scenario
    if scenario not in PRESETS:
        raise ValueError(f"unknown scenario {scenario!r}; the presets are {', '.join(PRESETS)}")
    return PRESETS[scenario]
