"""# Level-Based Foraging

Players collect food on a grid. Players and food have levels: food is loaded when players beside it, whose levels add
up to at least its own, choose to load in the same step. An adapter over the library `lbforaging` 2 (extra `lbf`).

| | |
|---|---|
| Import | `from credit_wrappers.adapters import lbf` |
| Actions | Discrete |
| Parallel API | Yes |
| Manual control | No |
| Agents | `player_0`, `player_1`, ... |
| Action shape | `()` |
| Action values | `Discrete(6)` |
| Observation shape | `(3 F + 3 N,)` for F pieces of food and N players; grid ids `(3, 2 s + 1, 2 s + 1)` for sight s |
| Observation values | -1 to the size of the field, float32 |
| State | `state()`, float32, of `state_space` |

```python
from credit_wrappers import LLMCreditWrapper, ScriptedClient
from credit_wrappers.adapters import lbf

env = lbf.parallel_env("Foraging-8x8-2p-3f-v3", sight=3, max_episode_steps=100)
env = LLMCreditWrapper(env, client=ScriptedClient())
```

The scripted critic has rules for this environment.

## Actions

| number | name | effect |
|---|---|---|
| 0 | stay | |
| 1, 2, 3, 4 | north, south, west, east | moves the player by one cell |
| 5 | load | loads the food beside the player, with all others beside it that load in the same step |

`infos[agent]["action_mask"]` (int8) is 0 for what the library would turn into `stay`: leaving the field, walking into
food, loading where no food is. Players that choose the same cell stay where they are. As in the library, a player that
enters the cell of one that wanted to leave and could not shares the cell with it.

## Observation

The library's own, named in `env.feature_names`: for each piece of food `food_k.row`, `food_k.column`, `food_k.level`;
then the same of the player itself, `own.row` ..., and of the other players, `other_k.row` .... Food that is left is
sorted by its cells, other players by their numbers; what is gone or not seen is -1, -1, 0. A player sees `sight` cells
far. Where that is less than the field, rows and columns count from the upper left corner of what it sees.

With ids that have `-grid` (`Foraging-grid-2s-8x8-2p-3f-v3`) a player observes three planes with itself in the middle,
`env.plane_names`: the levels of players, the levels of food, and which cells are free. (lbforaging 2.0.0 fails on them
and on fields that are not square; here both work.)

`state()`, named in `env.state_names`: row, column and level of each piece of food in the order of the start (-1, -1, 0
when it is gone), then of each player, then the share of time that is left.

## Reward and end

Every player is paid the team reward, the sum of what the library pays; its own part is in
`infos[agent]["own_reward"]`. Loaded food pays its level divided by the sum of all levels at the start, so that a
cleared field pays 1; the library divides it among those who loaded, in proportion to their levels. Each player that
loads in vain costs `penalty`.

Terminated when no food is left. Truncated after `max_episode_steps`, which the library reports as termination.

## Arguments

```python
lbf.parallel_env("Foraging-8x8-2p-3f-v3", render_mode=None, **arguments)
```

The id gives the arguments of the library's environment; each can be overridden: `players`, `field_size`,
`max_num_food`, `sight`, `max_episode_steps`, `force_coop`, `penalty`, `min_player_level`, `max_player_level`,
`min_food_level`, `max_food_level`, `normalize_reward`, `grid_observation`, `observe_agent_levels`. `render_mode`:
`rgb_array` (our own picture, which needs no screen) or `ansi`; the library's own window is `env.library.render()`.

`reset(seed=s)` starts the same episode as `reset(seed=s)` of a new environment of the library. (In one that was played
before, the library also keeps new players off the cells of the last ones.) `get_state()` and `set_state()` take and
restore states from which a rollout continues bit-identically.

`env.narrator.tasks()` are the tasks that a critic can give a player: `load food_0`, ....
`env.task_target("load food_0", "player_1")` is the cell (row, column) of that food, None when it is gone;
`env.task_offset("load food_0", "player_1")` is the way there from the player: rows and columns, divided by those of the
field, both in [-1, 1].

`env.value_function("time")` and `env.value_function("work")` are the exact steps, and actions of players, until all
food is loaded, for up to 3 players on small fields: [exact credit](exact.md).

## Version history

v3, as the library counts. Adapter: first release.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from credit_wrappers.adapters.lbf_model import ForagingSetup, ForagingSimulator, ForagingValue, rewound
from credit_wrappers.adapters.lbf_narrator import ACTIONS, ForagingFacts, ForagingMoment, ForagingNarrator
from credit_wrappers.adapters.lbf_table import check_size
from credit_wrappers.adapters.library_env import LibraryState, Observed, TeamEnv
from credit_wrappers.core.optional import registered, require, unknown

ENTRY_POINT = "lbforaging.foraging:ForagingEnv"

_GRID = re.compile(r"Foraging-grid(?:-(\d+)s)?(-.+)")


class ForagingParallelEnv(TeamEnv):
    """Level-Based Foraging; `parallel_env` and the module's text document it."""

    plane_names = ("player levels", "food levels", "free")

    def __init__(self, env_id: str, *, render_mode: str | None = None, **arguments: Any) -> None:
        require("lbforaging.foraging", "lbf")
        from credit_wrappers.adapters.lbf_field import Field

        given = {**arguments_of(env_id), **arguments}
        library = Field(**given)
        players = len(library.players)
        rows, columns = library.field_size
        names = [f"player_{i}" for i in range(players)]
        super().__init__(env_id, library, (rows, columns), names, given, render_mode)
        self.foods: tuple[tuple[int, int, int], ...] = ()  # row, column and level of each at the start
        foods, parts = [f"food_{k}" for k in range(library.max_num_food)], ("row", "column", "level")
        who = ["own", *(f"other_{k}" for k in range(1, players))]
        seen = parts if library._observe_agent_levels else parts[:2]
        features = [f"{name}.{part}" for name in foods for part in parts]
        features += [f"{name}.{part}" for name in who for part in seen]
        self.feature_names = () if library._grid_observation else tuple(features)
        self.state_names = (*(f"{name}.{part}" for name in (*foods, *names) for part in parts), "time_left")
        food, player = ([rows - 1, columns - 1, level] for level in (library.heaviest, library.strongest))
        low = [-1, -1, 0] * len(foods) + [0, 0, 0] * players + [0]
        high = food * len(foods) + player * players + [1]
        self.state_space = Box(np.array(low, np.float32), np.array(high, np.float32))
        self._facts = ForagingFacts(
            env_id=env_id,
            rows=rows,
            columns=columns,
            players=players,
            foods=len(foods),
            sight=int(library.sight),
            horizon=int(library._max_episode_steps),
            cooperate=bool(library.force_coop) and library.max_food_level is None,
            penalty=float(library.penalty),
            normalized=bool(library._normalize_reward),
        )

    @property
    def narrator(self) -> ForagingNarrator:
        """What turns histories of this environment into text; bound to it."""
        return ForagingNarrator(self._facts, self._moment)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Observed:
        """Start an episode; with a seed the one that a new environment of the library starts."""
        if seed is not None:  # else the library keeps new players off the cells of the last episode's
            for player in self.library.players:
                player.position = None
        return super().reset(seed=seed, options=options)

    def state(self) -> np.ndarray:
        """Return the global state, float32 of `state_space`; `state_names` says what its numbers are."""
        library, gone = self.library, (-1, -1, 0)
        values: list[float] = []
        for food in self.foods:
            values += food if library.field[food[:2]] else gone
        values += gone * (self._facts.foods - len(self.foods))
        for player in library.players:
            values += (*player.position, player.level)
        values.append(max(0.0, 1 - library.current_step / self._facts.horizon))
        return np.array(values, np.float32)

    def task_target(self, task: str, agent: str) -> tuple[int, int] | None:
        """Return the cell (row, column) of the food to be loaded; None when it is gone."""
        self._index(agent)
        k = self._number(task)
        if k is None or k >= len(self.foods):
            return None
        row, column, _ = self.foods[k]
        return (row, column) if self.library.field[row, column] else None

    def simulator(self) -> ForagingSimulator:
        """Return a simulator of these rules that does not need the library's environment."""
        return ForagingSimulator(self._setup)

    def value_function(self, kind: str) -> ForagingValue:
        """Return minus the fewest steps ("time") or actions other than `stay` ("work") until all food is loaded.

        Exact, for teams of up to 3 on small fields.

        Raises:
            ValueError: There is no such kind, or the table for the largest number of pieces of food is too large.
        """
        facts = self._facts
        check_size(facts.rows, facts.columns, facts.players, facts.foods)
        return ForagingValue(kind, self._setup)

    def rewind(self, state: LibraryState) -> LibraryState:
        """Return a state with the clock and all scores at 0, in which the episode goes on if food is left."""
        return rewound(state)

    @property
    def _setup(self) -> ForagingSetup:
        facts = self._facts
        return ForagingSetup(facts.rows, facts.columns, facts.horizon, facts.penalty, facts.normalized)

    # -- what the library does in its own way -----------------------------------------------------------------

    def _begin(self) -> None:
        field = self.library.field
        self.foods = tuple((int(r), int(c), int(field[r, c])) for r, c in zip(*field.nonzero(), strict=True))

    def _solved(self) -> bool:
        return not self.library.field.any()

    def _place(self, index: int) -> tuple[int, int]:
        row, column = self.library.players[index].position
        return int(row), int(column)

    def _masks(self) -> np.ndarray:
        rows = []
        for valid in self.library._valid_actions.values():  # in the order of the players
            row = [0] * len(ACTIONS)
            for action in valid:
                row[action._value_] = 1
            rows.append(row)
        return np.array(rows, np.int8)

    def _observe(self) -> Any:
        return self.library._make_gym_obs()

    def _moment(self) -> ForagingMoment:
        library = self.library
        level = library.field.item
        return (
            self.foods,
            tuple([level(row, column) > 0 for row, column, _ in self.foods]),
            tuple([player.position for player in library.players]),
            tuple([player.level for player in library.players]),
            self.chosen,
        )

    def _save(self) -> Any:
        library = self.library
        left = tuple(food for food in self.foods if library.field[food[:2]])
        players = tuple(
            ((int(p.position[0]), int(p.position[1])), int(p.level), float(p.score), float(p.reward))
            for p in library.players
        )
        return self.foods, left, players, library.current_step, bool(library._game_over)

    def _load(self, values: Any) -> None:
        library = self.library
        self.foods, left, players, library.current_step, library._game_over = values
        library.field[:] = 0
        for row, column, level in left:
            library.field[row, column] = level
        library._food_spawned = sum(level for _, _, level in self.foods)
        for player, (position, level, score, reward) in zip(library.players, players, strict=True):
            player.setup(position, level, library.field_size)
            player.score, player.reward = score, reward
        library._gen_valid_moves()

    def _picture(self) -> np.ndarray:
        from credit_wrappers.adapters.lbf_picture import paint

        return paint(self._facts, self._moment(), self.library.current_step)

    def _text(self) -> str:
        foods, left, positions, levels, _ = self._moment()
        grid = [["  ."] * self._facts.columns for _ in range(self._facts.rows)]
        for (row, column, level), there in zip(foods, left, strict=True):
            if there:
                grid[row][column] = f" f{level}"
        for i, (row, column) in enumerate(positions):
            grid[row][column] = f"{i:>2}p"
        team = ", ".join(f"{i}p level {level}" for i, level in enumerate(levels))
        head = f"{self._facts.env_id} step {self.library.current_step}/{self._facts.horizon}"
        return "\n".join([head, *map("".join, grid), f"{team}; f2 is food of level 2"])


def parallel_env(env_id: str = "Foraging-8x8-2p-3f-v3", **arguments: Any) -> ForagingParallelEnv:
    """Return Level-Based Foraging as a ParallelEnv.

    Args:
        env_id: One of the library's ids.
        arguments: `render_mode`, and arguments of the library's environment in place of the id's.

    Raises:
        ImportError: The library is not installed.
        ValueError: An unknown id or render_mode.
    """
    return ForagingParallelEnv(env_id, **arguments)


def arguments_of(env_id: str) -> dict[str, Any]:
    """Return the arguments that an id stands for; the ValueError for an unknown id names the nearest."""
    known = registered(ENTRY_POINT)
    if env_id in known:
        return known[env_id]
    # The library's grid ids, which it takes 15 seconds to register, differ from the others in two arguments.
    grid = _GRID.fullmatch(str(env_id))
    if grid and (plain := f"Foraging{grid[2]}") in known:
        size = known[plain]["field_size"][0]
        sight = int(grid[1]) if grid[1] else size
        if sight < size or (sight == size and not grid[1]):
            return {**known[plain], "sight": sight, "grid_observation": True}
    raise unknown(env_id, known)
