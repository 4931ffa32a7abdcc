"""Exact per-agent, per-step credit for unmodified Tianshou (2.x) learners, Collector and trainers.

    store = CreditStore(critic)
    venv = AgentSlotVectorEnv([lambda: CreditWrapper(make_env(), store=store)] * 16)
    buffer = CreditReplayBuffer(20_000, venv)
    collector = Collector(algorithm, venv, buffer)

The envs pay the team reward as a placeholder, so a collector's statistics show the true return; the
buffer writes each agent's credit over it before a learner sees the row.
"""

from .credit_buffer import CreditReplayBuffer
from .crediting import RowCounts
from .nets import ActionHead, ValueHead
from .slot_buffer import SlotReplayBuffer
from .slot_info import SlotInfo
from .slot_venv import AgentSlotVectorEnv

__all__ = [
    "ActionHead",
    "AgentSlotVectorEnv",
    "CreditReplayBuffer",
    "RowCounts",
    "SlotInfo",
    "SlotReplayBuffer",
    "ValueHead",
]
