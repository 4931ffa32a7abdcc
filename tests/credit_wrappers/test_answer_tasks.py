"""Tasks in an answer: every agent one in every step, from the list, in any form; all else is refused by name."""

import json

import pytest
from credit_fakes import FakeClient, answer, corridor_episode, events_critic

from credit_wrappers import AnswerError, CreditError, Ledger, LLMCritic, TaskSpan
from credit_wrappers.cli.reading import read
from credit_wrappers.cli.show import show
from credit_wrappers.critics.order import joint_tasks
from credit_wrappers.llm.answers.parse import parse_answer
from credit_wrappers.llm.answers.schema import answer_schema, tasks_listed
from credit_wrappers.llm.answers.task_answers import task_spans
from credit_wrappers.narration.task_vocabulary import OtherTasks, check_tasks, tasks_of_narrator

NAMES = ["agent_A", "agent_B"]
TASKS = ("walk to the end", "wait")


def span(agent, first, last, task, why="it had to"):
    return {"agent": agent, "from": first, "to": last, "task": task, "why": why}


def told(*spans, **fields):
    """An answer about one episode of three steps; a pair (agent, task) is a task for all of them."""
    spans = [span(s[0], 0, 2, s[1]) if isinstance(s, tuple) else s for s in spans]
    return json.dumps({"episodes": [{"episode": 1, "summary": "s", "events": [], "tasks": spans, **fields}]})


def named(judged):
    return task_spans(judged, {name: name for name in NAMES})


def parse(text, **options):
    (read,) = parse_answer(text, [3], NAMES, tasks=TASKS, **options)
    return named(read)


GOOD = told(("agent_B", "wait"), span("agent_A", 1, 2, "wait"), span("agent_A", 0, 0, "walk to the end", "x"))


@pytest.mark.parametrize("explain", [True, False])
def test_every_agent_has_a_task_in_every_step(explain):
    assert parse(GOOD, explain=explain) == (
        TaskSpan("agent_A", 0, 1, "walk to the end", "x"),
        TaskSpan("agent_A", 1, 3, "wait", "it had to"),
        TaskSpan("agent_B", 0, 3, "wait", "it had to"),
    )


def test_reasons_may_be_absent_where_none_were_asked_for():
    text = GOOD.replace(', "why": "it had to"', "")
    assert [s.why for s in parse(text, explain=False)] == ["x", "", ""]
    with pytest.raises(AnswerError, match="why: Field required"):
        parse(text)


A, B = ("agent_A", "wait"), ("agent_B", "wait")


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([A], "episode 1: agent_B has no task in steps 0 to 2"),
        ([A, span("agent_B", 1, 2, "wait")], "episode 1: agent_B has no task in step 0"),
        ([A, span("agent_B", 0, 0, "wait"), span("agent_B", 2, 2, "wait")], "episode 1: agent_B has no task in step 1"),
        ([A, span("agent_B", 0, 1, "wait")], "episode 1: agent_B has no task in step 2"),
        ([A, B, A], "episode 1: agent_A has two tasks in steps 0 to 2"),
        ([A, B, span("agent_B", 1, 1, TASKS[0])], "episode 1: agent_B has two tasks in step 1"),
        ([A, span("agent_B", 0, 1, "wait"), span("agent_B", 1, 2, "wait")], "agent_B has two tasks in step 1"),
        ([A, span("agent_B", 0, 3, "wait")], "task 2: agent_B from 0 to 3: 0 <= from <= to is needed, and the last "
         "step is 2"),
        ([A, span("agent_B", -1, 2, "wait")], "agent_B from -1 to 2"),
        ([A, span("agent_B", 2, 0, "wait")], "agent_B from 2 to 0"),
        ([A, ("agent_B", "dance")], "task 2: agent_B has the unknown task 'dance': the tasks are "
         "walk to the end, wait"),
        ([A, ("agent_B", "Wait")], "unknown task 'Wait'"),
        ([A, ("agent_C", "wait"), B], "unknown agent 'agent_C'"),
        ([], "agent_A has no task in steps 0 to 2; episode 1: agent_B has no task in steps 0 to 2"),
    ],
)  # fmt: skip
def test_wrong_spans_are_refused_and_the_culprit_named(spans, said):
    with pytest.raises(AnswerError, match=said) as refused:
        parse(told(*spans))
    assert refused.value.kind == "content"


@pytest.mark.parametrize(
    "tasks",
    [
        None, "wait", {"agent_A": "wait"}, [{"agent": "agent_A", "task": "wait"}], [["agent_A", "wait"]],
        [span("agent_A", 0.5, 2, "wait")], [span("agent_A", True, 2, "wait")],
    ],
)  # fmt: skip
def test_tasks_of_another_shape_are_refused(tasks):
    text = json.dumps({"episodes": [{"episode": 1, "summary": "s", "events": [], "tasks": tasks}]})
    with pytest.raises(AnswerError, match="tasks") as refused:
        parse(text)
    assert refused.value.kind == "schema"


