"""Checks of joint actions; every error names the agent and the action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

from spaceworld.rules import packing as pk

ACTIONS = frozenset(range(pk.N_ACTIONS))


def indices(actions: Mapping[str, Any], agents: Sequence[str]) -> list[int]:
    """Return the agents' actions as Python integers; arrays of one integer are accepted, too.

    Raises:
        ValueError: For a missing or unknown agent, or an action other than 0..5.
    """
    try:
        chosen = [index(actions[agent]) for agent in agents]
    except (KeyError, TypeError):
        raise bad(actions, agents) from None
    if len(actions) != len(agents) or not ACTIONS.issuperset(chosen):
        raise bad(actions, agents)
    return chosen


def bad(actions: Mapping[str, Any], agents: Sequence[str]) -> ValueError:
    """Return the error that names what is wrong with a joint action."""
    for agent in actions:
        if agent not in agents:
            return ValueError(f"there is no agent {agent!r}; the agents are {', '.join(agents)}")
    for agent in agents:
        if agent not in actions:
            return ValueError(f"the action of {agent!r} is missing")
        value = actions[agent]
        try:
            good = index(value) in ACTIONS
        except TypeError:
            good = False
        if not good:
            return ValueError(f"action {value!r} of {agent!r} is not one of 0..{pk.N_ACTIONS - 1}")
    return ValueError(f"bad actions {actions!r}")
