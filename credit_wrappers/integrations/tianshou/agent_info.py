"""What the venv tells about every agent row: integer columns in the place where Tianshou expects dicts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from tianshou.data import Batch

# Values of the column `status`: what became of the agent row's agent in this step.
ACTIVE = 0  # it acted and goes on
TERMINATED = 1  # it acted and the world ended it
TRUNCATED = 2  # it acted and time ran out for it
GONE = 3  # it had left before this step; its action did nothing


class AgentInfo(Batch):
    """Columns of integers, one row for each agent row; what `AgentVectorEnv` returns as `info`.

    A dict for each of hundreds of agent rows would cost more than the step itself, so the columns travel
    as a Batch, which the replay buffer stores as it is (`batch.info.episode_id`). The Collector
    asks of an info array only that its `dtype` is object, and which rows are worth showing to the
    policy (`nonzero()`): none are.

    Columns:
        episode_id: Id that the credit store gave the agent row's episode; -1 without a store.
        episode_step: Step t of the episode that this row's action belongs to; -1 at reset.
        agent: Index of the agent row's agent in `possible_agents`.
        status: `ACTIVE`, `TERMINATED`, `TRUNCATED` or `GONE`.
    """

    dtype: ClassVar[np.dtype] = np.dtype(object)

    def nonzero(self) -> tuple[np.ndarray]:
        """Return no rows: the policy is shown an empty info."""
        return (np.empty(0, dtype=np.int64),)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self.__dict__[index]
        # Batch's own slicing would return a plain Batch, which the Collector does not take for infos.
        return AgentInfo({name: column[index] for name, column in self.__dict__.items()})