def test_missing_tasks_are_refused():
    with pytest.raises(AnswerError, match=r"episodes\[0\].tasks: Field required"):
        parse(json.dumps({"episodes": [{"episode": 1, "summary": "s", "events": []}]}))


def test_tasks_that_nobody_asked_for_are_ignored_whatever_they_are():
    (one,) = parse_answer(told(tasks=7), [3], NAMES)
    assert named(one) is None


def test_each_episode_has_its_own_tasks():
    episodes = [json.loads(told(("agent_A", a), span("agent_B", 0, k + 1, b), episode=k))["episodes"][0]
                for k, (a, b) in enumerate([("wait", TASKS[0]), (TASKS[0], "wait")], 1)]  # fmt: skip
    episodes[1]["tasks"][0]["to"] = 3  # it has four steps
    found = parse_answer(json.dumps({"episodes": episodes[::-1]}), [3, 4], NAMES, tasks=TASKS)
    assert [named(one)[0].task for one in found] == ["wait", TASKS[0]]
    assert [named(one)[1].stop for one in found] == [3, 4]


def test_an_explanation_holds_nothing_that_cannot_be_printed():
    assert parse(told(A, span("agent_B", 0, 2, "wait", "a\x1bb")))[1].why == "a\ufffdb"


ARRAYS = """## Episode 1
Explanation: agent_A walked; the task: to be seen below.
agent_A: [0, 1, 0]
agent_B: [0, 0, 0]
- **agent_A task 0**: walk to the end
- **agent_A task 1-2**: wait
agent_B task 0 to 2 = `wait`.
"""


def test_free_text_assigns_tasks_by_lines_and_they_are_no_part_of_the_summary():
    (one,) = parse_answer(ARRAYS, [3], NAMES, form="arrays", tasks=TASKS)
    assert [(s.agent, s.start, s.stop, s.task) for s in named(one)] == [
        ("agent_A", 0, 1, "walk to the end"), ("agent_A", 1, 3, "wait"), ("agent_B", 0, 3, "wait")
    ]  # fmt: skip
    assert one["summary"] == "agent_A walked; the task: to be seen below."
    assert [event["agent"] for event in one["events"]] == ["agent_A"]


def test_free_text_without_a_line_for_an_agent_is_refused():
    with pytest.raises(AnswerError, match="episode 1: agent_B has no task in steps 0 to 2"):
        parse_answer(ARRAYS.replace("agent_B task", "agent_B"), [3], NAMES, form="arrays", tasks=TASKS)


def test_the_schema_lists_the_tasks_only_where_they_are_asked_for():
    for explain in (True, False):
        schema = answer_schema("events", explain, TASKS)
        (episode,) = [d for d in schema["$defs"].values() if "episode" in d["properties"]]
        assert episode["required"] == list(episode["properties"])
        assert "tasks" in episode["required"]
        (node,) = [d for d in schema["$defs"].values() if "task" in d["properties"]]
        assert list(node["properties"]) == ["agent", "from", "to", "task"] + ["why"] * explain
        assert node["properties"]["task"]["enum"] == list(TASKS) == tasks_listed(schema)
        assert "asks" not in json.dumps(answer_schema("events", explain))
    assert answer_schema("arrays", True, TASKS) is None


def with_tasks(*plans, steps=1):
    """The answers to one episode each, with tasks for agent_A and agent_B."""
    return [told(span("agent_A", 0, steps - 1, a), span("agent_B", 0, steps - 1, b)) for a, b in plans]


def tasks_in(credit):
    return credit.tasks_by_step(("walker_0", "walker_1"))[0].tolist()


def test_the_critic_gives_tasks_in_the_agents_own_order():
    # The second walker did more, so the canonical order lists it first: agent_A is walker_1.
    episode = corridor_episode([[0, 2], [0, 2]], length=4)
    client = FakeClient(*with_tasks(("wait", "walk to the end"), steps=2))
    (credit,) = events_critic(client, tasks=True, order="given").score([episode])
    assert tasks_in(credit) == ["wait", "walk to the end"]
    for order in ("canonical", "shuffled"):
        critic = events_critic(client, tasks=True, order=order, seed=3)
        (question,) = critic.questions([episode])
        (credit,) = critic.score([episode])
        assert tasks_in(credit)[question.orders[0][0]] == "wait"
        assert tasks_in(credit)[question.orders[0][1]] == "walk to the end"


def test_a_critic_that_is_not_asked_for_tasks_gives_none():
    (credit,) = events_critic(FakeClient(answer([]))).score([corridor_episode([[0, 2]])])
    assert credit.tasks is None


