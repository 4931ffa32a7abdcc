"""Whatever is done to a good answer: it is taken and valid, or refused with AnswerError.

By hand with more examples: `ANSWER_FUZZ=20000 python -m pytest tests/credit_wrappers/test_answer_fuzz.py`.
"""

from __future__ import annotations

import json
import math
import os
import re

import pytest
from answer_corpus import CASES
from credit_fakes import answer, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_wrappers import AnswerError
from credit_wrappers.llm.answers.parse import parse_answer

NAMES, LENGTHS = ("agent_A", "agent_B"), (3, 5)
EVENTS = answer(
    [event("agent_A", 0, 3, 0.5), event("agent_B", 1, 2, -1)], [event("agent_B", 4, 5, 1e-3), event("agent_B", 0, 4, 2)]
)
ARRAYS = (
    "## Episode 1\nExplanation: so it went\nagent_A: [0, 0.25, 0.25]\nagent_B: [0, 0, -1]\n\n"
    "## Episode 2\nExplanation: why\nagent_A: [0, 1e-3, 0, .5, 0]\nagent_B: [1, 1, 1, 0, 7]\n"
)
BARE = json.dumps(json.loads(EVENTS)["episodes"])


def _curve(agent: str, *left: list[float]) -> dict[str, object]:
    extra, reasons = [{"step": 1, "amount": -2, "why": "hit"}], [{"step": 0, "why": "came near"}]
    return {"agent": agent, "start": 3, "left": list(left), "extra": extra, "reasons": reasons}


CURVES = json.dumps(
    {
        "episodes": [
            {"episode": 1, "summary": "s", "curves": [_curve("agent_A", [1, 2], [2, 0.5]), _curve("agent_B")]},
            {"episode": 2, "summary": "t", "curves": [_curve("agent_B", [4, 6]), _curve("agent_A", [0, 0, 7], [3, 1])]},
        ]
    }
)
GOOD = {
    "events": (EVENTS, BARE, f"So:\n```json\n{EVENTS}\n```\n{{done}}"),
    "arrays": (ARRAYS,),
    "curve": (CURVES, json.dumps(json.loads(CURVES)["episodes"])),
}
TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
NUMBERS = ("0", "-1", "3", "6", "1e309", "NaN", "1e7", "-0.0", "9" * 400, "9" * 5000, "true", "null", '"1"', "")
PIECES = (
    *'{}[]",:\\.\n#*\0\ud800\ufeff',
    "agent_A",
    "agent_C",
    '"episodes"',
    "## Episode 2\n",
    "\\ud800",
    "]}",
    EVENTS,
)
COUNT = int(os.environ.get("ANSWER_FUZZ", "250"))


@st.composite
def mutated(draw: st.DrawFn, form: str) -> str:
    text = draw(st.sampled_from(GOOD[form]))
    for _ in range(draw(st.integers(1, 4))):
        tokens = TOKEN.findall(text)
        i = draw(st.integers(0, len(tokens)))
        j = draw(st.integers(i, min(len(tokens), i + 40)))
        match draw(st.sampled_from(("delete", "insert", "replace", "repeat", "swap", "number", "cut", "text"))):
            case "delete":
                del tokens[i:j]
            case "insert":
                tokens.insert(i, draw(st.sampled_from(PIECES)))
            case "replace":
                tokens[i:j] = [draw(st.sampled_from(PIECES))]
            case "repeat":
                tokens[j:j] = tokens[i:j] * draw(st.integers(1, 3))
            case "swap":
                k = draw(st.integers(0, len(tokens)))
                tokens[i:j], tokens[k : k + 1] = tokens[k : k + 1], tokens[i:j]
            case "number":
                places = [k for k, token in enumerate(tokens) if token[0].isdigit()]
                if places:
                    tokens[draw(st.sampled_from(places))] = draw(st.sampled_from(NUMBERS))
            case "cut":
                del tokens[i:]
            case "text":
                tokens.insert(i, draw(st.text(max_size=5)))
        text = "".join(tokens)
    return text


def check(text: str, lengths: tuple[int, ...], form: str, explain: bool) -> bool:
    """Whether the text is taken; what is taken must be valid, and what is refused must be refused properly."""
    try:
        read = parse_answer(text, lengths, NAMES, form=form, explain=explain)
    except AnswerError as error:
        assert error.kind in ("empty", "no_answer", "schema", "content")
        assert 0 < len(str(error).encode()) < 2000
        return False
    assert [judged["episode"] for judged in read] == list(range(1, len(lengths) + 1))
    for judged, length in zip(read, lengths, strict=True):
        assert sorted(judged) == ["episode", "events", "summary"]
        for item in judged["events"]:
            assert sorted(item) == ["agent", "amount", "start", "stop", "why"]
            assert item["agent"] in NAMES
            assert type(item["start"]) is type(item["stop"]) is int
            assert 0 <= item["start"] < item["stop"] <= length
            assert type(item["amount"]) is float
            assert math.isfinite(item["amount"])
        if form != "curve":  # of a curve a stretch and an extra may be alike
            whole = [tuple(item.values()) for item in judged["events"]]
            assert len(set(whole)) == len(whole)
    json.dumps(read, ensure_ascii=False).encode()
    return True


@pytest.mark.parametrize("form", ["events", "arrays", "curve"])
@pytest.mark.parametrize("explain", [True, False])
def test_mutated_answer_is_valid_or_refused(form: str, explain: bool):
    taken = []

    @settings(
        max_examples=COUNT, deadline=None, derandomize=COUNT == 250, database=None, suppress_health_check=HealthCheck
    )
    @given(mutated(form))
    def run(text: str) -> None:
        taken.append(check(text, LENGTHS, form, explain))

    run()
    assert 0 < sum(taken) < len(taken)  # both outcomes were seen


@pytest.mark.parametrize("form", ["events", "arrays", "curve"])
def test_answers_of_the_corpus_are_valid_or_refused_whatever_was_asked(form: str):
    for case in CASES:
        for lengths in ((5,), (5, 3), (1, 1, 1)):
            for explain in (True, False):
                if len(case.text) < 10_000:
                    check(case.text, lengths, form, explain)
