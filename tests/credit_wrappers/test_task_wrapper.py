"""Whose task stands in whose observation, from when on, and how it fades."""

import pickle
import warnings

import numpy as np
import pytest
from credit_fakes import FakeClient, answer
from pettingzoo.utils.conversions import parallel_to_aec

from credit_wrappers import (
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    EqualSplitCritic,
    LLMCritic,
    LLMTaskWrapper,
    TaskDistillation,
    TaskObservationWrapper,
    Weaning,
    fit_task_student,
)
from credit_wrappers.testing.corridor import CorridorEnv
from tests.credit_wrappers.task_fakes import AGENTS, END, WAIT, KnowingCritic, play

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # PettingZoo's tests import PettingZoo's deprecated paths
    from pettingzoo.test import parallel_api_test

LENGTH = 4


@pytest.fixture(scope="module")
def student():
    """A task student that gives `best` in every state of a corridor of four cells."""
    labels = []
    store = CreditStore(KnowingCritic(), episodes_per_query=1, workers=0)
    store.ready()
    env = CreditWrapper(CorridorEnv(length=LENGTH, horizon=20), Deferred(store), record_observations=True)
    env.add_listener(lambda episode, credit: labels.append((episode, credit)))
    rng = np.random.default_rng(0)
    for seed in range(12):
        env.reset(seed=seed)
        while env.agents:
            env.step({agent: int(rng.choice(3, p=(0.2, 0.2, 0.6))) for agent in env.agents})
    found = fit_task_student(labels, (END, WAIT), hidden=16, epochs=25)
    assert found.agreement.right == 1.0
    return found


def wrapped(student, wean_steps=10**9, horizon=4, **options):
    """A corridor whose agents get tasks from a student that was fitted before."""
    store = CreditStore(KnowingCritic(), episodes_per_query=1, workers=0)
    store.ready()
    env = CorridorEnv(length=LENGTH, horizon=horizon)
    return LLMTaskWrapper(env, store=store, students=student, wean_steps=wean_steps, **options)


SHOWN = {"": [0, 0], END: [1, 0], WAIT: [0, 1]}


def test_the_observation_of_a_step_shows_the_task_that_is_the_label_of_this_very_step(student):
    env = wrapped(student, horizon=8)
    labels = []
    env.env.add_listener(lambda episode, credit: labels.append((episode, credit)))
    rows, told, cells = play(env, 3, actions=(2, 0))  # the first walks to its end, the second stays
    ((episode, credit),) = labels
    named = credit.tasks_by_step(AGENTS).tolist()
    assert told[:-1] == named and len(told) == episode.length + 1
    assert [first for first, _ in named].index(WAIT) == 3 - cells[0][0]  # from the state on in which it has arrived
    assert {second for _, second in named} == {END}
    assert rows == [[SHOWN[task] for task in tasks] for tasks in told]


def test_credit_is_that_of_the_critic_for_each_agent_and_step_whatever_the_tasks(student):
    env = wrapped(student)
    play(env)
    ((_, credit),) = env.store.settle([0])
    assert credit.values.tolist() == [[t, t + 1] for t in range(4)]


def test_tasks_that_are_assigned_by_a_student_need_no_critic_that_names_some(student):
    env = LLMTaskWrapper(CorridorEnv(length=LENGTH), critic=EqualSplitCritic(), students=student, wean_steps=10)
    assert env.reset(seed=0)[1]["walker_0"]["task"] == END


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"students": TaskDistillation(9), "task_labels": 5}, "task_labels=5 would do nothing"),
        ({"delivery": "immediate", "task_labels": 5}, "task_labels=5 would do nothing"),
        ({"delivery": "immediate", "students": TaskDistillation(9)}, "learns from whole episodes"),
        ({"labels": 9, "delivery": "immediate"}, "a student of credit, which names no tasks"),
    ],
)
def test_arguments_that_exclude_each_other_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        LLMTaskWrapper(CorridorEnv(), client=FakeClient(answer([])), wean_steps=10, **options)


