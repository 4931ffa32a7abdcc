"""Fields that are missing, too many or of a wrong type."""

from tests.credit_wrappers.answer_corpus.case import GOOD, A, Case, Refused, answer, episode, event, one, taken

EVENT = "episodes[0].events[0]"
NUMBER, FINITE = "Input should be a valid number", "Input should be a finite number"
INTEGER, TEXT, LIST = (
    "Input should be a valid integer",
    "Input should be a valid string",
    "Input should be a valid list",
)


def field(name: str, message: str) -> Refused:
    return Refused("schema", f"{EVENT}.{name}: {message}")


CASES = [
    *(
        Case(f"amount {written[:20]}, {len(written)} characters", one(amount=written), field("amount", message))
        for written, message in [
            ("NaN", FINITE),
            ("Infinity", FINITE),
            ("-Infinity", FINITE),
            ("1e309", FINITE),
            ("1" * 400, FINITE),
            ("1" * 5000, FINITE),
            ('"0.5"', NUMBER),
            ("true", NUMBER),
            ("null", NUMBER),
            ("[1.0]", NUMBER),
        ]
    ),
    *(
        Case(f"start {written[:20]}", one(start=written), field("start", INTEGER))
        for written in ["1.5", "0.0", "0e0", '"0"', "false", "null", "1" * 5000, "NaN"]
    ),
    Case("why null", one(why="null"), field("why", TEXT)),
    Case("agent as a number", one(agent="0"), field("agent", TEXT)),
    Case("agents as a list", one(agent='["agent_A", "agent_B"]'), field("agent", TEXT)),
    *(
        Case(f"no {name}", one().replace(f'"{name}"', '"note"'), field(name, "Field required"))
        for name in ("agent", "start", "stop", "amount", "why")
    ),
    Case("no summary", GOOD.replace("summary", "note"), Refused("schema", "episodes[0].summary: Field required")),
    Case("summary null", answer(episode(summary="null")), Refused("schema", f"episodes[0].summary: {TEXT}")),
    Case("no events", GOOD.replace("events", "deeds"), Refused("schema", "episodes[0].events: Field required")),
    Case("events null", GOOD.replace(f"[{event()}]", "null"), Refused("schema", f"episodes[0].events: {LIST}")),
    Case(
        "one event without a list",
        GOOD.replace(f"[{event()}]", event()),
        Refused("schema", f"episodes[0].events: {LIST}"),
    ),
    Case(
        "episodes by number",
        '{"episodes": {"1": {"summary": "s", "events": []}}}',
        Refused("schema", f"episodes: {LIST}"),
    ),
    Case(
        "number of the episode as text",
        answer(episode(number='"1"')),
        Refused("schema", f"episodes[0].episode: {INTEGER}"),
    ),
    Case(
        "number of the episode true",
        answer(episode(number="true")),
        Refused("schema", f"episodes[0].episode: {INTEGER}"),
    ),
    Case(
        "event as a sentence",
        answer(episode('"agent_A did well"')),
        Refused("schema", f"{EVENT}: Input should be a valid dictionary"),
    ),
    Case(
        "seven faults",
        answer(episode(*[event(amount="null")] * 7)),
        Refused("schema", "; ".join(f"episodes[0].events[{k}].amount: {NUMBER}" for k in range(5)) + "; and 2 more"),
    ),
    Case("further fields", one(', "confidence": NaN, "tags": [null]'), taken(A)),
    Case("whole number as amount", one(amount="1"), taken(A)),
    Case("exponent in the amount", one(amount="10E-1"), taken(A)),
    Case("zero amount", one(amount="-0.0"), taken(("agent_A", 0, 5, 0.0, "w"))),
    Case("empty words", answer(episode(event(why='""'), summary='""')), taken(("agent_A", 0, 5, 1.0, ""), summary="")),
    Case("no events happened", answer(episode()), taken()),
    # reasons that nobody asked for
    Case(
        "no words asked for, none given",
        GOOD.replace(', "why": "w"', "").replace('"summary": "s", ', ""),
        taken(("agent_A", 0, 5, 1.0, ""), summary=""),
        explain=False,
    ),
    Case("no words asked for, but given", GOOD, taken(A), explain=False),
    Case("no words asked for, null given", one(why="null"), field("why", TEXT), explain=False),
    Case(
        "no words asked for, no amount given",
        one().replace("amount", "sum"),
        field("amount", "Field required"),
        explain=False,
    ),
]
