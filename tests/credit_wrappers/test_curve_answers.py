"""Answers as curves: which numbers come of them, step by step, and which are refused with what message."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from credit_fakes import FakeClient, corridor_episode

from credit_wrappers import AnswerError, CreditStore, Ledger, LLMCreditWrapper, LLMCritic, ScriptedClient
from credit_wrappers.adapters import lbf, rware
from credit_wrappers.cli.reading import read as read_entry
from credit_wrappers.critics.shaping import event_values
from credit_wrappers.llm.answers.parse import parse_answer
from credit_wrappers.llm.answers.placeholders import placeholder_texts
from credit_wrappers.llm.answers.schema import answer_schema
from credit_wrappers.llm.client import STEP_WORTH, form_asked
from credit_wrappers.llm.prompts.render import prompt_digest, render_form
from credit_wrappers.llm.prompts.templates import NAMES as TEMPLATES
from credit_wrappers.llm.prompts.templates import PACKAGED
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld import spaceworld_v0

JUDGED = Path(__file__).parents[1] / "bench" / "judged"
NAMES = ("agent_A", "agent_B")
STILL = {"agent": "agent_B", "start": 4, "left": [], "extra": [], "reasons": []}


def curve(start: Any, *left: Any, agent: str = "agent_A", extra: Any = (), reasons: Any = ()) -> dict[str, Any]:
    return {"agent": agent, "start": start, "left": list(left), "extra": list(extra), "reasons": list(reasons)}


def answer(*curves: dict[str, Any], episode: Any = 1, **fields: Any) -> str:
    one = {"episode": episode, "summary": "so it went", "curves": list(curves), **fields}
    return json.dumps({"episodes": [one]})


def steps_saved(*left: Any, start: Any = 7, length: int = 9, **fields: Any) -> list[float]:
    """The first agent's credit of each step, in steps."""
    (judged,) = parse_answer(answer(curve(start, *left, **fields), STILL), [length], NAMES, form="curve")
    values = event_values(judged["events"], NAMES, length)
    assert not values[:, 1].any()
    return (values[:, 0] / STEP_WORTH).round(6).tolist()


