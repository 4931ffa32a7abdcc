"""The compiled rules pay what the scripted critic says of the same play as text: every robot, every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from credit_wrappers import CreditStore, CreditWrapper, Deferred, LLMCritic, ScriptedClient
from spaceworld import PRESETS, Layout, Module, Robot, Scenario, Slot
from spaceworld.env import SpaceworldEnv
from spaceworld.planner.scripted_policy import scripted_team
from tianshou_examples.experiment.compiled_rules import CompiledRules


def credits_of(bare: SpaceworldEnv, seed: int, choose: Callable[[Any], Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the credits of one episode, (T, N), by the text and by the compiled rules."""
    store = CreditStore(LLMCritic(ScriptedClient(), bound=1e9), workers=0, episodes_per_query=1)
    env = CreditWrapper(bare, Deferred(store))
    _, infos = env.reset(seed=seed)
    episode = infos[env.agents[0]]["episode_id"]
    rules = CompiledRules(bare._memory[None])
    rules.begin(np.arange(1))
    compiled = []
    while env.agents:
        *_, infos = env.step(dict(zip(env.agents, choose(infos), strict=True)))
        compiled.append(rules.pay()[0])
    ((_, credit),) = store.settle([episode])
    return credit.values, np.array(compiled)


def played(scenario: str, seed: int, chance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return both credits of an episode of the scripted team, in which chance replaces a share of the actions."""
    bare = SpaceworldEnv(scenario, max_cycles=20 if scenario == "station" else 60)
    team, rng = scripted_team(bare), np.random.default_rng(seed)

    def choose(infos: Any) -> list[int]:
        return [
            int(rng.choice(np.flatnonzero(infos[agent]["action_mask"]))) if rng.random() < chance else act
            for agent, act in zip(bare.agents, team(), strict=True)
        ]

    return credits_of(bare, seed, choose)


@pytest.mark.parametrize("chance", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("scenario", [name for name in PRESETS if name != "swarm"])
def test_compiled_rules_pay_what_the_text_says(scenario: str, chance: float) -> None:
    if scenario == "station" and chance != 0.5:
        pytest.skip("reading its text takes long")
    paid = 0
    for seed in range(1 if scenario == "station" else 3):
        text, compiled = played(scenario, seed, chance)
        np.testing.assert_allclose(compiled, text, atol=1e-6, err_msg=f"{scenario}, seed {seed}")
        paid += np.count_nonzero(text)
    assert paid > 15


def test_worlds_of_a_batch_are_paid_independently() -> None:
    from spaceworld.vector import SpaceworldVectorEnv

    many = SpaceworldVectorEnv(5, "truss")
    many.reset(seed=3)
    rules = CompiledRules(many._batch.memory)
    rules.begin(np.arange(5))
    alone = []
    for k in range(5):
        one = SpaceworldVectorEnv(1, "truss")
        one.reset(seed=3 + k)
        alone.append((one, CompiledRules(one._batch.memory)))
        alone[-1][1].begin(np.arange(1))
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(0, 6, (5, 3))
        many.step(actions)
        for (one, _), chosen in zip(alone, actions, strict=True):
            one.step(chosen[None])
        np.testing.assert_array_equal(rules.pay(), np.concatenate([own.pay() for _, own in alone]))


def test_who_took_hold_first_stays_first_when_carriers_pass_each_other() -> None:
    cells = Layout(
        core=((0, 9),),
        slots=((9, 1), (9, 9)),
        modules=((2, 1), (4, 7)),
        robots=((2, 0), (4, 8)),
        debris=(),
        keep_out=(),
    )
    struts = (Module("strut"), Module("strut"))
    slots = (Slot("strut"), Slot("strut", (0,)))  # the second opens when the first is filled
    scenario = Scenario("crossing", 10, 10, (Robot(), Robot()), struts, slots, horizon=9, layout=cells)
    moves = iter([(5, 5), (2, 0), (2, 0), (2, 0), (2, 1), (0, 1), (0, 1), (2, 0), (0, 0)])
    text, compiled = credits_of(SpaceworldEnv(scenario), 0, lambda _: next(moves))
    np.testing.assert_allclose(compiled, text, atol=1e-6)
    assert text[0, 0] > 0 > text[0, 1]  # both take hold at once; one slot is open
    assert (text[1:4, 0] > 0).all()  # it stays the first one's, also where it has passed the other


@pytest.mark.parametrize("told", ["all", "critic"])
def test_what_robots_are_told_changes_no_credit(told: str) -> None:
    bare = SpaceworldEnv("crew", max_cycles=40, roles_told=told)
    rng = np.random.default_rng(1)
    text, compiled = credits_of(bare, 1, lambda _: rng.integers(0, 6, 4))
    np.testing.assert_allclose(compiled, text, atol=1e-6)
