"""How a task becomes part of an observation, for each kind of observation space.

A task is M numbers: K one-hot, and three more where the environment knows where its tasks lead: whether the task leads
to a place now, and how many rows and columns away that is, divided by those of the grid. All are 0 for no task.

| Observation space | Widened space | The task in it |
|---|---|---|
| Box of one dimension | Box with M more numbers in [-1, 1], of a floating type | the last M numbers |
| Box of other dimensions (an image) | Dict `observation`, `task` | `task`, Box (M,) |
| Dict | the same with the key `task` | `task`, Box (M,) |
| MultiDiscrete of one dimension | K more numbers with 2 values; two more with 4, for a place | 1 for the task; for rows and columns 1: before, 2: here, 3: behind |
"""  # noqa: E501  # a table

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, MultiDiscrete, Space

PLACE = 3  # numbers that tell where a task leads

# From an observation, the task's M numbers, float32, and which of them were not dropped, to the widened observation.
Join = Callable[[Any, np.ndarray, np.ndarray], Any]


def widen(agent: str, space: Space, tasks: int, places: bool) -> tuple[Space, Join]:
    """Return the widened observation space of an agent, and the function that widens its observations.

    There are K `tasks`; `places` says whether the environment knows where they lead.

    Raises:
        TypeError: The space cannot carry a task; the message says what to do.
        ValueError: A Dict space has a key `task`.
    """
    numbers = tasks + PLACE * places
    task = Box(-1.0, 1.0, (numbers,), np.float32)
    if isinstance(space, Box) and len(space.shape) == 1:
        return _wide_vector(space, numbers)
    if isinstance(space, Box):
        return Dict({"observation": space, "task": task}), _beside
    if isinstance(space, Dict):
        if "task" in space.spaces:
            raise ValueError(f"the observations of {agent!r} have a key 'task': rename it, the task needs it")
        return Dict({**space.spaces, "task": task}), _within
    if isinstance(space, MultiDiscrete) and len(space.shape) == 1:
        return _wide_discrete(space, tasks, places)
    raise TypeError(
        f"the observation space of {agent!r}, {space}, cannot carry a task: Box, Dict and MultiDiscrete (of one "
        "dimension) can. Make it one of these, for instance a Box by gymnasium.spaces.flatten_space, or a Dict with it "
        "as a part"
    )


def _wide_vector(space: Box, numbers: int) -> tuple[Space, Join]:
    dtype = space.dtype if np.issubdtype(space.dtype, np.floating) else np.result_type(space.dtype, np.float32)
    low = np.concatenate([space.low, np.full(numbers, -1.0)]).astype(dtype)
    high = np.concatenate([space.high, np.full(numbers, 1.0)]).astype(dtype)
    return Box(low, high, dtype=dtype.type), partial(_behind, dtype)


def _wide_discrete(space: MultiDiscrete, tasks: int, places: bool) -> tuple[Space, Join]:
    values = [2] * tasks + [4, 4] * places
    wide = MultiDiscrete(
        np.concatenate([space.nvec, values]),
        dtype=space.dtype.type,
        start=np.concatenate([space.start, np.zeros(len(values), space.start.dtype)]),
    )
    return wide, partial(_counted, tasks, places)


# Not closures, because environments are copied and pickled.


def _behind(dtype: np.dtype, seen: Any, row: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.concatenate([seen, row], dtype=dtype, casting="unsafe")


def _beside(seen: Any, row: np.ndarray, kept: np.ndarray) -> dict[str, Any]:
    return {"observation": seen, "task": row}


def _within(seen: Any, row: np.ndarray, kept: np.ndarray) -> dict[str, Any]:
    return {**seen, "task": row}


def _counted(tasks: int, places: bool, seen: np.ndarray, row: np.ndarray, kept: np.ndarray) -> np.ndarray:
    told = [row[:tasks]]
    if places:
        known, away = row[tasks], row[tasks + 1 :]
        told.append((np.sign(away) + 2) * (known > 0) * kept[tasks + 1 :])
    return np.concatenate([seen, *told]).astype(seen.dtype)
