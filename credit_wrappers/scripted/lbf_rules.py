"""Rules by which the scripted critic judges a Level-Based Foraging episode that it reads as text.

Each player has a potential, a function of the state alone: minus APPROACH for each step of the way to

    the nearest food that it can load by itself, if there is such food;
    else the food that needs several and is nearest to all players together, the same for everyone;
    else IDLE steps, a constant: no work is left for it.

The way leads round food, and round other players that stand beside that food: they wait there, and who walks into them
waits behind them for ever.

Its credit for a step is the difference of its potential, so every closed loop of states sums to zero. Outside the
potential stands what cannot be repeated. Loaded food pays LOAD, in proportion to its level, to those who loaded it, in
proportion to theirs; the potentials of that step are not counted, because the work has changed. Loading in vain is
debited only where the environment makes the team pay for it. Amounts are in hundredths of a credit.

Tasks follow the potentials, and the food that players can load by themselves is shared out among them.
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

APPROACH, LOAD, BLAME = 10, 600, 20  # hundredths of a credit; LOAD is for all food of an episode
IDLE = 3  # steps

_HEAD = re.compile(r"Level-Based Foraging, \S+: .* (\d+) rows and (\d+) columns")
_THING = re.compile(r"(\w+) \((\d+),(\d+)\) level (\d+)")
_CELL = re.compile(r"\((\d+),(\d+)\)")

Cell = tuple[int, int]  # row, column


@dataclass(frozen=True)
class ForagingRules(EpisodeRules):
    """Judges the episodes of one foraging environment."""

    size: tuple[int, int]  # rows, columns
    penalty: bool  # whether loading in vain costs the team

    @staticmethod
    def for_system(system: str) -> ForagingRules | None:
        """Return the rules for the field that a base prompt describes, if any."""
        head = _HEAD.search(system)
        return ForagingRules((int(head[1]), int(head[2])), "loads in vain costs the team" in system) if head else None

    def judge(self, start: str, steps: Sequence[Step]) -> tuple[str, list[dict[str, Any]]]:
        """Return the summary and the events of one episode."""
        field = ToldField(self.size, start)
        log = EventLog(field.players)
        whole = sum(field.levels[food] for food in field.foods) or 1
        before = field.potentials()
        for t, step in enumerate(steps):
            moved, loaded, vain = field.apply(step)
            for who, food in vain if self.penalty else ():
                log.single(who, t, -BLAME, f"loaded in vain, which costs the team: {food}")
            for food, team in loaded.items():
                together = sum(field.levels[who] for who in team)
                for who in team:
                    part = LOAD * field.levels[food] * field.levels[who] / (whole * together)
                    helped = f" with {len(team) - 1} more" * (len(team) > 1)
                    log.single(who, t, round(part), f"loaded {food} of level {field.levels[food]}{helped}")
            after = field.potentials()
            if not loaded:
                for who, value in after.items():
                    if gain := value - before[who]:
                        log.add(who, t, gain, _reason(gain, who in moved))
            before = after
        left = len(field.foods)
        return ("all food was loaded" if not left else f"{left} pieces of food were left"), log.events()

    def tasks(self, start: str, steps: Sequence[Step]) -> Iterator[dict[str, str]]:
        """Yield the players' tasks in the state before each step."""
        field = ToldField(self.size, start)
        for step in steps:
            yield {who: f"load {food}" for who, food in field.aims().items()}
            field.apply(step)

    def reason(self, task: str) -> str:
        """Return why players get a task."""
        return f"{task.removeprefix('load ')} is the food that it can load soonest, alone or with the others"


