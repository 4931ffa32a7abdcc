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
from spaceworld.text.carrying import carry_steps, side_of
from spaceworld.text.distances import DISTANCES_NOTE, Distances, bracket, distances
from spaceworld.text.drawn_scene import drawn_scene
from spaceworld.text.events import blocker_of, module_of, slot_of
from spaceworld.text.scene import Scene, scene_of
from spaceworld.text.tasks import task_names
from spaceworld.text.text_map import MAP_NOTE, text_map

MOST_WAYS = 8  # modules of which the ways to their slots are told; with more the text would be long
QUIET = pk.E_MOVED | pk.E_CARRIED | pk.E_EDGE  # events that change nothing or that the new positions tell
# What can be told beside, see `SpaceworldNarrator`, and how it is written.
BESIDE = {"distances": DISTANCES_NOTE, "map": MAP_NOTE}


class SpaceworldNarrator:
    """A narrator that turns packed states of one scenario into text.

    Args:
        scenario: The scenario.
        horizon: Steps until truncation.
        collision_penalty: What one collision or violation costs the team.
        source: Returns the live state row; needed by `capture` only.
        told: Whether the text says what each robot can do.
        beside: What the text says beside, of `BESIDE`: "distances", how many steps each free robot is from each module
            and each module that is held from its slot, whenever that has changed; "map", the grid at the start and
            after each dock. See `telling`.

    Raises:
        ValueError: There is nothing of that name to be told, or the distances of more than 8 modules.
    """

    def __init__(
        self,
        scenario: Scenario,
        horizon: int,
        collision_penalty: float,
        source: Callable[[], np.ndarray] | None = None,
        *,
        told: bool = True,
        beside: Sequence[str] = (),
    ) -> None:
        if unknown := [name for name in beside if not isinstance(name, str) or name not in BESIDE]:
            raise ValueError(f"Spaceworld's narrator cannot tell {unknown[0]!r}; valid are {', '.join(BESIDE)}")
        if "distances" in beside and len(scenario.modules) > MOST_WAYS:
            raise ValueError(
                f"distances are told of at most {MOST_WAYS} modules, and there are {len(scenario.modules)}"
            )
        self.scenario, self.horizon, self.collision_penalty = scenario, horizon, collision_penalty
        self._source = source
        self._detached: SpaceworldNarrator | None = None
        self._spec = build_spec(scenario, horizon, False, False)
        self._told, self.beside = told, tuple(beside)
        self._alike = len(set(map(_kind, scenario.robots))) == 1
        self._cells = [f"({r},{c})" for r in range(scenario.height) for c in range(scenario.width)]

    def detached(self) -> SpaceworldNarrator:
        """Return the narrator without its environment, for episodes that are kept or pickled; always one object."""
        if self._detached is None:
            self._detached = self._telling(None, self.beside)
        return self._detached

    def telling(self, *beside: str) -> SpaceworldNarrator:
        """Return the narrator of the same environment that tells this beside: "distances", "map", or both.

        Raises:
            ValueError: There is nothing of that name to be told, or the distances of more than 8 modules.

        Examples:
            >>> from spaceworld import spaceworld_v0
            >>> narrator = spaceworld_v0.parallel_env("duet").narrator.telling("distances")
            >>> narrator.beside  # LLMCreditWrapper(env, narrator=narrator) asks so
            ('distances',)
        """
        return self._telling(self._source, beside)

    def _telling(self, source: Callable[[], np.ndarray] | None, beside: Sequence[str]) -> SpaceworldNarrator:
        return SpaceworldNarrator(
            self.scenario, self.horizon, self.collision_penalty, source, told=self._told, beside=beside
        )

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
        if not self._told:
            robots = "what each robot can lift, and whether it can grip and dock, is not told"
        elif self._alike:
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
            "module belongs, too; a slot is where a module must lie to be docked. `carrying module_0: 2 from north, "
            "west, 4 from south`: a robot that holds it on its north or west side can bring it to its slot in 2 steps, "
            "on its south side in 4, on its east side never; several need a way on which all have room. Behind an "
            "agent's action stands where it is now: `agent_A west (2,3)` flew west and is in row 2, column 3; without "
            "a cell it stayed where it was. "
            "But robots that grip a module move with it and keep their side, so only the module's new cell is written: "
            "`agent_A north; agent_B north | module_0 (1,4)`.\n"
            "What an interaction did: `agent_A interact grips module_0 from west`; `agent_A interact (2,3), "
            "releases module_0`, being in that cell; `agent_A interact docks module_0 in slot_0`, which sets all "
            "robots free that held it; `interact` alone did nothing.\n"
            "Faults: `agent_A west hits structure` (or a loose module, debris, another robot) is a collision caused by "
            "agent_A's own move; `hits module_0 of agent_B`: the module that agent_B holds; `hits agent_B entering one "
            "cell`: both wanted to, and both collide; `struck by debris`; `in keep-out`.\n"
            "`module_0 stays: carriers disagree` or `too little thrust` says why a gripped module did not move; "
            "`debris_0 (4,1) east` is now in that cell and drifts east."
            + "".join(note for name, note in BESIDE.items() if name in self.beside)
        )

    def examples(self) -> Mapping[str, str]:
        """Return a short worked example for each of the five definitions."""
        return {
            "temporal": (
                "agent_A comes nearer to module_0 in steps 0 to 3, grips it in step 4, carries it towards its slot in "
                "steps 5 to 9 and docks it in step 10, where the reward is 0.33. Steps 0 to 9 paid nothing but made "
                "step 10 possible: agent_A saved one step in each of them, and one by docking."
            ),
            "structural": (
                "agent_A docks module_0 alone while agent_B drifts to and fro in a corner. Both received the team "
                "reward 0.33. agent_A earned all of it; agent_B's steps sum to 0."
            ),
            "under_collaboration": (
                "module_1 has mass 2 and each robot thrust 1. agent_A grips it (1) and pushes north for five steps (0 "
                "each): `module_1 stays: too little thrust`. agent_B wanders three steps off instead of coming: -3. At "
                "last agent_A lets go: -1, for the grip is undone, and nothing for the wait."
            ),
            "over_collaboration": (
                "module_0 has mass 1. agent_A holds it, yet agent_B follows it (0), hits it in step 6 (-2), and enters "
                "a cell in front of it, so that agent_A has to go round, two steps farther (-2). One robot was enough: "
                "agent_B gets nothing for the docking."
            ),
            "agreement": (
                "Both robots hold module_1; agent_A chooses north, agent_B west: `module_1 stays: carriers "
                "disagree`. Such steps are 0 for both, whoever was right. When both choose west and the module comes "
                "nearer to its slot, both get 1 for that step."
            ),
        }

    def worths(self) -> str:
        """Return what a step saved is here, and how doubtful cases are judged."""
        return (
            "For a free robot, each step nearer to a free side of the module to which the best plan of the team sends "
            "it, of those sides from which the module can be carried to its slot. Which module it seems to want does "
            "not count, so leaving one for another costs the way that is lost. A grip there is 1, letting go of it -1, "
            "also after a partner never came. A grip from another side, or where thrust suffices without it, is -1, "
            "because the robot has to let go again, and letting go of it 1. For robots that hold a module and are "
            "needed, each step that brings it nearer to its slot is 1 for each of them, each step away -1 for each. "
            "Holding, pushing with too little thrust and disagreeing are 0 for all. The dock is 1 for the robot that "
            "interacts; a holder that stays has earned its part by carrying. Ways lead round the station, loose "
            "modules and robots that hold something, so a detour that has to be made is progress. A collision, or a "
            "step in a keep-out cell, is -2 for the robot that caused it by its move; when two enter one cell, for "
            "both."
        )

    def frames(self, moments: Sequence[object], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return a text for each state: the first one whole, then what changed since the state before, "" for nothing.

        Args:
            moments: T + 1 state rows, as `capture` returned them.
            order: The indices of the robots, in the order of listing.
            names: The name of the k-th robot of `order`.
        """
        rows: list[list[int]] = np.array(moments).tolist()
        called = dict(zip(order, names, strict=True))
        far = [self._distances(row) for row in rows]
        changes = (
            self._change(*states, called, *known) for states, known in zip(pairwise(rows), pairwise(far), strict=True)
        )
        return [self._whole(rows[0], called, far[0]), *changes]

    def scene(self, moment: np.ndarray) -> dict[str, Any]:
        """Return the grid and the shapes of one state row, for reports."""
        return drawn_scene(self._scene(moment))

    def _scene(self, moment: np.ndarray) -> Scene:
        return scene_of(self.scenario, self._spec, moment, self.horizon, self.collision_penalty)

    def _distances(self, row: list[int]) -> Distances | None:
        return distances(self._scene(np.array(row))) if "distances" in self.beside else None

    def _map(self, row: list[int], called: Mapping[int, str]) -> list[str]:
        """Return the clause of the map; none unless it is told, or once all is docked."""
        if "map" not in self.beside or row[pk.S_DOCKED] == self.scenario.total_mass:
            return []
        return [f"map {text_map(self._scene(np.array(row)), called)}"]

    def _whole(self, row: list[int], called: Mapping[int, str], far: Distances | None) -> str:
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
            left = f" {bracket([far.modules[i]])}" if far is not None and i in far.modules else ""
            parts.append(f"module_{i} {cells[row[at + pk.M_CELL]]}{docked}{left}")
        for i, debris in enumerate(s.debris):
            at = d + i * pk.D_WIDTH
            way = row[at + pk.D_DIR]
            drift = f"drifting {pk.ACTION_NAMES[way]} every {debris.period} steps" if way else "still"
            parts.append(f"debris_{i} {cells[row[at + pk.D_CELL]]}, {drift}")
        for i, name in called.items():
            at = r + i * pk.R_WIDTH
            kind = "" if self._alike or not self._told else f", {_kind(s.robots[i])}"
            grips = f", grips module_{row[at + pk.R_GRIPS]}" if row[at + pk.R_GRIPS] >= 0 else ""
            ways = f" {bracket(far.robots[i])}" if far is not None and far.robots[i] else ""
            parts.append(f"{name} {cells[row[at + pk.R_CELL]]}{kind}{grips}{ways}")
        return "; ".join(parts + self._carrying(row) + self._map(row, called))

    def _carrying(self, row: list[int]) -> list[str]:
        """Return for each module that is not docked from where it can be carried to its slot, and how far that is."""
        s, spec = self.scenario, self._spec
        m, t, c, k = (int(spec[h]) for h in (pk.H_MODULE, pk.H_SLOT, pk.H_COREROW, pk.H_KEEPROW))
        loose = [i for i in range(len(s.modules)) if row[m + i * pk.M_WIDTH + pk.M_SLOT] < 0]
        if len(s.modules) > MOST_WAYS:
            return []
        at = {i: divmod(row[m + i * pk.M_WIDTH + pk.M_CELL], s.width) for i in range(len(s.modules))}
        solid = {divmod(x, s.width) for x in row[c:k]} | {at[i] for i in at if i not in loose}
        parts = []
        for i in loose:
            open_slots = {
                f"slot_{j}": divmod(row[t + j * pk.T_WIDTH + pk.T_CELL], s.width)
                for j, slot in enumerate(s.slots)
                if slot.type == s.modules[i].type and not row[t + j * pk.T_WIDTH + pk.T_FILLED]
            }
            if open_slots:
                slot, ways = carry_steps((s.height, s.width), solid, at[i], open_slots)
                sides = {steps: ", ".join(x for x in ways if ways[x] == steps) for steps in sorted({*ways.values()})}
                told = ", ".join(f"{steps} from {sides[steps]}" for steps in sides) or "never"
                parts.append(f"carrying module_{i}{f' to {slot}' if len(open_slots) > 1 else ''}: {told}")
        return parts

    def _change(
        self,
        before: list[int],
        now: list[int],
        called: Mapping[int, str],
        was: Distances | None,
        far: Distances | None,
    ) -> str:
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
                self._events(i, now, called, told, stuck)
            ways = ""
            if was is not None and far is not None and far.robots[i] and (moved or far.robots[i] != was.robots[i]):
                ways = bracket(far.robots[i])
            if told or ways:
                parts.append(f"{name}: {' '.join(filter(None, (', '.join(told), ways)))}")
        docks = False
        for i in range(len(self.scenario.modules)):
            at = m + i * pk.M_WIDTH
            docks |= now[at + pk.M_SLOT] != before[at + pk.M_SLOT]
            words = [cells[now[at]]] if now[at] != before[at] else []  # pk.M_CELL is column 0
            if not words and i in stuck:
                words.append(f"stays: {stuck[i]}")
            if was is not None and far is not None and i in far.modules:
                news = [(each.modules.get(i), each.holders.get(i)) for each in (was, far)]
                words += [bracket([far.modules[i]])] if now[at] != before[at] or news[0] != news[1] else []
            if words:
                parts.append(" ".join([f"module_{i}", *words]))
        for i in range(len(self.scenario.debris)):
            at = int(spec[pk.H_DRIFT]) + i * pk.D_WIDTH
            if now[at] != before[at] or now[at + pk.D_DIR] != before[at + pk.D_DIR]:
                parts.append(f"debris_{i} {cells[now[at]]} {pk.ACTION_NAMES[now[at + pk.D_DIR]]}")
        return "; ".join(parts + (self._map(now, called) if docks else []))

    def _events(
        self, robot: int, now: list[int], called: Mapping[int, str], told: list[str], stuck: dict[int, str]
    ) -> None:
        """Add what happened to a robot to `told`, and why a module did not move to `stuck`."""
        at = int(self._spec[pk.H_ROBOT]) + robot * pk.R_WIDTH
        code = now[at + pk.R_EVENT]
        module = module_of(code)
        if code & pk.E_GRIPPED:
            cell, held = (divmod(now[x], self.scenario.width) for x in (at, self._module_at(module)))
            told.append(f"grips module_{module} from {side_of(cell, held)}")
        if code & pk.E_RELEASED:
            told.append(f"releases module_{module}")
        if code & pk.E_DOCKED and now[at + pk.R_ACTION] == pk.INTERACT:  # the others did nothing themselves
            told.append(f"docks module_{module} in slot_{slot_of(code)}")
        if code & pk.E_DISAGREED:
            stuck[module] = "carriers disagree"
        if code & pk.E_WEAK:
            stuck[module] = "too little thrust"
        blocked = blocker_of(code)
        if blocked:
            kind, index = blocked
            what = {pk.B_MODULE: f"module_{index}", pk.B_DEBRIS: f"debris_{index}"}.get(kind, "structure")
            told.append(f"hits {self._unit_hit(robot, index, now, called) if kind == pk.B_ROBOT else what}")
        if code & pk.E_STRUCK:
            told.append("struck by debris")
        if code & pk.E_KEEP_OUT:
            told.append("in keep-out")

    def _unit_hit(self, robot: int, other: int, now: list[int], called: Mapping[int, str]) -> str:
        """Return what of another unit, to which the robot `other` belongs, the unit of `robot` collided with."""
        r, width = int(self._spec[pk.H_ROBOT]), self.scenario.width
        action = now[r + robot * pk.R_WIDTH + pk.R_ACTION]
        step = (-width, width, -1, 1)[action - 1]

        def bodies(i: int) -> dict[int, str]:  # by cell
            held = now[r + i * pk.R_WIDTH + pk.R_GRIPS]
            unit = [k for k in called if k == i or (held >= 0 and now[r + k * pk.R_WIDTH + pk.R_GRIPS] == held)]
            found = {now[r + k * pk.R_WIDTH]: called[k] for k in unit}
            return found | ({now[self._module_at(held)]: f"module_{held} of {called[i]}"} if held >= 0 else {})

        theirs = bodies(other)
        hit = sorted(cell + step for cell in bodies(robot) if cell + step in theirs)
        return theirs[hit[0]] if hit else f"{called[other]} entering one cell"

    def _module_at(self, module: int) -> int:
        """Return where a module's cell is in a state row."""
        return int(self._spec[pk.H_MODULE]) + module * pk.M_WIDTH  # pk.M_CELL is column 0


def _kind(robot: Robot) -> str:
    able = "" if robot.can_grip else ", cannot grip"
    return f"{robot.role} with thrust {robot.thrust}{able}" + ("" if robot.can_dock else ", cannot dock")