@pytest.mark.parametrize(
    ("left", "saved"),
    [
        ([], [0, 0, 0, 0, 0, 0, 0, 0, 0]),
        # the form's own example: steps 0 to 3 come nearer by one each, 4 and 5 wait, 6 to 8 are done at the end
        ([[3, 3], [8, 0]], [1, 1, 1, 1, 0, 0, 1, 1, 1]),
        ([[3, 3], [5, 3], [8, 0]], [1, 1, 1, 1, 0, 0, 1, 1, 1]),
        ([[0, 6]], [1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ([[8, 7]], [0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ([[8, 6]], [0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ([[4, 9]], [0, 0, 0, -1, -1, 0, 0, 0, 0]),
        ([[2, 6.5]], [0, 0, 0.5, 0, 0, 0, 0, 0, 0]),
        ([[2, 8.5]], [0, -0.75, -0.75, 0, 0, 0, 0, 0, 0]),  # two steps, as for 2
        ([[0, 7], [1, 1]], [0, 6, 0, 0, 0, 0, 0, 0, 0]),
        ([[2, 1]], [2, 2, 2, 0, 0, 0, 0, 0, 0]),  # more than one a step: spread over all steps
        ([[0, 6], [1, 7], [2, 6], [3, 7]], [1, -1, 1, -1, 0, 0, 0, 0, 0]),
        # a new count is not paid, and the next run begins with it
        ([[3, 3, 6], [6, 4]], [1, 1, 1, 1, 0, 1, 1, 0, 0]),
        ([[3, 3, 2.2], [6, 1.2]], [1, 1, 1, 1, 0, 0, 1, 0, 0]),  # 2.2 - 1.2 is a little more than 1
        ([[8, 7, 1000]], [0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ([[3, 3, 6], [4, 4], [6, 8]], [1, 1, 1, 1, 2, -2, -2, 0, 0]),  # a miscount by one is read, and any loss
    ],
)
def test_credit_of_a_step_is_the_steps_saved_in_it(left: list[list[float]], saved: list[float]):
    assert steps_saved(*left) == saved


def test_what_a_point_is_worth_depends_on_differences_only():
    assert steps_saved([2, 1], start=4) == steps_saved([2, 101], start=104)


def test_extra_is_paid_in_its_step_on_top_of_the_curve():
    extra = [{"step": 0, "amount": -2, "why": "hit"}, {"step": 8, "amount": 1.5, "why": "made way"}]
    assert steps_saved([8, 7], extra=extra) == [-2, 0, 0, 0, 0, 0, 0, 0, 1.5]
    assert steps_saved([0, 6], extra=extra)[0] == -1


@pytest.mark.parametrize("seed", range(5))
def test_curve_that_comes_back_earns_nothing(seed: int):
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.choice(40, 12, replace=False))
    left = [[int(t), int(n)] for t, n in zip(steps, rng.integers(0, 20, 12), strict=True)]
    left[-1][1] = 7
    saved = steps_saved(*left, length=40)
    assert any(saved)
    assert sum(saved) == pytest.approx(0, abs=1e-4)


def test_each_run_is_an_event_with_the_reasons_that_lie_in_it():
    reasons = [
        {"step": 5, "why": "waited"},
        {"step": 3, "why": "last"},
        {"step": 0, "why": "first"},
        {"step": 4, "why": "waited"},
        {"step": 8, "why": "after the last point"},
    ]
    text = answer(curve(7, [3, 3], [6, 2], [7, 2], reasons=reasons), STILL)
    (judged,) = parse_answer(text, [9], NAMES, form="curve")
    assert judged["summary"] == "so it went"
    assert [tuple(event.values()) for event in judged["events"]] == [
        ("agent_A", 0, 4, 0.2, "first; last"),
        ("agent_A", 4, 6, 0.0, "waited"),
        ("agent_A", 6, 7, 0.05, ""),  # a wait without reason is no event
        ("agent_A", 8, 9, 0.0, "after the last point"),
    ]


def refusal(text: str, lengths: tuple[int, ...] = (9,), **options: Any) -> tuple[str, str]:
    with pytest.raises(AnswerError) as caught:
        parse_answer(text, lengths, NAMES, form="curve", **options)
    return caught.value.kind, str(caught.value)


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([curve(7)], "episode 1: no curve for agent_B"),
        ([STILL, STILL, curve(7)], "episode 1, agent_B: there are two curves"),
        ([curve(7), STILL, curve(7, agent="agent_C")], "unknown agent 'agent_C': the agents are agent_A, agent_B"),
        ([curve(7, [9, 1]), STILL], "agent_A, point 1: there is no step 9: the episode has steps 0 to 8"),
        ([curve(7, [-1, 1]), STILL], "agent_A, point 1: there is no step -1"),
        ([curve(7, [2, 1], [2, 0]), STILL], "agent_A, point 2: step 2 does not come after step 2"),
        ([curve(7, [5, 1], [2, 0], [3, 0]), STILL], "point 2: step 2 does not come after step 5"),
        ([curve(7, [2.5, 1]), STILL], "point 1: the step 2.5 is no whole number"),
        ([curve(7, [2.0, 1]), STILL], "point 1: the step 2 is no whole number"),
        ([curve(7, [2]), STILL], "point 1: 1 numbers; [step, left] or [step, left, new count] is needed"),
        ([curve(7, [2, 1, 1, 1]), STILL], "point 1: 4 numbers"),
        # a walk to and fro whose new counts grow
        (
            [curve(3, [1, 0, 3], [3, 0, 3], [5, 0, 50], [6, 0]), STILL],
            "agent_A, point 4: 50 steps left fall to 0 within 1 step; an agent's own step saves 1, and after a new "
            "count a fall by more than 2 a step is refused",
        ),
        ([curve(9, [3, 6, 9], [4, 9], [5, 6.5]), STILL], "point 3: 9 steps left fall to 6.5 within 1 step"),
        ([curve(7, [3, 3, 9], [4, 9, 50], [6, 40]), STILL], "point 3: 50 steps left fall to 40 within 2 steps"),
        ([curve(7, [2, -1]), STILL], "point 1: -1 steps left; nothing less than 0 can be left"),
        ([curve(7, [2, 0, -2]), STILL], "point 1: -2 steps left"),
        ([curve(-7), STILL], "agent_A, start: -7 steps left"),
        ([curve(7, [2, 1e7]), STILL], "point 1: 1e+07 is out of all bounds"),
        ([curve(10**12), STILL], "start: 1e+12 is out of all bounds"),
        ([curve(7, extra=[{"step": 9, "amount": 1, "why": "w"}]), STILL], "extra 1: there is no step 9"),
        (
            [curve(7, extra=[{"step": 8, "amount": 1e9, "why": "w"}]), STILL],
            "extra 1: amount 1e+09 is out of",
        ),
        ([curve(7, extra=[{"step": 8, "amount": 1, "why": "w"}] * 2), STILL], "extra 2: the same as extra 1"),
        ([curve(7, reasons=[{"step": -1, "why": "w"}]), STILL], "reason 1: there is no step -1"),
        ([curve(7, reasons=[{"step": 1, "why": "w"}] * 2), STILL], "reason 2: the same as reason 1"),
    ],
)
def test_curve_that_does_not_fit_is_refused_by_name(curves: list[dict[str, Any]], message: str):
    kind, said = refusal(answer(*curves))
    assert kind == "content"
    assert message in said


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"start": None}, "start"),
        ({"start": "7"}, "start"),
        ({"start": True}, "start"),
        ({"left": [[0, "1"]]}, "left"),
        ({"left": [[0, True]]}, "left"),
        ({"left": [0, 1]}, "left[0]"),
        ({"left": None}, "left"),
        ({"extra": [{"step": 1.0, "amount": 1, "why": "w"}]}, "extra[0].step"),
        ({"extra": [{"step": 1, "amount": 1}]}, "extra[0].why"),
        ({"reasons": [{"step": 1}]}, "reasons[0].why"),
    ],
)
def test_field_of_a_wrong_type_is_named(change: dict[str, Any], place: str):
    kind, said = refusal(answer({**curve(7), **change}, STILL))
    assert kind == "schema"
    assert f"episodes[0].curves[0].{place}" in said


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ['"start": 7', "[2, 1]"])
def test_numbers_that_are_none_are_refused(number: str, place: str):
    text = answer(curve(7, [2, 1]), STILL)
    assert place in text
    kind, _ = refusal(text.replace(place, place.replace("7", number).replace("1]", f"{number}]")))
    assert kind in ("schema", "content")


