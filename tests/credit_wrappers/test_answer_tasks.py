"""Tasks in an answer: every agent exactly one, from the list, in either form; anything else is refused by name."""

import json

import pytest
from credit_fakes import FakeClient, answer, corridor_episode, events_critic

from credit_wrappers import AnswerError, CreditError, Ledger, LLMCritic
from credit_wrappers.cli.reading import read
from credit_wrappers.critics.order import joint_tasks
from credit_wrappers.llm.answers.parse import parse_answer
from credit_wrappers.llm.answers.schema import answer_schema
from credit_wrappers.llm.answers.task_answers import tasks_of
from credit_wrappers.narration.task_vocabulary import OtherTasks, check_tasks, tasks_of_narrator

NAMES = ["agent_A", "agent_B"]
TASKS = ("walk to the end", "wait")


def told(*tasks, **fields):
    episode = {"episode": 1, "summary": "s", "events": [], "tasks": [{"agent": a, "task": t} for a, t in tasks]}
    return json.dumps({"episodes": [{**episode, **fields}]})


def parse(text, **options):
    (read,) = parse_answer(text, [3], NAMES, tasks=TASKS, **options)
    return tasks_of(read)


GOOD = told(("agent_B", "wait"), ("agent_A", "walk to the end"))


@pytest.mark.parametrize("explain", [True, False])
def test_every_agent_has_its_task(explain):
    assert parse(GOOD, explain=explain) == {"agent_B": "wait", "agent_A": "walk to the end"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (told(("agent_A", "wait")), "episode 1: no task for agent_B"),
        (told(("agent_A", "wait"), ("agent_B", "dance")), "episode 1: agent_B has the unknown task 'dance': the tasks "
         "are walk to the end, wait"),
        (told(("agent_A", "wait"), ("agent_B", "Wait")), "unknown task 'Wait'"),
        (told(("agent_A", "wait"), ("agent_C", "wait"), ("agent_B", "wait")), "unknown agent 'agent_C'"),
        (told(("agent_A", "wait"), ("agent_A", "wait"), ("agent_B", "wait")), "agent_A has two tasks"),
        (told(), "no task for agent_A, agent_B"),
    ],
)  # fmt: skip
def test_a_wrong_assignment_is_refused_and_the_culprit_named(text, said):
    with pytest.raises(AnswerError, match=said) as refused:
        parse(text)
    assert refused.value.kind == "content"


@pytest.mark.parametrize("tasks", [None, "wait", {"agent_A": "wait"}, [{"agent": "agent_A"}], [["agent_A", "wait"]]])
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
    assert tasks_of(one) == {}


def test_each_episode_has_its_own_tasks():
    episodes = [json.loads(told(("agent_A", a), ("agent_B", b), episode=k))["episodes"][0]
                for k, (a, b) in enumerate([("wait", TASKS[0]), (TASKS[0], "wait")], 1)]  # fmt: skip
    found = parse_answer(json.dumps({"episodes": episodes[::-1]}), [3, 4], NAMES, tasks=TASKS)
    assert [tasks_of(one)["agent_A"] for one in found] == ["wait", TASKS[0]]


ARRAYS = """## Episode 1
Explanation: agent_A walked; the task: to be seen below.
agent_A: [0, 1, 0]
agent_B: [0, 0, 0]
- **agent_A task**: walk to the end
agent_B task = `wait`.
"""


def test_free_text_assigns_tasks_by_lines_and_they_are_no_part_of_the_summary():
    (one,) = parse_answer(ARRAYS, [3], NAMES, form="arrays", tasks=TASKS)
    assert tasks_of(one) == {"agent_A": "walk to the end", "agent_B": "wait"}
    assert one["summary"] == "agent_A walked; the task: to be seen below."
    assert [event["agent"] for event in one["events"]] == ["agent_A"]


