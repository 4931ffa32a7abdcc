"""Environments that nobody here has seen: each is played, told to a critic and credited."""

import warnings

import numpy as np
import pytest
from credit_fakes import FakeClient, answer, event
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from pettingzoo.utils.conversions import aec_to_parallel, turn_based_aec_to_parallel
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers import Ledger, LLMCreditWrapper, ScriptedClient
from credit_wrappers.cli.reading import read

with warnings.catch_warnings():
    # PettingZoo's packages import environments in a way that PettingZoo itself calls deprecated.
    warnings.simplefilter("ignore")
    from pettingzoo.butterfly import knights_archers_zombies_v11
    from pettingzoo.classic import rps_v2, tictactoe_v3
    from pettingzoo.test.example_envs import generated_agents_parallel_v0

STEPS = 6


class Samples(ParallelEnv):
    """Lets its spaces say what is seen; everyone is paid 1 for each step.

    `away[agent]` are the steps before which an agent is not there.
    """

    metadata = {"name": "samples_v0"}  # noqa: RUF012

    def __init__(self, seen, acts, away=None):
        self.seen, self.acts, self.away = seen, acts, away or {}
        self.possible_agents = list(acts)
        self.agents = []
        self.render_mode = None
        for k, space in enumerate((*seen.values(), *acts.values())):
            space.seed(k)

    def observation_space(self, agent):
        return self.seen[agent]

    def action_space(self, agent):
        return self.acts[agent]

    def _here(self):
        return [a for a in self.possible_agents if self.time not in self.away.get(a, ())]

    def reset(self, seed=None, options=None):
        self.time = 0
        self.agents = self._here()
        return {a: self.seen[a].sample() for a in self.agents}, {a: {} for a in self.agents}

    def step(self, actions):
        assert list(actions) == self.agents
        self.time += 1
        over = self.time == STEPS
        acted, here = self.agents, self._here()
        self.agents = [] if over else here
        both = [a for a in self.possible_agents if a in acted or a in here]
        return (
            {a: self.seen[a].sample() for a in both},
            dict.fromkeys(both, 1.0),
            {a: a not in here for a in both},
            {a: over and a in here for a in both},
            {a: {} for a in both},
        )


class Spy(ScriptedClient):
    """Keeps the last request."""

    def complete(self, request):
        self.request = request
        return super().complete(request)


def credited(env, steps=200, **options):
    """Play one episode by sampling; return what was asked, the credit and the episode."""
    spy = Spy()
    wrapped = LLMCreditWrapper(env, client=spy, fallback="raise", **options)
    episodes = []
    submit = wrapped.store.submit
    wrapped.store.submit = lambda episode: (episodes.append(episode), submit(episode))
    wrapped.reset(seed=1)
    for agent in env.possible_agents:
        env.action_space(agent).seed(3)
    while wrapped.agents and steps:
        wrapped.step({agent: wrapped.action_space(agent).sample() for agent in wrapped.agents})
        steps -= 1
    [(_, credit)] = wrapped.store.settle([0])
    (episode,) = episodes
    assert credit.values.shape == (episode.length, episode.n_agents)
    return spy.request, credit, episode


DEEP = Dict({"me": Tuple([Discrete(3), Dict({"x": Box(0, 1, (2,))})]), "action_mask": MultiBinary(9)})
SPACES = {
    "nested": ({"a": DEEP, "b": DEEP}, {"a": Discrete(2), "b": Discrete(2)}),
    "continuous": ({"a": Box(0, 1, (2,)), "b": Box(0, 1, (2,))}, {"a": Box(-1, 1, (3,)), "b": Box(-1, 1, (3,))}),
    "multi": ({"a": Discrete(4), "b": MultiBinary(3)}, {"a": MultiDiscrete([2, 3]), "b": MultiBinary([2, 2])}),
    "unlike": ({"a": Box(0, 1, (3, 2)), "b": DEEP}, {"a": Discrete(5), "b": Box(-1, 1, (2,))}),
    "minus": ({"a": Discrete(4), "b": Discrete(4)}, {"a": Discrete(3, start=-1), "b": Discrete(3)}),
    "lone": ({"a": Box(0, 1, ())}, {"a": Box(0, 1, ())}),
}


@pytest.mark.parametrize("order", ["canonical", "shuffled", "given", "average-2"])
@pytest.mark.parametrize("kind", SPACES)
def test_every_kind_of_space_is_told_and_credited(kind, order):
    request, credit, episode = credited(Samples(*SPACES[kind]), order=order)
    assert credit.source == "scripted"
    np.testing.assert_allclose(credit.values.sum(axis=1), 1.0, atol=1e-5)
    assert len(request.prompt.splitlines()) == 3 + STEPS
    assert episode.actions.ndim == (2 if kind == "nested" else 3)


def test_vectors_are_kept_beside_numbers_and_shorter_ones_are_filled_with_nan():
    _, acts = spaces = SPACES["unlike"]
    _, _, episode = credited(Samples(*spaces))
    assert episode.actions.dtype == np.float64 and episode.actions.shape == (STEPS, 2, 2)
    for space in acts.values():
        space.seed(3)
    for row in episode.actions:
        assert row[0, 0] == acts["a"].sample() and np.isnan(row[0, 1])
        np.testing.assert_array_equal(row[1], acts["b"].sample())


