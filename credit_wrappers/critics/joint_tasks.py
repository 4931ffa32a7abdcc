"""One plan for the team out of the tasks that one or several answers assign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


def joint_tasks(
    told: Sequence[tuple[Mapping[str, str], Mapping[str, str]]], agents: Sequence[str]
) -> tuple[str, ...] | None:
    """Return one task for each agent: the joint assignment that most answers gave, the first of these.

    Joint, and not the most frequent task of each agent by itself: two answers may each solve the agreement problem in
    their own way.

    Args:
        told: For each answer the tasks by the agents' names in its prompt, and their own names by those.
        agents: The agents, in the environment's order.

    Returns:
        None when no tasks were assigned.
    """
    plans: Counter[tuple[str, ...]] = Counter()
    for tasks, own in told:
        named = {own[name]: task for name, task in tasks.items()}
        plans[tuple(named[agent] for agent in agents if agent in named)] += 1
    return plans.most_common(1)[0][0] or None  # of equals it lists the first first
