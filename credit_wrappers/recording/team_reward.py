"""How one team reward is made from the rewards of an environment's agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from credit_wrappers.core.errors import CreditError

TeamRewardRule = Literal["auto", "shared", "sum"]


class TeamReward:
    """Makes the team reward of one environment.

    Args:
        rule: "shared": all agents are paid the same number, which is the team reward; "sum": it is their sum; "auto":
            shared until rewards differ for the first time, from then on the sum.

    Raises:
        ValueError: There is no such rule.
    """

    def __init__(self, rule: TeamRewardRule) -> None:
        if rule not in get_args(TeamRewardRule):
            raise ValueError(f"unknown team_reward {rule!r}; valid: 'auto', 'shared', 'sum'")
        self.rule = rule
        self._summed = rule == "sum"

    def __call__(self, rewards: Mapping[str, Any]) -> float:
        """Return the team reward of a step; 0 when nobody was paid.

        Raises:
            CreditError: The rule is "shared", and the rewards differ.
        """
        values = list(rewards.values())
        if not values:
            return 0.0
        if not self._summed:
            first = values[0]
            if values.count(first) == len(values):
                return float(first)
            if self.rule == "shared":
                raise CreditError(
                    f"the agents' rewards differ ({dict(rewards)}), but team_reward='shared' was asked for; use "
                    "team_reward='sum'"
                )
            self._summed = True
        return float(sum(values))
