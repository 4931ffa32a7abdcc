"""Whether values that were read from a page are those that a report needs: nothing else is shown or written again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from credit_wrappers.report.scene_table import checked_shape

Check = Callable[[Any], bool]


def checked_values(values: Any) -> dict[str, Any]:
    """Return the values of a page; those of an early one without `total` and `index` get them.

    Raises:
        ValueError: Something is missing, or is not what it should be.
    """
    _need("the page", values, {"critics": _list(_text), "episodes": _list(lambda each: type(each) is dict)})
    critics, episodes = values["critics"], [each | {"index": each.get("index")} for each in values["episodes"]]
    values = values | {"total": values.get("total", len(episodes)), "episodes": episodes}
    names = {name for episode in episodes if type(exact := episode.get("exact")) is dict for name in exact}
    _need(
        "the page",
        values,
        {
            "critics": lambda each: bool(each),
            "episodes": lambda each: bool(each),
            "title": _text,
            "sources": lambda each: each == [] or _list(_text, len(critics))(each),
            "total": lambda each: type(each) is int and each >= len(episodes),
            "notes": _list(_text),
            "scales": _list(lambda each: _table(_number)(each) and names <= set(each), len(critics)),
            "texts": _list(_text),
        },
    )
    for number, episode in enumerate(episodes, 1):
        _check_episode(f"episode {number}", episode, len(critics), len(values["texts"]))
    return values


def _check_episode(name: str, episode: dict[str, Any], critics: int, texts: int) -> None:
    _need(name, episode, {"agents": _list(_text), "length": _whole})
    n, steps = len(episode["agents"]), episode["length"]
    numbers = _list(_list(_maybe(_number), n), steps)
    _need(
        name,
        episode,
        {
            "agents": lambda each: bool(each),
            "key": _text,
            "env": _text,
            "seed": _maybe(_whole),
            "first": _whole,
            "ended": _text,
            "reward": _list(_maybe(_number), steps),
            "cost": numbers,
            "start": _text,
            "deeds": _list(_list(_text, n), steps),
            "rest": _list(_text, steps),
            "undrawn": _text,
            "index": _maybe(_whole),
            "judged": lambda each: _list(_maybe(lambda said: type(said) is dict), critics)(each) and bool(each[0]),
            "exact": _table(numbers),
            "scene": _maybe(lambda each: type(each) is dict),
        },
    )
    for said in filter(None, episode["judged"]):
        if _list(_text, n)(said.get("tasks")):  # an early page has each agent's task for the next episode
            said["tasks"] = []
        _need(
            name,
            said,
            {
                "source": _text,
                "model": _text,
                "query": _maybe(_whole),
                "usage": lambda each: each == {} or (_table(_number)(each) and {*_USAGE} <= set(each)),
                "summary": _text,
                "tasks": _list(lambda each: _task(each, n, steps)),
                "values": numbers,
                "events": _list(lambda each: _event(each, n, steps)),
                "question": _maybe(_below(texts)),
                "answer": _maybe(_below(texts)),
            },
        )
    if episode["scene"] is not None:
        _check_scene(f"the scene of {name}", episode["scene"], steps)
        try:
            for shape in episode["scene"]["shapes"]:
                checked_shape(shape, episode["scene"]["rows"], episode["scene"]["columns"])
        except Exception as error:  # an early page has shapes that are left out today
            episode |= {"scene": None, "undrawn": f"the world could not be drawn ({type(error).__name__}: {error})"}


_USAGE = ("calls", "read", "written", "cached", "seconds")


def _check_scene(name: str, scene: dict[str, Any], steps: int) -> None:
    _need(name, scene, {"rows": _size, "columns": _size, "ground": _text, "shapes": _list(lambda each: True)})
    places = _list(_below(len(scene["shapes"])))
    _need(name, scene, {"still": places, "moments": _list(places, steps + 1)})


def _need(name: str, values: Any, checks: dict[str, Check]) -> None:
    """Raise ValueError unless each entry is there and passes its check."""
    if type(values) is not dict:
        raise ValueError(f"{name} has no entries")
    for entry, check in checks.items():
        if entry not in values or not check(values[entry]):
            raise ValueError(f"{name}: {entry!r} is missing or is not what it should be")


def _event(each: Any, n: int, steps: int) -> bool:
    if type(each) is not list or len(each) != 5:
        return False
    agent, start, stop, amount, why = each
    within = _below(n)(agent) and _below(steps + 1)(start) and _below(steps + 1)(stop)
    return within and _maybe(_number)(amount) and _text(why)


def _task(each: Any, n: int, steps: int) -> bool:
    if type(each) is not list or len(each) != 5:
        return False
    agent, start, stop, task, why = each
    return _event([agent, start, stop, None, why], n, steps) and _text(task)


def _text(each: Any) -> bool:
    return type(each) is str


def _whole(each: Any) -> bool:
    return type(each) is int and each >= 0


def _size(each: Any) -> bool:
    return type(each) is int and 0 < each <= 1000


def _number(each: Any) -> bool:
    return type(each) in (int, float) and math.isfinite(each)


def _below(most: int) -> Check:
    return lambda each: type(each) is int and 0 <= each < most


def _maybe(check: Check) -> Check:
    return lambda each: each is None or check(each)


def _table(check: Check) -> Check:
    return lambda each: type(each) is dict and all(map(check, each.values()))


def _list(check: Check, length: int | None = None) -> Check:
    return lambda each: type(each) is list and length in (None, len(each)) and all(map(check, each))
