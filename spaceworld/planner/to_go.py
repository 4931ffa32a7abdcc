"""How far a state is from a complete assembly: exactly for small layouts, by the scripted team's plan for others.

Two measures, both as minus a number, so that higher is better:

- "time": the fewest joint steps. Only robots on the critical path shorten it: one that comes nearer while another is
  still further away changes nothing.
- "work": the fewest robot-actions other than staying. Every useful approach shortens it.

Neither knows the time limit of an episode.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from spaceworld.planner.board import World
from spaceworld.planner.bound import FAR, tables
from spaceworld.planner.keys import families_of, fits
from spaceworld.planner.proof import NO_ROOM, prove
from spaceworld.planner.schedule import make_plan
from spaceworld.planner.scripted_policy import physical, spaceworld_in
from spaceworld.presets import PRESETS
from spaceworld.rules import packing as pk
from spaceworld.rules.snapshot import Snapshot
from spaceworld.scenario import Scenario

Kind = Literal["time", "work"]
NODES = 1 << 16  # of a layout's table at first; it doubles whenever they are used up
MAX_NODES = 1 << 23  # about 250 bytes each, with their successors
EDGES = 16  # successors of a node, on average
LAYOUTS = 4  # whose tables are kept
EXACT_CELLS, EXACT_ROBOTS, EXACT_MODULES = 36, 2, 2  # larger scenarios have too many states
PLAN_STEPS = 400  # that a plan looks ahead
TRIES = 2  # orders of deliveries that a plan compares
MORE_TRIES = (6, 12, 12)  # where that completes nothing; a plan that docks some modules is followed first
OTHER_ORDERS = 100  # plans further on, orders are others
# Standard errors of a planned value in steps and in actions by preset, so that those of credit come right, as
# `python -m tests.benchmarks.plan_error` measures them on the suites; others are not known.
STATED: dict[str, tuple[float, float]] = {"truss": (0.76, 1.76), "hazard": (1.66, 2.44), "crew": (1.23, 3.00)}


class StateError(ValueError):
    """A state that cannot be valued; `index` is its place among those given."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class Values(NamedTuple):
    """Values of K states: `mean` (K,) float64, minus the steps or actions to go, and `error` (K,).

    The error is 0 where a value is exact. Where it comes from a plan it is the stated one of the preset, and NaN in
    scenarios that have none.
    """

    mean: np.ndarray
    error: np.ndarray


