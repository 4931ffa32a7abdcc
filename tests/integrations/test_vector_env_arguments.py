"""What is mixed up when vector envs and buffers are made: refused at once, with what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from credit_wrappers import CreditStore, CreditWrapper, Deferred, EqualSplitCritic
from credit_wrappers.integrations.gymnasium import ParallelVecEnv
from credit_wrappers.integrations.tianshou import AgentReplayBuffer, AgentVectorEnv, CreditReplayBuffer
from credit_wrappers.testing.corridor import CorridorEnv

VECTORISED = [AgentVectorEnv, lambda fns: AgentVectorEnv(fns, worker="subprocess"), ParallelVecEnv]


@pytest.mark.parametrize("make", VECTORISED)
def test_environments_instead_of_factories_are_refused(make: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"env_fns\[1\] is CorridorEnv, and a factory is needed.*\[make_env\] \* 4"):
        make([CorridorEnv, CorridorEnv()])
    for single in (CorridorEnv, CorridorEnv()):
        with pytest.raises(TypeError, match=r"env_fns is a list of factories, one for each env: \[make_env\] \* 4"):
            make(single)


@pytest.mark.parametrize("make", [AgentVectorEnv, ParallelVecEnv])
def test_factories_that_return_one_environment_are_refused(make: Callable[[Any], Any]) -> None:
    one = CorridorEnv()
    with pytest.raises(ValueError, match="env 0 and env 2 are one object"):
        make([lambda: one, CorridorEnv, lambda: one])
    store = CreditStore(EqualSplitCritic(), workers=0)
    with pytest.raises(ValueError, match="env 0 and env 1 are one object"):
        make([lambda: CreditWrapper(one, Deferred(store))] * 2)


def test_size_and_vector_env_in_the_wrong_order_are_refused() -> None:
    store = CreditStore(EqualSplitCritic(), workers=0)
    venv = AgentVectorEnv([lambda: CreditWrapper(CorridorEnv(), Deferred(store))] * 2)
    with pytest.raises(TypeError, match=r"CreditReplayBuffer\(total_size, venv\) takes a size and an AgentVectorEnv"):
        CreditReplayBuffer(venv, 100)  # type: ignore[arg-type]
    for size in (0, 3):
        with pytest.raises(ValueError, match=rf"total_size is {size}: each of the 4 agent columns needs its own rows"):
            CreditReplayBuffer(size, venv)
    with pytest.raises(ValueError, match="total_size is 1: each of the 2 agent columns"):
        AgentReplayBuffer(1, 2)
