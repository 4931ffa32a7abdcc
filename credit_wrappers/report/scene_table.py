"""The scenes of an episode as one table: each shape is written once, each moment is a list of shapes."""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping
from typing import Any

from credit_wrappers.core.episode import Episode

_KINDS = ("tile", "place", "box", "food", "rock", "link", "agent")
_HEADINGS = ("north", "east", "south", "west")


def scene_table(episode: Episode) -> tuple[dict[str, Any] | None, str]:
    """Return the scenes of an episode's moments, and what is missing or why there are none ("" if all is there).

    The table has `rows`, `columns`, `ground`, the different `shapes`, those that are in every moment (`still`), and for
    each moment the others (`moments`), as places in `shapes`. A shape that cannot be drawn is left out.
    """
    draw = getattr(episode.narrator, "scene", None)
    if not callable(draw) or not episode.moments:
        return None, "this environment has no drawing"
    try:
        scenes = [draw(moment) for moment in episode.moments]
        if scenes[0] is None:
            return None, "this environment has no drawing"
        scenes = [_checked(scene) for scene in scenes]
        shapes = _Shapes(int(scenes[0]["rows"]), int(scenes[0]["columns"]))
        drawn = [list(scene["shapes"]) for scene in scenes]  # all are kept, so that no id is used twice
        lists = [shapes.places(each) for each in drawn]
    except Exception as error:  # somebody else's narrator: the report is there all the same, with texts
        return None, f"the world could not be drawn ({type(error).__name__}: {error})"
    if shapes.odd and not shapes.plain:
        return None, f"the world could not be drawn ({shapes.left_out})"
    still = set(lists[0]).intersection(*lists)
    first = scenes[0]
    return {
        "rows": int(first["rows"]),
        "columns": int(first["columns"]),
        "ground": str(first.get("ground", "")),
        "shapes": shapes.plain,
        "still": [place for place in lists[0] if place in still],
        "moments": [[place for place in each if place not in still] for each in lists],
    }, shapes.left_out


class _Shapes:
    """The different shapes of an episode.

    Attributes:
        plain: The shapes, as values that JSON has.
        odd: By name, why a shape is left out.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self._size = rows, columns
        self.plain: list[dict[str, Any]] = []
        self.odd: dict[str, str] = {}
        self._places: dict[object, int | None] = {}
        self._seen: dict[int, int | None] = {}  # by the object's id: a narrator may give the same shape in many scenes

    def places(self, shapes: list[Any]) -> list[int]:
        """Return the places of a moment's shapes that can be drawn; of those with one id, of the first."""
        found: dict[object, int] = {}
        for place in map(self.place, shapes):
            if place is None:
                continue
            name = self.plain[place]["id"]
            if name in found:
                self.odd.setdefault(str(name), "ValueError: two shapes of one moment have this id")
            else:
                found[name] = place
        return list(found.values())

    def place(self, shape: Any) -> int | None:
        """Return the place of a shape; None for one that cannot be drawn."""
        if id(shape) in self._seen:
            return self._seen[id(shape)]
        key: object = id(shape)
        try:
            key = _key(shape)
            if key not in self._places:
                plain = checked_shape(shape, *self._size)
                self._places[key] = len(self.plain)
                self.plain.append(plain)
        except Exception as error:  # somebody else's narrator: the other shapes are drawn
            self._places[key] = None
            named = isinstance(shape, Mapping) and "id" in shape
            self.odd.setdefault(str(shape["id"]) if named else "", f"{type(error).__name__}: {error}")
        self._seen[id(shape)] = self._places[key]
        return self._seen[id(shape)]

    @property
    def left_out(self) -> str:
        """Which shapes are left out, and why the first one is; "" if none are."""
        if not self.odd:
            return ""
        name, why = next(iter(self.odd.items()))
        more = len(self.odd) - 1
        others = f", and {more} other{'s' * (more > 1)}" if more else ""
        return f"left out: the shape {name or 'without an id'} ({why}){others}"


def _checked(scene: Any) -> Mapping[str, Any]:
    """Return a scene that has what every scene needs."""
    if not isinstance(scene, Mapping):
        raise TypeError(f"scene() returned {type(scene).__name__}; a dict is needed")
    for name in ("rows", "columns"):
        if int(scene[name]) != scene[name] or not 0 < scene[name] <= 1000:
            raise ValueError(f"the scene has {scene[name]} {name}")
    return scene


def _key(shape: Any) -> object:
    """Return what equal shapes share; most of a state's shapes are those of the state before."""
    try:
        return marshal.dumps(shape, 2)
    except ValueError:  # NumPy's numbers
        return repr(shape)


def checked_shape(shape: Any, rows: int, columns: int) -> dict[str, Any]:
    """Return a shape that has what every shape needs, as values that JSON has.

    Raises:
        Exception: It cannot be drawn on a grid of so many rows and columns; of any type, as a shape may be anything.
    """
    if not isinstance(shape, Mapping):
        raise TypeError(f"a shape is a dict, not {type(shape).__name__}")
    # NumPy's numbers and arrays become those of JSON
    plain: dict[str, Any] = json.loads(json.dumps(dict(shape), allow_nan=False, default=lambda other: other.tolist()))
    if not isinstance(plain["id"], str | int) or not isinstance(plain["kind"], str):
        raise TypeError(f"its id is {plain['id']!r} and its kind {plain['kind']!r}; texts are needed")
    if plain["kind"] not in _KINDS:
        raise ValueError(f"its kind is {plain['kind']!r}; valid: {', '.join(_KINDS)}")
    for name in ("at", "to") if plain["kind"] == "link" else ("at",):
        cell = plain[name]
        if not (isinstance(cell, list) and len(cell) == 2 and all(type(x) in (int, float) for x in cell)):
            raise ValueError(f"its {name!r} is {cell!r}; row and column are needed")
        if not (-1 <= cell[0] <= rows and -1 <= cell[1] <= columns):
            raise ValueError(f"its {name!r} is {cell!r}, off the grid of {rows} rows and {columns} columns")
    if plain.get("heading") and plain["heading"] not in _HEADINGS:
        raise ValueError(f"its heading is {plain['heading']!r}; valid: {', '.join(_HEADINGS)}")
    agent = plain.get("agent")
    if agent is not None and (type(agent) is not int or agent < 0):
        raise ValueError(f"its agent is {agent!r}; the index of an agent is needed")
    return plain