def test_observations_are_those_of_the_environment_with_the_task_behind(student):
    plain, env = CorridorEnv(length=LENGTH, horizon=4), wrapped(student)
    seen, (wide, _) = plain.reset(seed=5)[0], env.reset(seed=5)
    rng = np.random.default_rng(0)
    while plain.agents:
        for agent in AGENTS:
            np.testing.assert_array_equal(wide[agent][:-2], seen[agent])
            assert wide[agent] in env.observation_space(agent)
        actions = {agent: int(rng.integers(3)) for agent in plain.agents}
        seen, wide = plain.step(actions)[0], env.step(actions)[0]
    assert env.observation_space("walker_0") is env.observation_space("walker_0")
    assert env.observation_spaces == {agent: env.observation_space(agent) for agent in AGENTS}


def test_it_is_a_parallel_environment(student):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(wrapped(student), num_cycles=30)


def test_a_weaned_input_is_zero_and_nobody_assigns_tasks_any_more(student):
    env = wrapped(student, wean_steps=8)
    play(env), play(env)  # eight steps
    assert env.task_metrics == {"task_progress": 1.0, "task_hidden": 1.0, "task_dropout": 0.9}
    env.students = None  # is not asked
    rows, _, _ = play(env, seed=9)
    assert rows == [[[0, 0], [0, 0]]] * 5
    infos = env.reset()[1]
    assert infos["walker_0"]["task_shown"] is False


def test_eval_zeroes_the_task_and_stops_the_clock(student):
    env = wrapped(student, wean_steps=1000)
    play(env)
    assert env.eval() is env
    before = env.task_progress
    assert play(env)[:2] == ([[[0, 0], [0, 0]]] * 5, [["", ""]] * 5)
    assert env.task_metrics["task_hidden"] == 1.0
    assert env.train() is env
    assert env.task_progress == before
    assert any(row != [[0, 0], [0, 0]] for row in play(env)[0])


def shown(weaning, draws=4000):
    env = TaskObservationWrapper(CorridorEnv(length=3, horizon=10**9), [WAIT, END], weaning=weaning)
    env.task_progress = 0.5
    env.assign({"walker_0": WAIT})
    env.reset(seed=1)
    env.eval().train()
    return np.mean([env.step(dict.fromkeys(AGENTS, 0))[0]["walker_0"][-2] for _ in range(draws)])


@pytest.mark.parametrize(
    ("schedule", "dropout", "share"),
    [(lambda x: x, 0.0, 0.5), (lambda x: x, 0.9, 0.5 * 0.55), (lambda x: x**2, 0.0, 0.75), (lambda x: 0.0, 0.9, 1.0)],
)
def test_a_task_is_seen_as_often_as_the_schedule_says(schedule, dropout, share):
    weaning = Weaning(10**9, schedule, dropout)
    assert shown(weaning) == pytest.approx(share, abs=0.04)


def test_hiding_takes_all_numbers_and_dropping_takes_single_ones():
    class Placed(CorridorEnv):
        def task_offset(self, task, agent):
            return 0.5, -0.5

        def rows(self, dropout, schedule):
            env = TaskObservationWrapper(self, weaning=Weaning(10**9, schedule, dropout))
            env.task_progress = 0.5
            env.assign({"walker_0": END})
            env.reset(seed=3)
            rows = [env.step(dict.fromkeys(AGENTS, 0))[0]["walker_0"][-5:] for _ in range(300)]
            return {tuple((row != 0).tolist()) for row in rows}

    env = Placed(length=3, horizon=10**9)
    assert env.rows(0.0, lambda x: x) == {(False,) * 5, (True, False, True, True, True)}
    assert len(env.rows(0.9, lambda x: x)) == 2**4  # every subset of the four numbers that tell something


def test_the_schedules_end_is_the_end_even_if_the_function_forgets_it():
    weaning = Weaning(10, lambda progress: 0.2)
    assert weaning.hidden(0.99) == 0.2
    assert weaning.hidden(1.0) == 1.0


def test_a_schedule_that_returns_no_probability_is_refused():
    with pytest.raises(ValueError, match=r"returned 1\.5 at progress 0\.5"):
        Weaning(10, lambda progress: 3 * progress).hidden(0.5)


def test_the_same_seed_hides_the_same():
    def rows():
        env = TaskObservationWrapper(CorridorEnv(length=3, horizon=40), weaning=Weaning(100))
        env.assign(dict.fromkeys(AGENTS, END))
        return play(env, seed=4)[0]

    first = rows()
    assert first == rows()
    assert len({tuple(map(tuple, row)) for row in first}) > 1


