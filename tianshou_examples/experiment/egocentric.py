"""A network that sees the nearest things first, in a grid turned so that what it goes for lies ahead (ours).

The rules of a grid are the same in each of its mirrors, and whatever the order of alike things. A flat network has to
learn each mirror and each order by itself. Here every observation is sorted and turned before the layers see it, and
the answers are turned back, so that one lesson holds in all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from tianshou_examples.experiment.networks import Kind, kinds_of, mlp, narrowed
from tianshou_examples.experiment.surroundings import AXES, SIDES, Surroundings, columns_of

# where a thing stands in its kind's order: the first that has the flag, or lacks it, comes first
FIRST = (("mine", 16.0), ("slot_open", 4.0), ("open", 4.0), ("docked", -64.0), ("filled", -64.0), ("seen", 8.0))


class Egocentric(nn.Module):
    """Two layers over an observation that is sorted and turned first.

    - Who holds a module sees everything from the module's place, so that all who carry it see the same and can agree;
      only the module itself stays where the agent sees it.
    - Things of one kind are sorted: what the agent holds, what there is work for, the nearest; what is done comes last.
    - The grid is mirrored so that the agent's aim lies to the north-west, and rather north: the slot of the module that
      it holds, else the first module.
    - Each row and column also enters in units of cells, cut off at one and at two cells, and each as a magnitude: what
      is beside the agent, or in line with it, is one threshold then.
    - Where the agent's number stands behind the observation, it enters as a right of way: 1 for each other robot with
      a lower number, -1 for the others. Robots that see the same can then choose differently.
    - It is told what each move would meet: other robots, what they carry, keep-out cells, debris (`Surroundings`).
    - It is told coins that change with every step and are the same for all robots. A greedy team that knew nothing new
      in a step would do the same again, and could stand still for ever.

    Args:
        inputs: Numbers in an observation, and behind it: those of a task, of which only the way that it leads is
            turned, and the agent's number.
        outputs: Numbers returned; if they are at least as many as the actions, the first are one for each action.
        hidden: Width of the layers.
        last_gain: Of the last layer's first weights.
        names: Names of the observation's numbers, `env.feature_names`.
        size: Rows and columns of the grid.
        mirrors: (K, actions), what each action becomes in each mirror, `env.mirrors()`.
        agents: Robots, if the last numbers behind the observation tell which one the agent is, one-hot; else 0.
        horizon: Steps of an episode, of which the observation tells how many are left.
        periods: (D,), steps between two drifts of each piece of debris.

    Raises:
        ValueError: The names tell of no modules whose slots are known.
    """

    columns: torch.Tensor
    signs: torch.Tensor
    sides: torch.Tensor
    becomes: torch.Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        last_gain: float,
        names: Sequence[str],
        size: tuple[int, int],
        mirrors: np.ndarray,
        agents: int = 0,
        horizon: int = 1,
        periods: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.inputs, self.names = inputs, tuple(names)
        self.at = {name: column for column, name in enumerate(names)}
        if not {"module_0.rel_row", "module_0.to_slot_row", "module_0.mine"} <= set(self.at):
            raise ValueError("an egocentric network needs Spaceworld's vector observations")
        self.agents = agents
        self.kinds = [kind for kind in kinds_of(names) if kind.count > 1]
        self.placed = columns_of(self.at, lambda n: n.rpartition(".")[2].rpartition("_")[2] in AXES)
        self.scale = torch.tensor([size[names[k].endswith("col")] - 1.0 for k in self.placed.tolist()])
        self.seen = columns_of(self.at, lambda n: n.endswith(".seen"))
        self.thing_places = {axis: columns_of(self.at, _ending("", f".rel_{axis}")) for axis in AXES}
        self.mine = columns_of(self.at, _ending("module_", ".mine"))
        self.module_places = {axis: columns_of(self.at, _ending("module_", f".rel_{axis}")) for axis in AXES}
        self.actions = mirrors.shape[1] if outputs >= mirrors.shape[1] else 0  # of the outputs, those that are turned
        columns, signs = _mirrored_columns(self.at, len(mirrors))
        self.register_buffer("columns", torch.as_tensor(columns), persistent=False)
        solid = [self.at[f"own.solid_{side}"] for side in SIDES]
        sides = [[solid.index(column) for column in row[solid]] for row in columns]
        self.register_buffer("sides", torch.tensor(sides), persistent=False)
        self.register_buffer("signs", torch.as_tensor(signs), persistent=False)
        self.register_buffer("becomes", torch.as_tensor(mirrors), persistent=False)
        self.surroundings = Surroundings(self.at, size, agents > 0, horizon, periods)
        self.more = 4 * len(self.placed) + self.surroundings.width  # what the layers read beside the inputs
        self.layers = mlp(inputs + self.more, outputs, hidden, last_gain)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Return (B, outputs) for (B, inputs)."""
        return self.answers(*self.read(seen))

    @torch.no_grad()
    def read(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the layers read of (B, inputs), and the mirror in which they see it, (B,)."""
        seen, behind = seen[:, : len(self.names)], seen[:, len(self.names) :]
        centred, lower = self.centred(seen), None
        if self.agents:
            lower = self.lower_numbers(behind[:, -self.agents :])
            behind = torch.cat([behind[:, : -self.agents], self.right_of_way(centred, lower)], dim=1)
        ordered = self.sorted(centred)
        turned, mirror = self.turned(ordered)
        tasks = behind.shape[1] - self.agents
        if tasks >= 3:  # a task's numbers end with where it leads
            way = turned_way(behind[:, tasks - 2 : tasks], mirror)
            behind = torch.cat([behind[:, : tasks - 2], way, behind[:, tasks:]], dim=1)
        place = turned[:, self.placed] * self.scale
        near, around = place.clamp(-1, 1), (place / 2).clamp(-1, 1)
        parts = [
            turned,
            turned[:, self.placed].abs(),
            near,
            near.abs(),
            around.abs(),
            self.surroundings.told(seen, ordered, lower, self.sides[mirror]),
            behind,
        ]
        return torch.cat(parts, dim=1), mirror

    def answers(self, read: torch.Tensor, mirror: torch.Tensor) -> torch.Tensor:
        """Return (B, outputs) for what `read` returned."""
        answer: torch.Tensor = self.layers(read)
        if not self.actions:
            return answer
        turned = answer[:, : self.actions].gather(1, self.becomes[mirror])
        return torch.cat([turned, answer[:, self.actions :]], dim=1)

    def centred(self, seen: torch.Tensor) -> torch.Tensor:
        """Return observations, (B, F), with places relative to the module that the agent holds, if it holds one."""
        seen = seen.clone()
        mine = seen[:, self.mine]
        for axis in AXES:
            away = (seen[:, self.module_places[axis]] * mine).sum(1, keepdim=True)
            seen[:, self.thing_places[axis]] -= away * seen[:, self.seen]
            seen[:, self.module_places[axis]] += away * mine  # that module stays where the agent sees it
            seen[:, self.at[f"own.{axis}"]] += 2 * away[:, 0]  # grids reach from -1 to 1
        return seen

    def sorted(self, seen: torch.Tensor) -> torch.Tensor:
        """Return observations, (B, F), with the things of each kind in order."""
        seen = seen.clone()
        for kind in self.kinds:
            things = seen[:, kind.columns].reshape(len(seen), kind.count, kind.width)
            order = self._order(things, kind)[..., None].expand(-1, -1, kind.width)
            seen[:, kind.columns] = things.gather(1, order).reshape(len(seen), -1)
        return seen

    def _order(self, things: torch.Tensor, kind: Kind) -> torch.Tensor:
        """Return the order, (B, K), of the things of a kind, (B, K, width)."""
        number = {name.partition(".")[2]: k for k, name in enumerate(self.names[kind.start :][: kind.width])}
        late = things[..., number["rel_row"]].abs() + things[..., number["rel_col"]].abs()
        for flag, weight in FIRST:
            if flag in number:
                late = late - weight * things[..., number[flag]]
        return late.argsort(dim=1, stable=True)

    def lower_numbers(self, own: torch.Tensor) -> torch.Tensor:
        """Return (B, N - 1), whether other_k has a lower number, given the agent's, (B, N) one-hot.

        To robot number i, other_k is robot number i + k, modulo N.
        """
        return own.argmax(1, keepdim=True) + torch.arange(1, self.agents) >= self.agents

    def right_of_way(self, seen: torch.Tensor, lower: torch.Tensor) -> torch.Tensor:
        """Return (B, N): 1 for others with a lower number, -1 for a higher one, in the order of `sorted`, then a 0."""
        ways = torch.where(lower, 1.0, -1.0)
        for kind in self.kinds:
            if self.names[kind.start].startswith("other_"):
                things = seen[:, kind.columns].reshape(len(seen), kind.count, kind.width)
                ways = ways.gather(1, self._order(things, kind))
        return torch.cat([ways, torch.zeros(len(seen), 1)], dim=1)

    def turned(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sorted observations in the mirror in which the aim lies to the north-west, and that mirror, (B,)."""
        held = seen[:, self.at["module_0.mine"]] > 0
        row, col = (
            torch.where(held, seen[:, self.at[f"module_0.to_slot_{axis}"]], seen[:, self.at[f"module_0.rel_{axis}"]])
            for axis in AXES
        )
        mirror = (row > 0).long() + 2 * (col > 0).long()
        if len(self.columns) > 4:
            mirror += 4 * (col.abs() > row.abs()).long()
        return seen.gather(1, self.columns[mirror]) * self.signs[mirror], mirror

    def without_columns(self, columns: slice) -> Egocentric:
        """Return a network that returns what this one does where some columns behind the observation are 0."""
        cut = copy.deepcopy(self)
        shift = self.more
        cut.inputs -= columns.stop - columns.start
        cut.layers[0] = narrowed(cut.layers[0], slice(columns.start + shift, columns.stop + shift))
        return cut


def _ending(start: str, end: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(start) and name.endswith(end)


def turned_way(way: torch.Tensor, mirror: torch.Tensor) -> torch.Tensor:
    """Return rows and columns, (B, 2), in the mirror of each row, (B,); see `_mirrored_columns`."""
    way = way * torch.stack([1 - 2 * (mirror & 1), 1 - 2 * (mirror >> 1 & 1)], dim=1)
    return torch.where((mirror & 4 > 0)[:, None], way.flip(1), way)


def _mirrored_columns(at: dict[str, int], mirrors: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each mirror the column from which each number comes, and its sign, (K, F) each.

    Bit 0 of a mirror's number reverses the rows, then bit 1 the columns, then bit 2 exchanges both.
    """
    columns = np.tile(np.arange(len(at)), (mirrors, 1))
    signs = np.ones((mirrors, len(at)), np.float32)
    rows = [name for name in at if name.rpartition(".")[2].rpartition("_")[2] == "row"]
    solid = [at[f"own.solid_{side}"] for side in SIDES]
    for mirror in range(mirrors):
        down, across = 1 - 2 * (mirror & 1), 1 - 2 * (mirror >> 1 & 1)
        for name in rows:
            row, col = at[name], at[name.removesuffix("row") + "col"]
            signs[mirror, row], signs[mirror, col] = down, across
            if mirror & 4:
                columns[mirror, row], columns[mirror, col] = col, row
                signs[mirror, row], signs[mirror, col] = across, down
        north, south, west, east = solid
        north, south = (south, north) if mirror & 1 else (north, south)
        west, east = (east, west) if mirror & 2 else (west, east)
        columns[mirror, solid] = (west, east, north, south) if mirror & 4 else (north, south, west, east)
    return columns, signs
