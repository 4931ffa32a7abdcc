"""Relabelling the team relabels the credits, bit for bit: environment, narrator, prompt, answer, shaping, delivery."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from hashlib import sha256
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_wrappers import Completion, LLMCreditWrapper, Request, ScriptedClient, Usage
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld import Scenario
from spaceworld.env import SpaceworldEnv
from tests.spaceworld.worlds import eager_actions, make_world


class WhimsicalClient:
    """Credits that depend on every letter of the question: any change of the prompt changes them all."""

    name = "whimsical"
    source = "model"

    def complete(self, request: Request) -> Completion:
        whim = random.Random(sha256(request.key().encode()).digest())
        agents = sorted(set(re.findall(r"\bagent_[A-Z]+\b", request.prompt)))
        judged: list[Any] = []
        for piece in request.prompt.split("## Episode ")[1:]:
            length = int(re.search(r"steps: (\d+)", piece)[1])
            starts = [whim.randrange(length) for _ in range(12)]
            events = [
                {
                    "agent": whim.choice(agents),
                    "start": start,
                    "stop": whim.randint(start + 1, length),
                    "amount": whim.uniform(-9, 9),
                    "why": f"whim {k}",
                }
                for k, start in enumerate(starts)
            ]
            judged.append({"episode": len(judged) + 1, "summary": "", "events": events})
        return Completion(json.dumps({"episodes": judged}), Usage(1), self.name)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"order": "shuffled", "normalise": "full"},
    {"order": "average-3", "conserve": "episode", "blend": 0.25},
    {"conserve": "step", "bound": 1.0},
]


def credits_of(env: Any, episodes: list[list[dict[str, int]]], client: Any, options: dict[str, Any]) -> list[Any]:
    """Play the actions and return the credits in order."""
    options = {"answer_format": "events", **options}
    wrapped = LLMCreditWrapper(env, client=client, workers=0, episodes_per_query=len(episodes), **options)
    ids = []
    for actions in episodes:
        _, infos = wrapped.reset(seed=3)
        ids.append(next(iter(infos.values()))["episode_id"])
        for joint in actions:
            wrapped.step(joint)
        assert not wrapped.agents
    found = dict(wrapped.store.settle(ids))
    return [found[number] for number in ids]


def assert_relabelled(one: Any, other: Any, to: list[int], agents: list[str]) -> None:
    """Agent i of `one` is agent to[i] of `other`."""
    np.testing.assert_array_equal(one.values, other.values[:, to])
    assert one.source == other.source
    renamed = {agents[i]: agents[j] for i, j in enumerate(to)}
    assert [(renamed[e.agent], e.start, e.stop, e.amount) for e in one.events] == [
        (e.agent, e.start, e.stop, e.amount) for e in other.events
    ]


class Corridor(CorridorEnv):
    """A corridor whose walkers start where they are told."""

    def __init__(self, starts: list[int]) -> None:
        super().__init__(len(starts), length=8, horizon=5)
        self.starts = starts

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed, options)
        self.position = list(self.starts)
        return self._observe(), {agent: {"cost": 0.0} for agent in self.agents}


class WordyCorridor(Corridor):
    """One that tells its state in words of its own, walker by walker in the order of their numbers."""

    def __init__(self, starts: list[int]) -> None:
        super().__init__(starts)
        del self.narrator

    def describe(self) -> str:
        return "Walkers in corridors."

    def describe_state(self) -> str:
        places = [f"{agent} stands on {at}" for agent, at in zip(self.possible_agents, self.position, strict=True)]
        return "; ".join([*places[:2], f"the sum is {sum(self.position)}", *places[2:]])


@pytest.mark.parametrize("kind", [Corridor, WordyCorridor])
@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("to", list(permutations(range(4))), ids=str)
def test_corridor(kind: type[Corridor], options: dict[str, Any], to: tuple[int, ...]) -> None:
    whim = np.random.default_rng(0)
    starts = [1, 1, 3, 5]
    # The second episode: all do the same, so that only where they stand tells them apart.
    deeds = [whim.integers(0, 3, (5, 4)), np.zeros((5, 4), dtype=int)]
    back = [to.index(j) for j in range(4)]
    agents = [f"walker_{i}" for i in range(4)]
    played = [[dict(zip(agents, row.tolist(), strict=True)) for row in deed] for deed in deeds]
    renamed = [[{agents[to[i]]: int(row[i]) for i in range(4)} for row in deed] for deed in deeds]
    one = credits_of(kind(starts), played, WhimsicalClient(), options)
    other = credits_of(kind([starts[j] for j in back]), renamed, WhimsicalClient(), options)
    assert_relabelled(one[0], other[0], list(to), agents)
    # Walkers 0 and 1 stand and act alike in the second one: which of them is which is nobody's business.
    assert sorted(map(tuple, one[1].values.T.tolist())) == sorted(map(tuple, other[1].values.T.tolist()))


def play(scenario: Scenario, seed: int) -> list[tuple[int, ...]]:
    env = SpaceworldEnv(scenario)
    env.reset(seed=3)
    whim = np.random.default_rng(seed)
    taken = []
    while env.agents:
        taken.append(eager_actions(env, whim))
        env.step({f"robot_{i}": a for i, a in enumerate(taken[-1])})
    return taken


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    robots=st.integers(2, 5),
    shuffle=st.integers(0, 10_000),
    options=st.sampled_from(SETTINGS),
    scripted=st.booleans(),
)
def test_spaceworld(seed: int, robots: int, shuffle: int, options: dict[str, Any], scripted: bool) -> None:
    scenario = make_world(seed, 6, 6, robots, 3, 1, 1)
    assert scenario.layout is not None
    to: list[int] = np.random.default_rng(shuffle).permutation(robots).tolist()
    back = [to.index(j) for j in range(robots)]
    renamed = replace(
        scenario,
        robots=tuple(scenario.robots[i] for i in back),
        layout=replace(scenario.layout, robots=tuple(scenario.layout.robots[i] for i in back)),
    )
    taken = [play(scenario, seed), play(scenario, seed + 1)]
    agents = [f"robot_{i}" for i in range(robots)]
    first = [[dict(zip(agents, joint, strict=True)) for joint in episode] for episode in taken]
    second = [[{agents[to[i]]: joint[i] for i in range(robots)} for joint in episode] for episode in taken]
    client: Any = ScriptedClient() if scripted else WhimsicalClient()
    one = credits_of(SpaceworldEnv(scenario), first, client, options)
    other = credits_of(SpaceworldEnv(renamed), second, client, options)
    for a, b in zip(one, other, strict=True):
        assert_relabelled(a, b, to, agents)