def test_free_text_without_a_line_for_an_agent_is_refused():
    with pytest.raises(AnswerError, match="episode 1: no task for agent_B"):
        parse_answer(ARRAYS.replace("agent_B task", "agent_B"), [3], NAMES, form="arrays", tasks=TASKS)


def test_the_schema_lists_the_tasks_only_where_they_are_asked_for():
    for explain in (True, False):
        schema = answer_schema("events", explain, TASKS)
        (episode,) = [d for d in schema["$defs"].values() if "episode" in d["properties"]]
        assert episode["required"] == list(episode["properties"])
        assert "tasks" in episode["required"]
        assert schema["$defs"]["TaskAnswer"]["properties"]["task"]["enum"] == list(TASKS)
        assert "asks" not in json.dumps(answer_schema("events", explain))
    assert answer_schema("arrays", True, TASKS) is None


def with_tasks(*plans):
    """The answers to one episode each, with tasks for agent_A and agent_B."""
    return [told(("agent_A", a), ("agent_B", b)) for a, b in plans]


def test_the_critic_gives_tasks_in_the_agents_own_order():
    # The second walker did more, so the canonical order lists it first: agent_A is walker_1.
    episode = corridor_episode([[0, 2], [0, 2]], length=4)
    client = FakeClient(*with_tasks(("wait", "walk to the end")))
    (credit,) = events_critic(client, tasks=True, order="given").score([episode])
    assert credit.tasks == ("wait", "walk to the end")
    for order in ("canonical", "shuffled"):
        critic = events_critic(client, tasks=True, order=order, seed=3)
        (question,) = critic.questions([episode])
        (credit,) = critic.score([episode])
        assert credit.tasks[question.orders[0][0]] == "wait"
        assert credit.tasks[question.orders[0][1]] == "walk to the end"


def test_a_critic_that_is_not_asked_for_tasks_gives_none():
    (credit,) = events_critic(FakeClient(answer([]))).score([corridor_episode([[0, 2]])])
    assert credit.tasks is None


def test_an_unknown_task_is_asked_for_again_and_then_the_fallback_is_taken():
    bad, good = with_tasks(("fly", "wait"), ("wait", "wait"))
    client = FakeClient(bad, good)
    critic = events_critic(client, tasks=True, order="given")
    (credit,) = critic.score([corridor_episode([[0, 2]])])
    assert credit.tasks == ("wait", "wait")
    assert "agent_A has the unknown task 'fly'" in client.requests[1].prompt
    assert critic.stats.reasks == 1
    critic = events_critic(FakeClient(bad), tasks=True)
    (credit,) = critic.score([corridor_episode([[0, 2]])])
    assert (credit.source, credit.tasks) == ("fallback", None)


def test_of_several_orders_the_joint_assignment_most_gave_is_taken():
    own = {"agent_A": "one", "agent_B": "two"}
    other = {"agent_A": "two", "agent_B": "one"}
    first, second = {"agent_A": "x", "agent_B": "y"}, {"agent_A": "y", "agent_B": "x"}
    assert joint_tasks([(first, own), (first, other), (second, own)], ["one", "two"]) == ("y", "x")
    assert joint_tasks([(first, own), (second, own)], ["one", "two"]) == ("x", "y")  # a tie: the first
    assert joint_tasks([({}, own)], ["one", "two"]) is None


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
    text = told(("agent_A", "wait"), ("agent_B", "walk to the end")) if form == "events" else ARRAYS
    episode = corridor_episode([[0, 2], [2, 2], [0, 0]])
    path = tmp_path / "ledger.sqlite"
    critic = LLMCritic(FakeClient(text), tasks=True, order="given", ledger=path, answer_format=form)
    (credit,) = critic.score([episode])
    critic.close()
    with Ledger(path, read_only=True) as ledger:
        ((reading,),) = [read(entry) for entry in ledger.entries()]
    assert reading.tasks == dict(zip(episode.agents, credit.tasks, strict=True))
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
