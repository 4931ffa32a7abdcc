"""The order in which agents are listed in a prompt, what it changes, and one result from several orders.

Models give different credit for the same deed when the agents are listed in another order. The canonical order is
by what the agents did, so a team that is relabelled gives the same prompt, hence the same credits for the same deeds.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, groupby, permutations, product
from typing import Any

import numpy as np

from credit_wrappers.core.credit import TaskSpan
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.llm.prompts.render import agent_name

# Orders tried to break ties between agents that acted alike and cannot be told apart one by one.
_MOST_TRIED = 24

Groups = list[tuple[int, ...]]


def agent_order(episode: Episode, narrator: Narrator, kind: str, seed: int = 0, variant: int = 0) -> tuple[int, ...]:
    """Return agent indices in prompt order.

    | `kind` | Order |
    |---|---|
    | "canonical" | by content; the narrator tells apart agents that acted alike |
    | "shuffled" | canonical, then permuted at random, by `seed` and by what was done |
    | "given" | the environment's order |
    | "average-k" | canonical for `variant` 0, shuffled for variants 1 to k - 1 |
    """
    if kind == "given":
        return tuple(range(episode.n_agents))
    order = _canonical(episode, narrator)
    if kind == "shuffled" or variant:
        deeds = np.ascontiguousarray(episode.actions[:, list(order)])
        digest = blake2b(deeds.tobytes(), digest_size=8).digest()
        key = [seed, int.from_bytes(digest, "big")] + ([variant] if variant else [])
        order = tuple(order[i] for i in np.random.default_rng(key).permutation(len(order)))
    return order


def _canonical(episode: Episode, narrator: Narrator) -> tuple[int, ...]:
    """Return the order by each agent's actions, then its costs, then the narrator's words about it."""
    n = episode.n_agents
    deeds = [episode.actions[:, i].tobytes() + episode.cost[:, i].tobytes() for i in range(n)]
    groups = _split([tuple(range(n))], deeds.__getitem__)
    # The narrator is asked only where agents acted alike, about the start first and then about everything.
    for moments in (episode.moments[:1], episode.moments):
        if len(groups) < n:
            told = {i: _words_about(i, n, moments, narrator) for group in groups if len(group) > 1 for i in group}
            groups = _split(groups, told.__getitem__)
    if len(groups) < n and math.prod(math.factorial(len(group)) for group in groups) <= _MOST_TRIED:
        # Alike in every word, yet perhaps not as a team (who stands beside whom). The smallest of all texts does
        # not depend on how the agents were numbered.
        names = [agent_name(k) for k in range(n)]
        tied = (tuple(chain(*choice)) for choice in product(*map(permutations, groups)))
        return min(tied, key=lambda tried: narrator.frames(episode.moments, tried, names))
    return tuple(chain(*groups))


def _split(groups: Groups, key: Callable[[int], Any]) -> Groups:
    """Return the groups divided by a key of their members, in its order."""
    found: Groups = []
    for group in groups:
        parts = groupby(sorted(group, key=key), key=key) if len(group) > 1 else [(None, iter(group))]
        found += [tuple(part) for _, part in parts]
    return found


def _words_about(i: int, n: int, moments: Sequence[object], narrator: Narrator) -> Hashable:
    """Return what the narrator says when only agent i has a name of its own; the order of the rest plays no part."""
    others = [k for k in range(n) if k != i]
    frames = narrator.frames(moments, [i, *others], [agent_name(0)] + [agent_name(1)] * len(others))
    return tuple(tuple(sorted(re.split(r"[;\n]\s*", frame))) for frame in frames)


@dataclass(frozen=True)
class Drift:
    """How far the credit of one episode depends on the order of the agents; 0 for a fair critic."""

    agent: float  # spread of one agent's summed credit, for the agent with the largest
    team: float  # spread of the credit summed over the team


def order_drift(totals_by_order: Sequence[Mapping[str, float]]) -> Drift:
    """Return the spread, largest minus smallest, over the orders in which one episode was judged.

    `totals_by_order` has, for each order, every agent's summed credit by the agents' own names.

    Raises:
        ValueError: There is no order, or the orders are not about the same agents.

    Examples:
        >>> order_drift([{"left": 1.0, "right": 0.0}, {"right": 0.5, "left": 1.25}])
        Drift(agent=0.5, team=0.75)
    """
    if not totals_by_order:
        raise ValueError("there is no order to compare")
    agents = totals_by_order[0].keys()
    for totals in totals_by_order:
        if totals.keys() != agents:
            raise ValueError(f"different agents: {', '.join(agents)} and {', '.join(totals)}")
    agent = max((float(np.ptp([totals[name] for totals in totals_by_order])) for name in agents), default=0.0)
    # Summed in one order, so that rounding does not look like drift.
    return Drift(agent, float(np.ptp([sum(totals[name] for name in agents) for totals in totals_by_order])))


def joint_tasks(
    told: Sequence[tuple[TaskSpan, ...] | None], agents: Sequence[str], length: int
) -> tuple[TaskSpan, ...] | None:
    """Return the tasks of one episode, in each step the joint assignment that most answers gave, the first of these.

    It is not each agent's own most frequent task, because two answers may solve the agreement problem differently.

    Args:
        told: What each answer says, by the agents' own names; None or () where it names no tasks.
        agents: The agents, in the environment's order.
        length: Steps of the episode, T.

    Returns:
        Spans in the order of the agents and of time; None when no tasks were named.
    """
    tables = [_by_step(spans, agents, length) for spans in told if spans]
    if not tables:
        return None
    chosen = []
    for t in range(length):
        plans = [tuple(task for task, _ in table[t]) for table in tables]
        best = Counter(plans).most_common(1)[0][0]  # of equal counts it lists the first one first
        chosen.append(tables[plans.index(best)][t])
    return tuple(span for i, agent in enumerate(agents) for span in _spans(agent, [step[i] for step in chosen]))


def _by_step(spans: Sequence[TaskSpan], agents: Sequence[str], length: int) -> list[list[tuple[str, str]]]:
    """Return the task of each agent in each step, and the reason."""
    table = [[("", "")] * len(agents) for _ in range(length)]
    for span in spans:
        for t in range(span.start, span.stop):
            table[t][agents.index(span.agent)] = span.task, span.why
    return table


def _spans(agent: str, steps: Sequence[tuple[str, str]]) -> Iterator[TaskSpan]:
    start = 0
    for (task, why), run in groupby(steps):
        stop = start + sum(1 for _ in run)
        yield TaskSpan(agent, start, stop, task, why)
        start = stop
