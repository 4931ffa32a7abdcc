"""An answer that repeats the placeholders of the form is no judgement: it is asked for again, and counted."""

import json
import re

import pytest
from credit_fakes import FakeClient, answer, corridor_episode, event

from credit_wrappers import AnswerError, Ledger, LLMCritic
from credit_wrappers.cli.stats import stats as ledger_stats
from credit_wrappers.llm.answers.parse import parse_answer
from credit_wrappers.llm.answers.placeholders import placeholder_texts
from credit_wrappers.llm.prompts.render import render_form
from credit_wrappers.llm.prompts.templates import Templates

NAMES = ("agent_A", "agent_B")
TASKS = ("walk to the end", "wait")
EPISODE = corridor_episode([[2, 0]] * 3)
SUMMARY = "two sentences: what happened, and what would have been better"
WHY = "one short sentence"
GOOD = answer([event("agent_A", 0, 3, 0.3, "it walked")])
ARRAYS = "## Episode 1\nExplanation: {}\nagent_A: [0, 0.1, 0.1]\nagent_B: [0, 0, 0]\n"


def read(text, form="events", explain=True, tasks=(), names=NAMES, templates=None):
    described = render_form(form, explain, templates or Templates())
    placeholders = placeholder_texts(described, form, explain, names, tasks)
    return parse_answer(text, [3], names, form=form, explain=explain, tasks=tasks, placeholders=placeholders)


def refused(text, *args, **options):
    with pytest.raises(AnswerError) as caught:
        read(text, *args, **options)
    assert caught.value.kind == "placeholder"
    return str(caught.value)


def test_placeholders_are_read_from_the_form_and_its_schema():
    assert placeholder_texts(render_form("events", True), "events", True, NAMES, ()) == {
        SUMMARY, WHY, "agent_?", "name of the agent, as in the episode", "reason, one short sentence",
        "what happened, and what would have been better",
    }  # fmt: skip
    assert placeholder_texts(render_form("arrays", True), "arrays", True, NAMES, ()) == {SUMMARY, "agent_?"}
    assert placeholder_texts(render_form("arrays", False), "arrays", False, NAMES, ()) == {"agent_?"}
    tasked = placeholder_texts(render_form("events", False), "events", False, NAMES, TASKS)
    assert tasked == {"agent_?", "name of the agent, as in the episode", "one task of the list, in the same words"}


@pytest.mark.parametrize("form", ["events", "arrays"])
@pytest.mark.parametrize("explain", [True, False])
def test_the_form_as_it_stands(form, explain):
    assert "agent_?" in refused(render_form(form, explain), form, explain)


@pytest.mark.parametrize(
    "text",
    [SUMMARY, SUMMARY.upper(), f'"{SUMMARY}."', SUMMARY.replace(" ", "\n "), SUMMARY.partition(": ")[2], WHY],
)
def test_the_summary_alone(text):
    said = refused(answer([event("agent_A", 0, 3, 1.0, "it walked")], summary=text))
    assert "episode 1: the summary" in said
    assert "words of your own" in said


@pytest.mark.parametrize("text", [WHY, "One short  sentence.", "reason, one short sentence", SUMMARY])
def test_a_reason_alone(text):
    said = refused(answer([event("agent_A", 0, 3, 1.0, "it walked"), event("agent_B", 0, 3, 1.0, text)]))
    assert "episode 1, event 2: why" in said


PARTS = [
    "Two sentences.",
    "two sentences: what happened",
    SUMMARY.replace(",", ""),
    f"{SUMMARY}: agent_A walked",
    f"Here are {SUMMARY}!",
    "What would have been better",
]


@pytest.mark.parametrize("text", [*PARTS, "...", "…", ". . ."])
def test_a_part_of_a_placeholder_or_one_among_other_words(text):
    walked = event("agent_A", 0, 3, 1.0, "it walked")
    assert "episode 1: the summary" in refused(answer([walked], summary=text))
    assert "episode 1, event 2: why" in refused(answer([walked, event("agent_B", 0, 3, 1.0, text)]))
    if text in PARTS:  # dots are no words, of which arrays need some
        assert "episode 1: the summary" in refused(ARRAYS.format(text), "arrays")


@pytest.mark.parametrize(
    "text", ["a short sentence", "Short sentence.", "<one short sentence>", "reason: one short sentence"]
)
def test_a_part_of_the_forms_reason(text):
    assert "episode 1, event 1: why" in refused(answer([event("agent_A", 0, 3, 1.0, text)]))


