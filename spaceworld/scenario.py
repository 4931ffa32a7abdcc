"""Scenarios: what a Spaceworld consists of.

A scenario is a frozen value; the presets are in `presets.py`. Make your own with `Scenario(...)`, or change a preset
with `dataclasses.replace`. The rules are ours: the paper names the benchmark but publishes none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

Cell = tuple[int, int]  # (row, col); row 0 is the top

MAX_SLOTS = 60  # filled slots are bits of an int64
SIDES = 4  # of a module: at most so many robots hold it
# of a random layout: slots beside the core, one truss that grows out of it, or four trusses, filled in turn
SlotPattern = Literal["beside", "line", "cross"]
PATTERNS: tuple[SlotPattern, ...] = ("beside", "line", "cross")


@dataclass(frozen=True, slots=True)
class Robot:
    """The abilities of one robot."""

    role: str = "tug"
    thrust: int = 1  # the mass that it moves
    sensor_range: int | None = None  # in cells, rows or columns; None: the whole grid
    can_grip: bool = True
    can_dock: bool = True


@dataclass(frozen=True, slots=True)
class Module:
    """One part to be assembled."""

    type: str
    mass: int = 1  # the total thrust needed to move it


@dataclass(frozen=True, slots=True)
class Slot:
    """One place for a module."""

    type: str  # the module type it takes
    needs: tuple[int, ...] = ()  # indices of the slots that must be filled before it


@dataclass(frozen=True, slots=True)
class Debris:
    """One solid hazard; `direction` is an action number 1..4 (north, south, west, east), or 0 for still debris."""

    direction: int = 0
    period: int = 2  # drifts one cell every `period` steps


@dataclass(frozen=True, slots=True)
class Layout:
    """Fixed cells for everything, in the order of the scenario's tuples."""

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
        ValueError: For an impossible scenario; the message names what is wrong.
    """

    name: str
    height: int
    width: int
    robots: tuple[Robot, ...]
    modules: tuple[Module, ...]
    slots: tuple[Slot, ...]
    horizon: int  # steps until truncation
    debris: tuple[Debris, ...] = ()
    keep_out: int = 0  # keep-out cells of a random layout
    slot_pattern: SlotPattern = "beside"
    layout: Layout | None = None  # None: a random layout, checked to be solvable, at every reset

    def __post_init__(self) -> None:
        _check(self)

    @property
    def total_mass(self) -> int:
        """The mass of all modules; docking all of it is worth 1.0."""
        return sum(m.mass for m in self.modules)

    @property
    def types(self) -> tuple[str, ...]:
        """The module and slot types, in order of appearance."""
        return tuple(dict.fromkeys([m.type for m in self.modules] + [s.type for s in self.slots]))


def seeing(s: Scenario, sight: int | None) -> Scenario:
    """Return a scenario whose robots all have the sensor range `sight`, in cells; None: the scenario as it is.

    Raises:
        ValueError: The range is negative.
    """
    return s if sight is None else replace(s, robots=tuple(replace(robot, sensor_range=sight) for robot in s.robots))


def _check(s: Scenario) -> None:
    require = partial(_require, s)
    require(s.height >= 3 and s.width >= 3, f"the grid is {s.height}x{s.width}; at least 3x3 is needed")
    for what, things in (("robot", s.robots), ("module", s.modules), ("slot", s.slots)):
        require(things, f"there is no {what}")
    require(len(s.slots) <= MAX_SLOTS, f"{len(s.slots)} slots; at most {MAX_SLOTS} are supported")
    require(s.horizon >= 1, f"horizon is {s.horizon}; at least 1 step is needed")
    for k, r in enumerate(s.robots):
        require(r.thrust >= 1, f"robot_{k} has thrust {r.thrust}; it must be at least 1")
        sensed = r.sensor_range
        require(sensed is None or sensed >= 0, f"robot_{k} has sensor_range {sensed}; it must be 0 or more, or None")
    for k, d in enumerate(s.debris):
        require(
            d.direction in range(5) and d.period >= 1,
            f"debris_{k} has direction {d.direction} and period {d.period}; the direction must be 0..4, the period at "
            "least 1",
        )
    require(any(r.can_dock and r.can_grip for r in s.robots), "no robot can both grip and dock")
    thrust = lift(s)
    for k, m in enumerate(s.modules):
        require(m.mass >= 1, f"module_{k} has mass {m.mass}; it must be at least 1")
        require(
            m.mass <= thrust,
            f"module_{k} has mass {m.mass}, but the strongest team that can lift and dock it, one robot at each of its "
            f"{SIDES} sides, has thrust {thrust}",
        )
        alike, slots = (sum(x.type == m.type for x in things) for things in (s.modules, s.slots))
        require(alike <= slots, f"module_{k} has type {m.type!r}, of which there are more modules than slots")
    for k, slot in enumerate(s.slots):
        for need in slot.needs:
            require(0 <= need < len(s.slots), f"slot_{k} needs slot {need}, which does not exist")
    dock_order(s)
    if s.layout is None:
        _check_room(s)
    else:
        _check_layout(s, s.layout)


def _require(s: Scenario, holds: object, otherwise: str) -> None:
    if not holds:
        raise ValueError(f"scenario {s.name!r}: {otherwise}")


def lift(s: Scenario) -> int:
    """Return the thrust of the strongest team around one module: a robot that docks, and the best for other sides."""
    grippers = [r for r in s.robots if r.can_grip]
    docker = max((r for r in grippers if r.can_dock), key=lambda r: r.thrust)
    grippers.remove(docker)
    return docker.thrust + sum(sorted((r.thrust for r in grippers), reverse=True)[: SIDES - 1])


def _check_room(s: Scenario) -> None:
    require, slots, grid = partial(_require, s), len(s.slots), f"{s.height}x{s.width}"
    require(s.keep_out >= 0, f"keep_out is {s.keep_out}; it must be 0 or more")
    solids = len(s.robots) + len(s.modules) + len(s.debris) + 1
    require(
        solids + slots + s.keep_out <= s.height * s.width,
        f"{solids} solid things, {slots} slots and {s.keep_out} keep-out cells do not fit in {grid} cells",
    )
    pattern = s.slot_pattern
    require(pattern in PATTERNS, f"unknown slot_pattern {pattern!r}; valid are {', '.join(PATTERNS)}")
    side, least = min(s.height, s.width), 5
    if pattern == "beside":
        other = "use slot_pattern='cross' or 'line'"
        require(slots <= SIDES, f"slot_4 has no place: a core has {SIDES} sides; {other}")
    if pattern == "line":
        side, least = max(s.height, s.width), slots + 4  # the core two cells from the border, the end one
    if pattern == "cross":
        least = 2 * (-(-slots // SIDES) + 1) + 1
    require(
        side >= least,
        f"slot_{slots - 1} has no place: {slots} slots with slot_pattern={pattern!r} need {least} cells, the grid is "
        f"{grid}",
    )


def dock_order(s: Scenario) -> tuple[int, ...]:
    """Return the slots in an order that precedence allows.

    Raises:
        ValueError: When the precedence has a cycle.
    """
    order: list[int] = []
    while len(order) < len(s.slots):
        ready = [k for k, slot in enumerate(s.slots) if k not in order and set(slot.needs) <= set(order)]
        if not ready:
            stuck = ", ".join(f"slot_{k}" for k in range(len(s.slots)) if k not in order)
            raise ValueError(f"scenario {s.name!r}: the precedence of {stuck} has a cycle")
        order.extend(ready)
    return tuple(order)


def _check_layout(s: Scenario, layout: Layout) -> None:
    require = partial(_require, s)
    for what, things in (("slots", s.slots), ("modules", s.modules), ("robots", s.robots), ("debris", s.debris)):
        cells = getattr(layout, what)
        require(len(cells) == len(things), f"the layout places {len(cells)} {what}, the scenario has {len(things)}")
    for what in ("core", "slots", "modules", "robots", "debris", "keep_out"):
        for row, col in getattr(layout, what):
            inside = 0 <= row < s.height and 0 <= col < s.width
            require(inside, f"the layout puts {what} at ({row}, {col}), outside the grid")
    seen: dict[Cell, str] = {}
    for what in ("core", "modules", "robots", "debris"):
        for cell in getattr(layout, what):
            require(cell not in seen, f"the layout puts {what} and {seen.get(cell)} on one cell, {cell}")
            seen[cell] = what
    for cell in layout.slots:
        free = seen.get(cell) != "core" and layout.slots.count(cell) == 1
        require(free, f"the slot at {cell} is not a free cell")
    fixed = set(layout.core) | {c for c, d in zip(layout.debris, s.debris, strict=True) if not d.direction}
    reached = _reached(s, [c for c, r in zip(layout.robots, s.robots, strict=True) if r.can_grip], fixed)
    for what, cells in (("slot", layout.slots), ("module", layout.modules)):
        for k, cell in enumerate(cells):
            require(cell in reached, f"{what}_{k} at {cell} cannot be reached by any robot that grips")


def _reached(s: Scenario, starts: list[Cell], fixed: set[Cell]) -> set[Cell]:
    """Return the cells that robots at `starts` could reach if every module were out of their way."""
    found, queue = set(starts), list(starts)
    while queue:
        row, col = queue.pop()
        for cell in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            inside = 0 <= cell[0] < s.height and 0 <= cell[1] < s.width
            if inside and cell not in fixed and cell not in found:
                found.add(cell)
                queue.append(cell)
    return found
