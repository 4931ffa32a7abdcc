"""Judgements in a JSONL file, as a suite and as a critic: one line for each episode.

A line has `world`, `max_cycles` (null: the world's own), `seed`, `actions` (T, N) and `credit` (T, N), with columns in
the environment's order, and `question`, the number of the query in which the episode was judged. Other entries are
passed over; `events` ([agent, start, stop, amount, why]) and `summary` become those of the credit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers.bench.suite import Suite, SuiteEpisode, whole_numbers
from credit_wrappers.core.credit import Credit, CreditEvent
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError

_Place = tuple[int, bytes]


class AnswersCritic:
    """A critic that knows the credit of recorded episodes only.

    Args:
        path: A file of judgements, or a folder of `.jsonl` files.

    Attributes:
        suites: The episodes as suites, one for each file and world.

    Raises:
        ValueError: A line is no judgement, or judges an episode once more and otherwise, or there are none; the message
            names it.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        path = Path(path)
        paths = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        self.label = f"answers:{path.stem}"
        self._by_world: dict[str, dict[_Place, tuple[Credit, int]]] = {}
        self.suites: list[Suite] = []
        for each in paths:
            self.suites += self._read(each)
        if not self.suites:
            raise ValueError(f"{path} holds no judgement (lines of JSON, in files that end with .jsonl)")
        self._credits = {place: known for each in self._by_world.values() for place, known in each.items()}

    def of(self, world: str) -> AnswersCritic:
        """Return the critic that knows the episodes of one world only: another may have equal seeds and actions."""
        mine = copy(self)
        mine._credits = self._by_world.get(world, {})
        return mine

    def knows(self, episode: Episode) -> bool:
        """Return whether the file has the episode's credit."""
        return _place(episode.seed, episode.actions) in self._credits

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the recorded credit of each episode.

        Raises:
            CreditError: There is none of an episode.
        """
        for episode in episodes:
            if not self.knows(episode):
                raise CreditError(f"{self.label} has no credit for the episode of seed {episode.seed} with its actions")
        return [self._credits[_place(episode.seed, episode.actions)][0] for episode in episodes]

    def queries(self, episodes: Sequence[Episode]) -> list[int]:
        """Return the number of the query in which each of these episodes, which it knows, was judged."""
        return [self._credits[_place(episode.seed, episode.actions)][1] for episode in episodes]

    def _read(self, path: Path) -> list[Suite]:
        found: dict[tuple[str, int | None], list[SuiteEpisode]] = {}
        queries = (query for each in self._by_world.values() for _, query in each.values())
        before = 1 + max(queries, default=-1)  # files count from 0 each
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no text in UTF-8, so it holds no judgements: {error}") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                data = json.loads(line)
                actions, credit = whole_numbers(data["actions"]), _credit(data)
                world = str(data["world"]), data.get("max_cycles")
                seed, question = _whole(data, "seed"), _whole({"question": 0} | data, "question")
                episode = SuiteEpisode(seed, actions, "recorded", "report")
                Suite(path.stem, *world, episodes=(episode,))  # it says what is wrong in this line
            except KeyError as error:
                raise ValueError(f"{path}, line {number} is no judgement: it has no {error}") from error
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}, line {number} is no judgement: {error}") from error
            if credit.values.shape != actions.shape or not np.isfinite(credit.values).all():
                raise ValueError(f"{path}, line {number}: credit must be numbers, {actions.shape}, as the actions are")
            mine, place = self._by_world.setdefault(world[0], {}), _place(seed, actions)
            if place in mine and not np.array_equal(mine[place][0].values, credit.values):
                raise ValueError(
                    f"{path}, line {number} judges an episode once more, and otherwise (that of seed {seed}, with the "
                    "same actions): keep one of the two"
                )
            mine[place] = credit, before + question
            found.setdefault(world, []).append(episode)
        several = len(found) > 1
        return [
            Suite(
                name=f"{path.stem}/{world}" if several else path.stem,
                world=world,
                max_cycles=max_cycles,
                episodes=tuple(episodes),
            )
            for (world, max_cycles), episodes in found.items()
        ]


def _credit(data: dict[str, Any]) -> Credit:
    events = tuple(CreditEvent(*event) for event in data.get("events", ()))
    values = np.array(data["credit"], np.float32)
    return Credit(values, events, summary=str(data.get("summary", "")), source="cache")


def _whole(data: dict[str, Any], name: str) -> int:
    value = data[name]
    if not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    return value


def _place(seed: int | None, actions: np.ndarray) -> _Place:
    return -1 if seed is None else seed, repr(actions.shape).encode() + actions.astype("<i8").tobytes()
