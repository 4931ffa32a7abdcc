"""A network that sees the nearest things first, in a grid turned so that what it goes for lies ahead (ours).

The rules of a grid are the same in each of its mirrors, and whatever the order of alike things. A flat network has to
learn each mirror and each order by itself. Here every observation is sorted and turned before the layers see it, and
the answers are turned back, so that one lesson holds in all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from tianshou_examples.experiment.networks import kinds_of, mlp, narrowed

AXES = ("row", "col")
SIDES = ("north", "south", "west", "east")
# where a thing stands in its kind's order: the first that has the flag, or lacks it, comes first
FIRST = (("mine", 16.0), ("slot_open", 4.0), ("open", 4.0), ("docked", -64.0), ("filled", -64.0), ("seen", 8.0))


class Egocentric(nn.Module):
    """Two layers over an observation that is sorted and turned first.

    - Things of one kind are sorted: what the agent holds, what there is work for, the nearest; what is done comes last.
    - The grid is mirrored so that the agent's aim lies to the north-west, and rather north: the slot of the module that
      it holds, else the first module.
    - Each row and column also enters in units of cells, cut off at one and at two cells, and each as a magnitude: what
      is beside the agent, or in line with it, is one threshold then.

    Args:
        inputs: Numbers in an observation, and behind it (tasks, the agent's number), which stay as they are.
        outputs: Numbers returned; if they are at least as many as the actions, the first are one for each action.
        hidden: Width of the layers.
        last_gain: Of the last layer's first weights.
        names: Names of the observation's numbers, `env.feature_names`.
        cells: Rows (or columns, if they are more) of the grid.
        mirrors: (K, actions), what each action becomes in each mirror, `env.mirrors()`.

    Raises:
        ValueError: The names tell of no modules whose slots are known.
    """

    columns: torch.Tensor
    signs: torch.Tensor
    becomes: torch.Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        last_gain: float,
        names: Sequence[str],
        cells: int,
        mirrors: np.ndarray,
    ) -> None:
        super().__init__()
        self.inputs, self.names, self.scale = inputs, tuple(names), float(cells - 1)
        self.at = {name: column for column, name in enumerate(names)}
        if not {"module_0.rel_row", "module_0.to_slot_row", "module_0.mine"} <= set(self.at):
            raise ValueError("an egocentric network needs Spaceworld's vector observations")
        self.kinds = [kind for kind in kinds_of(names) if kind.count > 1]
        self.placed = [c for n, c in self.at.items() if n.rpartition(".")[2].rpartition("_")[2] in AXES]
        self.actions = mirrors.shape[1] if outputs >= mirrors.shape[1] else 0  # of the outputs, those that are turned
        columns, signs = _mirrored_columns(self.at, len(mirrors))
        self.register_buffer("columns", torch.as_tensor(columns), persistent=False)
        self.register_buffer("signs", torch.as_tensor(signs), persistent=False)
        self.register_buffer("becomes", torch.as_tensor(mirrors), persistent=False)
        self.layers = mlp(inputs + 4 * len(self.placed), outputs, hidden, last_gain)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Return (B, outputs) for (B, inputs)."""
        return self.answers(*self.read(seen))

    @torch.no_grad()
    def read(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the layers read of (B, inputs), and the mirror in which they see it, (B,)."""
        turned, mirror = self.turned(self.sorted(seen[:, : len(self.names)]))
        place = turned[:, self.placed] * self.scale
        near, around = place.clamp(-1, 1), (place / 2).clamp(-1, 1)
        parts = [turned, turned[:, self.placed].abs(), near, near.abs(), around.abs(), seen[:, len(self.names) :]]
        return torch.cat(parts, dim=1), mirror

    def answers(self, read: torch.Tensor, mirror: torch.Tensor) -> torch.Tensor:
        """Return (B, outputs) for what `read` returned."""
        answer: torch.Tensor = self.layers(read)
        if not self.actions:
            return answer
        turned = answer[:, : self.actions].gather(1, self.becomes[mirror])
        return torch.cat([turned, answer[:, self.actions :]], dim=1)

    def sorted(self, seen: torch.Tensor) -> torch.Tensor:
        """Return observations, (B, F), with the things of each kind in order."""
        seen = seen.clone()
        for kind in self.kinds:
            things = seen[:, kind.columns].reshape(len(seen), kind.count, kind.width)
            number = {name.partition(".")[2]: k for k, name in enumerate(self.names[kind.start :][: kind.width])}
            late = things[..., number["rel_row"]].abs() + things[..., number["rel_col"]].abs()
            for flag, weight in FIRST:
                if flag in number:
                    late = late - weight * things[..., number[flag]]
            order = late.argsort(dim=1, stable=True)[..., None].expand(-1, -1, kind.width)
            seen[:, kind.columns] = things.gather(1, order).reshape(len(seen), -1)
        return seen

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
        shift = 4 * len(self.placed)
        cut.inputs -= columns.stop - columns.start
        cut.layers[0] = narrowed(cut.layers[0], slice(columns.start + shift, columns.stop + shift))
        return cut


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
