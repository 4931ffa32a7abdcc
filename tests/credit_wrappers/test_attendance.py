"""What environments of the field return: who is there, how an episode ends, and which returns are refused."""

import numpy as np
import pytest
from credit_fakes import Recorder, Script, recorded
from gymnasium.spaces import Box, Discrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers import CreditError, CreditWrapper, Deferred, EqualSplitCritic, Online
from credit_wrappers.integrations.gymnasium import ParallelVecEnv
from credit_wrappers.integrations.tianshou import AgentVectorEnv

ONES = [{"a": 1.0, "b": 1.0}] * 4


class Dicts(Script):
    """Lets a test change what `step` or `reset` returns."""

    def __init__(self, change=None, first=None, steps=4):
        super().__init__([{"a": 1.0, "b": 1.0}] * steps)
        self.change, self.first = change, first

    def reset(self, seed=None, options=None):
        returned = super().reset(seed, options)
        return returned if self.first is None else self.first(*returned)

    def step(self, actions):
        returned = super().step(actions)
        return returned if self.change is None else self.change(self, *returned)


def both_paths(env_fn):
    """Yield functions that reset and step a wrapped env: by itself, and as one of a vector env of two kinds."""

    def single():
        env = CreditWrapper(env_fn(), Deferred(Recorder(), workers=0))
        env.reset()
        env.step({"a": 1, "b": 1})

    def vectorised(vector_env, wrap):
        def run():
            store = Deferred(Recorder(), workers=0).store
            venv = vector_env([lambda: CreditWrapper(env_fn(), Deferred(store)) if wrap else env_fn()] * 2)
            venv.reset()
            venv.step(np.ones(4, int))

        return run

    return [single, *(vectorised(v, wrap) for v in (AgentVectorEnv, ParallelVecEnv) for wrap in (True, False))]


