"""Rules by which the scripted critic judges a warehouse episode that it reads as text.

Each robot has a potential, a function of the state alone; ways are counted in actions, turns included:

    free                   - STEP * (way to the nearest requested shelf that nobody carries; IDLE if there is none)
    with a requested shelf TAKE + STEP * (way from the shelf's home to a goal - way that is left)
    with another shelf     - VAIN - 2 STEP * (way to a free home) - STEP * (way as if free)

Its credit for a step is the difference of its potential, so every closed loop of states sums to zero: taking a shelf
and putting it down, driving to and fro earn nothing. A delivery pays DELIVER to the robot that delivered; the
potentials of that step are not counted, because the requests have changed. Amounts are in hundredths of a credit.

Tasks follow the potentials, and the requests are shared out among the robots that carry nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from credit_wrappers.scripted.event_log import EpisodeRules, EventLog
from credit_wrappers.scripted.read_prompt import Step
from credit_wrappers.scripted.shortest_paths import share_out, ways

STEP, TAKE, VAIN, DELIVER = 10, 30, 30, 200  # hundredths of a credit
IDLE = 3  # steps
FAR = 50  # steps charged where no way leads to the goal

_PLAN = re.compile(r"Robotic Warehouse, .*?corridor\):\n(.*?)\nActions:", re.DOTALL)
_ROBOT = re.compile(r"(\w+) \((\d+),(\d+)\) facing (\w+)(?:, carries (shelf_\d+))?")
_AWAY = re.compile(r"(shelf_\d+) away at \((\d+),(\d+)\)")
_REQUEST = re.compile(r"(request_\d+) (shelf_\d+) \((\d+),(\d+)\)")
_CELL = re.compile(r"\((\d+),(\d+)\)")
_HEADING = re.compile(r"\b(north|east|south|west)\b")
_SHELF = re.compile(r"(takes|puts|delivers) (shelf_\d+)")
_AHEAD = {"north": (-1, 0), "east": (0, 1), "south": (1, 0), "west": (0, -1)}
_ROUND = tuple(_AHEAD)  # clockwise

Cell = tuple[int, int]  # row, column
Pose = tuple[int, int, str]  # row, column, heading


@dataclass(frozen=True)
class WarehouseRules(EpisodeRules):
    """Judges the episodes of one warehouse."""

    plan: tuple[str, ...]  # rows of S, a shelf's home; G, a goal; and ., a corridor

    @staticmethod
    def for_system(system: str) -> WarehouseRules | None:
        """Return the rules for the warehouse that a base prompt describes, if any."""
        plan = _PLAN.search(system)
        return WarehouseRules(tuple(plan[1].split("\n"))) if plan else None

    def judge(self, start: str, steps: Sequence[Step]) -> tuple[str, list[dict[str, Any]]]:
        """Return the summary and the events of one episode."""
        floor = ToldFloor(self.plan, start)
        log = EventLog(floor.poses)
        before, deliveries = floor.potentials(), 0
        for t, step in enumerate(steps):
            did, delivered = floor.apply(step)
            after = floor.potentials()
            for who, shelf in delivered:
                log.single(who, t, DELIVER, f"delivered {shelf}, which was requested")
            if not delivered:
                for who, value in after.items():
                    if gain := value - before[who]:
                        log.add(who, t, gain, floor.reason(who, did.get(who, ""), gain))
            before = after
            deliveries += len(delivered)
        return f"{deliveries} deliveries", log.events()

    def tasks(self, start: str, steps: Sequence[Step]) -> Iterator[dict[str, str]]:
        """Yield the robots' tasks in the state before each step."""
        floor = ToldFloor(self.plan, start)
        for step in steps:
            yield floor.aims()
            floor.apply(step)

    def reason(self, task: str) -> str:
        """Return why robots get a task."""
        carried = {
            "deliver": "carries a shelf that is requested",
            "return shelf": "carries a shelf that nobody requested",
        }
        return carried.get(task, f"{task.removeprefix('fetch ')} is the request that it can fetch soonest")


