"""How far a critic's credit depends on the order in which the agents were listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Drift:
    """What listing the same team in other orders changed in the credit of one episode; 0 for a fair critic.

    Attributes:
        agent: Spread of one agent's summed credit: of the agent with the largest.
        team: Spread of the credit summed over the team.
    """

    agent: float
    team: float


def order_drift(totals_by_order: Sequence[Mapping[str, float]]) -> Drift:
    """Return the spread, largest minus smallest, over the orders in which one episode was judged.

    Args:
        totals_by_order: For each order every agent's summed credit, by the agents' own names.

    Raises:
        ValueError: There is no order, or the orders are not about the same agents.

    Example:
        >>> order_drift([{"left": 1.0, "right": 0.0}, {"right": 0.5, "left": 1.25}])
        Drift(agent=0.5, team=0.75)
    """
    if not totals_by_order:
        raise ValueError("there is no order to compare")
    agents = totals_by_order[0].keys()
    for totals in totals_by_order:
        if totals.keys() != agents:
            raise ValueError(f"different agents: {', '.join(agents)} and {', '.join(totals)}")
    agent = max((_spread([totals[name] for totals in totals_by_order]) for name in agents), default=0.0)
    # Summed in one order, so that rounding does not look like drift.
    team = _spread([sum(totals[name] for name in agents) for totals in totals_by_order])
    return Drift(agent, team)


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)
