"""An episode that time ended is valued beyond its end, in every family of environments that comes with the package."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers import (
    CounterfactualCritic,
    CreditError,
    EnvSimulator,
    RolloutValue,
    TabularValue,
    Values,
    exact_credit,
)
from credit_wrappers.bench.environments import make_environment
from credit_wrappers.recording.replay import replay
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy
from tests.exact_episodes import recorded, wander

LIMIT = 6
FAMILIES = [
    "spaceworld:duet",
    "spaceworld:hazard",  # debris that drifts by the clock
    "lbf:Foraging-5x5-2p-1f-coop-v3",
    "rware:rware-tiny-2ag-v2",
    "corridor",
]


def made(world: str) -> Callable[[], Any]:
    if world.startswith(("lbf", "rware")):
        pytest.importorskip({"lbf": "lbforaging", "rware": "rware"}[world.partition(":")[0]])
    return partial(make_environment, world, LIMIT)


@pytest.mark.parametrize("world", FAMILIES)
def test_rollouts_value_an_episode_that_time_ended(world):
    make = made(world)
    episode = wander(make(), 3)
    assert episode.truncated and episode.length == LIMIT
    value = RolloutValue(EnvSimulator(make), rollouts=2, horizon=4)
    (credit,) = CounterfactualCritic(make, value).score([episode])
    assert np.isfinite(credit.values).all()


@pytest.mark.parametrize("world", FAMILIES)
def test_a_state_whose_clock_is_set_back_goes_on_as_with_more_time(world):
    make, more = made(world)(), make_environment(world, 10 * LIMIT)
    episode = wander(make, 3)
    more.reset(seed=3)
    for joint in episode.actions:
        more.step(dict(zip(more.agents, joint.tolist(), strict=True)))
    make.set_state(make.rewind(episode.snapshots[-1]))
    assert make.agents == more.agents
    rng = np.random.default_rng(0)
    for _ in range(LIMIT - 1):
        masks = [env.observe_all()[1] for env in (make, more) if hasattr(env, "observe_all")]
        for agent in make.agents if masks else ():
            assert masks[0][agent]["action_mask"].tolist() == masks[1][agent]["action_mask"].tolist()
        joint = {agent: int(rng.integers(make.action_space(agent).n)) for agent in make.agents}
        paid = [env.step(joint)[1] for env in (make, more)]
        assert paid[0] == pytest.approx(paid[1])


def test_drifting_debris_keeps_its_beat():
    env = SpaceworldEnv("hazard", max_cycles=200)
    beat = int(np.lcm.reduce([debris.period for debris in env.scenario.debris if debris.direction]))
    assert beat > 1
    for state in recorded(env, 1, lambda *_: [0, 0, 0], 3 * beat + 1).snapshots:
        ways = [drifts(env, start, beat) for start in (state, env.rewind(state))]
        assert ways[0] == ways[1]


def drifts(env: SpaceworldEnv, state: Any, steps: int) -> list[Any]:
    """Return the debris after each of some steps in which all robots stay."""
    env.set_state(state)
    found = []
    for _ in range(steps):
        env.step(dict.fromkeys(env.possible_agents, 0))
        found.append(env.scene().debris)
    return found


def test_a_state_that_the_world_ended_stays_ended():
    env = SpaceworldEnv("solo")
    play = policy(env)
    env.reset(seed=0)
    while env.agents:
        env.step(play(env))
    env.set_state(env.rewind(env.get_state()))
    assert not env.agents


def test_states_that_differ_in_what_is_over_become_one():
    env = SpaceworldEnv("duet")
    env.reset(seed=0)
    first = env.rewind(env.get_state())
    for _ in range(2):
        env.step(dict.fromkeys(env.agents, 0))
    assert np.array_equal(env.rewind(env.get_state()).row, first.row)


def test_without_rewind_the_error_says_what_is_missing_and_what_to_do():
    class Ticking(CorridorEnv):
        rewind = None

    make = partial(Ticking, 2, length=9, horizon=3)
    episode = wander(make(), 0)
    message = r"Ticking has no rewind\(state\).*clock at 0.*give rewind="
    with pytest.raises(CreditError, match=message):
        CounterfactualCritic(make, RolloutValue(EnvSimulator(make), rollouts=2)).score([episode])
    with pytest.raises(CreditError, match=message):
        TabularValue(EnvSimulator(make), episode.snapshots[-1:])


class Leaving(ParallelEnv):
    """Two agents; `a` is terminated in the first step, and time runs out for `b` in the third.

    The flags of an agent that has left stay as they were, and it is paid on.
    """

    def __init__(self):
        self.metadata, self.possible_agents = {"name": "leaving"}, ["a", "b"]

    def observation_space(self, agent):
        return Box(0, 1, (1,))

    def action_space(self, agent):
        return Discrete(2)

    def reset(self, seed=None, options=None):
        self.time, self.gone, self.agents = 0, set(), ["a", "b"]
        return self._all(np.zeros(1, np.float32)), self._all({})

    def step(self, actions):
        self.time += 1
        self.gone |= {"a"}
        over = self.time == 3
        self.agents = [agent for agent in self.agents if agent not in self.gone and not over]
        ended, late = {agent: agent in self.gone for agent in self.possible_agents}, self._all(over)
        paid = {agent: float(actions.get(agent, 5)) for agent in self.possible_agents}
        return self._all(np.zeros(1, np.float32)), paid, ended, late, self._all({})

    def get_state(self):
        return self.time, tuple(sorted(self.gone)), tuple(self.agents)

    def set_state(self, state):
        self.time, self.gone, self.agents = state[0], set(state[1]), list(state[2])

    def _all(self, value):
        return dict.fromkeys(self.possible_agents, value)


class Ten:
    """A value function: every state is worth 10."""

    unit, counts_reward = "reward", True

    def values(self, states):
        return Values(np.full(len(states), 10.0), np.zeros(len(states)))


def test_flags_of_agents_that_left_earlier_do_not_make_an_end_of_time_one_of_the_world():
    episode = replay(Leaving(), 0, np.array([[1, 1], [-1, 1], [-1, 1]]), snapshots=True)
    assert (episode.terminated, episode.truncated) == (False, True)
    simulator = EnvSimulator(Leaving, team_reward="sum")
    found = simulator.outcomes(episode.snapshots[:-1], np.where(episode.actions < 0, 0, episode.actions))
    assert found.terminated.tolist() == [False] * 3
    assert found.truncated.tolist() == [False, False, True]
    assert found.reward.tolist() == [1 + 1, 1, 1]  # what is paid to who has left does not count
    assert exact_credit(episode, simulator, Ten()).values.tolist() == [[1, 1], [0, 1], [0, 1]]
