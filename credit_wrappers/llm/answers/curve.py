"""Answers in the form `curve`: how many steps each agent had left, at its turning points, as JSON (ours).

    {"episodes": [{"episode": 1, "summary": "...", "curves": [
      {"agent": "agent_A", "start": 7, "left": [[3, 3], [8, 0, 6]],
       "extra": [{"step": 4, "amount": -2, "why": "flew into the core"}],
       "reasons": [{"step": 0, "why": "came straight to the module"}]}]}]}

`start` is what the agent had left before step 0, a point [t, left] what it had left after step t. Between two points
the number stays as it is and then changes by one a step, so that it arrives at step t: above it stays 3 after steps 4
and 5. A change by more than one a step is spread evenly over all steps since the point before. After the last point
nothing changes. So only the end of each run of changes is written, whether the agent waited before it or not. A third
number begins a new count after step t, which is not paid: the sub-task was done, or another agent changed what is left.
Whether that is true cannot be seen from the answer. So after a new count began, a fall is read as at most `FASTEST` a
step. Otherwise an answer could begin new counts in order to be paid for large falls. Before that, and in any rise, all
changes are read.
The credit of a step is `STEP_WORTH` times the steps saved in it, so a curve that comes back to its number earned
nothing in between.

A curve becomes one event for each run of changes, one for each wait that has a reason, and one for each `extra`.
Texts are accepted as in the form `events`, with `curves` in the place of `events`. Every agent has one curve in every
episode. Repeated entries are refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil, inf
from operator import itemgetter
from typing import Any, cast

from credit_wrappers.llm.answers.events import LARGEST_AMOUNT, find_episodes, known_episodes
from credit_wrappers.llm.answers.placeholders import refuse_placeholders
from credit_wrappers.llm.answers.problems import Problems, quoted
from credit_wrappers.llm.answers.schema import (
    CurveAnswer,
    CurveEpisode,
    EpisodeAnswer,
    EventAnswer,
    TaskedCurves,
    TaskedEpisode,
    checked_curves,
)
from credit_wrappers.llm.answers.task_answers import find_all_task_problems
from credit_wrappers.llm.client import STEP_WORTH

FASTEST = 2  # steps saved in one step after a new count; an honest count falls by 1, so this leaves room for a miscount

_DIGITS = 12  # of an amount: 0.05 * 7 is 0.35


def read_curves(
    text: str,
    lengths: Sequence[int],
    names: Sequence[str],
    explain: bool,
    tasks: Sequence[str],
    placeholders: frozenset[str],
    cut: bool = False,
) -> list[EpisodeAnswer]:
    """Return the judgements in the order of the episodes, as events; see `parse_answer`."""
    judgements = checked_curves(find_episodes(text, lengths, "curves", cut), explain, bool(tasks))
    refuse_placeholders(judgements, placeholders)
    problems = Problems("content")
    for judged in known_episodes(judgements, lengths, problems):
        number = judged["episode"]
        seen: set[str] = set()
        for curve in judged["curves"]:
            agent = curve["agent"]
            place = f"episode {number}, {quoted(agent)[1:-1]}"
            if agent not in names:
                problems.add(f"episode {number}: unknown agent {quoted(agent)}: the agents are {', '.join(names)}")
            elif agent in seen:
                problems.add(f"{place}: there are two curves")
            else:
                _find_problems(place, curve, lengths[number - 1], problems)
            seen.add(agent)
        missing = [name for name in names if name not in seen]
        if missing:
            problems.add(f"episode {number}: no curve for {', '.join(missing)}")
    if tasks:
        find_all_task_problems(judgements, lengths, names, tasks, problems)
    problems.refuse()
    return [_judgement(one, lengths[one["episode"] - 1]) for one in sorted(judgements, key=lambda one: one["episode"])]


def _find_problems(place: str, curve: CurveAnswer, length: int, problems: Problems) -> None:
    """Add to `problems` what is wrong with one curve; `place` says whose it is."""

    def check_step(part: str, k: int, step: float) -> None:
        if not isinstance(step, int):
            problems.add(f"{place}, {part} {k}: the step {step:g} is no whole number")
        elif not 0 <= step < length:
            problems.add(f"{place}, {part} {k}: there is no step {step}: the episode has steps 0 to {length - 1}")

    def check_left(what: str, left: float) -> None:
        if left < 0:
            problems.add(f"{place}, {what}: {left:g} steps left; nothing less than 0 can be left")
        elif not left <= LARGEST_AMOUNT:
            problems.add(f"{place}, {what}: {left:g} is out of all bounds")

    check_left("start", curve["start"])
    before, count, most = -1.0, curve["start"], inf
    for k, point in enumerate(curve["left"], 1):
        if len(point) not in (2, 3):
            problems.add(f"{place}, point {k}: {len(point)} numbers; [step, left] or [step, left, new count] is needed")
            continue
        step, *left = point
        if not (isinstance(step, int) and before < step < length):
            check_step("point", k, step)
            if step <= before:
                problems.add(f"{place}, point {k}: step {step:g} does not come after step {before:g}")
        elif count - left[0] > most * (step - before) + 1e-9:
            problems.add(f"{place}, point {k}: {_too_fast(count, left[0], step - before)}")
        before, count = max(before, step), left[-1]
        most = FASTEST if len(left) == 2 else most
        for value in left:
            if not 0 <= value <= LARGEST_AMOUNT:
                check_left(f"point {k}", value)
    parts: dict[str, Sequence[Mapping[str, Any]]] = {"extra": curve["extra"], "reason": curve["reasons"]}
    for part, entries in parts.items():
        first: dict[tuple[object, ...], int] = {}
        for k, entry in enumerate(entries, 1):
            check_step(part, k, entry["step"])
            same = first.setdefault(tuple(entry.values()), k)
            if same != k:
                problems.add(f"{place}, {part} {k}: the same as {part} {same}")
            if abs(entry.get("amount", 0.0)) > LARGEST_AMOUNT:
                problems.add(f"{place}, {part} {k}: amount {entry['amount']:g} is out of all bounds")


def _too_fast(count: float, left: float, steps: float) -> str:
    return (
        f"{count:g} steps left fall to {left:g} within {steps:g} step{'s' if steps != 1 else ''}; an agent's own step "
        f"saves 1, and after a new count a fall by more than {FASTEST} a step is refused"
    )


def _judgement(judged: CurveEpisode, length: int) -> EpisodeAnswer:
    """Return a judgement without problems, its curves as events."""
    events = [event for curve in judged["curves"] for event in _events(curve, length)]
    answer = EpisodeAnswer(episode=judged["episode"], summary=judged["summary"], events=events)
    return TaskedEpisode(**answer, tasks=cast(TaskedCurves, judged)["tasks"]) if "tasks" in judged else answer


def _events(curve: CurveAnswer, length: int) -> list[EventAnswer]:
    """Return one event for each run of changes and each wait with a reason, then one for each extra."""
    agent = curve["agent"]
    events: list[EventAnswer] = []
    reasons = deque(sorted(curve["reasons"], key=itemgetter("step")))

    def add(start: int, stop: int, amount: float) -> None:
        whys = {}  # a set in order
        while reasons and reasons[0]["step"] < stop:
            whys[reasons.popleft()["why"]] = True
        why = "; ".join(whys)
        if amount or why:
            events.append({"agent": agent, "start": start, "stop": stop, "amount": amount, "why": why})

    start, before = 0, curve["start"]
    for point in curve["left"]:
        stop = int(point[0]) + 1
        most, amount = _paid(before - point[1])
        run = max(start, stop - most)
        if start < run:
            add(start, run, 0.0)
        if run < stop:
            add(run, stop, amount)
        start, before = stop, point[-1]
    if start < length:
        add(start, length, 0.0)
    for extra in curve["extra"]:
        t = extra["step"]
        _, amount = _paid(extra["amount"])
        events.append({"agent": agent, "start": t, "stop": t + 1, "amount": amount, "why": extra["why"]})
    return events


@lru_cache(maxsize=4096)  # the same numbers come again and again
def _paid(saved: float) -> tuple[int, float]:
    """Return in how many steps at most this number of steps was saved, and their credit."""
    return ceil(round(abs(saved), _DIGITS)), round(STEP_WORTH * saved, _DIGITS)
