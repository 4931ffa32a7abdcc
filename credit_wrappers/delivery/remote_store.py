"""A credit store's stand-in in a worker process: it numbers episodes and keeps what the store must be told of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.delivery.intake import EpisodeIntake, Listener, use_stand_ins
from credit_wrappers.recording.team_reward import TeamRewardDecision


class StoreMessage(NamedTuple):
    """What a stand-in tells its store: an episode was opened, or it is finished, or what the team reward is.

    Attributes:
        store: The stand-in; where the message is read, the store itself.
        id: Number of the episode in the worker.
        episode: The finished episode; None: it was opened.
        listens: Somebody in the worker wants to be told its credit.
        agreed: Arguments of `TeamRewardDecision.agree`; None: the message is about an episode.
    """

    store: Any
    id: int
    episode: Episode | None = None
    listens: bool = False
    agreed: tuple[str, str] | None = None


class Outbox:
    """What the stand-ins of this process have to tell, and who is to be told the credits that come back."""

    def __init__(self) -> None:
        self.messages: list[StoreMessage] = []
        self.ids = itertools.count()
        self.awaited: dict[int, tuple[RemoteStore, Episode]] = {}  # episodes whose credit somebody wants, by number
        self._stores: dict[tuple[int, int], RemoteStore] = {}

    def store(self, process: int, number: int) -> RemoteStore:
        """Return the stand-in of a store, the same each time."""
        return self._stores.setdefault((process, number), RemoteStore(self, process, number))

    def collect(self) -> list[StoreMessage]:
        """Return the messages since the last call, in order."""
        messages, self.messages = self.messages, []
        return messages

    def deliver(self, credits: Iterable[tuple[int, Credit]]) -> None:
        """Tell the credits of episodes, by their numbers in this process, to those who wanted them."""
        for id, credit in credits:
            store, episode = self.awaited.pop(id)
            store._tell(episode, credit)


class RemoteStore(EpisodeIntake):
    """Stands in for a `CreditStore` of another process; its pickle is a reference to that store.

    The episodes handed in here are submitted there, under a number which that store gives, and are scored there.
    Credits are collected there too: this side has no `ready()` and no `settle()`.
    """

    def __init__(self, outbox: Outbox, process: int, number: int) -> None:
        super().__init__(outbox.ids, lambda: (process, number))
        self._outbox = outbox
        self._open: set[int] = set()
        self.team_reward.changed = self._agreed

    def open(self) -> int:
        """Return a fresh episode id; it is good in this process."""
        id = super().open()
        self._open.add(id)
        self._outbox.messages.append(StoreMessage(self, id))
        return id

    def submit(self, episode: Episode, scored: Listener | None = None) -> None:
        """Take a finished episode.

        Args:
            episode: What happened.
            scored: Is told the episode's credit before the environment's next reset, if it is there by then, else
                before a later one; in the thread that resets.

        Raises:
            CreditError: The episode's id was not opened here, or it was submitted before.
        """
        self._take_listener(episode, episode.id not in self._open, scored)
        self._open.discard(episode.id)
        self._outbox.messages.append(StoreMessage(self, episode.id, episode, scored is not None))
        if scored is not None:
            self._outbox.awaited[episode.id] = self, episode

    def _agreed(self, decision: TeamRewardDecision) -> None:
        assert decision.rule is not None
        self._outbox.messages.append(StoreMessage(self, -1, agreed=(decision.rule, decision.told)))

    def __repr__(self) -> str:
        return "RemoteStore(process={}, number={})".format(*self._reference())


def become_worker() -> Outbox:
    """Say that this process is a worker: references to stores of other processes lead to stand-ins from now on."""
    outbox = Outbox()
    use_stand_ins(outbox.store)
    return outbox
