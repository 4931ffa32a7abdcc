"""The protocol of critics, and the check of what they return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.labelled_episode import LabelledEpisode


class Critic(Protocol):
    """Everything that can assign credit."""

    @property
    def label(self) -> str:
        """Short name for tables, such as "scripted" or "shared"."""
        ...

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return one credit for each episode, in the same order. May be called from several threads."""
        ...


def check_critic(critic: object, taker: str) -> None:
    """Raise TypeError unless an object is a critic.

    Args:
        critic: The object.
        taker: Begins the message, such as "Online takes a critic".
    """
    if isinstance(critic, type):
        raise TypeError(f"{taker}, got {critic!r}: give an object, {critic.__name__}(...)")
    if callable(getattr(critic, "score", None)):
        return
    meant = ""
    if hasattr(critic, "complete"):
        meant = f", a model client: LLMCritic({critic!r}) makes a critic of it; LLMCreditWrapper takes it as client="
    elif hasattr(critic, "submit"):
        meant = ", a store: CreditWrapper(env, Deferred(store)), or LLMCreditWrapper(env, store=store)"
    raise TypeError(f"{taker}, got {critic!r}{meant}")


def check_credits(query: Sequence[Episode], credits: Sequence[Credit]) -> None:
    """Raise CreditError unless there is one finite (T, N) credit for each episode."""
    if len(credits) != len(query):
        raise CreditError(f"the critic returned {len(credits)} credits for {len(query)} episodes")
    for episode, credit in zip(query, credits, strict=True):
        expected = (episode.length, episode.n_agents)
        if credit.values.shape != expected:
            raise CreditError(f"episode {episode.id}: credit has shape {credit.values.shape}, expected {expected}")
        if not np.isfinite(credit.values).all():
            raise CreditError(f"episode {episode.id}: credit contains NaN or infinity")


def check_labels(labels: Sequence[object], taker: str) -> None:
    """Raise TypeError unless each label is a pair of an episode and its credit; `taker` begins the message."""
    for k, label in enumerate(labels):
        if isinstance(label, LabelledEpisode):
            raise TypeError(
                f"{taker} takes labels, pairs (episode, credit), and number {k} is a LabelledEpisode: give "
                "[(x.episode, x.credit) for x in labels]"
            )
        if not (isinstance(label, tuple | list) and len(label) == 2):
            raise TypeError(f"{taker} takes labels, pairs (episode, credit), and number {k} is {label!r:.200}")
        if not (isinstance(label[0], Episode) and isinstance(label[1], Credit)):
            kinds = " and ".join(type(part).__name__ for part in label)
            raise TypeError(f"{taker} takes labels, pairs (episode, credit), and number {k} is a pair of {kinds}")
