"""Environments that break the rules of a parallel environment, each in one way, or are unusual."""

from __future__ import annotations

import warnings

import numpy as np
from credit_fakes import Script
from gymnasium.spaces import Text


def generated_agents():
    """Return PettingZoo's environment that invents agents."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pettingzoo.test.example_envs import generated_agents_parallel_v0
    return generated_agents_parallel_v0.parallel_env()


class Late(Script):
    """b arrives after the second step."""

    def reset(self, seed=None, options=None):
        observations, infos = super().reset(seed, options)
        self.agents = ["a"]
        return {"a": observations["a"]}, {"a": infos["a"]}

    def step(self, actions):
        returned = super().step(actions)
        if self.agents and self.t == 2:
            self.agents = ["a", "b"]
            returned[0]["b"] = np.zeros(2, np.float32)
        return returned


class Vanishing(Script):
    """b is in nothing that the second step returns."""

    def step(self, actions):
        returned = super().step(actions)
        if self.t >= 2:
            self.agents = [agent for agent in self.agents if agent != "b"]
            for part in returned:
                part.pop("b", None)
        return returned


class Everyone(Script):
    """Tells its end by a flag "__all__" alone, and keeps its agents."""

    def step(self, actions):
        observations, rewards, *_, infos = super().step(actions)
        over = self.t == len(self.rewards)
        self.agents = list(self.possible_agents)
        return observations, rewards, {"a": False, "b": False, "__all__": over}, {"a": False, "b": False}, infos


class Endless(Script):
    """Has no end."""

    def step(self, actions):
        self.t %= len(self.rewards) - 1
        return super().step(actions)


class NumberedAgents(Script):
    """Calls its agents 0 and 1."""

    def __init__(self, rewards):
        super().__init__(rewards)
        self.possible_agents = [0, 1]


class FourValues(Script):
    """Steps as old gym does."""

    def step(self, actions):
        observations, rewards, ends, _, infos = super().step(actions)
        return observations, rewards, ends, infos


class NoInfos(Script):
    """Its reset returns observations alone."""

    def reset(self, seed=None, options=None):
        return super().reset(seed, options)[0]


class NoneInfos(Script):
    """Its reset returns None as infos."""

    def reset(self, seed=None, options=None):
        return super().reset(seed, options)[0], None


class Stranger(Script):
    """An agent appears that nobody named."""

    def step(self, actions):
        returned = super().step(actions)
        returned[0]["c"] = np.zeros(2, np.float32)
        return returned


class Texts(Script):
    """Observes texts."""

    def observation_space(self, agent):
        return Text(5)

    def reset(self, seed=None, options=None):
        return dict.fromkeys("ab", "seen"), super().reset(seed, options)[1]

    def step(self, actions):
        observations, *rest = super().step(actions)
        return (dict.fromkeys(observations, "seen"), *rest)


class NoSpace(Script):
    """Knows no observation space."""

    def observation_space(self, agent):
        raise NotImplementedError("later")


class Raising(Script):
    """Breaks in its second step."""

    def step(self, actions):
        if self.t == 1:
            raise ZeroDivisionError("the world fell apart")
        return super().step(actions)


class Speechless(Script):
    """Has a narrator that lacks most methods."""

    def __init__(self, rewards):
        super().__init__(rewards)

        class Narrows:
            def capture(self, observations):
                return 0

        self.narrator = Narrows()


class Unpaid(Script):
    """Leaves b out of the rewards."""

    def step(self, actions):
        observations, rewards, *rest = super().step(actions)
        return (observations, {"a": rewards["a"]}, *rest)


class Unseen(Script):
    """Leaves b out of the observations."""

    def step(self, actions):
        observations, *rest = super().step(actions)
        return ({"a": observations["a"]}, *rest)


class StrangersPaid(Script):
    """Pays a sum for everybody and an agent that is nobody."""

    def step(self, actions):
        observations, rewards, *rest = super().step(actions)
        return (observations, {**rewards, "__all__": 9.0, "z": 9.0}, *rest)


class Returning(Script):
    """b leaves in the first step, and is back after the third."""

    def step(self, actions):
        observations, rewards, terminations, *rest = super().step(actions)
        if self.t == 1:
            terminations["b"], self.agents = True, ["a"]
        if self.t == 3:
            self.agents, observations["b"] = ["a", "b"], np.zeros(2, np.float32)
        return (observations, rewards, terminations, *rest)
