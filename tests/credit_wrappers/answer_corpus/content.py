"""Answers of the right form that do not fit the episodes."""

from pathlib import Path

import credit_wrappers.llm.prompts.render
from tests.credit_wrappers.answer_corpus.case import A, Case, Refused, Taken, answer, episode, event, one, taken

TWO = (5, 3)
FORM = (Path(credit_wrappers.llm.prompts.render.__file__).parent / "form_events.md").read_text(encoding="utf-8")


def first(problem: str) -> Refused:
    return Refused("content", f"episode 1, event 1: {problem}")


def unknown(agent: str) -> Refused:
    return first(f"unknown agent {agent}: the agents are agent_A, agent_B")


CASES = [
    Case("unknown agent", one(agent='"agent_C"'), unknown("'agent_C'")),
    Case("own name", one(agent='"robot_0"'), unknown("'robot_0'")),
    Case("lower case", one(agent='"agent_a"'), unknown("'agent_a'")),
    Case("only the letter", one(agent='"A"'), unknown("'A'")),
    Case("space after the name", one(agent='"agent_A "'), unknown("'agent_A '")),
    Case("Cyrillic A", one(agent='"agent_\u0410"'), unknown("'agent_\u0410'")),
    Case("Greek Alpha, escaped", one(agent='"agent_\\u0391"'), unknown("'agent_\u0391'")),
    Case("zero width space in the name", one(agent='"agent\u200b_A"'), unknown("'agent\\u200b_A'")),
    Case("right to left override in the name", one(agent='"\u202eagent_A"'), unknown("'\\u202eagent_A'")),
    Case("lone surrogate in the name", one(agent='"agent_A\\ud800"'), unknown("'agent_A\\ud800'")),
    Case("long name", one(agent='"' + "a" * 9999 + '"'), unknown(f"'{'a' * 40}'...")),
    Case("both agents in one name", one(agent='"agent_A, agent_B"'), unknown("'agent_A, agent_B'")),
    Case("all agents", one(agent='"all"'), unknown("'all'")),
    Case("the prompt's example as it stands", FORM, unknown("'agent_?'")),
    Case("negative start", one(start="-1"), first("start -1, stop 5: 0 <= start < stop is needed")),
    Case("empty span", one(start="5"), first("start 5, stop 5: 0 <= start < stop is needed")),
    Case("backward span", one(start="4", stop="2"), first("start 4, stop 2: 0 <= start < stop is needed")),
    Case("one step too far", one(stop="6"), first("stop 6 is past the end: the episode has 5 steps")),
    Case("last step", one(start="4"), taken(("agent_A", 4, 5, 1.0, "w"))),
    Case("absurd amount", one(amount="-1e300"), first("amount -1e+300 is out of all bounds")),
    Case("largest amount", one(amount="1e6"), taken(("agent_A", 0, 5, 1e6, "w"))),
    Case("just above the largest amount", one(amount="1000001"), first("amount 1e+06 is out of all bounds")),
    Case(
        "the same event twice",
        answer(episode(event(), event(start="1"), event())),
        Refused("content", "episode 1, event 3: the same as event 1"),
    ),
    Case(
        "endless repetition",
        answer(episode(*[event()] * 300)),
        Refused(
            "content", "; ".join(f"episode 1, event {k}: the same as event 1" for k in range(2, 7)) + "; and 294 more"
        ),
    ),
    Case(
        "the same deed for two reasons",
        answer(episode(event(), event(why='"v"'))),
        taken(A, ("agent_A", 0, 5, 1.0, "v")),
    ),
    Case(
        "the same deed twice, no words asked for",
        answer(episode(*['{"agent": "agent_A", "start": 0, "stop": 1, "amount": 2}'] * 2)),
        Refused("content", "episode 1, event 2: the same as event 1"),
        explain=False,
    ),
    Case(
        "the same event in two episodes",
        answer(episode(event(stop="2")), episode(event(stop="2"), number="2")),
        Taken([("s", [("agent_A", 0, 2, 1.0, "w")])] * 2),
        TWO,
    ),
    Case("missing episode", answer(episode()), Refused("content", "missing episode 2"), TWO),
    Case("no episodes", answer(), Refused("content", "missing episode 1, 2"), TWO),
    Case(
        "episode twice",
        answer(episode(), episode()),
        Refused("content", "episode 1 is there twice; missing episode 2"),
        TWO,
    ),
    Case(
        "episodes from 0",
        answer(episode(number="0")),
        Refused("content", "unknown episode 0: the episodes are 1 to 1; missing episode 1"),
    ),
    Case(
        "one episode too many",
        answer(episode(), episode(number="2")),
        Refused("content", "unknown episode 2: the episodes are 1 to 1"),
    ),
    Case(
        "bare episode with another number",
        episode(number="7"),
        Refused("content", "unknown episode 7: the episodes are 1 to 1; missing episode 1"),
    ),
    Case(
        "episodes in another order",
        answer(episode(number="2", summary='"second"'), episode(event())),
        Taken([("s", [A]), ("second", [])]),
        TWO,
    ),
    Case(
        "length of the other episode",
        answer(episode(), episode(event(), number="2")),
        Refused("content", "episode 2, event 1: stop 5 is past the end: the episode has 3 steps"),
        TWO,
    ),
    Case(
        "several problems",
        answer(episode(event(agent='"x"'), event(stop="9")), episode(number="3")),
        Refused(
            "content",
            "episode 1, event 1: unknown agent 'x': the agents are agent_A, agent_B; "
            "episode 1, event 2: stop 9 is past the end: the episode has 5 steps; "
            "unknown episode 3: the episodes are 1 to 2; missing episode 2",
        ),
        TWO,
    ),
]
