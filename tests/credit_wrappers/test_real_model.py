"""A whole scoring against a model server of your own; skipped unless the environment names one.

    CREDIT_TEST_BASE_URL=http://127.0.0.1:8080 python -m pytest -m real_model -s

CREDIT_TEST_API is `anthropic` (the default) or `openai` (then the address ends in /v1), CREDIT_TEST_MODEL the model's
name. Whatever the model says, well or badly: each episode gets one finite credit, and the statistics count what it
was worth.
"""

import os
from dataclasses import asdict

import numpy as np
import pytest

from credit_wrappers import (
    AnthropicClient,
    CreditStore,
    CreditWrapper,
    Deferred,
    Ledger,
    LLMCritic,
    OpenAICompatibleClient,
)
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld import spaceworld_v0

ADDRESS = os.environ.get("CREDIT_TEST_BASE_URL", "")
EPISODES = 4

pytestmark = [
    pytest.mark.real_model,
    pytest.mark.skipif(not ADDRESS, reason="CREDIT_TEST_BASE_URL names no model server"),
]


def make_client():
    kinds = {"anthropic": AnthropicClient, "openai": OpenAICompatibleClient}
    kind = kinds[os.environ.get("CREDIT_TEST_API", "anthropic")]
    return kind(os.environ.get("CREDIT_TEST_MODEL", "default"), base_url=ADDRESS, timeout=600.0, max_retries=1)


@pytest.mark.parametrize(
    "env",
    [CorridorEnv(horizon=6), spaceworld_v0.parallel_env("duet", max_cycles=8)],
    ids=["corridor", "spaceworld"],
)
def test_every_episode_gets_one_finite_credit(env, tmp_path):
    client = make_client()
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        critic = LLMCritic(client, ledger=ledger, fallback="equal", max_tokens=2000)
        wrapped = CreditWrapper(env, Deferred(CreditStore(critic, episodes_per_query=2, workers=2)))
        steps = []
        for seed in range(EPISODES):
            wrapped.reset(seed=seed)
            chosen = np.random.default_rng(seed)
            steps.append(0)
            while wrapped.agents:
                wrapped.step({a: int(chosen.integers(wrapped.action_space(a).n)) for a in wrapped.agents})
                steps[-1] += 1
        credits = dict(wrapped.store.settle(range(EPISODES)))
        wrapped.store.close()
        client.close()
        recorded = len(ledger)
    print("\n", critic.label, asdict(critic.stats))
    for credit in credits.values():
        print(credit.source, credit.values.sum(axis=0), credit.summary[:200])
    assert sorted(credits) == list(range(EPISODES))
    for number, credit in credits.items():
        assert credit.values.shape == (steps[number], len(env.possible_agents))
        assert np.isfinite(credit.values).all()
        assert credit.source in ("model", "fallback")
    stats = critic.stats
    assert stats.episodes == EPISODES
    assert stats.fallbacks == sum(credit.source == "fallback" for credit in credits.values())
    assert recorded == stats.calls > 0
