"""In which order the agents of an episode are listed in the prompt.

Models give different credit to the same deed when the agents are listed in another order. In canonical order,
by what the agents did, a team that is relabelled gives the same prompt, hence the same credits for the same
deeds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby, permutations, product
from typing import Any

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.llm.prompts.render import agent_name

# Orders tried to break ties between agents that acted alike and cannot be told apart one by one.
_MOST_TRIED = 24

Groups = list[tuple[int, ...]]


def agent_order(episode: Episode, narrator: Narrator, kind: str, seed: int = 0, variant: int = 0) -> tuple[int, ...]:
    """Return agent indices in prompt order.

    Args:
        episode: The episode.
        narrator: Tells apart agents that acted alike.
        kind: "canonical": by content; "shuffled": canonical, then permuted by a random number that depends on
            `seed` and on what was done; "given": the environment's order; "average-k": canonical for variant 0,
            shuffled for the others.
        seed: See "shuffled".
        variant: Which of the k orders of "average-k", from 0.
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
    # Only where agents acted alike is the narrator asked, about the start first and then about everything.
    for moments in (episode.moments[:1], episode.moments):
        if len(groups) < n:
            told = {i: _words_about(i, n, moments, narrator) for group in groups if len(group) > 1 for i in group}
            groups = _split(groups, told.__getitem__)
    if len(groups) < n and math.prod(math.factorial(len(group)) for group in groups) <= _MOST_TRIED:
        # Alike in every word, yet perhaps not as a team (who stands beside whom): the smallest of all texts does
        # not depend on how the agents were numbered.
        names = [agent_name(k) for k in range(n)]
        return min(_tied(groups), key=lambda tried: narrator.frames(episode.moments, tried, names))
    return tuple(i for group in groups for i in group)


def _split(groups: Groups, key: Callable[[int], Any]) -> Groups:
    """Return the groups divided by a key of their members, in its order."""
    found: Groups = []
    for group in groups:
        parts = groupby(sorted(group, key=key), key=key) if len(group) > 1 else [(None, iter(group))]
        found += [tuple(part) for _, part in parts]
    return found


def _words_about(i: int, n: int, moments: Sequence[object], narrator: Narrator) -> Hashable:
    """Return what the narrator says when only agent i is told from the rest; the rest's order plays no part."""
    others = [k for k in range(n) if k != i]
    frames = narrator.frames(moments, [i, *others], [agent_name(0)] + [agent_name(1)] * len(others))
    return tuple(tuple(sorted(re.split(r"[;\n]\s*", frame))) for frame in frames)


def _tied(groups: Groups) -> Iterator[tuple[int, ...]]:
    for choice in product(*(permutations(group) for group in groups)):
        yield tuple(i for group in choice for i in group)
