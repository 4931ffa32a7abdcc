"""Scenes of an episode of which only the text is known: Spaceworld, Level-Based Foraging and Robotic Warehouse.

The scripted critic reads these texts exactly, so a ledger can be drawn without its environment. The shapes are those of
the narrators' `scene`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from credit_wrappers.scripted.lbf_rules import ForagingRules, ToldField
from credit_wrappers.scripted.read_prompt import Step, Transcript
from credit_wrappers.scripted.rware_rules import ToldFloor, WarehouseRules
from credit_wrappers.scripted.spaceworld_text import Change, ScenarioFacts, ToldWorld, facts_of, row_col

_KEEP_OUT = re.compile(r"(?:^|; )keep-out ((?:\(\d+,\d+\) ?)+)")
_CORE = re.compile(r"(?:^|; )core ((?:\(\d+,\d+\) ?)+)")
_DEBRIS = re.compile(r"(debris_\d+) (\(\d+,\d+\))(?:,? (?:drifting )?(north|south|west|east))?")

Scene = dict[str, Any]
Names = Mapping[str, str]  # the agents' own names by those of the text, in the episode's order


@dataclass(frozen=True)
class ToldScenes:
    """What a text says of an episode's states."""

    scenes: list[Scene]  # T+1
    cost: np.ndarray  # (T, N): faults that the text names, 0 where a world has none


def told_scenes(system: str, transcript: Transcript, names: Names) -> ToldScenes | None:
    """Return the scenes of an episode; None if its text is of no world that is known here.

    Args:
        system: The base prompt.
        transcript: The episode's text.
        names: The agents' own names by those in the text, in the order in which they are numbered.
    """
    try:
        if facts := facts_of(system):
            return _spaceworld(facts, transcript, names)
        if foraging := ForagingRules.for_system(system):
            return _foraging(foraging.size, transcript, names)
        if warehouse := WarehouseRules.for_system(system):
            return _warehouse(warehouse.plan, transcript, names)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError):  # a text of another version, or other names
        pass
    return None


def _each(transcript: Transcript, apply: Callable[[Step], Any], scene: Callable[[Any], Scene]) -> list[Scene]:
    return [scene(None), *(scene(apply(step)) for step in transcript.steps)]


def _costs(changes: Sequence[Change], names: Names) -> np.ndarray:
    return np.array([[sum(who == name for who, _ in told.faults) for name in names] for told in changes], np.float64)


def _shape(kind: str, ident: str, at: Sequence[float], tone: str = "", name: str = "", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "id": ident, "at": list(at), "tone": tone, "name": name or ident, **more}


