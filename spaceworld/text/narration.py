"""Spaceworld in English: the world, a whole state, and what changed from one state to the next.

The texts are short, so that a language model reads them cheaply, and regular, so that rules can read them exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.rules.packing import build_spec
from spaceworld.scenario import Robot, Scenario
from spaceworld.text.events import blocker_of, module_of, slot_of
from spaceworld.text.tasks import task_names

QUIET = pk.E_MOVED | pk.E_CARRIED | pk.E_EDGE  # events that change nothing or that the new positions tell


class SpaceworldNarrator:
    """A narrator that turns packed states of one scenario into text.

    Args:
        scenario: The scenario.
        horizon: Steps until truncation.
        collision_penalty: What one collision or violation costs the team.
        source: Returns the live state row; needed by `capture` only.
    """

    def __init__(
        self, scenario: Scenario, horizon: int, collision_penalty: float, source: Callable[[], np.ndarray] | None = None
    ) -> None:
        self.scenario, self.horizon, self.collision_penalty = scenario, horizon, collision_penalty
        self._source = source
        self._detached: SpaceworldNarrator | None = None
        self._spec = build_spec(scenario, horizon, False, False)
        self._alike = len(set(map(_kind, scenario.robots))) == 1
        self._cells = [f"({r},{c})" for r in range(scenario.height) for c in range(scenario.width)]

    def detached(self) -> SpaceworldNarrator:
        """Return the narrator without its environment, for episodes that are kept or pickled; always one object."""
        if self._detached is None:
            self._detached = SpaceworldNarrator(self.scenario, self.horizon, self.collision_penalty)
        return self._detached

    def capture(self, observations: Mapping[str, Any]) -> np.ndarray:
        """Return a copy of the live state row; the observations are ignored."""
        assert self._source is not None, "a detached narrator cannot capture"
        return self._source().copy()

    def action_name(self, agent: str, action: int) -> str:
        """Return the name of an action, the same for every robot."""
        return pk.ACTION_NAMES[action]

    def tasks(self) -> Sequence[str]:
        """Return the tasks that can be given to a robot."""
        return task_names(self.scenario)

    def describe(self) -> str:
        """Return the world, its rules and its goal: part 1 of the critic's base prompt."""
        s = self.scenario
        slots = "; ".join(
            f"slot_{k} takes a {x.type}"
            + (" once " + ", ".join(f"slot_{j}" for j in x.needs) + " is filled" if x.needs else "")
            for k, x in enumerate(s.slots)
        )
        modules = "; ".join(f"module_{k} is a {x.type} of mass {x.mass}" for k, x in enumerate(s.modules))
        if self._alike:
            robots = f"each robot is a {_kind(s.robots[0])}"
        else:
            kinds = "; ".join(sorted(set(map(_kind, s.robots))))  # sorted: the order must not reveal a robot's number
            robots = f"the robots differ; the start of an episode says which is what: {kinds}"
        return (
            f"Spaceworld, scenario {s.name}: {len(s.robots)} robots assemble a station in orbit on a grid of "
            f"{s.height} rows and {s.width} columns. A cell is (row,column); (0,0) is the top left; north is up.\n"
            f"The team: {robots}.\nModules to be docked: {modules}.\nSlots: {slots}.\n"
            "Actions: stay, north, south, west, east, interact. A robot that interacts beside a loose module grips "
            "it; several robots may grip one module. A robot that grips a module lying on an open slot of its type "
            "docks it by interacting; otherwise a robot that grips releases by interacting. A module and the robots "
            "that grip it move together, only if all of them choose the same direction and their total thrust is "
            "at least the module's mass. Otherwise nothing moves: they disagree, or the thrust is too little.\n"
            "Collisions: flying into the station, a loose module, debris or a robot that does not leave its cell; "
            "two that enter one cell, or swap cells, collide both. Who collides does not move. The border is no "
            "collision.\n"
            "The team reward of a step is the share of the total mass that was docked in it, minus "
            f"{self.collision_penalty:g} for each robot's collision and for each robot that ends the step in a "
            f"keep-out cell. All docked: the episode ends, and the docked shares sum to 1. It is cut off after "
            f"{self.horizon} steps."
        )

    def notation(self) -> str:
        """Return how an episode is written: part 2 of the base prompt."""
        return (
            "The start says where everything is, as cells (row,column): `core` is the station, to which a docked "
            "module belongs, too; a slot is where a module must lie to be docked. Behind an agent's action stands "
            "where it is now: `agent_A west (2,3)` flew west and is in row 2, column 3; without a cell it stayed where "
            "it was. But robots that grip a module move with it, and then only the module's new cell is written: "
            "`agent_A north; agent_B north | module_0 (1,4)`.\n"
            "What an interaction did: `agent_A interact grips module_0`; `agent_A interact (2,3), releases module_0`, "
            "being in that cell; `agent_A interact docks module_0 in slot_0`; `interact` alone did nothing. A dock is "
            "the work of all robots that held the module, and sets all of them free.\n"
            "Faults: `agent_A west hits structure` (or a module, debris, another robot) is a collision caused by "
            "agent_A's own move; `struck by debris`; `in keep-out`.\n"
            "`module_0 stays: carriers disagree` or `too little thrust` says why a gripped module did not move; "
            "`debris_0 (4,1) east` is now in that cell and drifts east."
        )

    def examples(self) -> Mapping[str, str]:
        """Return a short worked example for each of the five definitions."""
        return {
            "temporal": (
                "agent_A grips module_0 in step 4, carries it in steps 5 to 9 and docks it in step 10, where the "
                "reward is 0.33. Steps 0 to 9 paid nothing but made step 10 possible: credit the approach (steps "
                "0-3), the grip (4) and the carrying (5-9) as well as the docking."
            ),
            "structural": (
                "agent_A docks module_0 alone while agent_B drifts in a corner. Both received the team reward 0.33. "
                "agent_A earned all of it; agent_B's credit for these steps is 0."
            ),
            "under_collaboration": (
                "module_1 has mass 2 and each robot thrust 1. agent_A grips it and pushes north for five steps; "
                "`module_1 stays: too little thrust`. agent_A did its part by gripping and is not blamed for "
                "waiting; agent_B, who wandered off instead of coming, lost ground and is debited for that."
            ),
            "over_collaboration": (
                "module_0 has mass 1. agent_A holds it, yet agent_B follows it, hits it in step 6 and blocks the "
                "way. One robot was enough: agent_B is debited for the collision and gets nothing for the docking."
            ),
            "agreement": (
                "Both robots hold module_1; agent_A chooses north, agent_B west: `module_1 stays: carriers "
                "disagree`. Nobody is credited for such steps. When both choose west and the module comes nearer "
                "to its slot, both are credited for that step."
            ),
        }

    def frames(self, moments: Sequence[object], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return a text for each state: the first one whole, then what changed since the state before, "" for nothing.

        Args:
            moments: T + 1 state rows, as `capture` returned them.
            order: The indices of the robots, in the order of listing.
            names: The name of the k-th robot of `order`.
        """
        rows: list[list[int]] = np.array(moments).tolist()
        called = dict(zip(order, names, strict=True))
        changes = (self._change(before, now, called) for before, now in pairwise(rows))
        return [self._whole(rows[0], called), *changes]

    def _whole(self, row: list[int], called: Mapping[int, str]) -> str:
        s, spec, cells = self.scenario, self._spec, self._cells
        r, m, t, d, c, k, end = (int(spec[h]) for h in range(pk.H_ROBOT, pk.H_ROWSIZE + 1))
        parts = ["core " + " ".join(cells[x] for x in row[c:k])]
        if row[pk.S_STEP]:
            parts.insert(0, f"step {row[pk.S_STEP]}")
        if end > k:
            parts.append("keep-out " + " ".join(cells[x] for x in row[k:end]))
        for i in range(len(s.slots)):
            at = t + i * pk.T_WIDTH
            parts.append(f"slot_{i} {cells[row[at + pk.T_CELL]]}" + (", filled" if row[at + pk.T_FILLED] else ""))
        for i in range(len(s.modules)):
            at = m + i * pk.M_WIDTH
            docked = f", docked in slot_{row[at + pk.M_SLOT]}" if row[at + pk.M_SLOT] >= 0 else ""
            parts.append(f"module_{i} {cells[row[at + pk.M_CELL]]}{docked}")
        for i, debris in enumerate(s.debris):
            at = d + i * pk.D_WIDTH
            way = row[at + pk.D_DIR]
            drift = f"drifting {pk.ACTION_NAMES[way]} every {debris.period} steps" if way else "still"
            parts.append(f"debris_{i} {cells[row[at + pk.D_CELL]]}, {drift}")
        for i, name in called.items():
            at = r + i * pk.R_WIDTH
            kind = "" if self._alike else f", {_kind(s.robots[i])}"
            grips = f", grips module_{row[at + pk.R_GRIPS]}" if row[at + pk.R_GRIPS] >= 0 else ""
            parts.append(f"{name} {cells[row[at + pk.R_CELL]]}{kind}{grips}")
        return "; ".join(parts)

    def _change(self, before: list[int], now: list[int], called: Mapping[int, str]) -> str:
        """Return what changed, in clauses; those of an agent begin with its name and a colon."""
        spec, cells = self._spec, self._cells
        r, m = int(spec[pk.H_ROBOT]), int(spec[pk.H_MODULE])
        parts: list[str] = []
        stuck: dict[int, str] = {}
        for i, name in called.items():
            at = r + i * pk.R_WIDTH  # pk.R_CELL is column 0
            held, code = before[at + pk.R_GRIPS], now[at + pk.R_EVENT]
            moved = now[at] != before[at]
            # a robot that holds a module moves with it: only the module's new cell is told
            freed = held >= 0 and held != now[at + pk.R_GRIPS]
            told = []
            if (moved and (held < 0 or freed)) or code & pk.E_RELEASED:
                told.append(cells[now[at]])
            if code & ~QUIET & 1023 or code >> pk.E_KIND_SHIFT:
                self._events(code, now[at + pk.R_ACTION], called, told, stuck)
            if told:
                parts.append(f"{name}: {', '.join(told)}")
        for i in range(len(self.scenario.modules)):
            at = m + i * pk.M_WIDTH
            if now[at] != before[at]:  # pk.M_CELL is column 0
                parts.append(f"module_{i} {cells[now[at]]}")
            elif i in stuck:
                parts.append(f"module_{i} stays: {stuck[i]}")
        for i in range(len(self.scenario.debris)):
            at = int(spec[pk.H_DRIFT]) + i * pk.D_WIDTH
            if now[at] != before[at] or now[at + pk.D_DIR] != before[at + pk.D_DIR]:
                parts.append(f"debris_{i} {cells[now[at]]} {pk.ACTION_NAMES[now[at + pk.D_DIR]]}")
        return "; ".join(parts)

    def _events(
        self, code: int, action: int, called: Mapping[int, str], told: list[str], stuck: dict[int, str]
    ) -> None:
        module = module_of(code)
        if code & pk.E_GRIPPED:
            told.append(f"grips module_{module}")
        if code & pk.E_RELEASED:
            told.append(f"releases module_{module}")
        if code & pk.E_DOCKED and action == pk.INTERACT:  # others that held the module did nothing themselves
            told.append(f"docks module_{module} in slot_{slot_of(code)}")
        if code & pk.E_DISAGREED:
            stuck[module] = "carriers disagree"
        if code & pk.E_WEAK:
            stuck[module] = "too little thrust"
        blocked = blocker_of(code)
        if blocked:
            kind, index = blocked
            what = {pk.B_ROBOT: called.get(index, ""), pk.B_MODULE: f"module_{index}", pk.B_DEBRIS: f"debris_{index}"}
            told.append(f"hits {what.get(kind, 'structure')}")
        if code & pk.E_STRUCK:
            told.append("struck by debris")
        if code & pk.E_KEEP_OUT:
            told.append("in keep-out")


def _kind(robot: Robot) -> str:
    able = "" if robot.can_grip else ", cannot grip"
    return f"{robot.role} with thrust {robot.thrust}{able}" + ("" if robot.can_dock else ", cannot dock")
