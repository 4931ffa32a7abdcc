"""How one team reward is made from the rewards of an environment's agents."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, get_args

import numpy as np

from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.process_registry import reference, share, shared

_LOG = logging.getLogger("credit_wrappers")

TeamRewardRule = Literal["auto", "shared", "mean", "sum"]


class TeamRewardDecision:
    """What "auto" means for all environments of one credit source, so that all their team rewards have one unit.

    The first reward that is not zero decides. If all agents are paid the same, the team reward is that number; where
    rewards differ later on, it is their mean, in the same unit. If they differ at once, it is their sum. Copies and
    pickles are the same decision, in the process that made it.

    Args:
        made: The decision, if it is known; it is told already.

    Attributes:
        rule: "mean" or "sum"; None: every reward was zero so far.
        told: What was logged, when rewards differed for the first time; "" before that.
        changed: Called with the rule and the text when one of them is new; set in worker processes only.
    """

    def __init__(self, made: Literal["mean", "sum"] | None = None) -> None:
        self.rule, self.told = made, ""
        self.changed: Callable[[TeamRewardDecision], None] | None = None
        self._number = share(self)

    def settle(self, rewards: Mapping[str, Any], values: list[float], env_id: str) -> Literal["mean", "sum"]:
        """Return how these rewards become one: as it was decided, or is decided now.

        Args:
            rewards: Of the agents, for the message.
            values: The same as numbers.
            env_id: Name of the environment.
        """
        same = _same(values)
        rule: Literal["mean", "sum"] | None = self.rule
        if rule is None:
            if len(values) < 2 or not any(values):
                return "sum"  # one agent's reward, or nothing: mean and sum are the same
            rule = "mean" if same else "sum"
        text = self.told if same or self.told else _message(rule, rewards, env_id)
        self.agree(rule, text)
        return rule

    def agree(self, rule: Literal["mean", "sum"], told: str) -> bool:
        """Take over what was decided elsewhere, and log what was not told yet; return whether it is new.

        Raises:
            CreditError: It was decided otherwise here.
        """
        if self.rule not in (None, rule):
            raise CreditError(
                f"two environments of one credit source decided differently in the same step: team_reward='{rule}' and "
                f"team_reward='{self.rule}'; say which one is meant. {told}"
            )
        if (self.rule, self.told) == (rule, told or self.told):
            return False
        if self.changed is None and told and not self.told:
            _LOG.warning("%s", told)
        elif self.changed is None and self.rule is None:
            _LOG.info("team_reward='auto': all agents are paid the same number, which is the team reward")
        self.rule, self.told = rule, told or self.told
        if self.changed is not None:
            self.changed(self)
        return True

    def __deepcopy__(self, memo: dict[int, Any]) -> TeamRewardDecision:
        return self

    def __reduce__(self) -> tuple[Callable[..., TeamRewardDecision], tuple[int, int, Any]]:
        return _decision_of, (*reference(self._number), self.rule)


class TeamReward:
    """Makes the team reward of one environment.

    Args:
        rule: "shared": all agents are paid the same number, which is the team reward; "mean": it is their mean; "sum":
            it is their sum; "auto": see `TeamRewardDecision`.
        decision: What "auto" means; default: a decision of this environment alone.
        env_id: Name of the environment, for messages.

    Raises:
        ValueError: There is no such rule.
    """

    def __init__(self, rule: TeamRewardRule, decision: TeamRewardDecision | None = None, env_id: str = "") -> None:
        if rule not in get_args(TeamRewardRule):
            raise ValueError(f"unknown team_reward {rule!r}; valid: {', '.join(map(repr, get_args(TeamRewardRule)))}")
        self.rule = rule
        self.env_id = env_id
        self.decision = decision if decision is not None and rule == "auto" else TeamRewardDecision()
        self._is_mean = rule in ("shared", "mean")  # where rewards are the same

    def __call__(self, rewards: Mapping[str, Any], counted: Collection[str] | None = None) -> float:
        """Return the team reward of a step; 0 when nobody was paid.

        Args:
            rewards: What the step returned.
            counted: The agents that acted in the step, whose rewards count; None: all in `rewards`.

        Raises:
            CreditError: A reward is no number; the rule is "shared", and the rewards differ.
        """
        values = list(rewards.values())
        if values and type(first := values[0]) is float and values.count(first) == len(values):
            same = first == 0.0 or (math.isfinite(first) and (self._is_mean or self.decision.rule == "mean"))
            if same and (counted is None or len(values) == len(counted)):
                return first
        paid = {
            agent: number(reward, f"the reward of agent {agent!r}")
            for agent, reward in rewards.items()
            if (counted is None or agent in counted) and agent != "__all__"
        }
        if not paid:
            return 0.0
        values = list(paid.values())
        rule = self.rule
        if rule == "auto":
            rule = self.decision.settle(paid, values, self.env_id)
        elif rule == "shared" and not _same(values):
            raise CreditError(
                f"the agents' rewards differ ({paid}), but team_reward='shared' was asked for; use "
                "team_reward='sum' or team_reward='mean'"
            )
        if rule == "sum":
            return float(sum(values))
        return values[0] if _same(values) else math.fsum(values) / len(values)


def number(value: Any, what: str) -> float:
    """Return a value as a number; an array or a tensor of one element is one.

    Args:
        value: What an environment gave.
        what: What it is, for the message.

    Raises:
        CreditError: It is something else.
    """
    if type(value) is float and math.isfinite(value):
        return value
    array = np.asarray(value)
    if array.size == 1 and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CreditError(f"{what} is {value!r}")
    if array.size != 1 or array.dtype.kind not in "biuf":
        shape = f" of shape {array.shape}" if array.size != 1 else ""
        raise CreditError(f"{what} is {value!r}{shape}; a number is needed")
    return float(array.reshape(-1)[0])


def _same(values: list[float]) -> bool:
    """Return whether all values are equal, up to rounding (0.1 + 0.2 is 0.3)."""
    first = values[0]
    return all(value == first or math.isclose(value, first, rel_tol=1e-6, abs_tol=1e-12) for value in values)


def _message(rule: str, rewards: Mapping[str, float], env_id: str) -> str:
    if rule == "sum":
        return (
            f"team_reward='auto': the agents of {env_id} are paid differently ({dict(rewards)}), so the team reward is "
            "their sum. If each of them gets the team's reward with a term of its own, use team_reward='mean'; "
            "team_reward='sum' says that the sum is meant"
        )
    return (
        f"team_reward='auto': the agents of {env_id} were paid the same number, which was the team reward; now their "
        f"rewards differ ({dict(rewards)}), so the team reward is their mean, in the same unit as before. If each "
        "agent is paid for itself, use team_reward='sum'; team_reward='mean' says that the mean is meant"
    )


def _decision_of(process: int, number: int, rule: Literal["mean", "sum"] | None) -> TeamRewardDecision:
    return shared(process, number) or TeamRewardDecision(rule)