def value_function(env: Any, kind: Kind = "time") -> ExactToGo | PlannedToGo:
    """Return how far states of an environment's scenario are from a complete assembly.

    Args:
        env: A Spaceworld, wrapped or not.
        kind: "time" for joint steps, "work" for robot-actions other than staying.

    Returns:
        An `ExactToGo` for scenarios as small as `solo`, `duet` and `pair` without drifting debris; else a
        `PlannedToGo`.

    Raises:
        TypeError: There is no Spaceworld inside `env`.
        ValueError: The kind is unknown.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"unknown kind {kind!r}; valid: {', '.join(get_args(Kind))}")
    scenario = spaceworld_in(env).scenario
    small = (
        scenario.height * scenario.width <= EXACT_CELLS
        and len(scenario.robots) <= EXACT_ROBOTS
        and len(scenario.modules) <= EXACT_MODULES
        and not any(debris.direction for debris in scenario.debris)
        and fits(scenario)
    )
    return ExactToGo(scenario, kind) if small else PlannedToGo(scenario, kind)


class _ToGo:
    """What both ways share: the packed scenario, and the loop over states."""

    counts_reward = False  # a step is worth the change of the value alone
    error = 0.0  # of a value

    def __init__(self, scenario: Scenario, kind: Kind) -> None:
        self.scenario, self.kind = scenario, kind
        self.unit = "steps" if kind == "time" else "actions"
        self._spec = pk.build_spec(scenario, PLAN_STEPS, False, False)

    def values(self, states: Sequence[object]) -> Values:
        """Return minus the number to go of each state.

        Args:
            states: K snapshots of this scenario, as `get_state` returns them, or their rows, int64.

        Raises:
            StateError: A state cannot be completed, or is of another scenario.
        """
        mean = np.zeros(len(states))
        for k, state in enumerate(states):
            mean[k] = -self._to_go(k, self._row(k, state))
        return Values(mean, np.where(mean == 0, 0.0, self.error))

    def _row(self, k: int, state: object) -> np.ndarray:
        if isinstance(state, Snapshot) and state.scenario != self.scenario.name:
            raise StateError(f"state {k} is of scenario {state.scenario!r}, not of {self.scenario.name!r}", k)
        row = state.row if isinstance(state, Snapshot) else np.asarray(state)
        if row.shape != (int(self._spec[pk.H_ROWSIZE]),):
            raise StateError(f"state {k} is no state of scenario {self.scenario.name!r}", k)
        return row.copy()

    def _to_go(self, k: int, row: np.ndarray) -> int:
        raise NotImplementedError


class ExactToGo(_ToGo):
    """Exact numbers to go, from one table for each layout, which all of its states fill and use (see `proof`).

    Violations and collisions are left out, as in `shortest_plan`.
    """

    def __init__(self, scenario: Scenario, kind: Kind) -> None:
        super().__init__(scenario, kind)
        self._work = np.empty(pk.work_size(self._spec), np.int64)
        self._families = families_of(scenario)
        self._layouts: OrderedDict[bytes, _Layout] = OrderedDict()

    def _to_go(self, k: int, row: np.ndarray) -> int:
        layout = self._layout(row)
        while True:
            found = int(
                prove(
                    self._spec, row, self._work, layout.guide, self._families, layout.slot_at, FAR >> 8,
                    self.kind == "work", layout.graph,
                )
            )  # fmt: skip
            if found != NO_ROOM:
                break
            if len(layout.graph[0]) >= MAX_NODES:
                raise StateError(f"state {k} needs more than {MAX_NODES} states; value it by rollouts instead", k)
            layout.grow()
        if found >= FAR:
            raise StateError(f"state {k} cannot be completed: a module cannot be brought to any slot of its type", k)
        return found

    def _layout(self, row: np.ndarray) -> _Layout:
        views = pk.blocks(self._spec, row)
        parts = views["slots"][:, pk.T_CELL], views["debris"][:, pk.D_CELL], views["core"], views["keep_out"]
        key = b"|".join(part.tobytes() for part in parts)
        if key not in self._layouts:
            start = row.copy()
            fresh = pk.blocks(self._spec, start)
            fresh["modules"][:, pk.M_SLOT], fresh["slots"][:, pk.T_FILLED] = -1, 0
            self._layouts[key] = _Layout(self._spec, start)
            if len(self._layouts) > LAYOUTS:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(key)
        return self._layouts[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_layouts": OrderedDict()}  # found again faster than sent


class _Layout:
    """What is known of one layout: distances, slots, and the growing graph of `proof.prove`."""

    def __init__(self, spec: np.ndarray, start: np.ndarray) -> None:
        self.guide = tables(spec, start)
        self.slot_at = np.full(int(spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]), -1, np.int64)
        cells = pk.blocks(spec, start)["slots"][:, pk.T_CELL]
        self.slot_at[cells] = np.arange(len(cells))
        self.graph = _graph(NODES)

    def grow(self) -> None:
        """Double the room; what was proved is proved again where it is needed."""
        self.graph = _graph(2 * len(self.graph[0]))


def _graph(nodes: int) -> tuple[np.ndarray, ...]:
    edges = nodes * EDGES
    return (
        np.empty((nodes, 2), np.int64), np.empty(nodes, np.int32), np.empty(nodes, np.bool_),
        np.full(nodes, -1, np.int32), np.empty(nodes, np.int32), np.empty(edges, np.int32),
        np.empty(edges, np.int32), np.zeros(1 << (2 * nodes - 1).bit_length(), np.int32), np.zeros(2, np.int64),
    )  # fmt: skip


class PlannedToGo(_ToGo):
    """Numbers to go by the scripted team's plan: an upper bound, with a stated error where one was measured.

    The plan is a good one, not the best one. Two states that differ little may get plans that differ more, so single
    steps are noisier than their sums.

    Args:
        scenario: Of the states.
        kind: "time" or "work".
        draw: Which orders of deliveries are compared; another number gives a second estimate of the same.
    """

    def __init__(self, scenario: Scenario, kind: Kind, draw: int = 0) -> None:
        super().__init__(scenario, kind)
        self.draw = draw
        stated = STATED.get(scenario.name) if PRESETS.get(scenario.name) == scenario else None
        self.error = float("nan") if stated is None else stated[self.kind == "work"]

    def again(self) -> PlannedToGo:
        """Return a second estimate of the same numbers, from plans with other orders of deliveries."""
        return PlannedToGo(self.scenario, self.kind, self.draw + 1)

    def _to_go(self, k: int, row: np.ndarray) -> int:
        row[pk.S_STATUS] = 0
        if not any(debris.direction for debris in self.scenario.debris):
            row[pk.S_STEP] = 0  # debris moves by the clock, nothing else does
        steps, actions = _plans(self.scenario, self.draw).to_go(k, row)
        return steps if self.kind == "time" else actions


@lru_cache(LAYOUTS)
def _plans(scenario: Scenario, draw: int) -> _Plans:
    """Return the plans of a scenario, which steps and actions are both counted in."""
    return _Plans(scenario, draw)


class _Plans:
    """What the plans of a scenario's states take; what was planned is kept."""

    def __init__(self, scenario: Scenario, draw: int) -> None:
        self.world = World.of(pk.build_spec(scenario, PLAN_STEPS, False, False))
        self.first = draw * OTHER_ORDERS
        self.physical = physical(self.world)
        self.known: dict[bytes, tuple[int, int]] = {}

    def to_go(self, k: int, row: np.ndarray) -> tuple[int, int]:
        """Return the steps and the actions of a state's plan; `k` is the state's place among those given."""
        key = row[self.physical].tobytes()
        if key not in self.known:
            if len(self.known) > 100_000:
                self.known.clear()
            done = (pk.blocks(self.world.spec, row)["modules"][:, pk.M_SLOT] >= 0).all()
            self.known[key] = (0, 0) if done else self._planned(k, row)
        return self.known[key]

    def _planned(self, k: int, row: np.ndarray) -> tuple[int, int]:
        """Return the steps and actions of plans that complete the assembly, each from where the last one ended."""
        steps = actions = 0
        for tries in (TRIES, *MORE_TRIES):
            plan = make_plan(self.world, row, PLAN_STEPS, tries, first=self.first)
            if plan.complete or plan.docked > int(row[pk.S_DOCKED]):
                steps += len(plan.actions)
                actions += int((plan.actions != pk.STAY).sum())
                row = plan.rows[-1].copy()
            if plan.complete:
                return steps, actions
        raise StateError(f"state {k}: the scripted team finds no plan that completes it", k)