def test_recorded_vectors_are_copies():
    wrapped = LLMCreditWrapper(Samples(*SPACES["continuous"]), client=ScriptedClient())
    wrapped.reset()
    action = np.zeros(3, np.float32)
    wrapped.step({"a": action, "b": action})
    action[:] = 9
    assert not wrapped.session.recorder.episode(0, False, True).actions.any()


@pytest.mark.parametrize("kind", ["nested", "unlike"])
def test_agents_may_leave_and_come_back_and_be_late(kind):
    env = Samples(*SPACES[kind], away={"a": (2, 3), "b": (0,)})
    request, _, episode = credited(env, order="given")
    gone = np.isnan(episode.actions).all(axis=2) if kind == "unlike" else episode.actions < 0
    assert gone.tolist() == [
        [False, True],
        [False, False],
        [True, False],
        [True, False],
        [False, False],
        [False, False],
    ]
    lines = request.prompt.splitlines()[2:]
    assert "agent_B is not there" in lines[0]
    listed = [[name in line.split(" | ")[0] for name in ("agent_A", "agent_B")] for line in lines[1:]]
    assert listed == (~gone).tolist()


def test_images_are_told_by_actions_and_rewards_alone():
    image = Box(0, 255, (32, 32, 3), np.uint8)
    env = Samples({"a": image, "b": image}, SPACES["nested"][1])
    with pytest.warns(UserWarning, match="3072 numbers"):
        request, _, _ = credited(env, action_names=("up", "down"))
    assert {line.partition(": ")[2] for line in request.prompt.splitlines()[3:]} <= {
        f"agent_A {a}; agent_B {b} | reward 1" for a in ("up", "down") for b in ("up", "down")
    }


def test_image_that_can_be_described_is_told_in_words():
    class Seen(Samples):
        def describe_state(self):
            return f"a is at {self.time}; b sleeps"

    image = Box(0, 255, (32, 32, 3), np.uint8)
    request, _, _ = credited(Seen({"a": image, "b": image}, SPACES["nested"][1]), order="given")
    lines = request.prompt.splitlines()
    assert lines[2] == "start: agent_A is a; agent_B is b; a is at 0; b sleeps"
    assert all(line.endswith(f" | reward 1 | a is at {t + 1}") for t, line in enumerate(lines[3:]))


@pytest.mark.parametrize("agents", [("0", "1"), ("a", "b"), ("x.*", "[")], ids=str)
@pytest.mark.parametrize("names", ["neutral", "own"])
@pytest.mark.parametrize("words", [True, False])
def test_agents_may_have_any_names_from_the_wrapper_to_the_ledger(agents, names, words, tmp_path):
    class Seen(Samples):
        if words:

            def describe_state(self):
                return "; ".join(f"{agent} is at {self.time}" for agent in self.possible_agents)

    first = "agent_A" if names == "neutral" else str(agents[0])
    client = FakeClient(answer([event(first, 0, 2, 1.0, f"{first} went")], summary=f"{first} won"))
    env = Seen({a: Box(0, 1, (2,)) for a in agents}, {a: Discrete(2) for a in agents})
    path = tmp_path / "run.sqlite"
    options = {"order": "given", "fallback": "raise", "ledger": path, "answer_format": "events"}
    wrapped = LLMCreditWrapper(env, client=client, names=names, workers=0, **options)
    wrapped.reset()
    while wrapped.agents:
        wrapped.step(dict.fromkeys(wrapped.agents, 1))
    [(_, credit)] = wrapped.store.settle([0])
    wrapped.close()
    assert credit.values[:2].tolist() == [[0.5, 0.0]] * 2
    assert credit.events[0].agent == agents[0]
    assert (credit.events[0].why, credit.summary) == (f"{agents[0]} went", f"{agents[0]} won")
    with Ledger(path, read_only=True) as ledger:
        [reading] = [reading for entry in ledger.entries() for reading in read(entry)]
    assert reading.judged.totals == {str(agents[0]): 1.0, str(agents[1]): 0.0}
    assert reading.events[0].agent == str(agents[0])
    prompt = client.requests[0].prompt
    assert (f"agent_A is {agents[0]}; agent_B is {agents[1]}; " in prompt) == (words and names == "neutral")


@pytest.mark.parametrize(
    ("make", "in_system", "in_prompt"),
    [
        (lambda: aec_to_parallel(rps_v2.env(max_cycles=4)), "rock paper scissors", "agent_A action"),
        (lambda: turn_based_aec_to_parallel(tictactoe_v3.env()), "18 numbers (shape (3, 3, 2))", "sees [0 "),
        (lambda: knights_archers_zombies_v11.parallel_env(max_cycles=30), "observes 135 numbers", "agent_D action"),
    ],
    ids=["rps", "tictactoe", "knights"],
)
def test_environments_of_pettingzoo_are_told_and_credited(make, in_system, in_prompt):
    request, credit, _ = credited(make())
    assert in_system in request.system and in_prompt in request.prompt
    assert credit.source == "scripted"


def test_environment_that_invents_agents_is_refused_with_the_reason():
    with pytest.raises(TypeError, match="no possible_agents: credit needs the list of all agents"):
        LLMCreditWrapper(generated_agents_parallel_v0.parallel_env(), client=ScriptedClient())
