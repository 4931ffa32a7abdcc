"""RLlib's ParallelPettingZooEnv over envs that pay credits in `step`: samples hold each agent's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from known_credit import KnownCritic, paid
from paid_rows import PAYERS, AnyOrder, check_ends, check_paid, payer_of

pytest.importorskip("ray.rllib", reason="RLlib is not installed", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("default")  # Ray's own


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    import ray

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.parametrize("kind", PAYERS)
def test_its_env_returns_the_credits_as_rewards(kind: str) -> None:
    from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv

    payer, log = payer_of(kind), {}
    env = ParallelPettingZooEnv(paid(AnyOrder(0, 2, log), payer))
    rng = np.random.default_rng(0)
    observed, paid_out = [], []
    observations, _ = env.reset(seed=0)
    for _ in range(30):
        before = observations
        actions = {agent: int(rng.integers(4)) for agent in reversed(before)}  # RLlib's order is that of a set
        observations, rewards, terminated, truncated, infos = env.step(actions)
        assert rewards == {agent: info["credit"] for agent, info in infos.items()}
        observed += [before[agent] for agent in rewards]
        paid_out += list(rewards.values())
        if terminated["__all__"] or truncated["__all__"]:
            observations, _ = env.reset()
    check_ends(check_paid(np.array(observed), np.array(paid_out), log, payer), log)


def test_ppo_trains_and_its_samples_hold_each_agents_own_credits(ray: Any) -> None:
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
    from ray.tune import register_env

    payer = KnownCritic()
    register_env("known_credit", lambda config: ParallelPettingZooEnv(paid(AnyOrder(0, 2, {}), payer)))
    config = (
        PPOConfig()
        .environment("known_credit")
        .env_runners(num_env_runners=0)
        .multi_agent(policies={"shared"}, policy_mapping_fn=lambda agent, *_, **__: "shared")
        .training(train_batch_size_per_learner=64, minibatch_size=32, num_epochs=1)
    )
    algorithm = config.build_algo()
    try:
        result = algorithm.train()
        assert result["env_runners"]["num_env_steps_sampled"] == 64
        episodes = algorithm.env_runner.sample(num_episodes=4)
    finally:
        algorithm.stop()
    rows, lengths = 0, set()
    for episode in episodes:
        for name, single in episode.agent_episodes.items():
            observations, rewards = single.get_observations()[:-1], single.get_rewards()
            agent, number, steps = int(name[-1]), int(observations[0, 1]), observations[:, 3]
            assert (observations[:, 2] == agent).all()
            np.testing.assert_array_equal(rewards, 100 * (agent + 1) + steps + 1000 * (number % 7))
            rows += len(rewards)
            lengths.add(len(rewards))
    assert rows > 20 and len(lengths) > 1