FORMS = {
    "reset without infos": (None, lambda obs, infos: obs, r"reset\(\) of a PettingZoo parallel environment returns"),
    "infos None at reset": (None, lambda obs, infos: (obs, None), r"returned 2 values \(dict, NoneType\)"),
    "four values": (lambda env, o, r, t, u, i: (o, r, t, i), None, r"returned 4 values \(dict, dict, dict, dict\)"),
    "infos None": (lambda env, o, r, t, u, i: (o, r, t, u, None), None, r"5 values \(dict, dict, dict, dict, NoneType"),
    "rewards in a list": (lambda env, o, r, t, u, i: (o, [1.0, 1.0], t, u, i), None, r"5 values \(dict, list, "),
    "flags that are one bool": (lambda env, o, r, t, u, i: (o, r, False, False, i), None, r"\(dict, dict, bool, bool"),
    "nothing": (lambda env, *_: None, None, r"truncations, infos\), each a dict by agent; this one returned one None"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_return_of_another_form_is_refused_in_one_sentence(form):
    change, first, message = FORMS[form]
    for run in both_paths(lambda: Dicts(change, first)):
        with pytest.raises(CreditError, match="script_v0.*" + message):
            run()


def all_flag(which):
    def change(env, o, r, t, u, i):
        env.agents = list(env.possible_agents)
        over = env.t == 3
        flags = [dict.fromkeys("ab", False) | {"__all__": False} for _ in range(2)]
        flags[which]["__all__"] = over
        return o, r | {"__all__": 99.0}, *flags, i | {"__common__": {}}

    return change


@pytest.mark.parametrize("which", [0, 1])
def test_an_end_that_only_the_flag_of_all_tells_is_recognised(which):
    episodes, *_ = recorded(Dicts(all_flag(which), steps=9), (1, 1), (1, 1), (1, 1))
    (episode,) = episodes
    assert (episode.terminated, episode.truncated, episode.length) == (which == 0, which == 1, 3)
    assert episode.team_reward.tolist() == [1.0] * 3
    for vector_env in (AgentVectorEnv, ParallelVecEnv):
        venv = vector_env([lambda: Dicts(all_flag(which), steps=9)] * 2)
        venv.reset()
        for step in range(3):
            _, rewards, terminated, truncated, _ = venv.step(np.ones(4, int))
            assert rewards.tolist() == [1.0] * 4
            assert [terminated.all(), truncated.all()] == [step == 2 and which == 0, step == 2 and which == 1]


def vanish(keeps):
    """Agent b is in no dict after its second step."""

    def change(env, o, r, t, u, i):
        if env.t >= 2:
            env.agents = ["a", "b"] if keeps else ["a"]
            if env.t >= 4:
                env.agents = ["a", "b"] if keeps else []
                return {}, {}, {}, {}, {}
            o, r, t, u, i = ({"a": d["a"]} for d in (o, r, t, u, i))
        return o, r, t, u, i

    return change


class Vanishing(Dicts):
    def step(self, actions):
        return super().step({"a": 1, "b": 1} | actions)


@pytest.mark.parametrize("keeps", [False, True])
def test_an_agent_in_none_of_the_dicts_has_left(keeps):
    env = Vanishing(vanish(keeps), steps=9)
    critic = Recorder()
    wrapped = CreditWrapper(env, Deferred(critic, workers=0))
    wrapped.reset()
    wrapped.step({"a": 1, "b": 1})
    for _ in range(3):
        wrapped.step({"a": 1})
    wrapped.store.settle([0])
    (episode,) = critic.episodes
    assert (episode.terminated, episode.truncated) == (True, False)
    assert episode.actions.tolist() == [[1, 1], [1, -1], [1, -1], [1, -1]]
    for vector_env in (AgentVectorEnv, ParallelVecEnv):
        venv = vector_env([lambda: Vanishing(vanish(keeps), steps=9)] * 2)
        venv.reset()
        ended = []
        for _ in range(4):
            *_, terminated, _, _ = venv.step(np.ones(4, int))
            ended.append(terminated.tolist())
        assert ended[-1] == [True] * 4  # the envs reset


def test_an_agent_that_ended_and_is_still_named_does_not_come_back():
    def change(env, o, r, t, u, i):
        env.agents = ["a", "b"]
        t = {"a": env.t == 4, "b": env.t == 2}  # told once
        return {a: np.zeros(2, np.float32) for a in "ab"}, {"a": 1.0, "b": 0.0}, t, dict.fromkeys("ab", False), i

    critic = Recorder()
    wrapped = CreditWrapper(Vanishing(change, steps=9), Deferred(critic, workers=0), team_reward="shared")
    wrapped.reset()
    for _ in range(4):
        if wrapped.session.attendance[0].now.live == {"a"}:
            wrapped.step({"a": 1})
        else:
            with pytest.raises(CreditError, match="differ"):  # b acted, and is paid otherwise
                wrapped.step({"a": 1, "b": 1})
    assert wrapped.session.attendance[0].now.live == frozenset()


@pytest.mark.parametrize("names", [(0, 1), (("a", 0), ("a", 1)), ("a", ""), ("a", None)])
def test_agents_that_are_not_called_by_texts_are_refused_when_wrapped(names):
    env = Script(ONES)
    env.possible_agents = list(names)
    culprit = next(name for name in names if not isinstance(name, str) or not name)
    with pytest.raises(TypeError, match="is not a name") as caught:
        CreditWrapper(env, Deferred(EqualSplitCritic()))
    assert f"agent {culprit!r} in possible_agents" in str(caught.value)


def test_agents_with_one_name_are_refused():
    env = Script(ONES)
    env.possible_agents = ["a", "a"]
    with pytest.raises(TypeError, match="names 'a' twice"):
        CreditWrapper(env, Deferred(EqualSplitCritic()))


class TestActions:
    @pytest.mark.parametrize(
        "one", [1, np.int64(1), np.array(1), np.array([1]), np.array([[1]]), True, 1.0, np.float32(1)], ids=repr
    )
    def test_whole_numbers_of_all_kinds_are_numbers(self, one):
        class Lenient(Script):
            def step(self, actions):
                return super().step(dict.fromkeys(actions, 1))

        critic = Recorder()
        env = CreditWrapper(Lenient(ONES), Deferred(critic, workers=0))
        env.reset()
        for _ in ONES:
            env.step({"a": one, "b": one})
        env.store.settle([0])
        assert critic.episodes[0].actions.tolist() == [[1, 1]] * 4

    def test_an_array_that_is_written_into_again_is_copied(self):
        critic = Recorder()
        env = CreditWrapper(Script(ONES), Deferred(critic, workers=0))
        env.reset()
        action = np.array(0)
        for t in range(4):
            action[...] = t
            env.step({"a": action, "b": 2})
        env.store.settle([0])
        assert critic.episodes[0].actions.tolist() == [[t, 2] for t in range(4)]

    def test_none_is_no_action(self):
        class Leaves(Script):
            def step(self, actions):
                return super().step({a: x for a, x in actions.items() if x is not None})

        critic = Recorder()
        env = CreditWrapper(Leaves(ONES, leaves={"b": 1}), Deferred(critic, workers=0))
        env.reset()
        for t in range(4):
            env.step({"a": 3, "b": 4 if t < 2 else None})
        env.store.settle([0])
        assert critic.episodes[0].actions.tolist() == [[3, 4], [3, 4], [3, -1], [3, -1]]

    @pytest.mark.parametrize("wrong", [np.array([1, 2]), 0.5, "up", [1, 2], np.array([])], ids=repr)
    def test_what_is_no_whole_number_is_refused_in_the_step_and_the_episode_goes_on(self, wrong):
        env = CreditWrapper(Script(ONES), Deferred(EqualSplitCritic(), workers=0))
        env.reset()
        with pytest.raises(CreditError, match="the action of agent 'b' is"):
            env.step({"a": 1, "b": wrong})
        for _ in ONES:
            env.step({"a": 1, "b": 1})
        assert len(env.store.settle([0])) == 1

    @pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros(1), "up", [[0.0, 1.0], [2.0]]], ids=repr)
    def test_a_vector_of_another_length_is_refused_in_the_step(self, wrong):
        class Vectors(Script):
            def action_space(self, agent):
                return Box(-1, 1, (2,))

            def step(self, actions):
                return super().step(dict.fromkeys(actions, 1))

        env = CreditWrapper(Vectors(ONES), Deferred(EqualSplitCritic(), workers=0))
        env.reset()
        with pytest.raises(CreditError, match="the action of agent 'a'"):
            env.step({"a": wrong, "b": np.zeros(2)})
        for action in (np.zeros(2), [0.5, 0.5], np.zeros((1, 2)), None):
            env.step({"a": action, "b": np.zeros(2)})
        assert len(env.store.settle([0])) == 1


