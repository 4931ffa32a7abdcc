"""delivery="immediate": each step pays each agent its own credit for that very step, in any learner's loop."""

import copy
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from credit_fakes import FakeClient, answer, event, praise_forward

from credit_wrappers import (
    AnswerError,
    Credit,
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    EqualSplitCritic,
    LLMCreditWrapper,
    LLMTaskWrapper,
    Online,
)
from credit_wrappers.testing.corridor import CorridorEnv

with warnings.catch_warnings():
    # PettingZoo's test package imports environments in a way that PettingZoo itself calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import parallel_api_test, parallel_seed_test

BACK, FORWARD = 1, 2


class Numbering:
    """A critic that keeps what it was asked and credits agent i for step t of the episode with t + i / 10."""

    label = "numbering"

    def __init__(self):
        self.asked = []

    def score(self, episodes):
        self.asked += episodes
        return [
            Credit(np.add.outer(e.start + np.arange(e.length), np.arange(e.n_agents) / 10.0).astype(np.float32))
            for e in episodes
        ]


def play(env, seed=0, actions=(FORWARD, BACK)):
    """Play one episode; return the rewards of each step and the infos."""
    _, infos = env.reset(seed=seed)
    rewards, told = [], [infos]
    while env.agents:
        _, reward, _, _, infos = env.step(dict(zip(env.agents, actions, strict=True)))
        rewards.append(reward)
        told.append(infos)
    return rewards, told


def test_every_step_pays_every_agent_its_own_credit_for_that_step():
    env = CreditWrapper(CorridorEnv(horizon=12), Online(Numbering(), window=3))
    for _ in range(2):
        rewards, infos = play(env)
        for t, (paid, told) in enumerate(zip(rewards, infos[1:], strict=True)):
            assert paid == pytest.approx({"walker_0": t, "walker_1": t + 0.1})
            assert {agent: info["credit"] for agent, info in told.items()} == paid
            assert told["walker_0"]["credit_source"] == "baseline"
            assert told["walker_0"]["episode_step"] == t


def test_the_critic_reads_the_last_steps_and_what_was_before_them():
    critic = Numbering()
    env = CreditWrapper(CorridorEnv(horizon=5), Online(critic, window=3))
    play(env, actions=(FORWARD, FORWARD))
    assert [(e.start, e.length) for e in critic.asked] == [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)][: len(critic.asked)]
    whole = CreditWrapper(CorridorEnv(horizon=5), Deferred(Numbering()))
    play(whole, actions=(FORWARD, FORWARD))
    whole.store.settle([0])
    (episode,) = whole.store.critic.asked
    for window in critic.asked:
        part = slice(window.start, window.start + window.length)
        np.testing.assert_array_equal(window.actions, episode.actions[part])
        np.testing.assert_array_equal(window.team_reward, episode.team_reward[part])
        assert window.moments == episode.moments[part.start : part.stop + 1]
    assert [e.ended for e in critic.asked[:-1]] == ["not yet"] * (len(critic.asked) - 1)
    assert critic.asked[-1].ended == episode.ended
    assert len({e.key for e in critic.asked}) == len(critic.asked)


def test_with_a_critic_that_judges_step_by_step_it_pays_what_deferred_delivery_writes():
    deferred = CreditWrapper(CorridorEnv(), Deferred(EqualSplitCritic()))
    paid, _ = play(deferred)
    ((_, credit),) = deferred.store.settle([0])
    now, _ = play(CreditWrapper(CorridorEnv(), Online(EqualSplitCritic(), window=1)))
    assert [list(reward.values()) for reward in now] == credit.values.tolist()
    assert [reward["walker_0"] for reward in paid] != [reward["walker_0"] for reward in now]


def test_a_model_is_asked_once_a_step_and_its_last_row_is_paid():
    client = FakeClient(praise_forward)
    env = LLMCreditWrapper(CorridorEnv(horizon=4), client=client, delivery="immediate", window=2)
    rewards, infos = play(env, actions=(FORWARD, BACK))
    assert len(client.requests) == 4
    assert "ended: not yet" in client.requests[0].prompt
    assert [(r["walker_0"], r["walker_1"]) for r in rewards] == [(1.0, 0.0)] * 4
    assert infos[1]["walker_0"]["credit_source"] == "model"


def test_there_is_no_store_and_a_fallback_is_labelled():
    env = LLMCreditWrapper(CorridorEnv(horizon=3), client=FakeClient("nonsense"), delivery="immediate")
    assert env.store is None
    _, infos = play(env, actions=(BACK, BACK))
    assert infos[1]["walker_0"]["credit_source"] == "fallback"
    assert infos[1]["walker_0"]["credit"] == infos[1]["walker_0"]["team_reward"] / 2


def test_an_answer_that_is_an_error_is_raised_by_the_step():
    env = LLMCreditWrapper(CorridorEnv(), client=FakeClient("nonsense"), delivery="immediate", fallback="raise")
    env.reset(seed=0)
    with pytest.raises(AnswerError):
        env.step(dict.fromkeys(env.agents, 0))


def test_a_credit_of_another_shape_is_refused():
    class Short(Numbering):
        def score(self, episodes):
            return [Credit(np.zeros((1, 2), np.float32)) for _ in episodes]

    env = CreditWrapper(CorridorEnv(), Online(Short()))
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 0))
    with pytest.raises(CreditError, match=r"shape \(1, 2\), expected \(2, 2\)"):
        env.step(dict.fromkeys(env.agents, 0))


