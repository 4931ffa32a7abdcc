"""Level-Based Foraging in English: the world, one moment whole, and what changed between two moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from credit_wrappers.adapters.library_narrator import LibraryNarrator, ListedAgents

ACTIONS = ("stay", "north", "south", "west", "east", "load")
LOAD = 5

# food at the start (row, column, level), which of it is left, cells and levels of the players, their last actions
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
    """Tells Level-Based Foraging.

    Args:
        facts: What is being played.
        source: Returns the live moment; only needed by `capture`.
    """

    def __init__(self, facts: ForagingFacts, source: Callable[[], ForagingMoment] | None = None) -> None:
        super().__init__(source)
        self.facts = facts

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
                k = _beside(cells[i], foods, was)
                if k is not None:
                    clauses.append(f"{name}: in vain at food_{k}" if left[k] else f"{name}: loads food_{k}")
        return clauses

    def describe(self) -> str:
        """Return the world, its rules and its goal: part 1 of the critic's base prompt."""
        f = self.facts
        sees = "the whole field" if f.sight >= max(f.rows, f.columns) - 1 else f"{f.sight} cells far"
        levels = "Players and food have levels, which the start of an episode says"
        if f.cooperate:
            who = "of all players" if f.players <= 3 else "of the three weakest players"
            levels += f"; food is so heavy that it needs the levels {who} together"
        pays = (
            "its level divided by the sum of the levels of all food at the start, so that all food together pays 1"
            if f.normalized
            else "its level times the sum of the levels of those who loaded it"
        )
        vain = f" Each player that loads in vain costs the team {f.penalty:g}." if f.penalty else ""
        return (
            f"Level-Based Foraging, {f.env_id}: players in a team of {f.players} collect food ({f.foods} at the "
            f"start) on a grid of {f.rows} rows and {f.columns} columns. A cell is (row,column); (0,0) is the top "
            f"left; north is up. {levels}. Each player sees {sees}.\n"
            "Actions: stay, north, south, west, east, load. A player that loads tries to take the food in the cell "
            "north, south, west or east of it. It succeeds if the levels of all players beside that food that load "
            "in the same step add up to at least the level of the food; otherwise nothing happens. Nobody walks into "
            "food or off the field; players that choose the same cell stay where they are.\n"
            f"The team reward of a step is, for each piece of food that was loaded, {pays}.{vain} The episode ends "
            f"when no food is left, and is cut off after {f.horizon} steps."
        )

    def notation(self) -> str:
        """Return how an episode is written: part 2 of the base prompt."""
        return (
            "The start says where all food and all players are, as cells (row,column), and their levels. Behind an "
            "agent's action stands where it is now: `agent_A west (2,3)` went west and is in row 2, column 3; "
            "without a cell it stayed where it was, because the way was blocked. `agent_A load loads food_1` took "
            "food_1, alone or with the others that have the same words behind them; `agent_A load in vain at food_1` "
            "was too weak with those who loaded with it; `load` alone did nothing: no food was there."
        )

    def examples(self) -> Mapping[str, str]:
        """Return a worked example for each of the five definitions."""
        return {
            "temporal": (
                "agent_A walks towards food_0 in steps 0 to 6, stands beside it and loads it in step 7, where the "
                "reward is 0.4. Steps 0 to 6 paid nothing but made step 7 possible: credit them as well as the loading."
            ),
            "structural": (
                "agent_A of level 2 loads food_1 of level 2 alone while agent_B wanders about. Both received the team "
                "reward; agent_A earned all of it, agent_B nothing. Of food that several loaded, each earned a part in "
                "proportion to its level."
            ),
            "under_collaboration": (
                "food_0 has level 4, agent_A level 2 and agent_B level 2. agent_A stands beside food_0 and loads in "
                "vain for five steps while agent_B walks elsewhere: agent_A did its part, agent_B is to blame for "
                "staying away."
            ),
            "over_collaboration": (
                "food_1 has level 1, and agent_A is beside it; agent_B walks to it, too, although other food is "
                "left. One was enough: the steps of agent_B earn nothing, or a little blame."
            ),
            "agreement": (
                "Both food_0 and food_1 need both agents. agent_A waits at food_0, agent_B at food_1: nothing is "
                "loaded, and nobody is credited for waiting. When agent_B comes to food_0 and both load in the same "
                "step, both are."
            ),
        }


def _beside(cell: tuple[int, int], foods: Sequence[tuple[int, int, int]], left: Sequence[bool]) -> int | None:
    """Return the food beside a cell; there is at most one, because the library keeps food apart."""
    for k, (row, column, _) in enumerate(foods):
        if left[k] and abs(row - cell[0]) + abs(column - cell[1]) == 1:
            return k
    return None


def _cell(at: Sequence[int]) -> str:
    return f"({at[0]},{at[1]})"
