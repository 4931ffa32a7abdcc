"""Level-Based Foraging in English: the world, one moment whole, and what changed between two moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from credit_wrappers.adapters.library_narrator import LibraryNarrator, ListedAgents

ACTIONS = ("stay", "north", "south", "west", "east", "load")
LOAD = 5

# Food at the start (row, column, level), which of it is left, cells, levels and last actions of the players.
ForagingMoment = tuple[
    tuple[tuple[int, int, int], ...], tuple[bool, ...], tuple[tuple[int, int], ...], tuple[int, ...], tuple[int, ...]
]


@dataclass(frozen=True, slots=True)
class ForagingFacts:
    """What holds in all episodes of one environment."""

    env_id: str
    rows: int
    columns: int
    players: int
    foods: int  # most pieces of food
    sight: int  # cells
    horizon: int  # steps until truncation
    cooperate: bool  # whether food is so heavy that several must come
    penalty: float  # for each player that loads in vain
    normalized: bool  # whether all food of an episode pays 1


class ForagingNarrator(LibraryNarrator):
    """The narrator of Level-Based Foraging."""

    words = "lbf_narrator.md"
    facts: ForagingFacts

    def action_name(self, agent: str, action: int) -> str:
        """Return the name of an action, the same for every player."""
        return ACTIONS[action]

    def tasks(self) -> Sequence[str]:
        """Return the tasks for a player: one for each piece of food."""
        return [f"load food_{k}" for k in range(self.facts.foods)]

    def _whole(self, moment: ForagingMoment, team: ListedAgents) -> list[str]:
        foods, left, cells, levels, _ = moment
        food = [f"food_{k} {_cell(food)} level {food[2]}" for k, food in enumerate(foods) if left[k]]
        return food + [f"{name} {_cell(cells[i])} level {levels[i]}" for i, name in team]

    def _change(self, before: ForagingMoment, now: ForagingMoment, team: ListedAgents) -> list[str]:
        foods, was, cells, _, _ = before
        _, left, after, _, actions = now
        clauses = []
        for i, name in team:
            if after[i] != cells[i]:
                clauses.append(f"{name}: {_cell(after[i])}")
            elif actions and actions[i] == LOAD:
                # There is at most one, because the library keeps food apart.
                beside = [k for k, food in enumerate(foods) if was[k] and _distance(food, cells[i]) == 1]
                for k in beside:
                    clauses.append(f"{name}: in vain at food_{k}" if left[k] else f"{name}: loads food_{k}")
        return clauses

    def scene(self, moment: ForagingMoment) -> dict[str, Any]:
        """Return the grid and the shapes of one moment, for reports."""
        foods, left, cells, levels, actions = moment
        shapes: list[dict[str, Any]] = []
        for k, (row, column, level) in enumerate(foods):
            if left[k]:
                name = f"food_{k}, level {level}"
                shapes.append(
                    {
                        "kind": "food",
                        "id": f"food_{k}",
                        "at": [int(row), int(column)],
                        "label": str(level),
                        "name": name,
                    }
                )
        crowd, seen = Counter(cells), Counter[tuple[int, int]]()  # the library lets players share a cell
        for i, cell in enumerate(cells):
            aside = 0.3 * (seen[cell] - (crowd[cell] - 1) / 2)
            seen[cell] += 1
            loads = bool(actions) and actions[i] == LOAD
            name = f"player_{i}, level {levels[i]}" + ", loads" * loads
            shape = {
                "kind": "agent",
                "id": f"player_{i}",
                "at": [int(cell[0]), float(cell[1] + aside)],
                "agent": i,
                "name": name,
            }
            shapes.append(shape | {"note": f"L{levels[i]}", "tone": "acts" if loads else ""})
        return {"rows": self.facts.rows, "columns": self.facts.columns, "ground": "field", "shapes": shapes}

    def describe(self) -> str:
        """Return the world, its rules and its goal: part 1 of the critic's base prompt."""
        f = self.facts
        levels = "Players and food have levels, which the start of an episode says"
        if f.cooperate:
            who = "of all players" if f.players <= 3 else "of the three weakest players"
            levels += f"; food is so heavy that it needs the levels {who} together"
        pays = (
            "its level divided by the sum of the levels of all food at the start, so that all food together pays 1"
            if f.normalized
            else "its level times the sum of the levels of those who loaded it"
        )
        return self._filled(
            asdict(f),
            levels=levels,
            sees="the whole field" if f.sight >= max(f.rows, f.columns) - 1 else f"{f.sight} cells far",
            pays=pays,
            vain=f" Each player that loads in vain costs the team {f.penalty:g}." if f.penalty else "",
        )


def _distance(food: Sequence[int], cell: Sequence[int]) -> int:
    return abs(food[0] - cell[0]) + abs(food[1] - cell[1])


def _cell(at: Sequence[int]) -> str:
    return f"({at[0]},{at[1]})"