def test_places_are_told_only_of_the_environments_own_tasks():
    class Placed(CorridorEnv):
        def task_offset(self, task, agent):
            assert task in (END, WAIT)
            return (0.25, -1.0) if task == END else None

    env = TaskObservationWrapper(Placed(length=3))
    env.assign({"walker_0": END, "walker_1": WAIT})
    observations, _ = env.reset(seed=0)
    assert observations["walker_0"][-5:].tolist() == [1, 0, 1, 0.25, -1]
    assert observations["walker_1"][-5:].tolist() == [0, 1, 0, 0, 0]
    other = TaskObservationWrapper(Placed(length=3), ["go", "stop"])
    other.assign({"walker_0": "go"})
    assert other.reset(seed=0)[0]["walker_0"][-2:].tolist() == [1, 0]
    assert len(other.observation_space("walker_0").shape) == 1


@pytest.mark.parametrize(
    ("tasks", "said"), [({"nobody": WAIT}, "no agent 'nobody'; valid: walker_0"), ({"walker_0": "fly"}, "valid: walk")]
)
def test_what_cannot_be_assigned_is_refused_and_nothing_is_changed(tasks, said):
    env = TaskObservationWrapper(CorridorEnv())
    with pytest.raises(ValueError, match=said):
        env.assign({"walker_1": WAIT, **tasks})
    assert env.assigned == {"walker_0": "", "walker_1": ""}


def test_an_environment_without_a_narrator_recommends_actions():
    class Bare(CorridorEnv):
        def __init__(self, **options):
            super().__init__(**options)
            self.narrator = None

    options = {"wean_steps": 10**9, "describe": "corridors"}
    store = CreditStore(KnowingCritic())
    assert LLMTaskWrapper(Bare(horizon=4), store=store, **options).tasks == ("action 0", "action 1", "action 2")
    names = ("stay", "back", "forward")
    named = LLMTaskWrapper(Bare(), store=CreditStore(KnowingCritic()), action_names=names, **options)
    assert named.tasks == names


def test_a_critic_without_tasks_is_refused():
    critic = LLMCritic(FakeClient(answer([])))
    with pytest.raises(ValueError, match="'fake' names no tasks; make it with tasks=True"):
        LLMTaskWrapper(CorridorEnv(), critic=critic, wean_steps=10)
    with pytest.raises(ValueError, match="names no tasks"):
        LLMTaskWrapper(CorridorEnv(), store=CreditStore(critic), wean_steps=10)


def test_a_critic_that_turns_out_to_give_none_is_warned_of_once():
    store = CreditStore(EqualSplitCritic(), episodes_per_query=1, workers=0)
    store.ready()
    env = LLMTaskWrapper(CorridorEnv(horizon=2), store=store, wean_steps=10)
    with pytest.warns(RuntimeWarning, match="carries no tasks") as warned:
        play(env), play(env)
    assert len(warned) == 1


def test_it_makes_its_own_critic_that_is_asked_for_tasks():
    client = FakeClient(answer([]))
    env = LLMTaskWrapper(CorridorEnv(horizon=2), client=client, wean_steps=10, episodes_per_query=1, workers=0)
    play(env)
    env.store.ready()
    assert "- walk to the end\n- wait\n" in client.requests[0].system


def test_the_number_of_weaning_steps_must_be_said():
    with pytest.raises(TypeError, match="wean_steps"):
        LLMTaskWrapper(CorridorEnv(), client=FakeClient(answer([])))


def test_a_student_that_was_fitted_before_goes_into_other_processes(student):
    first = wrapped(student)
    env = pickle.loads(pickle.dumps(first))
    assert env.students is not student and env.reset(seed=0)[1]["walker_0"]["task"] == END


def test_progress_can_be_set_to_go_on_with_a_training(student):
    env = wrapped(student, wean_steps=40)
    env.task_progress = 0.5
    play(env)
    assert env.task_progress == pytest.approx(0.6)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 1.5"):
        env.task_progress = 1.5


def test_an_environment_of_turns_is_refused_at_once():
    with pytest.raises(TypeError, match="convert it with"):
        TaskObservationWrapper(parallel_to_aec(CorridorEnv()), [WAIT])


def test_one_text_is_no_list_of_tasks():
    with pytest.raises(CreditError, match=r"'go' is one text; a list of them is needed, \['go'\]"):
        TaskObservationWrapper(CorridorEnv(), "go")
