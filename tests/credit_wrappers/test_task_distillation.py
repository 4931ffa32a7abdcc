"""Which episodes are task labels, when students are fitted to them, and who shares these."""

import copy
import pickle
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from credit_fakes import FakeClient, answer

from credit_wrappers import CreditStore, LLMTaskWrapper, TaskDistillation
from credit_wrappers.testing.corridor import CorridorEnv
from tests.credit_wrappers.task_fakes import END, WAIT, KnowingCritic, best, play


def learning(labels=8, horizon=8, **options):
    """A corridor that fits its own students, and the critic that it asks."""
    critic = KnowingCritic()
    store = CreditStore(critic, episodes_per_query=1, workers=0)
    store.ready()
    students = TaskDistillation(labels, **{"first": 4, "hidden": 16, "epochs": 25, "refit_epochs": 10, **options})
    env = LLMTaskWrapper(CorridorEnv(horizon=horizon), store=store, students=students, wean_steps=10**9)
    return env, critic


def test_before_there_is_a_student_there_are_no_tasks_and_afterwards_there_are_in_every_state():
    env, critic = learning()
    for seed, actions in enumerate([(2, 2), (2, 0), (0, 2), (2, 2)]):
        rows, told, _ = play(env, seed, actions=actions)
        assert {tuple(tasks) for tasks in told} == {("", "")} and not np.any(rows)
    assert env.students.newest == (None, 0)
    _, told, cells = play(env, 9, actions=(2, 2))
    assert env.students.newest[1] == 1 and env.task_metrics["tasks/version"] == 1
    assert told[:-1] == [[best(cell) for cell in state] for state in cells[:-1]]
    assert critic.asked == [0, 1, 2, 3, 4]


def test_labels_are_the_first_episodes_and_then_fewer_and_fewer():
    students = TaskDistillation(labels=100)
    wanted = [k for k in range(3000) if students.wants(SimpleNamespace(id=k))]
    assert wanted[:20] == list(range(20)) and len(wanted) == 100
    gaps = np.diff(wanted)
    assert gaps[-1] > 40 and (np.diff(gaps) >= -1).all()
    few = TaskDistillation(labels=20, first=10)
    assert [k for k in range(12) if few.wants(SimpleNamespace(id=k))] == [*range(10), 11]


def test_as_many_labels_are_learned_as_were_asked_for_and_each_fit_goes_on_from_the_last():
    env, _ = learning(labels=6)
    versions = []
    for seed in range(30):
        play(env, seed, actions=(seed % 3, 2))
        versions.append(env.students.newest[1])
    assert env.students.left == 0 and len(env.students.labels) == 6
    assert versions[-1] == 2 and env.students.newest[0].labels == 6
    assert env.students.metrics["tasks/right"] == env.students.newest[0].agreement.right


def test_environments_of_one_store_learn_together():
    store = CreditStore(KnowingCritic(), episodes_per_query=1, workers=0)
    store.ready()
    one, two = (LLMTaskWrapper(CorridorEnv(), store=store, wean_steps=10, task_labels=5) for _ in range(2))
    assert one.students is two.students and one.students.most == 5
    assert LLMTaskWrapper(CorridorEnv(), store=store, wean_steps=10).students is one.students
    with pytest.raises(ValueError, match="task_labels=6, but the first environment of this store has 5"):
        LLMTaskWrapper(CorridorEnv(), store=store, wean_steps=10, task_labels=6)
    with pytest.raises(ValueError, match="must have the same agents, observations and tasks"):
        LLMTaskWrapper(CorridorEnv(n_agents=3), store=store, wean_steps=10)


def test_a_training_goes_on_with_its_students_and_their_labels():
    env, _ = learning()
    for seed in range(5):
        play(env, seed, actions=(2, 2))
    assert env.students.newest[1] == 1
    again, _ = learning()
    again.students.restore(env.students.state())
    assert play(again, 9, actions=(2, 2))[1][0] == [END, END]
    wants = [k for k in range(40) if again.students.wants(SimpleNamespace(id=k))]
    before = [k for k in range(45) if env.students.wants(SimpleNamespace(id=k))]
    assert wants == [k - 5 for k in before if k >= 5]  # five episodes were played before


def test_a_fallback_is_no_label():
    env, critic = learning()
    judge = critic.judge
    critic.judge = lambda episode: replace(judge(episode), tasks=None, source="fallback")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        play(env)
    assert env.students.labels == []


@pytest.mark.parametrize(
    ("options", "said"), [({"labels": 1}, "labels must be a whole"), ({"labels": 9, "first": 10}, "first must be")]
)
def test_a_distillation_of_impossible_numbers_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        TaskDistillation(**options)


def test_its_own_critic_is_asked_for_tasks_in_the_labels_alone():
    client = FakeClient(*[answer([])] * 9)
    options = {"fallback": "equal", "episodes_per_query": 1, "workers": 0, "answer_format": "events"}
    env = LLMTaskWrapper(CorridorEnv(horizon=2), client=client, wean_steps=10, task_labels=2, **options)
    for _ in range(4):
        play(env)
    env.store.ready()
    asked = ["**Name the tasks.**" in request.system for request in client.requests]
    assert asked == [True, True] * 2 + [False] * 2  # an answer without tasks is asked for once more


def test_a_copy_has_tasks_of_its_own_and_the_same_students():
    env, _ = learning()
    env.reset()
    for make in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        other = make(env)
        assert other.students is env.students
        other.assign({"walker_0": WAIT})
        assert env.assigned["walker_0"] == ""