def test_episodes_are_those_that_were_asked_about():
    both = [curve(7), STILL]
    assert refusal(answer(*both, episode=2))[1] == "unknown episode 2: the episodes are 1 to 1; missing episode 1"
    twice = json.dumps({"episodes": json.loads(answer(*both))["episodes"] * 2})
    assert refusal(twice)[1] == "episode 1 is there twice"
    assert refusal(answer(*both), (9, 9))[1] == "missing episode 2"
    assert refusal('{"episodes": [{"episode": 1, "summary": "s", "events": []}]}')[0] == "schema"


def test_bare_episode_is_read_and_a_broken_one_behind_it_refuses_the_draft():
    bare = json.dumps({"summary": "s", "curves": [curve(7, [2, 1]), STILL]})
    assert parse_answer(bare, [9], NAMES, form="curve")[0]["events"][0]["amount"] == pytest.approx(0.3)
    assert refusal(f"{bare}\n\nCorrected: {bare[:60]}")[0] == "no_answer"


def test_words_are_not_needed_where_none_were_asked_for():
    brief = {"agent": "agent_A", "start": 7, "left": [[2, 1]], "extra": [{"step": 3, "amount": -2}]}
    text = json.dumps({"episodes": [{"episode": 1, "curves": [brief, {**brief, "agent": "agent_B"}]}]})
    (judged,) = parse_answer(text, [9], NAMES, form="curve", explain=False)
    assert [tuple(event.values()) for event in judged["events"][:2]] == [
        ("agent_A", 0, 3, 0.3, ""),
        ("agent_A", 3, 4, -0.1, ""),
    ]
    assert refusal(text)[0] == "schema"


