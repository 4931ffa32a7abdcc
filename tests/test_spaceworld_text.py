"""Spaceworld's text: what is read back from it is what happened, and it is short."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from credit_wrappers import CreditStore, CreditWrapper, Deferred, LLMCritic, Request, ScriptedClient
from credit_wrappers.llm.prompts.render import agent_name, render_episode, render_system
from credit_wrappers.llm.tokens import estimate_tokens
from credit_wrappers.scripted.read_prompt import Step, read_transcripts
from credit_wrappers.scripted.spaceworld_potential import Judgement
from credit_wrappers.scripted.spaceworld_text import ScenarioFacts, ToldWorld, facts_of
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy
from spaceworld.rules import packing as pk
from tests.benchmarks.prompt_size import requests_of, steps_of
from tests.spaceworld.scenarios import ALL, busy_actions


def asked(name: str, play: str, seeds: range, **options: Any) -> list[Request]:
    """The requests for whole episodes, by the planner or by chance among the possible actions."""
    env = SpaceworldEnv(name)
    return requests_of(env, policy(env) if play == "planner" else None, seeds, **options)


@pytest.mark.parametrize("name", ["pair", "hazard", "crew", "crowd", "quick"])
def test_text_says_where_everything_is_and_who_holds_what_in_every_step(name: str) -> None:
    env = SpaceworldEnv(ALL[name], max_cycles=150)
    critic = LLMCritic(ScriptedClient())
    episodes: list[Any] = []
    critic.score = lambda given: (episodes.extend(given), LLMCritic.score(critic, given))[1]  # type: ignore[method-assign]
    wrapped = CreditWrapper(env, Deferred(CreditStore(critic, workers=0)))
    rng, r = np.random.default_rng(1), int(env._spec[pk.H_ROBOT])
    m, t = int(env._spec[pk.H_MODULE]), int(env._spec[pk.H_SLOT])
    for _ in range(4):
        wrapped.reset(seed=int(rng.integers(99)))
        while wrapped.agents:
            wrapped.step(dict(zip(wrapped.agents, busy_actions(env, rng), strict=True)))
    wrapped.store.settle(range(4))
    names = [agent_name(k) for k in range(env._n)]
    events = 0
    for episode in episodes:
        tells = episode.narrator
        facts = facts_of(render_system(tells, names, 10.0))
        order = rng.permutation(env._n).tolist()
        text = render_episode(1, episode, tells.frames(episode.moments, order, names), order, names, tells.action_name)
        (transcript,) = read_transcripts(text)
        assert facts is not None
        world = ToldWorld(facts, transcript.start)
        assert [world.thrust[names[k]] for k in range(env._n)] == [env.scenario.robots[i].thrust for i in order]
        for k, row in enumerate(episode.moments):
            if k:
                events += len(world.apply(transcript.steps[k - 1]).did)
            robots, modules = row[r:m].reshape(-1, pk.R_WIDTH)[order], row[m:t].reshape(-1, pk.M_WIDTH)
            cells = [f"({c // env.scenario.width},{c % env.scenario.width})" for c in robots[:, pk.R_CELL]]
            assert [world.agents[name] for name in names] == cells
            held = [f"module_{g}" if g >= 0 else None for g in robots[:, pk.R_GRIPS]]
            assert [world.grips.get(name) for name in names] == held
            for i, module in enumerate(modules):
                cell = module[pk.M_CELL]
                assert world.modules[f"module_{i}"] == f"({cell // env.scenario.width},{cell % env.scenario.width})"
                assert (f"module_{i}" in world.docked) == (module[pk.M_SLOT] >= 0)
    assert events > 100


def test_module_is_meant_for_the_next_slot_once_the_first_is_filled() -> None:
    kind = dict.fromkeys(("module_0", "module_1", "slot_0", "slot_1"), "panel")
    facts = ScenarioFacts(5, 5, {}, kind, {"module_0": 1, "module_1": 1}, thrust=1)
    start = "core (0,0); slot_0 (1,1); slot_1 (3,3); module_0 (1,1); module_1 (2,2); agent_A (1,2), grips module_0"
    world = ToldWorld(facts, start)
    view = Judgement((5, 5), {}, world)
    assert view.slots_for("module_1") == (("slot_0", "slot_1"), True)
    world.apply(Step(("agent_A interact docks module_0 in slot_0",), 0.5, ()))
    assert view.slots_for("module_1") == (("slot_1",), True)


@pytest.mark.parametrize("play", ["random", "planner"])
def test_a_step_of_two_robots_takes_at_most_27_tokens(play: str) -> None:
    requests = asked("pair", play, range(16))
    assert steps_of(requests) > 16 * 10
    assert sum(estimate_tokens(request.prompt) for request in requests) / steps_of(requests) <= 27


def test_prefix_is_the_same_to_the_byte_for_all_episodes_orders_and_plays() -> None:
    requests = [
        request
        for order in ("canonical", "shuffled", "given")
        for play, seeds in (("random", range(2)), ("planner", range(2, 5)))
        for request in asked("pair", play, seeds, per_query=2, order=order, seed=len(order))
    ]
    assert len({request.prompt for request in requests}) == 6
    assert len({request.system.encode() for request in requests}) == 1


def test_start_says_what_each_robot_can_where_robots_differ() -> None:
    (request,) = asked("crew", "planner", range(1))
    start = read_transcripts(request.prompt)[0].start
    assert start.count(", tug with thrust 2, cannot dock") == start.count(", assembler with thrust 1") == 2
    assert "thrust" not in read_transcripts(asked("pair", "planner", range(1))[0].prompt)[0].start