def _cells(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    found = pattern.search(text)
    return [row_col(cell) for cell in found[1].split()] if found else []


def _spaceworld(facts: ScenarioFacts, transcript: Transcript, names: Names) -> ToldScenes:
    world = ToldWorld(facts, transcript.start)
    changes: list[Change] = []
    still = [_shape("tile", f"core_{k}", at, "station", "core of the station")
             for k, at in enumerate(_cells(_CORE, transcript.start))]  # fmt: skip
    still += [_shape("tile", f"keep_out_{k}", at, "keep-out", "keep-out cell")
              for k, at in enumerate(_cells(_KEEP_OUT, transcript.start))]  # fmt: skip
    rocks = {name: (row_col(cell), way) for name, cell, way in _DEBRIS.findall(transcript.start)}

    def scene(told: Change | None) -> Scene:
        at_fault = {who for who, _ in told.faults} if told is not None else set()
        shapes = list(still)
        for slot, cell in world.slots.items():
            tone = (
                "filled"
                if slot in world.filled
                else "open"
                if facts.needs.get(slot, set()) <= world.filled
                else "closed"
            )
            label = f"S{slot.removeprefix('slot_')}"
            shapes.append(
                _shape("place", slot, row_col(cell), tone, f"{slot} for a {facts.kind.get(slot)}, {tone}", label=label)
            )
        for who, module in world.grips.items():
            held = list(row_col(world.modules[module]))
            text = f"{names[who]} grips {module}"
            shapes.append(_shape("link", f"{names[who]} grip", row_col(world.agents[who]), "", text, to=held))
        for module, cell in world.modules.items():
            tone = "docked" if module in world.docked else "loose"
            text = f"{module}, a {facts.kind.get(module)} of mass {facts.mass.get(module)}, {tone}"
            label = f"M{module.removeprefix('module_')}"
            shapes.append(_shape("box", module, row_col(cell), tone, text, label=label))
        shapes += [_shape("rock", rock, at, **({"heading": way} if way else {})) for rock, (at, way) in rocks.items()]
        for k, (who, own) in enumerate(names.items()):
            fault = who in at_fault
            text = own + ", at fault in this step" * fault
            shapes.append(_shape("agent", own, row_col(world.agents[who]), "fault" if fault else "", text, agent=k))
        return {"rows": facts.height, "columns": facts.width, "ground": "space", "shapes": shapes}

    def apply(step: Step) -> Change:
        for clause in step.rest:
            rocks.update({name: (row_col(cell), way) for name, cell, way in _DEBRIS.findall(clause)})
        changes.append(world.apply(step))
        return changes[-1]

    scenes = _each(transcript, apply, scene)
    return ToldScenes(scenes, _costs(changes, names).reshape(len(changes), len(names)))


def _foraging(size: tuple[int, int], transcript: Transcript, names: Names) -> ToldScenes:
    field = ToldField(size, transcript.start)

    def scene(now: Any) -> Scene:
        loads = {who for team in now[1].values() for who in team} | {who for who, _ in now[2]} if now else set()
        shapes = [
            _shape("food", food, cell, "", f"{food}, level {field.levels[food]}", label=str(field.levels[food]))
            for food, cell in field.foods.items()
        ]
        crowd, seen = Counter(field.players.values()), Counter[tuple[int, int]]()
        for k, (who, own) in enumerate(names.items()):
            cell, level = field.players[who], field.levels[who]
            at = cell[0], cell[1] + 0.3 * (seen[cell] - (crowd[cell] - 1) / 2)
            seen[cell] += 1
            tone = "acts" if who in loads else ""
            shapes.append(_shape("agent", own, at, tone, f"{own}, level {level}", agent=k, note=f"L{level}"))
        return {"rows": size[0], "columns": size[1], "ground": "field", "shapes": shapes}

    return ToldScenes(_each(transcript, field.apply, scene), np.zeros((len(transcript.steps), len(names))))


def _warehouse(plan: tuple[str, ...], transcript: Transcript, names: Names) -> ToldScenes:
    floor = ToldFloor(plan, transcript.start)
    still = [_shape("tile", f"goal_{k}", cell, "goal", "goal") for k, cell in enumerate(sorted(floor.goals))]
    still += [_shape("place", f"home_{k}", cell, "home", "home") for k, cell in enumerate(floor.homes, 1)]
    at_home = {shelf: _shape("box", shelf, cell, label="") for shelf, cell in floor.home.items()}

    def scene(_: Any) -> Scene:
        asked = {shelf: request.removeprefix("request_") for request, shelf in floor.requests.items()}
        places = floor.shelves | {shelf: floor.poses[who][:2] for who, shelf in floor.carries.items()}
        shapes = list(still)
        for shelf, cell in places.items():
            if shelf in asked:
                text = f"request_{asked[shelf]}, {shelf}"
                shapes.append(_shape("box", shelf, cell, "asked", text, label=asked[shelf]))
            else:
                shapes.append(at_home[shelf] if cell == floor.home[shelf] else _shape("box", shelf, cell, label=""))
        for k, (who, own) in enumerate(names.items()):
            row, column, heading = floor.poses[who]
            carried = floor.carries.get(who)
            text = f"{own}, facing {heading}" + (f", carries {carried}" if carried else "")
            tone = "carries" if carried else ""
            shapes.append(_shape("agent", own, (row, column), tone, text, agent=k, heading=heading))
        return {"rows": len(plan), "columns": len(plan[0]), "ground": "floor", "shapes": shapes}

    return ToldScenes(_each(transcript, floor.apply, scene), np.zeros((len(transcript.steps), len(names))))
