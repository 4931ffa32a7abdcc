"""Coins behind observations: the same for all agents, new in each step, and nothing else changes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import parallel_api_test

from tianshou_examples.experiment.environments import environment_maker, longest_episode
from tianshou_examples.experiment.shared_coins import SharedCoins

FIELD = "lbf:Foraging-5x5-2p-1f-coop-v3"


def test_coins_stand_behind_what_the_environment_shows() -> None:
    plain, tossing = environment_maker(FIELD)(), environment_maker(FIELD, coins=3)()
    seen, _ = plain.reset(seed=4)
    with_coins, _ = tossing.reset(seed=4)
    shown = []
    while plain.agents:
        for agent in plain.agents:
            np.testing.assert_array_equal(with_coins[agent][:-3], seen[agent])
            assert tossing.observation_space(agent).contains(with_coins[agent])
        coins = np.stack([with_coins[agent][-3:] for agent in plain.agents])
        assert (coins == coins[0]).all() and (np.abs(coins) == 1).all()
        shown.append(coins[0])
        seen, rewards, *ends, _ = plain.step(dict.fromkeys(plain.agents, 0))
        with_coins, same, *others, _ = tossing.step(dict.fromkeys(tossing.agents, 0))
        assert (rewards, ends) == (same, others)
    assert len(shown) == longest_episode(plain) and len(np.unique(shown, axis=0)) == 8
    again, _ = tossing.reset(seed=5)
    np.testing.assert_array_equal(again[tossing.agents[0]][-3:], shown[0])  # as in every episode


def test_it_is_a_parallel_env() -> None:
    env = environment_maker(FIELD, coins=2)()
    assert isinstance(env, SharedCoins)
    parallel_api_test(env, num_cycles=120)


@pytest.mark.parametrize("argv", [["--env", "spaceworld:pair", "--coins", "3"]])
def test_spaceworld_tosses_its_own(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from tianshou_examples.experiment.command_line import parse

    with pytest.raises(SystemExit):
        parse(argv)
    assert "tosses its own coins" in capsys.readouterr().err