class ToldFloor:
    """The warehouse, as the text has told it so far."""

    def __init__(self, plan: tuple[str, ...], start: str) -> None:
        self.plan = plan
        self.homes, self.goals = _places(plan, "S"), frozenset(_places(plan, "G"))
        self.shelves = {f"shelf_{k}": cell for k, cell in enumerate(self.homes, start=1)}
        self.home = dict(self.shelves)  # of each shelf, at the start
        self.shelves.update({name: (int(r), int(c)) for name, r, c in _AWAY.findall(start)})
        self.requests = {name: shelf for name, shelf, _, _ in _REQUEST.findall(start)}
        self.poses: dict[str, Pose] = {}
        self.carries: dict[str, str] = {}
        for who, row, column, heading, shelf in _ROBOT.findall(start):
            self.poses[who] = (int(row), int(column), heading)
            if shelf:
                self.carries[who] = shelf

    def apply(self, step: Step) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """Update the floor by one step.

        Returns:
            What each robot did (`moves`, `turns`, `takes`, `puts` or ""), and who delivered which shelf.
        """
        did: dict[str, str] = {}
        delivered: list[tuple[str, str]] = []
        for deed in step.deeds:
            who, _, text = deed.partition(" ")
            row, column, heading = self.poses[who]
            did[who] = ""
            if moved := _CELL.search(text):
                row, column, did[who] = int(moved[1]), int(moved[2]), "moves"
            if turned := _HEADING.search(text):
                heading, did[who] = turned[1], "turns"
            self.poses[who] = (row, column, heading)
            for verb, shelf in _SHELF.findall(text):
                if verb == "takes":
                    self.carries[who], did[who] = shelf, "takes"
                elif verb == "puts":
                    del self.carries[who]
                    self.shelves[shelf], did[who] = (row, column), "puts"
                else:
                    delivered.append((who, shelf))
        for clause in step.rest:
            if asked := _REQUEST.match(clause):
                self.requests[asked[1]] = asked[2]
        return did, delivered

    def potentials(self) -> dict[str, int]:
        """Return each robot's potential, in hundredths of a credit."""
        carried = set(self.carries.values())
        standing = frozenset(cell for name, cell in self.shelves.items() if name not in carried)
        asked = set(self.requests.values())
        open_work = frozenset(self.shelves[shelf] for shelf in asked - carried)
        values = {}
        for who, pose in self.poses.items():
            free = _way(self.plan, frozenset(), open_work, pose) if open_work else IDLE
            shelf = self.carries.get(who)
            if shelf is None:
                values[who] = -STEP * free
            elif shelf in asked:
                left = _way(self.plan, standing, self.goals, pose)
                values[who] = TAKE + STEP * (self._whole_way(shelf) - left)
            else:
                back = _way(self.plan, standing, frozenset(self.homes) - standing, pose)
                values[who] = -VAIN - 2 * STEP * back - STEP * free
        return values

    def aims(self) -> dict[str, str]:
        """Return the task of each robot, by what it carries; those that carry nothing share out the requests."""
        asked, carried = set(self.requests.values()), set(self.carries.values())
        tasks = {who: "deliver" if shelf in asked else "return shelf" for who, shelf in self.carries.items()}
        left = {name: shelf for name, shelf in self.requests.items() if shelf not in carried} or self.requests
        places = {name: self.shelves[left[name]] for name in sorted(left, key=lambda name: self.shelves[left[name]])}
        free = sorted((who for who in self.poses if who not in tasks), key=self.poses.__getitem__)
        if places:
            ways_to = {name: _ways(self.plan, frozenset(), frozenset((cell,))) for name, cell in places.items()}
            near = {who: {name: way.get(self.poses[who], FAR) for name, way in ways_to.items()} for who in free}
            tasks |= {who: f"fetch {name}" for who, name in share_out(near).items()}
        return tasks

    def reason(self, who: str, did: str, gain: int) -> str:
        """Return why the potential of `who`, who did that, changed by `gain`."""
        shelf = self.carries.get(who)
        asked = shelf in self.requests.values()
        if did == "takes":
            return f"took {shelf}, which is requested" if asked else f"took {shelf}, which nobody requested"
        if did == "puts":
            return "put a shelf down" + ("" if gain > 0 else " that is requested")
        if not did:
            return "stood still while others changed which shelf is to be fetched, or the way"
        way = "the goal" if asked else "a free home" if shelf else "a requested shelf"
        return f"came nearer to {way}" if gain > 0 else f"went away from {way}, or others changed what is to be done"

    def _whole_way(self, shelf: str) -> int:
        """Return the steps from a shelf's home to a goal while all others are at home: a constant of the shelf."""
        home = self.home[shelf]
        others = frozenset(self.homes) - {home}
        return min(_way(self.plan, others, self.goals, (*home, heading)) for heading in _ROUND)


def _places(plan: tuple[str, ...], kind: str) -> list[Cell]:
    return [(r, c) for r, row in enumerate(plan) for c, found in enumerate(row) if found == kind]


def _way(plan: tuple[str, ...], solid: frozenset[Cell], goals: frozenset[Cell], pose: Pose) -> int:
    return _ways(plan, solid, goals).get(pose, FAR)


@lru_cache(maxsize=1024)
def _ways(plan: tuple[str, ...], solid: frozenset[Cell], goals: frozenset[Cell]) -> dict[Pose, int]:
    """Return the actions from each pose to the nearest goal, through cells that are not solid."""

    def before(pose: Pose) -> Iterator[Pose]:
        row, column, heading = pose
        k = _ROUND.index(heading)
        yield row, column, _ROUND[k - 1]
        yield row, column, _ROUND[(k + 1) % 4]
        dr, dc = _AHEAD[heading]
        behind = (row - dr, column - dc)
        if 0 <= behind[0] < len(plan) and 0 <= behind[1] < len(plan[0]) and behind not in solid:
            yield *behind, heading

    return ways([(*cell, heading) for cell in sorted(goals) for heading in _ROUND], before)
