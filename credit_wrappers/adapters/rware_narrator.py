"""The robotic warehouse in English: the world, one moment whole, and what changed between two moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credit_wrappers.adapters.library_narrator import LibraryNarrator, ListedAgents

ACTIONS = ("wait", "forward", "left", "right", "toggle")
HEADINGS = ("north", "south", "west", "east")  # in the library's order

# of each robot (row, column, heading, shelf or 0), of each request (shelf, row, column), of each shelf that is not at
# home (shelf, row, column)
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
    """Tells the robotic warehouse.

    Args:
        facts: What is being played.
        source: Returns the live moment; only needed by `capture`.
    """

    def __init__(self, facts: WarehouseFacts, source: Callable[[], WarehouseMoment] | None = None) -> None:
        super().__init__(source)
        self.facts = facts

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

    def describe(self) -> str:
        """Return the world, its rules and its goal: part 1 of the critic's base prompt."""
        f = self.facts
        says = f" With every action a robot says {f.message_bits} bits to those that see it." if f.message_bits else ""
        pays = {
            "INDIVIDUAL": "1 for each requested shelf that a robot brought to a goal",
            "GLOBAL": f"{f.robots} for each requested shelf that a robot brought to a goal",
            "TWO_STAGE": "0.5 for each requested shelf that a robot brought to a goal, and 0.5 when it then puts it "
            "down on a free home",
        }[f.paid]
        clocks = [f"after {f.horizon} steps"] if f.horizon else []
        clocks += [f"after {f.patience} steps without a delivery"] if f.patience else []
        end = f" The episode is cut off {' or '.join(clocks)}." if clocks else ""
        plan = "\n".join(f.plan)
        return (
            f"Robotic Warehouse, {f.env_id}: robots in a team of {f.robots} bring requested shelves to goals on a "
            f"grid of {len(f.plan)} rows and {len(f.plan[0])} columns. A cell is (row,column); (0,0) is the top "
            f"left; north is up. Shelves requested at any time: {f.requests}. Each robot sees {f.sight} "
            f"cell{'s' * (f.sight > 1)} far.\nThe plan (S: home of a shelf; all shelves are at home at first, "
            f"numbered shelf_1, shelf_2, ... row by row; G: goal; .: corridor):\n{plan}\n"
            "Actions: wait, forward, left, right, toggle. forward moves by one cell to where the robot faces; left "
            "and right turn it. toggle takes the shelf in the robot's cell, or puts down the shelf that it carries, "
            "but not in a corridor or on a goal. A robot without a shelf drives under shelves; one with a shelf "
            f"cannot enter the cell of another shelf. Two robots never share a cell: who is in the way blocks the "
            f"other.{says}\nA requested shelf that is carried onto a goal is delivered: its request is replaced at "
            "once by one for another shelf. The robot still carries the delivered shelf and must bring it to a free "
            f"home before it can take another.\nThe team reward of a step is {pays}.{end}"
        )

    def notation(self) -> str:
        """Return how an episode is written: part 2 of the base prompt."""
        return (
            "The start says which shelves are requested and where they are, and where each robot is, where it faces "
            "and what it carries; a shelf that is not at home is `away`. Behind an agent's action stands what came "
            "of it: `agent_A forward (2,3)` moved to row 2, column 3; without a cell it was blocked. `agent_A left "
            "west` faces west now. `agent_A toggle takes shelf_7`; `agent_A toggle puts shelf_7 down`; `toggle` "
            "alone did nothing. `agent_A forward (10,4), delivers shelf_7` brought a requested shelf to a goal; "
            "behind the bar then stands the request that took its place: `request_0 shelf_9 (2,2)`."
        )

    def examples(self) -> Mapping[str, str]:
        """Return a worked example for each of the five definitions."""
        return {
            "temporal": (
                "agent_A drives to the requested shelf_7 in steps 3 to 9, takes it in step 10, carries it in steps "
                "11 to 20 and delivers it in step 21, where the reward is 1. Credit the way (3-9), the taking (10) "
                "and the carrying (11-20) as well as the delivery."
            ),
            "structural": (
                "agent_A delivers shelf_7 while agent_B turns to and fro in a corridor. Both received the team reward; "
                "agent_A earned all of it, agent_B nothing."
            ),
            "under_collaboration": (
                "Two shelves are requested and both robots could work at once, but agent_B stands still for fifty "
                "steps: one request waits all the while. agent_B is to blame, agent_A is not."
            ),
            "over_collaboration": (
                "agent_A and agent_B both drive to shelf_7 although another shelf is requested, too. agent_A takes "
                "it; the way of agent_B was wasted, and if it stood in the way of agent_A, it deserves a little blame."
            ),
            "agreement": (
                "agent_A with a shelf and agent_B meet in a corridor and both choose forward for ten steps: neither "
                "moves. Nobody is credited for this. When agent_B turns aside and lets agent_A pass, credit it a "
                "little, for it made the delivery possible."
            ),
        }
