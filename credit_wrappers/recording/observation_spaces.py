"""Which numbers an agent observes, and what they are called: the leaves of an observation space, flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.errors import CreditError

MOST_TOLD = 256  # numbers of one agent; an image has more, and a language model cannot read it
MASK = "action_mask"  # the key under which PettingZoo's environments put the mask beside the observation


class Features:
    """The numbers of one agent's observations, in a fixed order, and the names of those that are told.

    A number is named by the keys that lead to it (`position.0`), or only by an index. Action masks and what is not
    numeric (texts, graphs, sequences) are left out. When there are more than 256 unnamed numbers, none is told.

    `given` are other names in order, None for a number that is not told. ValueError if there are more or fewer names
    than numbers, or a name occurs twice.
    """

    def __init__(self, agent: str, space: Space, given: Sequence[str | None] | None = None) -> None:
        self.agent = agent
        leaves = [(path, leaf, _size(leaf)) for path, leaf in _leaves(space, ())]
        self.unread = sorted({type(leaf).__name__ for _, leaf, size in leaves if size is None})
        self._leaves = [(path, size) for path, _, size in leaves if size is not None]
        self.size = sum(size for _, size in self._leaves)
        if given is not None:
            self.names = list(given)
            self._check_names()
            self.groups = [(name, slice(k, k + 1)) for k, name in enumerate(self.names) if name is not None]
        elif self.size > MOST_TOLD:
            self.names, self.groups = [], []
        else:
            self.names, self.groups = self._from_keys()
        self.told = sum(group.stop - group.start for _, group in self.groups)

    def numbers(self, observation: Any) -> np.ndarray:
        """Return a copy of the numbers, (size,) float64; raise CreditError if an observation does not fit its space."""
        parts = []
        for path, size in self._leaves:
            value = observation
            try:
                for key in path:
                    value = value[key]
                # It copies, because environments reuse their arrays.
                part = np.array(value, np.float64).reshape(-1)
            except (LookupError, TypeError, ValueError) as error:
                raise CreditError(
                    f"agent {self.agent!r} observed something that is not in its observation space: "
                    f"{type(error).__name__} {error}"
                ) from error
            if part.size != size:
                raise CreditError(
                    f"agent {self.agent!r} observed {part.size} numbers{' at ' + _name(path) if path else ''}, but its "
                    f"observation space has {size}"
                )
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def whole(self, row: np.ndarray) -> str:
        """Return all numbers of a row: `[1 0.5]`, or with names `energy=0.5 position=[1 2]`."""
        texts = []
        for name, group in self.groups:
            numbers = " ".join(map(number, row[group]))
            if not name or group.stop - group.start != 1:
                numbers = f"[{numbers}]"
            texts.append(f"{name}={numbers}" if name else numbers)
        return " ".join(texts)

    def changes(self, before: np.ndarray, row: np.ndarray) -> str:
        """Return the numbers whose text changed, as `name=value`."""
        told = []
        for k in np.flatnonzero(row != before):
            name, text = self.names[k], number(row[k])
            if name is not None and text != number(before[k]):
                told.append(f"{name}={text}")
        return " ".join(told)

    def _check_names(self) -> None:
        if len(self.names) != self.size:
            raise ValueError(
                f"feature_names has {len(self.names)} names, but agent {self.agent!r} observes {self.size} numbers"
            )
        if twice := sorted({name for name in self.names if name is not None and self.names.count(name) > 1}):
            raise ValueError(f"feature_names has {', '.join(map(repr, twice))} twice")

    def _from_keys(self) -> tuple[list[str | None], list[tuple[str, slice]]]:
        names: list[str | None] = []
        groups = []
        for path, size in self._leaves:
            label = _name(path)
            groups.append((label, slice(len(names), len(names) + size)))
            names += [label] if label and size == 1 else [f"{label}.{k}" if label else str(k) for k in range(size)]
        return names, groups


def readers_of(env: ParallelEnv) -> dict[str, Features]:
    """Return the `Features` of the agents whose observations are Dicts or Tuples of nothing but numbers."""
    spaces = {agent: env.observation_space(agent) for agent in env.possible_agents}
    readers = {agent: Features(agent, space) for agent, space in spaces.items() if isinstance(space, Dict | Tuple)}
    return {agent: reader for agent, reader in readers.items() if reader.size and not reader.unread}


def number(value: float) -> str:
    """Return a number in short: at most four decimals, never minus zero."""
    return f"{round(float(value), 4) + 0.0:g}"


def _leaves(space: Space, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Space]]:
    """Yield each space that holds no others, with the keys that lead to it."""
    if isinstance(space, Dict):
        for key in sorted(space.spaces, key=str):
            if key != MASK:
                yield from _leaves(space.spaces[key], (*path, key))
    elif isinstance(space, Tuple):
        for k, part in enumerate(space.spaces):
            yield from _leaves(part, (*path, k))
    else:
        yield path, space


def _size(space: Space) -> int | None:
    """Return how many numbers a leaf holds; None when it is not numeric."""
    return int(np.prod(space.shape)) if isinstance(space, Box | MultiBinary | MultiDiscrete | Discrete) else None


def _name(path: tuple[Any, ...]) -> str:
    # The only part beside a mask is called `observation` and needs no name.
    return "" if path == ("observation",) else ".".join(map(str, path))