@pytest.mark.parametrize(
    "text",
    ["went forward", "moved", "better", "two grips", "what a waste", "it happened to help", "docked, what else",
     "one", "the", "-", "?", "+1", "the agent", "reason unknown", "short of the goal", "向前走",
     "it would have been better to wait"],
)  # fmt: skip
def test_honest_short_reasons_are_taken(text):
    assert read(answer([event("agent_A", 0, 3, 1.0, text)], summary=text))
    if any(map(str.isalpha, text)):
        assert read(ARRAYS.format(text), "arrays")


@pytest.mark.parametrize("text", [SUMMARY, f"**{SUMMARY.title()}.**"])
def test_arrays_with_the_forms_explanation(text):
    assert "episode 1: the summary" in refused(ARRAYS.format(text), "arrays")
    assert read(ARRAYS.format("agent_A walked."), "arrays")


def test_tasks_of_the_form_and_of_its_schema():
    def told(agent, task):
        span = {"from": 0, "to": 2, "why": "it had to"}
        tasks = [{"agent": agent, "task": task, **span}, {"agent": "agent_B", "task": "wait", **span}]
        return json.dumps({"episodes": [{"episode": 1, "summary": "s", "events": [], "tasks": tasks}]})

    assert "task 1: task" in refused(told("agent_A", "one task of the list, in the same words"), tasks=TASKS)
    assert "task 1: agent 'agent_?'" in refused(told("agent_?", "wait"), tasks=TASKS)
    assert read(told("agent_A", TASKS[0]), tasks=TASKS)  # the form's example is a task like any other


@pytest.mark.parametrize(
    "text",
    [
        GOOD,  # with the numbers of the form's example
        answer([event("agent_A", 0, 3, 0.3, "One short sentence is not enough for what it did.")]),
        answer([event("agent_A", 0, 3, 0.3, "")], summary=""),
        answer([event("agent_A", 0, 3, 0.3, "better")], summary="What happened: agent_A walked."),
    ],
)
def test_honest_answers_are_taken(text):
    assert read(text)
    assert read(text, explain=False)


def test_a_worked_example_with_agents_that_exist_holds_no_placeholders(tmp_path):
    form = Templates().fill("form_events")
    worked = form.replace("agent_?", "agent_A").replace(WHY, "it walked").replace(SUMMARY, "agent_A walked.")
    (tmp_path / "form_events.md").write_text(worked)
    own = Templates(tmp_path)
    assert read(answer([event("agent_A", 0, 2, 0.7, "it walked")], summary="agent_A walked."), templates=own)
    (tmp_path / "form_events.md").write_text(re.sub(WHY, "<your reason>", form))
    own = Templates(tmp_path)
    assert read(answer([event("agent_A", 0, 2, 0.7, "reason your")]), templates=own)
    (tmp_path / "form_events.md").write_text(re.sub(WHY, "carried the module to its slot", form))
    example = Templates(tmp_path)
    assert read(answer([event("agent_A", 0, 2, 0.7, "carried the module")]), templates=example)
    assert "your reason" in refused(answer([event("agent_A", 0, 2, 0.7, "your reason")]), templates=own)


def test_an_agent_may_be_called_agent():
    assert read(answer([event("agent", 0, 3, 1.0, "it walked")]), names=("agent", "other"))


@pytest.mark.parametrize("form", ["events", "arrays"])
def test_the_question_is_asked_again_with_the_reason_and_counted(form, tmp_path):
    bad = {"events": answer([event("agent_A", 0, 3, 0.3, WHY)], summary=SUMMARY), "arrays": ARRAYS.format(SUMMARY)}
    good = {"events": GOOD, "arrays": ARRAYS.format("agent_A walked.")}
    client = FakeClient(bad[form], good[form], bad[form])
    with Ledger(tmp_path / "l.sqlite") as ledger:
        critic = LLMCritic(client, ledger=ledger, answer_format=form)
        [credit] = critic.score([EPISODE])
        assert (credit.source, critic.stats.placeholders, critic.stats.reasks) == ("model", 1, 1)
        assert "is only the form's placeholder" in client.requests[1].prompt
        [credit] = critic.score([corridor_episode([[2, 0]] * 3, reward=[0, 0, 1.0])])
        assert (credit.source, critic.stats.placeholders, critic.stats.fallbacks) == ("fallback", 3, 1)
        assert any(line.split() == ["failures", "placeholder", "3"] for line in ledger_stats(ledger, None))
