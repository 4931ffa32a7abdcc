"""For the tests of paying students: a critic, drawn students, and an environment that keeps its own record."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from pettingzoo import ParallelEnv

from credit_wrappers import Agreement, Credit, Distillation, Episode, StudentCritic, StudentSettings
from credit_wrappers.student.agreement import AgreementScores
from credit_wrappers.student.network import initial, statistics
from credit_wrappers.student.team_spec import TeamSpec
from tests.credit_wrappers.student_labels import walk

NOTHING = AgreementScores(1.0, 1.0, 0.0, 0)  # agrees in all of nothing
ALIKE = {"p": 3, "q": 3, "r": 3}
TEAM = ("walker_0", "walker_1"), (2, 2), (3, 3)


class ActionCritic:
    """Credits each agent its action, times `sign`; keeps what it was asked, raises `error` while there is one.

    Where it has a `gate` it says that it was `entered`, and waits there.
    """

    label = "critic"

    def __init__(self) -> None:
        self.sign = 1.0
        self.source = "exact"
        self.error: Exception | None = None
        self.gate: threading.Event | None = None
        self.entered = threading.Event()
        self.asked: list[Episode] = []
        self.tried = 0

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        self.tried += 1
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        self.asked += episodes
        return [Credit((self.sign * e.actions).astype(np.float32), source=self.source) for e in episodes]


def drawn_student(team: TeamSpec, seed: int = 0, **settings: Any) -> StudentCritic:
    """Return a student whose every weight is drawn: each agent, each state and each action counts."""
    rng, own = np.random.default_rng(seed), StudentSettings(networks=2, hidden=4, **settings)
    weights = {
        name: (rng.normal(size=array.shape) / np.sqrt(array.shape[1])).astype(np.float32)
        for name, array in initial(team, own, rng).items()
    }
    states = rng.normal(size=(50, len(team.agents), max(team.sizes)))
    return StudentCritic(own, team, weights | statistics(team, states), 0.3, Agreement(3, NOTHING, NOTHING), 0)


class DrawnFits:
    """Stands in for `StudentCritic.fit`: a drawn student each time, another one with every number of labels."""

    def __init__(self) -> None:
        self.students: list[StudentCritic] = []
        self.labels: list[int] = []
        self.gate: threading.Event | None = None
        self.entered = threading.Event()
        self.error: Exception | None = None

    def __call__(self, labels: Any, settings: Any, *, roles: Any = None, n_actions: Any = None, **_: Any) -> Any:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        first = labels[0][0]
        sizes = [np.size(row) for row in first.observations[0]]
        team = TeamSpec.of(first.agents, sizes, [3] * len(sizes), roles, n_actions)
        self.students.append(drawn_student(team, len(labels)))
        self.labels.append(len(labels))
        return self.students[-1]


class Copier:
    """A student that credits what its critic last did: the action times the sign of the last label it learned from."""

    def __init__(self, labels):
        self.sign = np.sign(labels[-1][1].values.sum()) or 1.0
        self.labels, self.agreement = len(labels), Agreement(1, NOTHING, NOTHING)

    def compare(self, labels):
        own = [self.sign * episode.actions for episode, _ in labels]
        return Agreement.of([credit.values for _, credit in labels], own)

    def disagreement(self, episodes):
        return np.zeros(len(episodes))


def walks_apart(seed=0, steps=3):
    """Yield walks, no two of them alike."""
    rng, number = np.random.default_rng(seed), 0
    while True:
        yield replace(walk(rng, steps=steps, id=number), seed=number)
        number += 1


def distilling(critic, labels=20, **options):
    distillation = Distillation(
        critic, labels, **{"first": 4, "spacing": 1, "episodes_per_query": 2, "workers": 0, **options}
    )
    distillation.join(*TEAM)
    return distillation


def offer(distillation, source, many):
    """Offer so many episodes; return after how many of them labels were requested."""
    requested = []
    for _ in range(many):
        before = distillation.requested
        distillation.offer(next(source))
        if distillation.requested > before:
            requested.append(distillation.episodes)
    return requested


class NumbersEnv(ParallelEnv):
    """Agents that observe drawn numbers, each time in the same arrays, and are paid a drawn team reward.

    Args:
        sizes: How many numbers each observes.
        actions: From how many actions all choose, or each.
        end: How episodes of `length` steps end: "terminated" or "truncated".
        dressed: Observations are dicts of dicts, with an action mask in them.
        leaves: Agents that are gone after their second step.
    """

    metadata: dict[str, Any] = {"name": "numbers_v0"}  # noqa: RUF012  # PettingZoo's way

    def __init__(
        self,
        sizes: Mapping[str, int],
        actions: int | Mapping[str, int] = 3,
        *,
        length: int = 4,
        end: str = "terminated",
        dressed: bool = False,
        leaves: Sequence[str] = (),
    ) -> None:
        self.sizes, self.length, self.end, self.dressed, self.leaves = dict(sizes), length, end, dressed, leaves
        self.possible_agents, self.agents = list(sizes), []
        self.render_mode = None
        self.spoil: tuple[str, int, float] | None = None  # agent, feature, number: the next observation
        self.turn = "a"
        counts = actions if isinstance(actions, Mapping) else dict.fromkeys(sizes, actions)
        self._actions = {agent: Discrete(counts[agent]) for agent in sizes}
        self._spaces = {agent: self._space(size) for agent, size in sizes.items()}
        self._arrays = {agent: np.zeros(size, np.float32) for agent, size in sizes.items()}
        self.rng = np.random.default_rng(0)
        self.seen: list[dict[str, np.ndarray]] = []  # the record: what was observed, done and paid
        self.done: list[dict[str, int]] = []
        self.paid: list[float] = []

    def _space(self, size: int) -> Any:
        box = Box(-np.inf, np.inf, (size,), np.float32)
        if not self.dressed:
            return box
        rest = Box(-np.inf, np.inf, (size - 1,), np.float32)
        inner = Dict({"first": Box(-np.inf, np.inf, (1,), np.float32), "rest": rest})
        return Dict({"observation": inner, "action_mask": Box(0, 1, (3,), np.int8)})

    def observation_space(self, agent: str) -> Any:
        return self._spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        return self._actions[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict, dict]:
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self.seen, self.done, self.paid = [], [], []
        return self._observe(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        here = self.agents
        self.done.append(dict(actions))
        self.paid.append(float(self.rng.normal()) if len(self.done) % 2 else 0.0)
        over = len(self.done) == self.length
        gone = {agent: over or (agent in self.leaves and len(self.done) == 2) for agent in here}
        observations = self._observe()
        self.agents = [agent for agent in here if not gone[agent]]
        no = dict.fromkeys(here, False)
        ends = (gone, no) if self.end == "terminated" else (no, gone)
        return observations, dict.fromkeys(here, self.paid[-1]), *ends, {agent: {} for agent in here}

    def _observe(self) -> dict[str, Any]:
        for array in self._arrays.values():
            array[:] = self.rng.normal(size=array.shape)
        if self.spoil is not None:
            agent, feature, number = self.spoil
            self._arrays[agent][feature], self.spoil = number, None
        self.seen.append({agent: array.copy() for agent, array in self._arrays.items()})
        shown: dict[str, Any] = {agent: self._arrays[agent] for agent in self.agents}
        if self.dressed:
            mask = np.ones(3, np.int8)
            shown = {a: {"action_mask": mask, "observation": {"rest": x[1:], "first": x[:1]}} for a, x in shown.items()}
        return shown

    def record(self) -> Episode:
        """Return the episode that was played, made by hand."""
        agents = tuple(self.possible_agents)
        observations = np.empty((len(self.seen), len(agents)), dtype=object)
        for t, row in enumerate(self.seen):
            for i, agent in enumerate(agents):
                observations[t, i] = row[agent]
        return Episode(
            id=0,
            agents=agents,
            actions=np.array([[row[agent] for agent in agents] for row in self.done]),
            team_reward=np.array(self.paid),
            cost=np.zeros((len(self.done), len(agents))),
            terminated=self.end == "terminated",
            truncated=self.end == "truncated",
            observations=observations,
        )


def eager(critic=None, labels=20, **options):
    """Return a distillation that fits after two labels and never waits long."""
    return Distillation(
        critic or ActionCritic(), labels, **{"first": 2, "spacing": 1, "episodes_per_query": 1, **options}
    )


def fixed(sizes=ALIKE, actions=3, seed=0, **settings):
    agents = list(sizes)
    team = TeamSpec.of(agents, list(sizes.values()), [1] * len(agents), None, actions)
    return drawn_student(team, seed, **settings)


def play(env, rng, seed=None, each=lambda t: None):
    """Play an episode with drawn actions; return (T, N) what was paid and credited, and each step's infos."""
    _, infos = env.reset(seed=seed)
    assert "credit" not in infos[env.agents[0]]
    paid, told, team = [], [], env.possible_agents
    while env.agents:
        _, rewards, _, _, infos = env.step({agent: int(rng.integers(env.action_space(agent).n)) for agent in team})
        paid.append([rewards[agent] for agent in team])
        assert [infos[agent]["credit"] for agent in team] == paid[-1]
        assert all(type(reward) is float for reward in rewards.values()) and list(rewards) == team
        told.append(infos)
        each(len(told))
    return np.array(paid), told


def same(paid, credits):
    np.testing.assert_allclose(paid, credits, rtol=1e-5, atol=1e-5 * np.abs(credits).max())