def test_tasks_stand_beside_the_curves():
    span = {"from": 0, "to": 8, "why": "so it is"}
    tasks = [{"agent": "agent_A", "task": "wait", **span}, {"agent": "agent_B", "task": "walk", **span}]
    both = [curve(7), STILL]
    (judged,) = parse_answer(answer(*both, tasks=tasks), [9], NAMES, form="curve", tasks=("wait", "walk"))
    assert judged["tasks"] == tasks
    assert "agent_B has no task in steps 0 to 8" in refusal(answer(*both, tasks=tasks[:1]), tasks=("wait", "walk"))[1]


@pytest.mark.parametrize("explain", [True, False])
def test_form_as_it_stands_is_a_placeholder(explain: bool):
    form = render_form("curve", explain)
    placeholders = placeholder_texts(form, "curve", explain, NAMES, ())
    assert refusal(form, explain=explain, placeholders=placeholders)[0] == "placeholder"
    if explain:
        reasons = [{"step": 1, "why": "one short sentence"}]
        kind, said = refusal(answer(curve(7, reasons=reasons), STILL), placeholders=placeholders)
        assert kind == "placeholder"
        assert "episode 1, curve 1: why 'one short sentence'" in said


def test_forms_example_reads_as_it_says():
    example = json.loads(render_form("curve", True).partition("\n\n")[2].partition("\n\n")[0])
    (one,) = example["episodes"][0]["curves"]
    (judged,) = parse_answer(answer({**one, "agent": "agent_A"}, STILL), [9], NAMES, form="curve")
    assert event_values(judged["events"], NAMES, 9)[:, 0] == pytest.approx([0.05] * 4 + [-0.1, 0] + [0.05] * 3)


@pytest.mark.parametrize(
    "folder", sorted(p.parent for p in JUDGED.glob("*-curve-*/requests")), ids=lambda path: path.name
)
def test_all_answers_of_a_language_model_on_the_suites_are_read(folder: Path):
    for path in sorted(folder.glob("*.answer.txt")):
        prompt = json.loads((folder / "requests" / path.name.replace("answer.txt", "json")).read_text())["prompt"]
        lengths = [int(steps) for steps in re.findall(r"^steps: (\d+), ended", prompt, re.MULTILINE)]
        names = sorted(set(re.findall(r"agent_[A-Z]\b", prompt)))
        judgements = parse_answer(path.read_text(encoding="utf-8"), lengths, names, form="curve")
        assert len(judgements) == len(lengths) > 0


def test_schema_says_which_form_was_asked_for():
    for form in ("events", "curve"):
        for explain in (True, False):
            for tasks in ((), ("wait",)):
                assert form_asked(answer_schema(form, explain, tasks)) == (form, explain)
    assert form_asked(answer_schema("arrays")) == ("arrays", False)
    (node,) = ((answer_schema("curve") or {})["$defs"]["CurveAnswer"]["properties"]["left"]["items"],)
    assert node == {"items": {"type": "number"}, "type": "array"}


