"""The scenes of an episode as one table: each shape is written once, each moment is a list of shapes."""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping
from typing import Any

from credit_wrappers.core.episode import Episode


def scene_table(episode: Episode) -> tuple[dict[str, Any] | None, str]:
    """Return the scenes of an episode's moments, and why there are none ("" if there are).

    The table has `rows`, `columns`, `ground`, the different `shapes`, those that are in every moment (`still`), and for
    each moment the others (`moments`), as places in `shapes`.
    """
    draw = getattr(episode.narrator, "scene", None)
    if not callable(draw) or not episode.moments:
        return None, "this environment has no drawing"
    try:
        scenes = [draw(moment) for moment in episode.moments]
        if scenes[0] is None:
            return None, "this environment has no drawing"
        scenes = [_checked(scene) for scene in scenes]
        places: dict[object, int] = {}
        seen: dict[int, int] = {}  # by the object's id: a narrator may give the same shape in many scenes
        shapes: list[dict[str, Any]] = []

        def place(shape: Mapping[str, Any]) -> int:
            known = seen.get(id(shape))
            if known is not None:
                return known
            key = _key(shape)
            if key not in places:
                places[key] = len(shapes)
                shapes.append(_checked_shape(shape))
            seen[id(shape)] = places[key]
            return places[key]

        lists = [[place(shape) for shape in scene["shapes"]] for scene in scenes]
    except Exception as error:  # somebody else's narrator: the report is there all the same, with texts
        return None, f"the world could not be drawn ({type(error).__name__}: {error})"
    still = set(lists[0]).intersection(*lists)
    first = scenes[0]
    return {
        "rows": int(first["rows"]),
        "columns": int(first["columns"]),
        "ground": str(first.get("ground", "")),
        "shapes": shapes,
        "still": [place for place in lists[0] if place in still],
        "moments": [[place for place in each if place not in still] for each in lists],
    }, ""


def _checked(scene: Any) -> Mapping[str, Any]:
    """Return a scene that has what every scene needs."""
    if not isinstance(scene, Mapping):
        raise TypeError(f"scene() returned {type(scene).__name__}; a dict is needed")
    for name in ("rows", "columns"):
        if not 0 < int(scene[name]) <= 1000:
            raise ValueError(f"the scene has {scene[name]} {name}")
    return scene


def _key(shape: Any) -> object:
    """Return what equal shapes share; most of a state's shapes are those of the state before."""
    try:
        return marshal.dumps(shape, 2)
    except ValueError:  # NumPy's numbers
        return repr(shape)


def _checked_shape(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return a shape that has what every shape needs, as values that JSON has."""
    row, column = shape["at"]
    float(row), float(column), str(shape["id"]), str(shape["kind"])
    plain: dict[str, Any] = json.loads(json.dumps(shape, allow_nan=False, default=lambda number: number.item()))
    return plain
