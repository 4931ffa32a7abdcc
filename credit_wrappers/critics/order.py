"""In which order the agents of an episode are listed in the prompt.

Models give different credit to the same deed when the agents are listed in another order. In canonical order,
by what the agents did, a team that is relabelled gives the same prompt, hence the same credits for the same
deeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import groupby, permutations, product
from typing import Literal

import numpy as np

from ..episode import Episode
from ..prompts import agent_name
from ..protocols import Narrator

Order = Literal["canonical", "shuffled", "given"]
ORDERS: tuple[Order, ...] = ("canonical", "shuffled", "given")

# Orders tried to break ties between agents that acted alike; beyond that they stay as given.
_MOST_TRIED = 24


def agent_order(episode: Episode, narrator: Narrator, kind: Order, seed: int = 0) -> tuple[int, ...]:
    """Return agent indices in prompt order.

    Args:
        episode: The episode.
        narrator: Tells apart agents that acted alike.
        kind: "canonical": by content; "shuffled": canonical, then permuted by a random number that depends on
            `seed` and on what was done; "given": the environment's order.
        seed: See "shuffled".
    """
    if kind == "given":
        return tuple(range(episode.n_agents))
    order = _canonical(episode, narrator)
    if kind == "shuffled":
        digest = blake2b(episode.actions[:, order].tobytes(), digest_size=8).digest()
        random = np.random.default_rng([seed, int.from_bytes(digest, "big")])
        order = tuple(order[i] for i in random.permutation(len(order)))
    return order


def _canonical(episode: Episode, narrator: Narrator) -> tuple[int, ...]:
    """Return the order by each agent's actions, then its costs, then the text of the first frame."""
    agents = range(episode.n_agents)
    deeds = [episode.actions[:, i].tobytes() + episode.cost[:, i].tobytes() for i in agents]
    order = sorted(range(len(deeds)), key=deeds.__getitem__)
    groups = [tuple(group) for _, group in groupby(order, key=deeds.__getitem__)]
    if len(groups) == len(order) or math.prod(math.factorial(len(group)) for group in groups) > _MOST_TRIED:
        return tuple(order)
    names = [agent_name(k) for k in range(len(order))]
    start = episode.moments[:1]
    # The smallest of all texts does not depend on how the agents were numbered.
    return min(_tied(groups), key=lambda tried: narrator.frames(start, tried, names))


def _tied(groups: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    for choice in product(*(permutations(group) for group in groups)):
        yield tuple(i for group in choice for i in group)
