"""Whose task stands in whose observation, from when on, and how it fades."""

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest
from credit_fakes import FakeClient, answer
from pettingzoo.utils.conversions import parallel_to_aec

from credit_wrappers import (
    Credit,
    CreditError,
    CreditStore,
    EqualSplitCritic,
    LLMCritic,
    LLMTaskWrapper,
    TaskObservationWrapper,
    Weaning,
)
from credit_wrappers.testing.corridor import CorridorEnv

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # PettingZoo's tests import PettingZoo's deprecated paths
    from pettingzoo.test import parallel_api_test

END, WAIT = "walk to the end", "wait"
AGENTS = ("walker_0", "walker_1")


class Planner:
    """A critic that gives the tasks of its list in turn, one plan for each episode it is asked about."""

    label = "planner"

    def __init__(self, *plans):
        self.plans = list(plans)

    def score(self, episodes):
        credits = []
        for episode in episodes:
            plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
            source = "fallback" if plan is None else "scripted"
            credits.append(Credit(np.zeros((episode.length, 2), np.float32), tasks=plan, source=source))
        return credits


def wrapped(*plans, wean_steps=10**9, **options):
    store = CreditStore(Planner(*plans), episodes_per_query=1, workers=0)
    store.ready()
    return LLMTaskWrapper(CorridorEnv(length=3, horizon=4), store=store, wean_steps=wean_steps, **options)


def play(env, seed=0):
    """Play one episode of standing still; return the last two numbers of every observation, and the tasks told."""
    observations, infos = env.reset(seed=seed)
    rows, told = [], []
    while True:
        rows.append([observations[agent][-2:].tolist() for agent in AGENTS])
        told.append([infos[agent]["task"] for agent in AGENTS])
        if not env.agents:
            return rows, told
        observations, _, _, _, infos = env.step(dict.fromkeys(env.agents, 0))


def test_tasks_hold_from_the_next_reset_until_there_are_others():
    env = wrapped((END, WAIT), None, (WAIT, WAIT))
    first, second, third, fourth = (play(env) for _ in range(4))
    assert first[1] == [["", ""]] * 5
    assert first[0] == [[[0, 0], [0, 0]]] * 5
    assert second[1] == [[END, WAIT]] * 5
    assert second[0] == [[[1, 0], [0, 1]]] * 5
    assert third == second  # the fallback brought none
    assert fourth[1] == [[WAIT, WAIT]] * 5


def test_the_task_comes_from_the_environments_own_episode():
    store = CreditStore(Planner((END, END), (WAIT, WAIT)), episodes_per_query=2, workers=0)
    store.ready()
    one, two = (LLMTaskWrapper(CorridorEnv(length=3, horizon=4), store=store, wean_steps=10**9) for _ in range(2))
    play(one), play(two)  # the second fills the query: both are scored
    assert one.reset()[1]["walker_0"]["task"] == END
    assert two.reset()[1]["walker_0"]["task"] == WAIT


def test_a_late_answer_about_an_older_episode_changes_nothing():
    class Held(Planner):
        def __init__(self):
            super().__init__((END, END))
            self.go = [threading.Event(), threading.Event()]

        def score(self, episodes):
            self.go[episodes[0].id].wait(10)
            self.plans = [((END, END), (WAIT, WAIT))[episodes[0].id]]
            return super().score(episodes)

    critic = Held()
    with CreditStore(critic, episodes_per_query=1, workers=2) as store:
        env = LLMTaskWrapper(CorridorEnv(length=3, horizon=4), store=store, wean_steps=10**9)
        play(env), play(env)
        critic.go[1].set()
        store.settle([1])
        assert env.reset()[1]["walker_0"]["task"] == WAIT
        critic.go[0].set()
        store.settle([0])
        assert env.reset()[1]["walker_0"]["task"] == WAIT


def test_observations_are_those_of_the_environment_with_the_task_behind():
    plain, env = CorridorEnv(length=3, horizon=4), wrapped((END, WAIT))
    play(env)
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


def test_it_is_a_parallel_environment():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(wrapped((END, WAIT)), num_cycles=30)


def test_a_weaned_input_is_zero_whatever_the_critic_assigns():
    weaned = [wrapped(plan, wean_steps=8) for plan in ((END, WAIT), (WAIT, END), None)]
    for env in weaned:
        play(env), play(env)  # eight steps
        assert env.task_metrics == {"task_progress": 1.0, "task_hidden": 1.0, "task_dropout": 0.9}
    played = [play(env, seed=9)[0] for env in weaned]
    assert played[0] == played[1] == played[2] == [[[0, 0], [0, 0]]] * 5
    infos = weaned[0].reset()[1]
    assert (infos["walker_0"]["task"], infos["walker_0"]["task_shown"]) == (END, False)


def test_eval_zeroes_the_task_and_stops_the_clock():
    env = wrapped((END, WAIT), wean_steps=1000)
    play(env)
    assert env.eval() is env
    before = env.task_progress
    assert play(env)[0] == [[[0, 0], [0, 0]]] * 5
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

    store = CreditStore(Planner(("action 2", "action 0")), episodes_per_query=1, workers=0)
    env = LLMTaskWrapper(Bare(horizon=4), store=store, wean_steps=10**9, describe="corridors")
    assert env.tasks == ("action 0", "action 1", "action 2")
    named = LLMTaskWrapper(
        Bare(), store=store, wean_steps=9, describe="corridors", action_names=("stay", "back", "forward")
    )
    assert named.tasks == ("stay", "back", "forward")


def test_a_critic_without_tasks_is_refused():
    critic = LLMCritic(FakeClient(answer([])))
    with pytest.raises(ValueError, match="'fake' assigns no tasks; make it with tasks=True"):
        LLMTaskWrapper(CorridorEnv(), critic=critic, wean_steps=10)
    with pytest.raises(ValueError, match="assigns no tasks"):
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


def test_a_copy_has_tasks_of_its_own():
    env = wrapped((END, WAIT), (WAIT, END))
    play(env)
    env.reset()
    for make in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        other = make(env)
        other.assign({"walker_0": WAIT})
        assert env.assigned["walker_0"] == END
        play(other)
        assert other.reset()[1]["walker_0"]["task"] == WAIT  # it hears of its own episode
        assert env.assigned["walker_0"] == END


def test_progress_can_be_set_to_go_on_with_a_training():
    env = wrapped((END, WAIT), wean_steps=40)
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
