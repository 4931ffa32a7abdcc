"""The compiled rules pay what the scripted critic says of the same play as text: every robot, every step."""

from __future__ import annotations

import numpy as np
import pytest

from credit_wrappers import CreditStore, CreditWrapper, Deferred, LLMCritic, ScriptedClient
from spaceworld import PRESETS
from spaceworld.env import SpaceworldEnv
from spaceworld.planner.scripted_policy import scripted_team
from tianshou_examples.experiment.compiled_rules import CompiledRules


def played(scenario: str, seed: int, chance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the credits of one episode, (T, N), by the text and by the compiled rules."""
    bare = SpaceworldEnv(scenario, max_cycles=60)
    store = CreditStore(LLMCritic(ScriptedClient()), workers=0, episodes_per_query=1)
    env = CreditWrapper(bare, Deferred(store))
    _, infos = env.reset(seed=seed)
    episode = infos[env.agents[0]]["episode_id"]
    rules = CompiledRules(bare._memory[None])
    rules.begin(np.arange(1))
    team, rng, compiled = scripted_team(bare), np.random.default_rng(seed), []
    while env.agents:
        planned = team()
        actions = {
            agent: int(rng.choice(np.flatnonzero(infos[agent]["action_mask"]))) if rng.random() < chance else act
            for agent, act in zip(env.agents, planned, strict=True)
        }
        *_, infos = env.step(actions)
        compiled.append(rules.pay()[0])
    ((_, credit),) = store.settle([episode])
    return credit.values, np.array(compiled)


@pytest.mark.parametrize("chance", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("scenario", [name for name in PRESETS if name != "swarm"])
def test_compiled_rules_pay_what_the_text_says(scenario: str, chance: float) -> None:
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
