"""What the egocentric network is told beside its observation: what each move would meet, and coins (ours)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from tianshou_examples.experiment.shared_coins import tossed
from tianshou_examples.experiment.ways import TOLD, ways

AXES = ("row", "col")
SIDES = ("north", "south", "west", "east")
MOVES = torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1]])
HAZARDS = ("keep_out_", "debris_")
COINS = 3  # tossed in each step


class Surroundings:
    """Reads Spaceworld's vector observations, (B, F).

    - For each direction, whether the agent, with what it carries, would fly into another robot or what that one
      carries, and whether one of them could enter the same cell (`ahead`).
    - Of keep-out cells and debris, where a move, or staying, would leave it in such a cell, or in one into which debris
      drifts next; and, since the time that is left tells when it does, where debris would strike it in this very step
      (`danger`).
    - The shortest way: which moves bring what it carries nearer to its slot, with all who carry it at their sides, or
      bring the agent nearer to the module that it goes for (`way`). Round a corner the aim lies elsewhere.
    - Coins that change with the step and are the same for all robots (`coins`).

    Args:
        at: The column of each of the observation's names.
        size: Rows and columns of the grid.
        numbered: Whether robots know who has a lower number.
        horizon: Steps of an episode, of which the observation tells what share is left.
        periods: (D,), steps between two drifts of each piece of debris.

    Attributes:
        width: Numbers told of a row.
    """

    def __init__(
        self, at: Mapping[str, int], size: tuple[int, int], numbered: bool, horizon: int, periods: Sequence[int]
    ) -> None:
        self._at, self._size, self._horizon = at, size, horizon
        self._scale = torch.tensor(size) - 1.0  # by which places are told
        self._seen = self._columns("", ".seen")
        self._places = {axis: self._columns("", f".rel_{axis}") for axis in AXES}
        self._mine, self._gripped = self._columns("module_", ".mine"), self._columns("module_", ".grippers")
        self._same = self._columns("", ".same_module")
        self._first_module = self._seen.tolist().index(at["module_0.seen"])  # among the things
        hazards = {start: {axis: self._columns(start, f".rel_{axis}") for axis in AXES} for start in HAZARDS}
        self.hazards = {start: places for start, places in hazards.items() if len(places["row"])}
        self._hazards_seen = {start: self._columns(start, ".seen") for start in self.hazards}
        self._drifts = {axis: self._columns("debris_", f".drift_{axis}") for axis in AXES}
        self._periods = torch.tensor(periods, dtype=torch.long)
        self._coins = torch.from_numpy(tossed(horizon + 1, COINS))
        self._rows = 3 if numbered else 2  # of `ahead`
        solid = ("module_", "core_", "keep_out_")
        self._things = {axis: torch.cat([self._columns(kind, f".rel_{axis}") for kind in solid]) for axis in AXES}
        seen = [self._columns(kind, ".seen") for kind in solid]
        self._things_seen = torch.cat(seen)
        self._kinds = torch.repeat_interleave(torch.tensor([1, 1, 2]), torch.tensor([len(x) for x in seen]))
        self.width = TOLD + 4 * self._rows + 5 * (len(self.hazards) + (len(periods) > 0)) + COINS

    def _columns(self, start: str, end: str) -> torch.Tensor:
        return columns_of(self._at, lambda name: name.startswith(start) and name.endswith(end))

    def told(
        self, seen: torch.Tensor, ordered: torch.Tensor, lower: torch.Tensor | None, sides: torch.Tensor
    ) -> torch.Tensor:
        """Return all of it, (B, width).

        Args:
            seen: (B, F), as observed.
            ordered: (B, F), with the module that the agent holds, or goes for, as the first one.
            lower: See `ahead`.
            sides: (B, 4), which of the `SIDES` stand in the place of each, in the mirror of the row.
        """
        step = self.steps(seen)
        ahead = self.ahead(seen, lower).gather(2, sides[:, None].expand(-1, self._rows, -1))
        dangers = [self.danger(seen, start) for start in self.hazards]
        if len(self._periods):
            dangers.append(self.danger(seen, "debris_", step))
        dangers = [torch.cat([x[:, :1], x[:, 1:].gather(1, sides)], dim=1) for x in dangers]
        way = self.way(seen, ordered)
        way = torch.cat([way[:, :4].gather(1, sides), way[:, 4:]], dim=1)
        return torch.cat([ahead.flatten(1), *dangers, way, self.coins(step)], dim=1)

    def way(self, seen: torch.Tensor, ordered: torch.Tensor) -> torch.Tensor:
        """Return what is told of the shortest way, (B, TOLD); see `ways.ways`.

        Args:
            seen: (B, F), as observed.
            ordered: (B, F), with the module that the agent holds, or goes for, as the first one.
        """
        at, scale = self._at, self._scale
        own = torch.stack([(seen[:, at[f"own.{axis}"]] + 1) / 2 for axis in AXES], dim=1) * scale

        def beside(columns: list[int]) -> torch.Tensor:
            return own + ordered[:, columns] * scale

        module = beside([at["module_0.rel_row"], at["module_0.rel_col"]])
        goal = module + ordered[:, [at["module_0.to_slot_row"], at["module_0.to_slot_col"]]] * scale
        there = (ordered[:, at["module_0.seen"]] > 0) & (ordered[:, at["module_0.docked"]] == 0)
        module = torch.where(there[:, None], module, -1.0)
        goal = torch.where(ordered[:, at["module_0.slot_open"]][:, None] > 0, goal, -1.0)
        robots, _, mine, together = self._bodies(seen)
        robots = torch.where(together[..., None], own[:, None] + robots, -1.0)
        things = torch.stack([seen[:, self._things[axis]] for axis in AXES], dim=2) * scale + own[:, None]
        kinds = torch.where(seen[:, self._things_seen] > 0, self._kinds, 0)
        kinds[:, : mine.shape[1]] *= ~mine  # what it holds is in nobody's way
        told = np.empty((len(seen), TOLD), np.float32)
        parts = (own, module, goal, ordered[:, at["module_0.mine"]] > 0, robots, things, kinds)
        arrays = [x.numpy() if x.dtype in (torch.bool, torch.int64) else x.round().long().numpy() for x in parts]
        ways(*self._size, *arrays, told)
        return torch.from_numpy(told)

    def steps(self, seen: torch.Tensor) -> torch.Tensor:
        """Return how many steps of the episode were played, (B,) int64, by the time that is left."""
        played = (1.0 - seen[:, self._at["own.time_left"]]) * self._horizon
        return played.round().long().clamp(0, self._horizon)

    def coins(self, step: torch.Tensor) -> torch.Tensor:
        """Return the coins of steps, (B,), (B, COINS), each -1 or 1: the same for all robots and in all episodes."""
        return self._coins[step]

    def ahead(self, seen: torch.Tensor, lower: torch.Tensor | None) -> torch.Tensor:
        """Return what a move to the four `SIDES` would meet, (B, 2 or 3, 4), 0 or 1.

        The first row tells where another robot, or what it carries, now is in a cell that the agent, or what it
        carries, would enter; the second, where one is beside such a cell, and could enter it in the same step. With
        numbers, those with a higher number stand apart in the third row.

        Args:
            seen: (B, F), as observed.
            lower: (B, N - 1), whether each other robot has a lower number; None: they have no numbers.
        """
        others, modules, mine, together = self._bodies(seen)
        own = self._own_cells(seen)
        theirs = torch.cat([others, modules], dim=1)
        carried = (seen[:, self._gripped] > 0) & ~mine
        there = torch.cat([(seen[:, self._seen[: len(self._same)]] > 0) & ~together, carried], dim=1)
        entered = own[:, :, None] + MOVES.to(own)
        apart = (entered[:, :, :, None] - theirs[:, None, None]).abs().sum(-1)
        inside, beside = apart < 0.5, ((apart > 0.5) & (apart < 1.5)).any(1)  # (B, 4, robots and modules)
        beside &= there[:, None]
        rows = [(inside.any(1) & there[:, None]).any(2)]
        if lower is None:
            rows.append(beside.any(2))
        else:  # what others carry counts as theirs, whoever they are
            first = torch.cat([lower, torch.ones_like(carried)], dim=1)[:, None]
            rows += [(beside & first).any(2), (beside & ~first).any(2)]
        return torch.stack(rows, dim=1).to(seen.dtype)

    def danger(self, seen: torch.Tensor, start: str, step: torch.Tensor | None = None) -> torch.Tensor:
        """Return whether staying, and a move to each of the `SIDES`, would end in a hazard's cell, (B, 5), 0 or 1.

        A hazard's cell counts for the agent, for what it carries, and for who carries it, too. Of debris it is the cell
        into which it drifts next.

        Args:
            seen: (B, F), as observed.
            start: With which the names of the hazards begin, one of `HAZARDS`.
            step: (B,), the steps that were played: only debris that drifts in the coming step counts; None: all does.
        """
        cells = torch.stack([seen[:, self.hazards[start][axis]] for axis in AXES], dim=2) * self._scale
        if start == "debris_":
            cells = cells + torch.stack([seen[:, self._drifts[axis]].sign() for axis in AXES], dim=2)
        steps = torch.cat([torch.zeros(1, 2), MOVES]).to(seen)
        left = self._own_cells(seen)[:, :, None] + steps
        inside = (left[:, :, :, None] - cells[:, None, None]).abs().sum(-1) < 0.5  # (B, own cells, 5, hazards)
        there = seen[:, self._hazards_seen[start]] > 0
        if step is not None:
            there &= (step[:, None] + 1) % self._periods == 0
        return (inside & there[:, None, None]).any(3).any(1).to(seen.dtype)

    def _own_cells(self, seen: torch.Tensor) -> torch.Tensor:
        """Return the cells, (B, N + 1, 2), of the agent, of what it carries, and of who carries it, too, from its own.

        Those that are none, such as a partner's who is not there, are the agent's own cell again.
        """
        others, modules, mine, together = self._bodies(seen)
        held = (modules * mine[..., None]).sum(1, keepdim=True)
        return torch.cat([torch.zeros_like(held), held, others * together[..., None]], dim=1)

    def _bodies(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return cells of other robots and of modules, from the agent's, whose module is its, and who holds it, too."""
        cells = torch.stack([seen[:, self._places[axis]] for axis in AXES], dim=2) * self._scale
        mine, together = seen[:, self._mine] > 0, seen[:, self._same] > 0
        return cells[:, : len(self._same)], cells[:, self._first_module :][:, : len(self._mine)], mine, together


def columns_of(at: Mapping[str, int], chosen: Callable[[str], bool]) -> torch.Tensor:
    """Return the columns of some names; a tensor, since indexing by a list converts it each time."""
    return torch.tensor([column for name, column in at.items() if chosen(name)], dtype=torch.long)
