"""Credit at once from a student, in one environment; its episodes may become labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from ..credit import Credit
from ..distillation import Distillation
from ..distillation.payroll import Payroll, Ready
from ..distillation.rows import Rows
from ..recorder import EpisodeRecorder
from ..student import StudentCritic

_ONLY = np.zeros(1, np.int64)  # the environment


class StudentPay:
    """Pays the steps of one environment.

    Args:
        source: A student, or the distillation that fits some.
        env: The environment.
        name: What it is called.

    Attributes:
        window, paid: See `Payer`.
        rows: How its observations are read.

    Raises:
        CreditError: The student is fitted for another environment, other agents, observations or actions; both are
            named.
        TypeError: See `Rows`.
        ValueError: The distillation belongs to another team; both are named.
    """

    window = 1

    def __init__(self, source: StudentCritic | Distillation, env: ParallelEnv, name: str) -> None:
        self.rows = Rows(env)
        self.distillation = source if isinstance(source, Distillation) else None
        if isinstance(source, Distillation):
            source.join(self.rows.agents, self.rows.sizes, self.rows.n_actions)
            self.payroll = Payroll(source, self.rows.team)
        else:
            source.check_env(self.rows.agents, self.rows.sizes, self.rows.n_actions, name)
            self.payroll = Payroll(Ready(source), self.rows.team)
        self.paid = np.zeros(0)
        self._episodes = 0
        self._seen: list[np.ndarray] = []  # rows of the running episode, where labels may be wanted
        self._offers = True

    def open(self) -> int:
        """Return a fresh episode id."""
        if self.distillation is not None:
            return self.distillation.open()
        self._episodes += 1
        return self._episodes - 1

    def begin(self, observations: Mapping[str, Any]) -> None:
        """Begin an episode, with the newest student."""
        self._offers, self._seen = False, []
        first = self.rows(observations)
        self.payroll.begin(_ONLY, first[None])
        self.paid = np.zeros(len(self.rows.agents))
        if self.distillation is not None:
            self._offers, self._seen = True, [first] if self.distillation.left else []

    def pay(
        self, recorder: EpisodeRecorder, observations: Mapping[str, Any], over: bool, ended: tuple[bool, bool]
    ) -> Credit:
        """Return the credit of the last step, and offer a finished episode as a label.

        Raises:
            CreditError: An observation is not finite, or an agent has left; what the teacher raised.
            TypeError: Actions are not whole numbers.
        """
        offers, self._offers = self._offers, False  # a step that is refused leaves a gap: no label
        after = self.rows(observations)
        team = recorder.team_reward
        values = self.payroll.pay(
            _ONLY, np.array([recorder.last_actions]), after[None], np.array([team]), np.array([ended[0]])
        )
        self.paid = self.paid + values[0]
        if self._seen:
            self._seen.append(after)
        self._offers = offers and not over
        if over and offers and self.distillation is not None:
            seen, self._seen = self._seen, []
            episode = recorder.finish(*ended)
            self.distillation.offer(replace(episode, observations=self.rows.columns(seen)) if seen else episode)
        version = int(self.payroll.version[0])
        return Credit(values, summary=f"student {version}" if version else "", source="student" if version else "team")

    def batch(self, environments: int) -> Payroll:
        """Return who pays that many environments of this team that are stepped together."""
        return Payroll(self.payroll.source, self.rows.team, environments)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._offers, self._seen = False, []  # a copy pays on; the episode is offered once
