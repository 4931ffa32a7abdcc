"""Where JSON may stand, and JSON that is none."""

from tests.credit_wrappers.answer_corpus.case import (
    GOOD,
    HALF,
    NOTHING,
    A,
    Case,
    Refused,
    answer,
    episode,
    event,
    one,
    taken,
)


def broken(column: int, hint: str, line: int = 1) -> Refused:
    return Refused("no_answer", f"the JSON is broken at line {line}, column {column}: {hint}")


def values(count: int) -> Refused:
    return Refused(
        "no_answer", f'{count} separate JSON values: put all episodes into one object with the key "episodes"'
    )


SECOND = Refused("no_answer", 'another answer stands behind a complete one: give one object with the key "episodes"')
ON = Refused("no_answer", "the text goes on behind a complete answer: give the final answer only")
OTHER = one(amount="-3")
TWO = (5, 5)

CASES = [
    # no answer at all
    Case("nothing", "", Refused("empty", "the answer is empty")),
    Case("white space", " \n\t\r\n ", Refused("empty", "the answer is empty")),
    Case("only a byte order mark and NULs", "\ufeff\0\0", Refused("empty", "the answer is empty")),
    Case("only a brace", "{", NOTHING),
    Case("only a bracket", "[", NOTHING),
    Case("empty object", "{}", NOTHING),
    Case("empty list", "[]", NOTHING),
    Case("null", "null", NOTHING),
    Case("prose", "I would give agent_A a 7 and agent_B nothing.", NOTHING),
    Case("refusal", "I'm sorry, but I can't judge these robots.", NOTHING),
    Case("YAML", "episodes:\n- episode: 1\n  summary: s\n  events: []\n", NOTHING),
    Case("XML", '<episodes><episode number="1"><event agent="agent_A"/></episode></episodes>', NOTHING),
    Case("markdown table", "| agent | start | stop | amount |\n|---|---|---|---|\n| agent_A | 0 | 5 | 1.0 |", NOTHING),
    Case("the schema instead of data", '{"type": "object", "properties": {"episodes": {"type": "array"}}}', NOTHING),
    Case("JSON in a JSON string", '"{\\"episodes\\": []}"', broken(3, repr('\\"episodes\\"'))),
    # where the object may stand
    Case("alone", GOOD, taken(A)),
    Case("after a byte order mark", "\ufeff" + GOOD, taken(A)),
    Case("between NULs", "\0" + GOOD + "\0", taken(A)),
    Case("in a code fence", f"```json\n{GOOD}\n```", taken(A)),
    Case("in prose with braces and brackets", f"In [my] view {{really}} [1]: {GOOD} {{ok}}?", taken(A)),
    Case("in brackets of prose", f"[Note: {GOOD}]", taken(A)),
    Case("in double braces", "{" + GOOD + "}", taken(A)),
    Case("after the schema", '{"properties": {"episodes": {}}}\n' + GOOD, taken(A)),
    Case("two fences: the last counts", f"```json\n{OTHER}\n```\nBetter:\n```json\n{GOOD}\n```", taken(A)),
    Case("a draft that breaks off", f"{GOOD[:60]} no, wait:\n{GOOD}", taken(A)),
    Case("a repetition that breaks off", f"{GOOD}\n{GOOD[:-9]}", taken(A)),
    Case("the last is wrong: no going back", f"{GOOD}\n{answer()}", Refused("content", "missing episode 1")),
    Case("inside another object", f'{{"answer": {GOOD}}}', NOTHING),
    Case("in a list", f"[{GOOD}]", NOTHING),
    Case("spread over lines", GOOD.replace(", ", ",\n  ").replace("{", "{\n\t"), taken(A)),
    # without the object around the episodes
    Case("bare list of episodes", f"[{episode(event())}]", taken(A)),
    Case("bare episode", episode(event()), taken(A)),
    Case("bare episode without number", f'{{"summary": "s", "events": [{event()}]}}', taken(A)),
    Case(
        "bare episode without number, two asked",
        f'{{"summary": "s", "events": [{event()}]}}',
        Refused("schema", "episodes[0].episode: Field required"),
        TWO,
    ),
    Case("bare episode of two", episode(event()), Refused("content", "missing episode 2"), TWO),
    Case("an object for each episode", f"{episode()}\n{episode(number='2')}", values(2), TWO),
    Case("two drafts of a bare episode", f"{episode()} or {episode(event())}", values(2)),
    Case("bare list of events", f"[{event()}]", NOTHING),
    Case("an object and its episode once more", f"{GOOD} that is {episode(event())}", taken(A)),
    Case("an object and its list once more", f"{GOOD} that is [{episode(event())}]", taken(A)),
    Case("an object beats a bare episode in front of it", f"{episode()} that is {GOOD}", taken(A)),
    Case("an object and another bare episode", f"{GOOD}\nCorrected:\n{episode()}", SECOND),
    Case("an object and another bare list", f"{GOOD}\nCorrected:\n[{episode()}]", SECOND),
    Case("an object and a list of events", f"{GOOD}\nCorrected: [{event()}]", SECOND),
    Case("an object and one inside another object", f'{GOOD}\nCorrected: {{"answer": {OTHER}}}', SECOND),
    Case("an object and a sentence", f"{GOOD}\nThis is my final answer.\n[1] see event 3", taken(A)),
    Case("an object and an announcement", f"{GOOD}\nWait, that was wrong. Corrected answer:", ON),
    Case("an object and a heading", f"{GOOD}\n\n## Final answer\n", ON),
    Case(
        "bare episode inside half an answer",
        '{"episodes": [ # list\n' + episode(event()) + "]}",
        broken(16, "a comment; JSON has none"),
    ),
    Case("bare episode after half of one", f"{episode()[:40]} {episode(event())}", HALF),
    # cut off
    *(
        Case(f"cut after {cut} characters", GOOD[:cut], refused)
        for cut, refused in [
            (1, NOTHING),
            (5, NOTHING),
            (12, HALF),
            (13, HALF),
            (16, broken(16, "a text that does not end")),
            (30, broken(30, "a text that does not end")),
            (40, HALF),
            (51, broken(46, "a text that does not end")),
            (75, HALF),
            (100, HALF),
            (117, broken(116, "a text that does not end")),
            (len(GOOD) - 3, HALF),
            (len(GOOD) - 2, HALF),
            (len(GOOD) - 1, HALF),
        ]
    ),
    # almost JSON
    Case("single quotes", GOOD.replace('"', "'"), broken(16, "single quotes; JSON has double quotes")),
    Case("Python's repr", str({"episodes": [{"a": None}]}), broken(2, "single quotes; JSON has double quotes")),
    Case("Python's words", one(why="None"), broken(123, "a word of Python; JSON has true, false and null")),
    Case("comma before a brace", one(","), broken(126, "a comma before the closing bracket")),
    Case("comma before a bracket", GOOD.replace("}]}", "},]}", 1), broken(127, "a comma before the closing bracket")),
    Case("comment", one(" // good"), broken(127, "a comment; JSON has none")),
    Case("hash comment", one(" # good"), broken(127, "a comment; JSON has none")),
    Case("no commas", GOOD.replace(", ", " "), broken(29, '\'"summary": "\'')),
    Case("keys without quotes", GOOD.replace('"episodes"', "episodes"), broken(2, "'episodes: [{'")),
    Case("line break in a text", one(why='"a\nb"'), broken(125, "a line break or control character inside a text")),
    Case("NUL in a text", one(why='"a\0b"'), broken(125, "a line break or control character inside a text")),
    Case("unknown escape", one(why=r'"a\qb"'), broken(125, "'\\\\qb\"}]}]}'")),
    Case("dots for the rest", answer(episode(event(), "...")), broken(129, "'...]}]}'")),
    Case("a sum for a number", one(amount="0.5+0.5"), broken(114, "'+0.5, \"why\":'")),
    Case("plus sign", one(amount="+0.5"), broken(111, "'+0.5, \"why\":'")),
    Case("number without a zero", one(amount=".5"), broken(111, '\'.5, "why": "\'')),
    Case("error in line 5", GOOD.replace("[", "\n[\n", 2).replace("1.0", "x"), broken(55, '\'x, "why": "w\'', 5)),
    # keys that are there twice
    Case("agent twice", one(', "agent": "agent_B"'), Refused("schema", "an object has the key 'agent' twice")),
    Case("amount twice", one(', "amount": 5'), Refused("schema", "an object has the key 'amount' twice")),
    Case(
        "episodes twice",
        '{"episodes": [], ' + GOOD[1:],
        Refused("schema", "an object has the key 'episodes' twice"),
    ),
    Case("a key twice in a draft", '{"a": 1, "a": 2} ' + GOOD, taken(A)),
]