def test_an_unknown_task_is_asked_for_again_and_then_the_fallback_is_taken():
    bad, good = with_tasks(("fly", "wait"), ("wait", "wait"))
    client = FakeClient(bad, good)
    critic = events_critic(client, tasks=True, order="given")
    (credit,) = critic.score([corridor_episode([[0, 2]])])
    assert tasks_in(credit) == ["wait", "wait"]
    assert "agent_A has the unknown task 'fly'" in client.requests[1].prompt
    assert critic.stats.reasks == 1
    critic = events_critic(FakeClient(bad), tasks=True)
    (credit,) = critic.score([corridor_episode([[0, 2]])])
    assert (credit.source, credit.tasks) == ("fallback", None)


def test_of_several_orders_the_joint_assignment_most_gave_is_taken_step_by_step():
    def plan(*steps):
        """Tasks of agents one and two in each step."""
        return tuple(
            TaskSpan(agent, t, t + 1, step[i], f"{i}{t}") for i, agent in enumerate(("one", "two"))
            for t, step in enumerate(steps)
        )  # fmt: skip

    def joint(*plans):
        found = joint_tasks(plans, ["one", "two"], 2)
        return [[s.task for s in found if s.agent == agent] for agent in ("one", "two")]

    assert joint(plan("xy", "xy"), plan("yx", "xy"), plan("yx", "zz")) == [["y", "x"], ["x", "y"]]
    assert joint(plan("xy", "zz"), plan("yx", "yx")) == [["x", "z"], ["y", "z"]]  # a tie: the first
    assert joint_tasks([None, ()], ["one", "two"], 2) is None
    same = (TaskSpan("two", 0, 2, "x", "w"), TaskSpan("one", 0, 2, "y"))
    assert joint_tasks([same], ["one", "two"], 2) == same[::-1]  # equal neighbours are one span


def test_the_base_prompt_lists_the_tasks_and_is_the_same_for_every_query():
    client = FakeClient(*with_tasks(("wait", "wait")))
    critic = events_critic(client, tasks=True)
    critic.score([corridor_episode([[0, 2]])])
    critic.score([corridor_episode([[2, 2]])])
    first, second = client.requests
    assert first.system == second.system
    assert "\n\n- walk to the end\n- wait\n\n" in first.system
    plain = FakeClient(answer([]))
    events_critic(plain).score([corridor_episode([[0, 2]])])
    assert first.system.startswith(plain.requests[0].system)


@pytest.mark.parametrize("form", ["events", "arrays"])
def test_the_ledger_shows_tasks_by_the_agents_own_names(tmp_path, form):
    text = told(span("agent_A", 0, 0, "wait", "agent_B was late"), span("agent_A", 1, 2, "walk to the end"), B)
    text = text if form == "events" else ARRAYS
    episode = corridor_episode([[0, 2], [2, 2], [0, 0]])
    path = tmp_path / "ledger.sqlite"
    critic = LLMCritic(FakeClient(text), tasks=True, order="given", ledger=path, answer_format=form)
    (credit,) = critic.score([episode])
    critic.close()
    with Ledger(path, read_only=True) as ledger:
        ((reading,),) = [read(entry) for entry in ledger.entries()]
        shown = "\n".join(show(ledger, None))
    assert reading.tasks == credit.tasks and len(credit.tasks) == 3
    assert "tasks that would have been best:\n" in shown and "1-2  walker_0  " in shown
    assert form == "arrays" or "walker_1 was late" in shown
    again = LLMCritic(FakeClient(AssertionError()), tasks=True, order="given", ledger=path, answer_format=form)
    (cached,) = again.score([episode])
    assert (cached.source, cached.tasks) == ("cache", credit.tasks)
    again.close()


@pytest.mark.parametrize("task", ["", " wait", "two\nlines", "end.", '"quoted"', 3])
def test_words_that_cannot_be_asked_for_are_no_tasks(task):
    with pytest.raises(CreditError, match="cannot be a task"):
        check_tasks(["wait", task], "tasks=")


def test_a_task_that_is_there_twice_is_refused():
    with pytest.raises(CreditError, match="'wait' is there twice"):
        check_tasks(["wait", "go", "wait"], "tasks=")


def test_a_narrator_can_be_given_other_tasks():
    narrator = corridor_episode([[0, 2]]).narrator
    other = OtherTasks(narrator, ["go", "stop"])
    assert tasks_of_narrator(other) == ("go", "stop")
    assert other.describe() == narrator.describe()
    assert other.detached().tasks() == ("go", "stop")
    assert other.detached() is other.detached()


def test_a_narrator_without_tasks_names_the_way_out():
    with pytest.raises(CreditError, match=r"names no tasks.*LLMTaskWrapper\(env, tasks="):
        tasks_of_narrator(OtherTasks(corridor_episode([[0, 2]]).narrator, []))


def test_tasks_without_an_order_are_refused():
    with pytest.raises(CreditError, match="a list is needed, whose order numbers the tasks, not a set"):
        check_tasks({"wait", "go"}, "tasks=")
