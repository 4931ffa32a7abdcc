"""What a model must answer: one schema, sent with the request and used to check the answer.

An answer is accepted whole or rejected with a message that says what is wrong and where; nothing is padded,
clipped or guessed. Fields that are not in the schema are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from .errors import AnswerError

# Larger amounts are nonsense; accepting them would scale all other credits of the query down to nothing.
_LARGEST_AMOUNT = 1e6
_PROBLEMS_SHOWN = 5
# Structured output wants it closed; the check lets further fields pass. Strict: true is no number.
_CONFIG = ConfigDict(allow_inf_nan=False, strict=True, json_schema_extra={"additionalProperties": False})


# Dicts and not models: an answer holds hundreds of events, and dicts are checked in half the time.
@with_config(_CONFIG)
class EventAnswer(TypedDict):
    """One thing an agent did."""

    agent: Annotated[str, Field(description="name of the agent, as in the episode")]
    start: Annotated[int, Field(description="first step")]
    stop: Annotated[int, Field(description="one past the last step")]
    amount: Annotated[float, Field(description="credit for the whole span; negative for blame")]
    why: Annotated[str, Field(description="reason, one short sentence")]


@with_config(_CONFIG)
class EpisodeAnswer(TypedDict):
    """The judgement of one episode."""

    episode: Annotated[int, Field(description="number of the episode")]
    summary: Annotated[str, Field(description="what happened, and what would have been better")]
    events: list[EventAnswer]


@with_config(_CONFIG)
class Answer(TypedDict):
    """The judgement of all episodes of a query."""

    episodes: list[EpisodeAnswer]


_ANSWER = TypeAdapter(Answer)


@cache
def answer_schema() -> dict[str, Any]:
    """Return the JSON schema of an answer."""
    return _ANSWER.json_schema()


def parse_answer(text: str, lengths: Sequence[int], names: Sequence[str]) -> list[EpisodeAnswer]:
    """Return the judgements in the order of the episodes.

    The JSON may stand in a code fence or in prose; the last object with the key "episodes" counts.

    Args:
        text: The model's answer.
        lengths: Steps of episode 1, 2, ...
        names: The agents' names in the prompt.

    Raises:
        AnswerError: The answer does not fit; the message can be quoted to the model.
    """
    text = text.strip()
    try:
        answer = _ANSWER.validate_json(text)
    except ValidationError as error:
        candidate = _last_object(text)
        if candidate is None or candidate == text:
            raise AnswerError(_readable(error)) from None
        try:
            answer = _ANSWER.validate_json(candidate)
        except ValidationError as inner:
            raise AnswerError(_readable(inner)) from None
    problems = _problems(answer, lengths, set(names), names)
    if problems:
        more = len(problems) - _PROBLEMS_SHOWN
        shown = "; ".join(problems[:_PROBLEMS_SHOWN])
        raise AnswerError(f"{shown}; and {more} more" if more > 0 else shown)
    return sorted(answer["episodes"], key=lambda judged: judged["episode"])


def _problems(answer: Answer, lengths: Sequence[int], known: set[str], names: Sequence[str]) -> list[str]:
    problems = []
    seen: set[int] = set()
    for judged in answer["episodes"]:
        number = judged["episode"]
        if not 1 <= number <= len(lengths):
            problems.append(f"unknown episode {number}: the episodes are 1 to {len(lengths)}")
            continue
        if number in seen:
            problems.append(f"episode {number} is there twice")
        seen.add(number)
        length = lengths[number - 1]
        for k, event in enumerate(judged["events"], 1):
            agent, start, stop = event["agent"], event["start"], event["stop"]
            if agent in known and 0 <= start < stop <= length and abs(event["amount"]) <= _LARGEST_AMOUNT:
                continue
            if agent not in known:
                wrong = f"unknown agent {agent!r}: the agents are {', '.join(names)}"
            elif not 0 <= start < stop:
                wrong = f"start {start}, stop {stop}: 0 <= start < stop is needed"
            elif stop > length:
                wrong = f"stop {stop} is past the end: the episode has {length} steps"
            else:
                wrong = f"amount {event['amount']:g} is out of all bounds"
            problems.append(f"episode {number}, event {k}: {wrong}")
    missing = [str(number) for number in range(1, len(lengths) + 1) if number not in seen]
    if missing:
        problems.append(f"missing episode {', '.join(missing)}")
    return problems


def _last_object(text: str) -> str | None:
    """Return the last complete JSON object in `text` that has the key "episodes"."""
    decoder = json.JSONDecoder()
    found = None
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict) and "episodes" in value:
                found = text[at:end]
        at = text.find("{", end)
    return found


def _readable(error: ValidationError) -> str:
    """Return pydantic's findings as one line, without its links."""
    found = error.errors(include_url=False, include_context=False)
    lines = []
    for item in found[:_PROBLEMS_SHOWN]:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"])
        lines.append(f"{place.lstrip('.') or 'answer'}: {item['msg']}")
    more = len(found) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