class ToldField:
    """The field, as the text has told it so far."""

    def __init__(self, size: tuple[int, int], start: str) -> None:
        self.size = size
        self.foods: dict[str, Cell] = {}
        self.players: dict[str, Cell] = {}
        self.levels: dict[str, int] = {}
        for name, row, column, level in _THING.findall(start):
            (self.foods if name.startswith("food_") else self.players)[name] = (int(row), int(column))
            self.levels[name] = int(level)

    def apply(self, step: Step) -> tuple[set[str], dict[str, list[str]], list[tuple[str, str]]]:
        """Update the field by one step; return who moved, who loaded each food, and who loaded which food in vain."""
        moved, vain = set(), []
        loaded: dict[str, list[str]] = {}
        for deed in step.deeds:
            who, _, did = deed.partition(" ")
            if cell := _CELL.search(did):
                self.players[who] = (int(cell[1]), int(cell[2]))
                moved.add(who)
            elif " loads " in did:
                loaded.setdefault(did.rpartition(" ")[2], []).append(who)
            elif " in vain at " in did:
                vain.append((who, did.rpartition(" ")[2]))
        for food in loaded:
            del self.foods[food]
        return moved, loaded, vain

    def potentials(self) -> dict[str, int]:
        """Return each player's potential, in hundredths of a credit."""
        solid = frozenset(self.foods.values())
        shared = self._shared(solid)
        values = {}
        for who, cell in self.players.items():
            own = [food for food in self.foods if self._able(who, food)] or shared
            goals = frozenset(self.foods[food] for food in own)
            closed = solid | self._waiting(who, goals)
            values[who] = -APPROACH * (_ways(self.size, closed, goals).get(cell, sum(self.size)) if own else IDLE)
        return values

    def _waiting(self, who: str, foods: frozenset[Cell]) -> frozenset[Cell]:
        """Return the cells of the other players that stand beside one of these foods: the way leads round them."""
        others = {cell for name, cell in self.players.items() if name != who}
        return frozenset((r, c) for r, c in others if any(abs(r - x) + abs(c - y) == 1 for x, y in foods))

    def aims(self) -> dict[str, str]:
        """Return the food that each player should go for; the first one, loaded or not, where none is left."""
        solid = frozenset(self.foods.values())
        team = sorted(self.players, key=lambda who: (self.players[who], self.levels[who]))
        foods = sorted(self.foods, key=self.foods.__getitem__)
        steps = {who: {food: self._way(solid, food, self.players[who]) for food in foods} for who in team}
        alone = {who: {food: way for food, way in steps[who].items() if self._able(who, food)} for who in team}
        aims = share_out({who: ways_to for who, ways_to in alone.items() if ways_to})
        shared = self._shared(solid)
        for who in team:
            if who not in aims:  # where no other player goes, at least nobody is in the way
                left = shared or [food for food in foods if food not in aims.values()] or foods
                aims[who] = min(left, key=steps[who].__getitem__, default="food_0")
        return aims

    def _able(self, who: str, food: str) -> bool:
        return self.levels[food] <= self.levels[who]

    def _shared(self, solid: frozenset[Cell]) -> list[str]:
        """Return the food that needs several, one for all, or each would wait at another one; empty for none."""
        levels = [self.levels[who] for who in self.players]
        shared = [food for food in self.foods if max(levels) < self.levels[food] <= sum(levels)]

        def together(food: str) -> tuple[int, Cell]:
            return sum(self._way(solid, food, cell) for cell in self.players.values()), self.foods[food]

        return [min(shared, key=together)] if shared else []

    def _way(self, solid: frozenset[Cell], food: str, cell: Cell) -> int:
        return _ways(self.size, solid, frozenset((self.foods[food],))).get(cell, sum(self.size))


@lru_cache(maxsize=4096)
def _ways(size: tuple[int, int], solid: frozenset[Cell], foods: frozenset[Cell]) -> dict[Cell, int]:
    """Return the steps from each cell to the nearest one beside some food; nobody walks through food."""

    def beside(cell: Cell) -> Iterator[Cell]:
        for dr, dc in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            row, column = cell[0] + dr, cell[1] + dc
            if 0 <= row < size[0] and 0 <= column < size[1] and (row, column) not in solid:
                yield row, column

    return ways(sorted({cell for food in foods for cell in beside(food)}), beside)


def _reason(gain: int, moved: bool) -> str:
    if not moved:
        return "stood still while another player changed which food is to be loaded next, or the way to it"
    if abs(gain) != APPROACH:
        return "moved while the food to be loaded next, or the way to it, changed: now it is " + (
            "nearer" if gain > 0 else "farther"
        )
    return "came nearer to food to be loaded" if gain > 0 else "went away from the food to be loaded"