def test_tasks_hold_from_the_observation_that_the_same_step_returns():
    span = {"from": 0, "to": 0, "why": "it had to"}
    tasks = [{"agent": "agent_A", "task": "wait", **span}, {"agent": "agent_B", "task": "walk to the end", **span}]
    text = answer([]).replace('"events": []', f'"events": [], "tasks": {tasks}'.replace("'", '"'))
    client = FakeClient(text)
    env = LLMTaskWrapper(
        CorridorEnv(length=9),
        client=client,
        delivery="immediate",
        order="given",
        wean_steps=10**9,
        window=1,
        answer_format="events",
    )
    observations, infos = env.reset(seed=0)
    assert infos["walker_0"]["task"] == ""
    observations, _, _, _, infos = env.step(dict.fromkeys(env.agents, 0))
    assert [info["task"] for info in infos.values()] == ["wait", "walk to the end"]
    assert observations["walker_0"][-2:].tolist() == [0, 1]
    client.reactions = [text.replace('"wait"', '"walk to the end"')]
    observations, _, _, _, infos = env.step(dict.fromkeys(env.agents, FORWARD))
    assert observations["walker_0"][-2:].tolist() == [1, 0]
    assert infos["walker_0"]["credit_source"] == "model"


def test_a_panel_shows_what_was_paid_so_far():
    class Shown(CorridorEnv):
        def __init__(self):
            super().__init__(horizon=3)
            self.render_mode = "rgb_array"
            self.overlays = []

        def set_overlay(self, **parts):
            self.overlays.append(parts)

        def render(self):
            return np.zeros((2, 2, 3), np.uint8)

    world = Shown()
    env = CreditWrapper(world, Online(Numbering(), window=1))
    env.reset(seed=0)
    for _ in range(3):
        env.step(dict.fromkeys(env.agents, 0))
        env.render()
    assert [overlay["credits"]["walker_1"] for overlay in world.overlays] == pytest.approx([0.1, 1.2, 3.3])
    env.reset()
    env.step(dict.fromkeys(env.agents, 0))
    env.render()
    assert world.overlays[-1]["credits"]["walker_1"] == pytest.approx(0.1)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_by_itself_with_the_same_critic(make):
    client = FakeClient(praise_forward)
    env = LLMCreditWrapper(CorridorEnv(horizon=3), client=client, delivery="immediate")
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 0))
    other = make(env)
    rewards, infos = play(other)
    assert [reward["walker_0"] for reward in rewards] == [1.0, 1.0, 1.0]
    assert len(client.requests) == 4
    assert infos[0]["walker_0"]["episode_id"] == 1
    assert env.step(dict.fromkeys(env.agents, FORWARD))[1] == {"walker_0": 1.0, "walker_1": 1.0}


@pytest.mark.parametrize("make", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_made_in_mid_episode_pays_what_its_original_pays(make):
    env = CreditWrapper(CorridorEnv(horizon=5, length=9), Online(Numbering(), window=3))
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 0))
    other = make(env)
    for _ in range(3):
        (_, paid, _, _, infos), (_, same, _, _, told) = (e.step(dict.fromkeys(e.agents, FORWARD)) for e in (env, other))
        assert paid == same and infos == told
    assert paid == pytest.approx({"walker_0": 3.0, "walker_1": 3.1})


def test_another_process_is_told_to_make_its_own():
    env = CreditWrapper(CorridorEnv(), Online(EqualSplitCritic()))
    data = pickle.dumps(env)
    code = f"import pickle; pickle.loads({data!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "make the environment, with its critic, in each process" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delivery": "soon"}, "unknown delivery 'soon'; valid: 'deferred', 'immediate'"),
        ({"delivery": "immediate", "window": 0}, "window must be at least 1 step, got 0"),
        ({"delivery": "immediate", "store": CreditStore(EqualSplitCritic())}, "a store delivers deferred credit"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        LLMCreditWrapper(CorridorEnv(), **{"critic": None if "store" in options else EqualSplitCritic(), **options})


def test_events_before_the_last_step_pay_nothing_again():
    client = FakeClient(answer([event("agent_A", 0, 1, 5.0)]))
    options = {"order": "given", "window": 8, "answer_format": "events"}
    env = LLMCreditWrapper(CorridorEnv(horizon=3), client=client, delivery="immediate", **options)
    rewards, _ = play(env, actions=(0, 0))
    assert [r["walker_0"] for r in rewards] == [5.0, 0.0, 0.0]


def test_it_passes_pettingzoos_own_tests():
    def make():
        return CreditWrapper(CorridorEnv(), Online(Numbering(), window=2))

    parallel_api_test(make(), num_cycles=100)
    parallel_seed_test(make, num_cycles=30)


def test_two_rollouts_from_one_seed_pay_the_same():
    def rollout():
        env = CreditWrapper(CorridorEnv(n_agents=3), Online(EqualSplitCritic(), window=2))
        rng = np.random.default_rng(4)
        history = [env.reset(seed=3)]
        for _ in range(40):
            if not env.agents:
                history.append(env.reset())
            history.append(env.step({agent: int(rng.integers(3)) for agent in env.agents}))
        return history

    np.testing.assert_equal(rollout(), rollout())
