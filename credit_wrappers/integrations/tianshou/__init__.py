"""Exact per-agent, per-step credit for unmodified Tianshou (2.x) learners, Collector and trainers.

    store = CreditStore(critic)
    venv = AgentVectorEnv([lambda: CreditWrapper(make_env(), Deferred(store))] * 16)
    buffer = CreditReplayBuffer(20_000, venv)
    collector = Collector(algorithm, venv, buffer)

The envs pay the team reward as a placeholder, so a collector's statistics show the true return; the
buffer writes each agent's credit over it before a learner sees the row.
"""

from credit_wrappers.integrations.tianshou.agent_buffer import AgentReplayBuffer
from credit_wrappers.integrations.tianshou.agent_info import AgentInfo
from credit_wrappers.integrations.tianshou.agent_vector_env import AgentVectorEnv
from credit_wrappers.integrations.tianshou.credit_buffer import CreditReplayBuffer
from credit_wrappers.integrations.tianshou.crediting import RowCounts
from credit_wrappers.integrations.tianshou.nets import ActionHead, ValueHead

__all__ = [
    "ActionHead",
    "AgentInfo",
    "AgentReplayBuffer",
    "AgentVectorEnv",
    "CreditReplayBuffer",
    "RowCounts",
    "ValueHead",
]

_RENAMED = {"AgentSlotVectorEnv": "AgentVectorEnv", "SlotReplayBuffer": "AgentReplayBuffer", "SlotInfo": "AgentInfo"}


def __getattr__(name: str) -> object:
    if name in _RENAMED:  # an ImportError, whose message `from ... import ...` shows
        raise ImportError(f"{name} is called {_RENAMED[name]} now: from {__name__} import {_RENAMED[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