def test_worth_of_a_step_is_the_one_that_the_texts_tell():
    told = f"{STEP_WORTH:g}"
    assert told == "0.05"
    for name in TEMPLATES:
        if name in ("query", "form_events", "form_events_brief", "form_arrays", "form_arrays_brief"):
            assert told in PACKAGED._text(name), name


def test_critic_pays_a_curve_to_its_agent_in_any_order_and_shows_it_again(tmp_path: Path):
    text = answer(
        curve(3, [0, 2], [2, 2], reasons=[{"step": 0, "why": "agent_A walked"}]),
        curve(3, [1, 3], [2, 2], agent="agent_B", extra=[{"step": 1, "amount": -2, "why": "bumped"}]),
    )
    episode = corridor_episode([[0, 2], [0, 0], [2, 0]])
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        critic = LLMCritic(FakeClient(text), answer_format="curve", ledger=ledger)
        (credit,) = critic.score([episode])
        (entry,) = ledger.entries()
        (reading,) = read_entry(entry)
    first = reading.judged.agents.index("walker_0")  # which of the two agent_A is, the canonical order decides
    mine, other = [0.05, 0, 0], [0, -0.1, 0.05]
    expected = np.array([other, mine] if first else [mine, other]).T
    assert credit.values == pytest.approx(expected)
    assert reading.events == credit.events
    assert credit.events[0].why == f"{reading.judged.agents[0]} walked"


def test_estimate_expects_shorter_answers_than_events():
    episode = corridor_episode([[0, 2]])
    written = {
        form: LLMCritic(FakeClient(""), answer_format=form).estimate([episode]).usage.output_tokens  # type: ignore[arg-type]
        for form in ("events", "curve")
    }
    assert written == {"events": 500, "curve": 320}


def test_critic_names_the_words_with_which_it_asks():
    client = FakeClient(answer(curve(3), STILL))
    critic = LLMCritic(client, answer_format="curve")
    episode = corridor_episode([[0, 2]])
    critic.score([episode])
    assert critic.wording(episode) == prompt_digest(client.requests[0].system)
    assert critic.wording(episode) != LLMCritic(client, answer_format="events").wording(episode)


WORLDS: dict[str, Any] = {
    **{name: partial(spaceworld_v0.parallel_env, name) for name in ("solo", "duet", "pair", "truss", "crew")},
    "lbf": partial(lbf.parallel_env, "Foraging-5x5-2p-1f-v3"),
    "lbf-coop": partial(lbf.parallel_env, "Foraging-8x8-2p-2f-coop-v3"),
    "rware": partial(rware.parallel_env, "rware-tiny-2ag-easy-v2"),
    "corridor": partial(CorridorEnv, n_agents=8, length=9, horizon=60),  # without rules: equal parts
}


@pytest.mark.parametrize("world", WORLDS)
def test_scripted_curves_pay_what_scripted_events_pay(world: str):
    def credits(form: str, explain: bool) -> list[Any]:
        env = WORLDS[world]()
        critic = LLMCritic(ScriptedClient(), answer_format=form, explain=explain)  # type: ignore[arg-type]
        wrapped = LLMCreditWrapper(env, store=CreditStore(critic, workers=0, episodes_per_query=2))
        rng = np.random.default_rng(0)
        for seed in range(2):
            wrapped.reset(seed=seed)
            while wrapped.agents:
                wrapped.step({a: int(rng.integers(wrapped.action_space(a).n)) for a in wrapped.agents})
        return [credit for _, credit in wrapped.store.settle([0, 1])]

    events = credits("events", True)
    assert all(credit.source == "scripted" and np.abs(credit.values).sum() > 1 for credit in events)
    for explain in (True, False):
        for one, other in zip(credits("curve", explain), events, strict=True):
            assert one.source == "scripted"
            assert one.values == pytest.approx(other.values, abs=1e-5)
            assert any(event.why for event in one.events) == explain
            assert one.summary == other.summary
