"""The library's warehouse with two planes of rware 2.0.0 corrected, requests it drew, and names of its choices.

The library writes headings and loads into [column, row] of a grid of rows and columns: into wrong cells, and beyond the
grid where there are more columns than rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
from rware.warehouse import ImageLayer, ObservationType, RewardType, Warehouse

# What these planes hold in a robot's cell; they are 0 elsewhere.
_VALUES: dict[ImageLayer, Callable[[Any], float]] = {
    ImageLayer.AGENT_DIRECTION: lambda robot: robot.dir.value + 1,
    ImageLayer.AGENT_LOAD: lambda robot: robot.carrying_shelf is not None,
}


class Floor(Warehouse):
    """The library's environment with each robot's heading and load in the robot's own cell; knows what it drew."""

    planes: tuple[ImageLayer, ...] = ()  # of an image
    drawn: tuple[tuple[int, int], ...] = ()  # requests of the last step: place in the queue, shelf that was delivered

    def step(self, actions: Sequence[Any]) -> Any:
        """Return what the library returns, and remember which requests it has drawn."""
        before = list(self.request_queue)
        returned = super().step(actions)
        both = enumerate(zip(before, self.request_queue, strict=True))
        self.drawn = tuple((k, old.id) for k, (old, new) in both if old is not new)
        return returned

    def _use_image_obs(self, image_observation_layers: Sequence[ImageLayer], directional: bool = True) -> Any:
        self.planes = tuple(image_observation_layers)
        space = super()._use_image_obs(self.planes, directional)
        # The library fills these two like the plane of robots; `_make_img_obs` then writes their values.
        self.image_observation_layers = [ImageLayer.AGENTS if layer in _VALUES else layer for layer in self.planes]
        return space

    def _make_img_obs(self, agent: Any) -> np.ndarray:
        seen: np.ndarray = super()._make_img_obs(agent)  # a view of `global_layers`, which the first robot makes again
        if agent.id == 1:
            edge = self.sensor_range
            for plane, layer in zip(self.global_layers, self.planes, strict=True):
                if layer in _VALUES:
                    for robot in self.agents:
                        plane[robot.y + edge, robot.x + edge] = _VALUES[layer](robot)
        return seen


def with_members(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with members of the library's enumerations in place of their names.

    Raises:
        ValueError: An unknown name; DICT observations; planes, but no images.
    """
    given = dict(arguments)
    for name, kind in (("reward_type", RewardType), ("observation_type", ObservationType)):
        if name in given:
            given[name] = _member(name, kind, given[name])
    seen = given.get("observation_type", ObservationType.FLATTENED)
    if seen is ObservationType.DICT:
        raise ValueError("the library's DICT observations do not fit its spaces; use FLATTENED, with feature_names")
    if "image_observation_layers" in given:
        name, layers = "image_observation_layers", given["image_observation_layers"]
        given[name] = [_member(name, ImageLayer, layer) for layer in layers]
        if not layers:
            raise ValueError(f"{name} is empty; valid are {', '.join(ImageLayer.__members__)}")
        if seen is ObservationType.FLATTENED:
            raise ValueError(f"{name} needs images, not FLATTENED observations: take an id with -img or -imgdict")
    return given


def _member(name: str, kind: type[Enum], value: Any) -> Enum:
    if isinstance(value, kind):
        return value
    if value not in kind.__members__:
        raise ValueError(f"{name}: there is no {value!r}; valid are {', '.join(kind.__members__)}")
    return kind[value]
