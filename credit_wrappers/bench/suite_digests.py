"""Digests of what a suite's figures rest on beside its actions: the narrator's text, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from credit_wrappers.bench.suite import Suite
from credit_wrappers.bench.truth import SuiteTruth
from credit_wrappers.core.content_digest import content_digest
from credit_wrappers.core.episode import Episode


def text_digest(episodes: Sequence[Episode]) -> str:
    """Return 16 hexadecimal digits over all that the narrator says of the world and of each state; "" without one.

    Agents have their own names and their own order. The wording of questions does not count.
    """
    narrator = episodes[0].narrator if episodes else None
    if narrator is None:
        return ""
    said: list[object] = [narrator.describe(), narrator.notation(), dict(narrator.examples()), [*narrator.tasks()]]
    if callable(worths := getattr(narrator, "worths", None)):
        said.append(worths())
    for episode in episodes:
        agents = episode.agents
        if episode.narrator is not None and episode.moments:
            said.append(episode.narrator.frames(episode.moments, range(len(agents)), agents))
        for i, agent in enumerate(agents):
            taken = np.unique(episode.actions[:, i], axis=0)
            said.append([narrator.action_name(agent, action) for action in taken if np.all(action >= 0)])
    return content_digest(said).hex()


def truth_digests(truth: SuiteTruth) -> dict[str, tuple[str, ...]]:
    """Return digests for each value and kind, such as "time shapley": 8 hexadecimal digits for each episode.

    They are over all credits to a millionth.
    """
    return {f"{value} {kind}": tuple(map(_digest, credits)) for (value, kind), credits in truth.credits.items()}


def _digest(credit: np.ndarray) -> str:
    known = np.isfinite(credit)
    rounded = (np.where(known, credit, 0) * 1e6).round().astype("<i8")
    return blake2b(repr(credit.shape).encode() + known.tobytes() + rounded.tobytes(), digest_size=4).hexdigest()


def check_truth(suite: Suite, truth: SuiteTruth, chosen: Sequence[int] | None = None) -> None:
    """Raise CreditError if the truth is not the one with which the suite was made; one that is new is no error.

    Args:
        suite: The whole suite.
        truth: About some of its episodes.
        chosen: Their numbers in the suite; None: all of them.
    """
    found = truth_digests(truth)
    numbers = range(len(suite.episodes)) if chosen is None else chosen
    other = []
    for name, digests in suite.truth_digests.items():
        here = found.get(name)
        if here is None:
            if name.partition(" ")[0] not in truth.missing:  # else the rows say why
                other.append(f"{name} (missing)")
            continue
        wrong = [k for k, digest in zip(numbers, here, strict=True) if digests[k] and digest != digests[k]]
        if wrong:
            other.append(f"{name} (episodes {', '.join(map(str, wrong[:5]))}{', ...' if len(wrong) > 5 else ''})")
    if other:
        raise suite.other_version(
            f"suite {suite.name!r}: the truth about its episodes is not what it was when the suite was made, by the "
            f"digests of {', '.join(other)}, though the environment pays the same: a value function, or exact credit, "
            "has changed, so figures would not be comparable with those of the suite's version"
        )


def doubts(suite: Suite, episodes: Sequence[Episode]) -> tuple[str, str]:
    """Return what must be said of rows of the suite: of all rows, and of rows of critics that read its text."""
    unknown, other = "", ""
    if not suite.digest and any(episode.play != "recorded" for episode in suite.episodes):
        unknown = "the suite has no digest: nothing tells whether its actions, or what they lead to, have changed"
    if suite.text_digest and (found := text_digest(episodes)) != suite.text_digest:
        other = (
            "the narrator's text is not that of the suite's version: rows of models are not comparable (its digest is "
            f"{found} instead of {suite.text_digest}{f'; made with {suite.made_with}' if suite.made_with else ''})"
        )
    return unknown, other