class Arrays(Script):
    """Pays, and charges, arrays."""

    def __init__(self, reward, cost=0.0):
        super().__init__(ONES)
        self.reward, self.cost = reward, cost

    def step(self, actions):
        o, r, t, u, _ = super().step(actions)
        return o, dict.fromkeys(r, self.reward), t, u, {a: {"cost": self.cost} for a in r}


@pytest.mark.parametrize("kind", [np.array, np.float32, np.float64, lambda x: np.array([x]), lambda x: np.array([[x]])])
def test_arrays_of_one_number_are_rewards_and_costs(kind):
    episodes, history, _ = recorded(Arrays(kind(0.5), kind(0.25)), *[(1, 1)] * 4)
    assert episodes[0].team_reward.tolist() == [0.5] * 4 and episodes[0].cost.tolist() == [[0.25] * 2] * 4
    assert all(type(paid) is float for rewards, _ in history for paid in rewards.values())
    for vector_env in (AgentVectorEnv, ParallelVecEnv):
        venv = vector_env([lambda: Arrays(kind(0.5))] * 2)  # bare: nothing but the vector env reads them
        venv.reset()
        assert venv.step(np.ones(4, int))[1].tolist() == [0.5] * 4


@pytest.mark.parametrize("wrong", [np.zeros(2), np.array([]), None, "1", [1.0, 2.0]], ids=repr)
def test_other_rewards_and_costs_are_refused_by_name(wrong):
    for run in both_paths(lambda: Arrays(wrong)):
        with pytest.raises(CreditError, match="the reward of agent 'a' is"):
            run()
    for run in both_paths(lambda: Arrays(1.0, wrong))[:1]:
        with pytest.raises(CreditError, match="the cost of agent 'a' is"):
            run()


