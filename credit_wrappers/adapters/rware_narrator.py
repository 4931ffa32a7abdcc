"""The robotic warehouse in English: the world, one moment whole, and what changed between two moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from credit_wrappers.adapters.library_narrator import LibraryNarrator, ListedAgents

ACTIONS = ("wait", "forward", "left", "right", "toggle")
HEADINGS = ("north", "south", "west", "east")  # in the library's order
AHEAD = ((0, -1), (0, 1), (-1, 0), (1, 0))  # the step (x, y) in each of them

# Each robot (row, column, heading, shelf or 0), each request and each shelf that is not at home (shelf, row, column).
WarehouseMoment = tuple[
    tuple[tuple[int, int, int, int], ...], tuple[tuple[int, int, int], ...], tuple[tuple[int, int, int], ...]
]


@dataclass(frozen=True, slots=True)
class WarehouseFacts:
    """What holds in all episodes of one environment."""

    env_id: str
    plan: tuple[str, ...]  # rows of `.` corridor, `S` a shelf's home, `G` goal
    robots: int
    requests: int
    sight: int  # cells
    horizon: int | None  # steps until truncation
    patience: int | None  # steps without a delivery until truncation
    message_bits: int
    paid: str  # INDIVIDUAL, GLOBAL or TWO_STAGE


class WarehouseNarrator(LibraryNarrator):
    """The narrator of the robotic warehouse."""

    words = "rware_narrator.md"
    facts: WarehouseFacts

    def action_name(self, agent: str, action: Any) -> str:
        """Return the name of an action, with the message where robots send some: `forward saying 01`."""
        if not self.facts.message_bits:
            return ACTIONS[int(action)]
        move, *bits = (int(part) for part in action)
        return f"{ACTIONS[move]} saying {''.join(map(str, bits))}"

    def tasks(self) -> Sequence[str]:
        """Return the tasks for a robot; request_k is the k-th place in the queue of requests."""
        return [*(f"fetch request_{k}" for k in range(self.facts.requests)), "deliver", "return shelf"]

    def _whole(self, moment: WarehouseMoment, team: ListedAgents) -> list[str]:
        robots, requests, away = moment
        clauses = [f"request_{k} shelf_{shelf} ({row},{column})" for k, (shelf, row, column) in enumerate(requests)]
        carried = {robot[3] for robot in robots}
        clauses += [f"shelf_{shelf} away at ({row},{column})" for shelf, row, column in away if shelf not in carried]
        for i, name in team:
            row, column, heading, shelf = robots[i]
            carries = f", carries shelf_{shelf}" if shelf else ""
            clauses.append(f"{name} ({row},{column}) facing {HEADINGS[heading]}{carries}")
        return clauses

    def _change(self, before: WarehouseMoment, now: WarehouseMoment, team: ListedAgents) -> list[str]:
        robots, requests, _ = before
        after, later, _ = now
        replaced = [k for k, (old, new) in enumerate(zip(requests, later, strict=True)) if old[0] != new[0]]
        delivered = {requests[k][0] for k in replaced}
        clauses = []
        for i, name in team:
            row, column, heading, shelf = after[i]
            was_row, was_column, was_heading, was_shelf = robots[i]
            told = []
            if (row, column) != (was_row, was_column):
                told.append(f"({row},{column})")
            if heading != was_heading:
                told.append(HEADINGS[heading])
            if shelf != was_shelf:
                told.append(f"takes shelf_{shelf}" if shelf else f"puts shelf_{was_shelf} down")
            if shelf and shelf in delivered:
                told.append(f"delivers shelf_{shelf}")
            if told:
                clauses.append(f"{name}: {', '.join(told)}")
        return clauses + [f"request_{k} shelf_{later[k][0]} ({later[k][1]},{later[k][2]})" for k in replaced]

    def scene(self, moment: WarehouseMoment) -> dict[str, Any]:
        """Return the grid and the shapes of one moment, for reports."""
        robots, requests, away = moment
        floor, shelves = _furniture(self.facts.plan)
        moved = {shelf: [row, column] for shelf, row, column in away}
        asked = {shelf: k for k, (shelf, _, _) in enumerate(requests)}
        others = moved.keys() | asked.keys()
        shapes = [*floor, *(shape for shelf, shape in shelves.items() if shelf not in others)]
        for shelf in sorted(others):
            shape = shelves[shelf] | {"at": moved.get(shelf, shelves[shelf]["at"])}
            if shelf in asked:
                shape |= {"tone": "asked", "label": str(asked[shelf]), "name": f"request_{asked[shelf]}, shelf_{shelf}"}
            shapes.append(shape)
        for i, (row, column, heading, shelf) in enumerate(robots):
            way = HEADINGS[heading]
            name = f"robot_{i}, facing {way}" + (f", carries shelf_{shelf}" if shelf else "")
            shape = {"kind": "agent", "id": f"robot_{i}", "at": [row, column], "tone": "carries" if shelf else ""}
            shapes.append(shape | {"name": name, "agent": i, "heading": way})
        return {"rows": len(self.facts.plan), "columns": len(self.facts.plan[0]), "ground": "floor", "shapes": shapes}

    def describe(self) -> str:
        """Return the world, its rules and its goal: part 1 of the critic's base prompt."""
        f = self.facts
        pays = {
            "INDIVIDUAL": "1 for each requested shelf that a robot brought to a goal",
            "GLOBAL": f"{f.robots} for each requested shelf that a robot brought to a goal",
            "TWO_STAGE": "0.5 for each requested shelf that a robot brought to a goal, and 0.5 when it then puts it "
            "down on a free home",
        }[f.paid]
        clocks = [f"after {f.horizon} steps"] if f.horizon else []
        clocks += [f"after {f.patience} steps without a delivery"] if f.patience else []
        return self._filled(
            asdict(f) | {"plan": "\n".join(f.plan)},
            rows=len(f.plan),
            columns=len(f.plan[0]),
            s="s" * (f.sight > 1),
            says=f" With every action a robot says {f.message_bits} bits to those that see it." * (f.message_bits > 0),
            pays=pays,
            end=f" The episode is cut off {' or '.join(clocks)}." if clocks else "",
        )


@cache
def _furniture(plan: tuple[str, ...]) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """Return the shapes of goals and homes, and of each shelf at home, by its number."""
    cells = [(kind, [row, column]) for row, line in enumerate(plan) for column, kind in enumerate(line)]
    goals = [at for kind, at in cells if kind == "G"]
    homes = dict(enumerate((at for kind, at in cells if kind == "S"), start=1))
    floor = [
        {"kind": "tile", "id": f"goal_{k}", "at": at, "tone": "goal", "name": "goal"} for k, at in enumerate(goals)
    ]
    floor += [{"kind": "place", "id": f"home_{k}", "at": at, "tone": "home", "name": "home"} for k, at in homes.items()]
    return floor, {
        k: {"kind": "box", "id": f"shelf_{k}", "at": at, "tone": "", "name": f"shelf_{k}", "label": ""}
        for k, at in homes.items()
    }
