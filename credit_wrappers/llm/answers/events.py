"""Answers in the form `events`: JSON that says who did what, over which steps, worth how much, and why.

| Text | Read as |
|---|---|
| the object {"episodes": [...]}, alone, in prose or in a code fence | the answer; of several the last one |
| the same, and behind it another answer of another form, announced only, or broken | nothing, except a repetition |
| the same, and behind it anything, when the text was cut off at `max_tokens` | nothing, except a repetition |
| no such object, but one list of episodes | the answer |
| no such object, but one object {"events": ...} | one episode; its number may be absent if one was asked for |
| several lists or single episodes, half an answer, JSON with faults | nothing |

Fields that are not in the schema are ignored. A repeated event is refused: models that cannot stop repeat
themselves, and every repetition would be paid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from credit_wrappers.llm.answers.json_text import find_json
from credit_wrappers.llm.answers.placeholders import refuse_placeholders
from credit_wrappers.llm.answers.problems import Problems, quoted
from credit_wrappers.llm.answers.schema import EpisodeAnswer, checked
from credit_wrappers.llm.answers.task_answers import find_all_task_problems

# Larger amounts are nonsense, whatever bound was asked for.
LARGEST_AMOUNT = 1e6

T = TypeVar("T", bound=Any)  # a judgement: a dict with the key "episode"


def read_events(
    text: str,
    lengths: Sequence[int],
    names: Sequence[str],
    explain: bool,
    tasks: Sequence[str],
    placeholders: frozenset[str],
    cut: bool = False,
) -> list[EpisodeAnswer]:
    """Return the judgements in the order of the episodes; see `parse_answer`."""
    judgements = checked(find_episodes(text, lengths, "events", cut), explain, bool(tasks))
    refuse_placeholders(judgements, placeholders)
    problems = Problems("content")
    _find_problems(judgements, lengths, names, problems)
    if tasks:
        find_all_task_problems(judgements, lengths, names, tasks, problems)
    problems.refuse()
    return sorted(judgements, key=lambda judged: judged["episode"])


def find_episodes(text: str, lengths: Sequence[int], part: str, cut: bool) -> object:
    """Return the JSON value of an answer, {"episodes": ...}, in which each episode has the field `part`.

    Raises:
        AnswerError: See `find_json`.
    """

    def is_bare(value: Any) -> bool:  # one episode, or a list of episodes
        items = value if isinstance(value, list) else [value]
        return bool(items) and all(isinstance(item, dict) and part in item for item in items)

    value = find_json(text, lambda found: isinstance(found, dict) and "episodes" in found, is_bare, "episodes", cut)
    if isinstance(value, dict) and "episodes" not in value:
        value = [{"episode": 1, **value}] if len(lengths) == 1 else [value]
    return {"episodes": value} if isinstance(value, list) else value


def known_episodes(judgements: Sequence[T], lengths: Sequence[int], problems: Problems) -> Iterator[T]:
    """Yield the judgements of episodes that there are; add those that are unknown, twice or missing to `problems`."""
    seen: set[int] = set()
    for judged in judgements:
        number: int = judged["episode"]
        if not 1 <= number <= len(lengths):
            problems.add(f"unknown episode {number}: the episodes are 1 to {len(lengths)}")
            continue
        if number in seen:
            problems.add(f"episode {number} is there twice")
        seen.add(number)
        yield judged
    missing = [str(number) for number in range(1, len(lengths) + 1) if number not in seen]
    if missing:
        problems.add(f"missing episode {', '.join(missing)}")


def _find_problems(
    judgements: list[EpisodeAnswer], lengths: Sequence[int], names: Sequence[str], problems: Problems
) -> None:
    known = set(names)
    for judged in known_episodes(judgements, lengths, problems):
        number = judged["episode"]
        length = lengths[number - 1]
        first: dict[tuple[object, ...], int] = {}
        for k, event in enumerate(judged["events"], 1):
            agent, start, stop, amount = event["agent"], event["start"], event["stop"], event["amount"]
            same = first.setdefault((agent, start, stop, amount, event["why"]), k)
            if agent not in known:
                wrong = f"unknown agent {quoted(agent)}: the agents are {', '.join(names)}"
            elif not 0 <= start < stop:
                wrong = f"start {start}, stop {stop}: 0 <= start < stop is needed"
            elif stop > length:
                wrong = f"stop {stop} is past the end: the episode has {length} steps"
            elif same != k:
                wrong = f"the same as event {same}"
            elif abs(amount) > LARGEST_AMOUNT:
                wrong = f"amount {amount:g} is out of all bounds"
            else:
                continue
            problems.add(f"episode {number}, event {k}: {wrong}")