def test_an_info_that_is_none_is_empty():
    def change(env, o, r, t, u, i):
        return o, r, t, u, dict.fromkeys(o)

    episodes, history, _ = recorded(Dicts(change), *[(1, 1)] * 4)
    assert episodes[0].length == 4 and history[0][1]["a"]["team_reward"] == 1.0


class Latecomer(ParallelEnv):
    """Agent b acts from the third step on."""

    metadata = {"name": "latecomer_v0"}  # noqa: RUF012
    possible_agents = ["a", "b"]  # noqa: RUF012
    render_mode = None

    def observation_space(self, agent):
        return Box(0, 9, (1,))

    def action_space(self, agent):
        return Discrete(3)

    def _told(self, value):
        return dict.fromkeys(self.agents, value)

    def reset(self, seed=None, options=None):
        self.agents, self.t = ["a"], 0
        return self._told(np.zeros(1)), self._told({})

    def step(self, actions):
        self.t += 1
        if self.t == 2:
            self.agents = ["a", "b"]
        out = (
            self._told(np.full(1, self.t)),
            self._told(1.0),
            self._told(self.t == 5),
            self._told(False),
            self._told({}),
        )
        if self.t == 5:
            self.agents = []
        return out


def test_who_arrives_is_paid_by_a_critic_that_is_asked_at_once():
    env = CreditWrapper(Latecomer(), Online(EqualSplitCritic()))
    env.reset()
    paid = []
    while env.agents:
        paid.append(env.step(dict.fromkeys(env.agents, 1))[1])
    assert [set(rewards) for rewards in paid] == [{"a"}, {"a", "b"}, {"a", "b"}, {"a", "b"}, {"a", "b"}]


def test_actions_of_an_agent_that_has_left_are_not_recorded():
    class Lenient(Script):
        def step(self, actions):
            return super().step({a: actions[a] for a in self.agents})

    critic = Recorder()
    env = CreditWrapper(Lenient(ONES, leaves={"b": 0}), Deferred(critic, workers=0))
    env.reset()
    for _ in ONES:
        env.step({"a": 1, "b": 3})
    env.store.settle([0])
    assert critic.episodes[0].actions.tolist() == [[1, 3], [1, -1], [1, -1], [1, -1]]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("make_source", [Online, Deferred])
def test_the_usual_loop_ends_where_only_the_flag_of_all_tells_the_end(which, make_source):
    env = CreditWrapper(Dicts(all_flag(which), steps=9), make_source(EqualSplitCritic()))
    for _ in range(2):
        env.reset()
        steps = 0
        while env.agents:
            _, _, *flags, infos = env.step(dict.fromkeys(env.agents, 1))
            steps += 1
            assert all("team_reward" in infos[agent] for agent in "ab")
        assert steps == 3 and flags[which] == {"a": True, "b": True} and not any(flags[1 - which].values())


def test_an_agent_that_seems_to_come_back_while_it_is_named_is_told_once(caplog):
    def change(env, o, r, t, u, i):
        env.agents = ["a", "b"]
        return dict.fromkeys("ab", np.zeros(2)), dict.fromkeys("ab", 1.0), {"b": env.t == 2}, {}, i

    env = CreditWrapper(Vanishing(change, steps=9), Deferred(EqualSplitCritic(), workers=0))
    env.reset()
    for _ in range(5):
        env.step({"a": 1, "b": 1})
    assert env.session.attendance[0].now.live == {"a"}
    assert len(caplog.messages) == 1 and "agent 'b' has ended, is still named in env.agents" in caplog.text


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 10**30, -(10**30), 1e300], ids=repr)
def test_actions_that_no_array_holds_are_refused_in_the_step(wrong):
    env = CreditWrapper(Script(ONES), Deferred(EqualSplitCritic(), workers=0))
    env.reset()
    with pytest.raises(CreditError, match="the action of agent 'b' is"):
        env.step({"a": 1, "b": wrong})


def test_rows_of_absent_agents_in_tianshous_own_buffers_are_told_once(caplog):
    venv = AgentVectorEnv([lambda: Script([{"a": 1.0, "b": 1.0}] * 9, leaves={"b": 0})] * 2)
    venv.reset()
    for _ in range(4):
        venv.step(np.ones(4, int))
    assert len(caplog.messages) == 1 and "info.status == GONE" in caplog.text
