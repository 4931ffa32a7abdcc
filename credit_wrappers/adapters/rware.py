"""# Robotic Warehouse

Robots drive under shelves, carry requested shelves to the goals, and bring them back to a free place. An adapter over
the library `rware` 2 (extra `rware`).

| | |
|---|---|
| Import | `from credit_wrappers.adapters import rware` |
| Actions | Discrete; MultiDiscrete where robots send messages |
| Parallel API | Yes |
| Manual control | No |
| Agents | `robot_0`, `robot_1`, ... |
| Action shape | `()`; with messages `(1 + msg_bits,)` |
| Action values | `Discrete(5)`; with messages `MultiDiscrete([5, 2, ...])` |
| Observation shape | `(8 + (2 s + 1)² (7 + msg_bits),)` for sensor range s: `(71,)`; images `(5, 2 s + 1, 2 s + 1)` |
| Observation values | 0 to the size of the warehouse, float32 |
| State | `state()`, float32, of `state_space` |

```python
from credit_wrappers import LLMCreditWrapper, ScriptedClient
from credit_wrappers.adapters import rware

env = rware.parallel_env("rware-tiny-2ag-v2", max_steps=200)
env = LLMCreditWrapper(env, client=ScriptedClient())
```

The scripted critic has rules for this environment.

## Actions

| number | name | effect |
|---|---|---|
| 0 | wait | |
| 1 | forward | moves by one cell to where the robot faces |
| 2, 3 | left, right | turns |
| 4 | toggle | takes the shelf in the robot's cell, or puts down the one it carries, if this is a shelf's place |

`infos[agent]["action_mask"]` (int8) is 0 for what has no effect whatever the others do: driving off the floor,
carrying a shelf into the cell of one that stands, toggling where nothing can be taken or put down. A move that another
robot blocks is not masked, because that robot may drive on. With messages the mask has two more entries, 1 1, for each
bit.

## Observation

The library's own, named in `env.feature_names`: the robot's `own.x` (column), `own.y` (row), `own.carries`, `own.up`,
`own.down`, `own.left`, `own.right` (where it faces), `own.highway` (no shelf's place); then for each cell that it
senses, row by row from the upper left one, `(dy,dx).robot`, `.up`, `.down`, `.left`, `.right` (`.up` is also 1 where no
robot is), `.message_k`, `.shelf`, `.requested`. dy and dx count from the robot, dy to the south, dx to the east.

With ids that have `-img` a robot observes planes with itself in the middle, turned to where it faces unless the id has
`-Nd`. `env.plane_names` are `shelves`, `requests`, `agents`, `goals`, `accessible`, or those of
`image_observation_layers`, also by name: `["SHELVES", "AGENT_DIRECTION", "AGENT_LOAD"]`. `agent_direction` is 1 where a
robot faces north, 2 south, 3 west, 4 east, in turned planes as well. (rware 2.0.0 writes `agent_direction` and
`agent_load` into wrong cells, or fails; here both are right.) With `-imgdict` a robot observes a Dict of these planes,
`image`, and of `features`: its `up`, `down`, `left`, `right`, `highway`, `carries`. The library's DICT observations are
refused: its values do not fit its spaces.

`state()`, named in `env.state_names`: of each robot row, column, heading (one-hot), whether it carries a shelf and
whether that shelf was delivered; of each request row and column; of each shelf's place whether a shelf stands there;
the share of time that is left.

## Reward and end

Every robot is paid the team reward, the sum of what the library pays; its own part is in
`infos[agent]["own_reward"]`. A delivery pays 1 to the robot that delivers (`reward_type` INDIVIDUAL), 1 to each robot
(GLOBAL), or 0.5, and 0.5 more when the shelf is back (TWO_STAGE).

Never terminated. Truncated after `max_steps`, or after `max_inactivity_steps` without a delivery; the library reports
both as termination.

## Arguments

```python
rware.parallel_env("rware-tiny-2ag-v2", render_mode=None, **arguments)
```

The id gives the arguments of the library's environment; each can be overridden: `n_agents`, `shelf_columns`,
`shelf_rows`, `column_height`, `layout`, `sensor_range`, `request_queue_size`, `max_steps`, `max_inactivity_steps`,
`reward_type`, `msg_bits`, `observation_type`, `image_observation_layers`, `image_observation_directional`,
`normalised_coordinates`; `reward_type` and `observation_type` also by name (`"GLOBAL"`). Ids that the library registers
only on request are valid, too. `render_mode`: `rgb_array` (our own picture, which needs no screen) or `ansi`; the
library's own window is `env.library.render()`.

`reset(seed=s)` starts the same episode as the library's. `get_state()` and `set_state()` take and restore states from
which a rollout continues bit-identically. `rewind(state)` returns a state with its clocks at 0, so that rollouts can go
on past the time limit.

`env.narrator.tasks()` are the tasks that a critic can give a robot: `fetch request_0`, ..., `deliver`, `return shelf`.
`env.task_target("fetch request_0", "robot_1")` is the cell (row, column) of that shelf, None while a robot carries it.
`deliver` leads a robot that carries a shelf to the nearest goal, `return shelf` to the nearest free place.
`env.task_offset("fetch request_0", "robot_1")` is the way there from the robot: rows and columns, divided by those of
the warehouse, both in [-1, 1].

With up to two robots `env.value_function("time")` is an estimate of the deliveries that the scripted team makes from a
state on: [exact credit](exact.md#deliveries-in-the-warehouse).

## Version history

v2, as the library counts. Adapter: first release.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from credit_wrappers.adapters.library_env import LibraryState, TeamEnv
from credit_wrappers.adapters.rware_ids import arguments_of
from credit_wrappers.adapters.rware_narrator import AHEAD, WarehouseFacts, WarehouseMoment, WarehouseNarrator
from credit_wrappers.core.optional import require

_SIDES = ("up", "down", "left", "right")
_AGENTS, _SHELVES = 0, 1  # layers of the library's grid


class WarehouseParallelEnv(TeamEnv):
    """The robotic warehouse; `parallel_env` and the module's text document it."""

    def __init__(self, env_id: str, *, render_mode: str | None = None, **arguments: Any) -> None:
        require("rware.warehouse", "rware")
        from credit_wrappers.adapters.rware_floor import Floor, with_members

        given = with_members({**arguments_of(env_id), **arguments})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*precision lowered", UserWarning)  # the library's bounds are float64
            library = Floor(**given)
        names = [f"robot_{i}" for i in range(library.n_agents)]
        rows, columns = library.grid_size
        super().__init__(env_id, library, (rows, columns), names, given, render_mode)
        self._homes = [(r, c) for r in range(rows) for c in range(columns) if not library.highways[r, c]]
        self._home_cells = np.flatnonzero(library.highways == 0)
        self._goals = [(int(y), int(x)) for x, y in library.goals]
        self._talk = np.ones((library.n_agents, 2 * library.msg_bits), np.int8)
        plan = [["." if way else "S" for way in row] for row in library.highways]
        for x, y in library.goals:
            plan[y][x] = "G"
        self._facts = WarehouseFacts(
            env_id=env_id,
            plan=tuple("".join(row) for row in plan),
            robots=library.n_agents,
            requests=library.request_queue_size,
            sight=library.sensor_range,
            horizon=library.max_steps or None,
            patience=library.max_inactivity_steps or None,
            message_bits=library.msg_bits,
            paid=library.reward_type.name,
        )
        self.feature_names = _feature_names(library) if library.fast_obs else ()
        self.plane_names = tuple(layer.name.lower() for layer in library.planes)
        parts = ("row", "column", *_SIDES, "carries", "delivered")
        asked = [f"request_{k}.{part}" for k in range(self._facts.requests) for part in parts[:2]]
        homes = [f"({r},{c}).shelf" for r, c in self._homes]
        self.state_names = (*(f"{name}.{part}" for name in names for part in parts), *asked, *homes, "time_left")
        high = [rows - 1, columns - 1, *[1] * 6] * len(names) + [rows - 1, columns - 1] * self._facts.requests
        high += [1] * (len(homes) + 1)
        self.state_space = Box(np.zeros(len(high), np.float32), np.array(high, np.float32))

    @property
    def narrator(self) -> WarehouseNarrator:
        """What turns histories of this environment into text; bound to it."""
        return WarehouseNarrator(self._facts, self._moment)

    def state(self) -> np.ndarray:
        """Return the global state, float32 of `state_space`; `state_names` says what its numbers are."""
        library = self.library
        values: list[float] = []
        for robot in library.agents:
            side = [way == robot.dir for way in type(robot.dir)]
            values += (robot.y, robot.x, *side, robot.carrying_shelf is not None, robot.has_delivered)
        for shelf in library.request_queue:
            values += (shelf.y, shelf.x)
        carried = {robot.carrying_shelf for robot in library.agents}
        standing = {(shelf.y, shelf.x) for shelf in library.shelfs if shelf not in carried}
        values += [cell in standing for cell in self._homes]
        values.append(1 - library._cur_steps / self._facts.horizon if self._facts.horizon else 1.0)
        return np.array(values, np.float32)

    def task_target(self, task: str, agent: str) -> tuple[int, int] | None:
        """Return the cell (row, column) that a task leads a robot to; None where there is nothing to do."""
        index, k = self._index(agent), self._number(task)
        robot = self.library.agents[index]
        if k is not None:
            shelf = self.library.request_queue[k]
            carried = any(other.carrying_shelf is shelf for other in self.library.agents)
            return None if carried else (int(shelf.y), int(shelf.x))
        if robot.carrying_shelf is None:
            return None
        cells = self._free_homes() if task == "return shelf" else self._goals
        row, column = int(robot.y), int(robot.x)
        return min(cells, key=lambda cell: (abs(cell[0] - row) + abs(cell[1] - column), cell), default=None)

    def rewind(self, state: LibraryState) -> LibraryState:
        """Return a state in which the episode goes on, `max_steps` and `max_inactivity_steps` counted from it."""
        robots, requests, away, _, _, *drawn = state.values[3]
        nothing = (0.0,) * len(robots)
        return replace(state, values=(True, (), nothing, (robots, requests, away, 0, 0, *drawn)))

    def value_function(self, kind: str) -> Any:
        """Return an estimate of the scripted team's deliveries, a `DeliveryValue`; for "time" only.

        Raises:
            ValueError: The kind is another, or there are more than two robots.
        """
        if kind != "time":
            raise ValueError(f"the warehouse has no value {kind!r}, because requests never end; there is 'time'")
        from credit_wrappers.adapters.rware_value import DeliveryValue

        return DeliveryValue(self.library)

    # -- what the library does in its own way -----------------------------------------------------------------

    def _begin(self) -> None:
        self.library.drawn = ()

    def _solved(self) -> bool:
        return False  # only time limits end an episode

    def _place(self, index: int) -> tuple[int, int]:
        robot = self.library.agents[index]
        return int(robot.y), int(robot.x)

    def _free_homes(self) -> list[tuple[int, int]]:
        """Return the homes on which no shelf stands: as many as shelves are carried, so few."""
        free = np.flatnonzero(self.library.grid[_SHELVES].take(self._home_cells) == 0).tolist()
        under = [(int(r.y), int(r.x)) for r in self.library.agents if r.carrying_shelf is not None]
        highway = self.library.highways.item
        return [self._homes[k] for k in free] + [cell for cell in under if not highway(*cell)]

    def _masks(self) -> np.ndarray:
        library = self.library
        rows, columns = library.grid_size
        at, highway = library.grid.item, library.highways.item
        masks = []
        for robot in library.agents:
            x, y, loaded = int(robot.x), int(robot.y), robot.carrying_shelf is not None
            dx, dy = AHEAD[robot.dir._value_]
            column, row = x + dx, y + dy
            forward = 0 <= row < rows and 0 <= column < columns
            if forward and loaded and at(_SHELVES, row, column):  # only a shelf that is carried may give way
                other = at(_AGENTS, row, column)
                forward = other > 0 and library.agents[other - 1].carrying_shelf is not None
            toggle = not highway(y, x) if loaded else at(_SHELVES, y, x) > 0
            masks.append((1, forward, 1, 1, toggle))
        mask = np.array(masks, np.int8)
        return np.hstack((mask, self._talk)) if library.msg_bits else mask

    def _observe(self) -> Any:
        return [self.library._make_obs(robot) for robot in self.library.agents]

    def _moment(self) -> WarehouseMoment:
        library = self.library
        robots = tuple([(int(r.y), int(r.x), r.dir._value_, _load_of(r)) for r in library.agents])
        return robots, tuple([(s.id, int(s.y), int(s.x)) for s in library.request_queue]), self._away()

    def _away(self) -> tuple[tuple[int, int, int], ...]:
        """Return the shelves that stand or are carried elsewhere than at home."""
        each = zip(self.library.shelfs, self._homes)  # noqa: B905  # strict is slow
        return tuple([(s.id, int(s.y), int(s.x)) for s, (row, column) in each if s.y != row or s.x != column])

    def _save(self) -> Any:
        library = self.library
        robots = tuple(
            (int(r.x), int(r.y), r.dir._value_, _load_of(r), bool(r.has_delivered), tuple(map(float, r.message)))
            for r in library.agents
        )
        requests = tuple(shelf.id for shelf in library.request_queue)
        return robots, requests, self._away(), library._cur_steps, library._cur_inactive_steps, library.drawn

    def _load(self, values: Any) -> None:
        library = self.library
        robots, requests, away, library._cur_steps, library._cur_inactive_steps, *drawn = values
        library.drawn = drawn[0] if drawn else ()  # states of older versions have none
        for shelf, (row, column) in zip(library.shelfs, self._homes, strict=True):
            shelf.x, shelf.y = column, row
        for shelf_id, row, column in away:
            shelf = library.shelfs[shelf_id - 1]
            shelf.x, shelf.y = column, row
        library.request_queue = [library.shelfs[shelf_id - 1] for shelf_id in requests]
        for robot, (x, y, way, shelf_id, delivered, message) in zip(library.agents, robots, strict=True):
            robot.x, robot.y, robot.dir, robot.has_delivered = x, y, type(robot.dir)(way), delivered
            robot.carrying_shelf = library.shelfs[shelf_id - 1] if shelf_id else None
            robot.message[:] = message
        library._recalc_grid()

    def _picture(self) -> np.ndarray:
        from credit_wrappers.adapters.rware_picture import paint

        shelves = [(shelf.id, int(shelf.y), int(shelf.x)) for shelf in self.library.shelfs]
        return paint(self._facts, self._moment(), shelves, self.library._cur_steps)

    def _text(self) -> str:
        robots, requests, _ = self._moment()
        grid = [[{"S": " .", "G": " G"}.get(kind, "  ") for kind in row] for row in self._facts.plan]
        for shelf in self.library.shelfs:
            grid[shelf.y][shelf.x] = " s"
        for _, row, column in requests:
            grid[row][column] = " R"
        for row, column, heading, shelf in robots:
            grid[row][column] = ("[" if shelf else " ") + "^v<>"[heading]
        limit = f"/{self._facts.horizon}" if self._facts.horizon else ""
        head = f"{self._facts.env_id} step {self.library._cur_steps}{limit}"
        key = "s shelf, R requested, ^v<> robot, [ with a shelf, G goal"
        return "\n".join([head, *map("".join, grid), key])


def parallel_env(env_id: str = "rware-tiny-2ag-v2", **arguments: Any) -> WarehouseParallelEnv:
    """Return the robotic warehouse as a ParallelEnv.

    Args:
        env_id: One of the library's ids.
        arguments: `render_mode`, and arguments of the library's environment in place of the id's.

    Raises:
        ImportError: The library is not installed.
        ValueError: An unknown id, render_mode, reward, observation or plane; DICT observations; planes without images.
    """
    return WarehouseParallelEnv(env_id, **arguments)


def _load_of(robot: Any) -> int:
    """Return the number of the shelf that a robot carries; 0 for none."""
    return robot.carrying_shelf.id if robot.carrying_shelf is not None else 0


def _feature_names(library: Any) -> tuple[str, ...]:
    """Return the names of the numbers in a flat observation."""
    own = ("x", "y", "carries", *_SIDES, "highway")
    cell = ("robot", *_SIDES, *(f"message_{k}" for k in range(library.msg_bits)), "shelf", "requested")
    reach = range(-library.sensor_range, library.sensor_range + 1)
    cells = [f"({dy},{dx}).{part}" for dy in reach for dx in reach for part in cell]
    return (*(f"own.{part}" for part in own), *cells)
