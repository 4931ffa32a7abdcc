"""What the model may answer, and every way in which an answer is refused."""

import json

import pytest
from credit_fakes import answer, event

from credit_wrappers import AnswerError
from credit_wrappers.answers import answer_schema, parse_answer

NAMES = ["agent_A", "agent_B"]
GOOD = answer([event("agent_A", 0, 3, 0.5)], [event("agent_B", 4, 5, -1)])


def parse(text, lengths=(3, 5)):
    return parse_answer(text, lengths, NAMES)


def refusal(text, lengths=(3, 5)):
    with pytest.raises(AnswerError) as caught:
        parse(text, lengths)
    return str(caught.value)


def one(**changes):
    """Return an answer to a single episode of 5 steps, whose single event is changed."""
    return answer([{**event("agent_A", 0, 5, 1.0), **changes}])


def test_good_answer_is_taken_as_it_is():
    first, second = parse(GOOD)
    assert first["events"] == [event("agent_A", 0, 3, 0.5)]
    assert second["events"] == [event("agent_B", 4, 5, -1)]
    assert first["summary"] == "so it went"


def test_episodes_in_another_order_are_sorted():
    data = json.loads(GOOD)
    data["episodes"].reverse()
    assert [judged["episode"] for judged in parse(json.dumps(data))] == [1, 2]


def test_episode_without_events_is_accepted():
    assert parse(answer([], []))[0]["events"] == []


def test_further_fields_are_ignored():
    data = json.loads(GOOD)
    data["episodes"][0]["tasks"] = ["walk"]
    data["note"] = "hello"
    assert parse(json.dumps(data)) == parse(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"Here is my judgement.\n\n{GOOD}\n\nI hope this helps {{really}}!",
        f"The form is {{'episodes': ...}} and {{\"agent\": 1}}, so:\n{GOOD}",
        f"Draft: {answer([], [])}\nFinal: {GOOD}",
        GOOD + '\n{"episodes": [{"episode": 1, "summ',  # repeats itself until it is cut
        f"\n\n  {GOOD}  \n",
    ],
)
def test_answer_in_prose_or_in_a_code_fence_still_parses(text):
    assert parse(text) == parse(GOOD)


@pytest.mark.parametrize("text", ["", "   ", "I would give agent_A a 7.", "{}", "[]", "null", '{"episode": 1}'])
def test_answer_without_the_object_is_refused(text):
    assert refusal(text)


def test_cut_answer_is_refused():
    assert "EOF" in refusal(GOOD[:-20])


@pytest.mark.parametrize("field", ["agent", "start", "stop", "amount", "why"])
def test_missing_field_is_named_with_its_place(field):
    data = json.loads(one())
    del data["episodes"][0]["events"][0][field]
    assert f"episodes[0].events[0].{field}" in refusal(json.dumps(data), [5])


def test_missing_summary_is_refused():
    data = json.loads(GOOD)
    del data["episodes"][1]["summary"]
    assert "episodes[1].summary" in refusal(json.dumps(data))


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1e999", '"0.5"', "true", "null", "[1]"])
def test_amount_that_is_no_finite_number_is_refused(amount):
    assert "episodes[0].events[0].amount" in refusal(one().replace("1.0", amount), [5])


def test_absurd_amount_is_refused():
    assert "episode 1, event 1: amount 1e+30" in refusal(one(amount=1e30), [5])
    assert "amount -2e+06" in refusal(one(amount=-2e6), [5])


@pytest.mark.parametrize("step", ["1.5", "2.0", '"2"', "true", "null"])
def test_step_that_is_no_integer_is_refused(step):
    assert "episodes[0].events[0].start" in refusal(one().replace('"start": 0', f'"start": {step}'), [5])


def test_unknown_agent_is_named():
    message = refusal(one(agent="agent_C"), [5])
    assert "episode 1, event 1: unknown agent 'agent_C'" in message
    assert "agent_A, agent_B" in message


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 3), (4, 2), (-3, -1)])
def test_span_must_go_forward_from_zero(start, stop):
    assert f"start {start}, stop {stop}" in refusal(one(start=start, stop=stop), [5])


def test_last_step_may_be_credited_and_the_one_after_it_not():
    assert parse(one(start=4, stop=5), [5])
    assert "stop 6 is past the end: the episode has 5 steps" in refusal(one(start=4, stop=6), [5])


def test_each_episode_is_checked_against_its_own_length():
    assert "episode 1, event 1: stop 5" in refusal(answer([event("agent_A", 0, 5, 1)], []), (3, 5))
    assert parse(answer([], [event("agent_A", 0, 5, 1)]), (3, 5))


def test_missing_episode_is_named():
    assert "missing episode 2, 3" in refusal(answer([]), (3, 5, 2))


def test_episode_given_twice_is_named():
    data = json.loads(GOOD)
    data["episodes"][1]["episode"] = 1
    message = refusal(json.dumps(data), (5, 5))
    assert "episode 1 is there twice" in message
    assert "missing episode 2" in message


@pytest.mark.parametrize("number", [0, 3, -1])
def test_episode_that_was_not_asked_about_is_named(number):
    data = json.loads(answer([], [], []))
    data["episodes"][2]["episode"] = number
    assert f"unknown episode {number}: the episodes are 1 to 2" in refusal(json.dumps(data))


def test_many_problems_are_listed_briefly():
    message = refusal(answer([event("agent_Z", 0, 1, 1.0)] * 40), [5])
    assert message.count("unknown agent") == 5
    assert message.endswith("and 35 more")


def test_schema_of_the_request_is_closed_and_requires_every_field():
    def objects(node):
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield node
            for child in node.values():
                yield from objects(child)
        elif isinstance(node, list):
            for child in node:
                yield from objects(child)

    found = list(objects(answer_schema()))
    assert len(found) == 3
    for node in found:
        assert node["additionalProperties"] is False
        assert sorted(node["required"]) == sorted(node["properties"])
