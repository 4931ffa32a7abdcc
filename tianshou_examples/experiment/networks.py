"""The networks of policies and values: two flat layers, or layers that the things of one kind share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import nn

THING = 64  # numbers into which each thing is encoded


@dataclass(frozen=True)
class Kind:
    """Things of one kind in an observation: `count` times `width` numbers, from column `start` on."""

    start: int
    count: int
    width: int

    @property
    def columns(self) -> slice:
        """The columns of all of them."""
        return slice(self.start, self.start + self.count * self.width)


def kinds_of(names: Sequence[str]) -> tuple[Kind, ...]:
    """Return the kinds of things that an observation is made of, given the names of its numbers.

    Names such as `module_0.row`, `module_0.mass`, `module_1.row`, `module_1.mass` say that there are two things of one
    kind, which stand one after another. Other names (`own.row`) belong to none, nor do things that stand apart.

    Args:
        names: (F,), as `env.feature_names` has them.
    """
    things: list[tuple[str, int, tuple[str, ...]]] = []  # kind, first column, names of its numbers
    for thing, group in groupby(enumerate(names), key=lambda x: x[1].partition(".")[0]):
        columns = list(group)
        kind, _, number = thing.rpartition("_")
        if kind and number.isdigit():
            things.append((kind, columns[0][0], tuple(name.partition(".")[2] for _, name in columns)))
    found = []
    for (_, numbers), alike in groupby(things, key=lambda x: (x[0], x[2])):
        starts = [start for _, start, _ in alike]
        if starts == list(range(starts[0], starts[0] + len(starts) * len(numbers), len(numbers))):
            found.append(Kind(starts[0], len(starts), len(numbers)))
    return tuple(found)


def linear(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    """Return a linear layer, initialised orthogonally."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(inputs: int, outputs: int, hidden: int, last_gain: float) -> nn.Sequential:
    """Return two ReLU layers and a linear one, initialised orthogonally."""
    last = linear(hidden, outputs, last_gain)
    return nn.Sequential(linear(inputs, hidden), nn.ReLU(), linear(hidden, hidden), nn.ReLU(), last)


class EntityNetwork(nn.Module):
    """A network that treats things of one kind alike: robots, modules, slots (Deep Sets, Zaheer et al. 2017).

    Each thing, beside what the agent knows of itself, goes through two layers that all things of its kind share; the
    largest values over a kind stand for it, whatever the order of its things. Two more layers choose.

    Args:
        inputs: Numbers in an observation, and behind it (tasks, the agent's number).
        outputs: Numbers returned.
        hidden: Width of the last two hidden layers.
        last_gain: Of the last layer's first weights.
        kinds: What the observation is made of; the other numbers are what the agent knows of itself.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, last_gain: float, kinds: Sequence[Kind]) -> None:
        super().__init__()
        self.inputs, self.kinds = inputs, tuple(kinds)
        known, first = [], 0
        for kind in self.kinds:
            known.append(slice(first, kind.start))
            first = kind.columns.stop
        self._known = [part for part in known if part.start < part.stop]
        self._behind = first  # the columns from here on are known, too, however many they are
        own = sum(part.stop - part.start for part in self._known) + inputs - first
        self.own = linear(own, THING * len(self.kinds))
        self.first = nn.ModuleList(linear(kind.width, THING) for kind in self.kinds)
        self.second = nn.ModuleList(linear(THING, THING) for _ in self.kinds)
        self.head = mlp(own + THING * len(self.kinds), outputs, hidden, last_gain)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Return (B, outputs) for (B, inputs)."""
        known = torch.cat([*(seen[:, part] for part in self._known), seen[:, self._behind :]], dim=1)
        joined = [known]
        contexts = self.own(known).split(THING, dim=1)
        for kind, context, first, second in zip(self.kinds, contexts, self.first, self.second, strict=True):
            things = seen[:, kind.columns].reshape(len(seen), kind.count, kind.width)
            encoded = torch.relu(first(things) + context[:, None])
            joined.append(torch.relu(second(encoded).amax(dim=1)))
        return self.head(torch.cat(joined, dim=1))

    def without_columns(self, columns: slice) -> EntityNetwork:
        """Return a network that returns what this one does where some columns behind the last kind are 0."""
        cut = copy.deepcopy(self)
        shift = sum(part.stop - part.start for part in self._known) - self._behind
        within = slice(columns.start + shift, columns.stop + shift)
        cut.inputs -= columns.stop - columns.start
        cut.own, cut.head[0] = narrowed(cut.own, within), narrowed(cut.head[0], within)
        return cut


def inputs_of(network: nn.Module) -> int:
    """Return how many numbers a network of this module reads."""
    if not isinstance(network, nn.Sequential):
        return int(network.inputs)  # type: ignore[arg-type]  # an attribute of the others
    assert isinstance(network, nn.Sequential) and isinstance(network[0], nn.Linear)
    return network[0].in_features


def last_layer(network: nn.Module) -> nn.Linear:
    """Return the layer that answers, of a network of `network_for`."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return layers[-1]


def without_columns(network: nn.Module, columns: slice) -> nn.Module:
    """Return a network that returns what another one does where some columns of its input are 0, and reads the others.

    Args:
        network: Of this module, or with a method of this name.
        columns: Behind the observation, where it is no flat network.
    """
    if columns.start >= columns.stop:
        return network
    if not isinstance(network, nn.Sequential):
        narrower: nn.Module = network.without_columns(columns)  # type: ignore[operator]  # a method of the others
        return narrower
    cut = copy.deepcopy(network)
    cut[0] = narrowed(cut[0], columns)
    return cut


def narrowed(layer: nn.Module, columns: slice) -> nn.Linear:
    """Return a linear layer without some of its inputs."""
    assert isinstance(layer, nn.Linear)
    weight = torch.cat([layer.weight[:, : columns.start], layer.weight[:, columns.stop :]], dim=1)
    narrow = nn.Linear(weight.shape[1], layer.out_features)
    narrow.load_state_dict({"weight": weight, "bias": layer.bias})
    return narrow
