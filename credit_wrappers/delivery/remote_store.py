"""A credit store's stand-in in a worker process: it numbers episodes and keeps what the store is to hear of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError

if TYPE_CHECKING:
    from credit_wrappers.delivery.store import CreditStore

Scored = Callable[[Episode, Credit], None]


class Letter(NamedTuple):
    """What a stand-in tells its store: an episode was opened, or it is finished.

    Attributes:
        store: The stand-in; where the letter is read, the store itself.
        id: Number of the episode in the worker.
        episode: The finished episode; None: it was opened.
        hears: Somebody in the worker wants to be told its credit.
    """

    store: Any
    id: int
    episode: Episode | None = None
    hears: bool = False


class Post:
    """What the stand-ins of this process have to tell, and who is to be told the credits that come back."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.ids = itertools.count()
        self.hearers: dict[int, tuple[Episode, Scored]] = {}  # by number in this process
        self._stores: dict[tuple[int, int], RemoteStore] = {}

    def store(self, process: int, number: int) -> RemoteStore:
        """Return the stand-in of a store, the same each time."""
        return self._stores.setdefault((process, number), RemoteStore(self, process, number))

    def collect(self) -> list[Letter]:
        """Return the letters since the last call, in order."""
        letters, self.letters = self.letters, []
        return letters

    def deliver(self, credits: Iterable[tuple[int, Credit]]) -> None:
        """Tell the credits of episodes, by their numbers in this process, to those who wanted to hear them."""
        for id, credit in credits:
            episode, scored = self.hearers.pop(id)
            scored(episode, credit)


class RemoteStore:
    """Stands in for a `CreditStore` of another process; its pickle is a reference to that store.

    The episodes handed in here are submitted there, under a number which that store gives, and are scored there.
    Credits are collected there too: this side has no `ready()` and no `settle()`.
    """

    def __init__(self, post: Post, process: int, number: int) -> None:
        self._post, self._reference = post, (process, number)
        self._open: set[int] = set()

    def open(self) -> int:
        """Return a fresh episode id; it is good in this process."""
        id = next(self._post.ids)
        self._open.add(id)
        self._post.letters.append(Letter(self, id))
        return id

    def submit(self, episode: Episode, scored: Scored | None = None) -> None:
        """Take a finished episode.

        Args:
            episode: What happened.
            scored: Is told the episode's credit before the environment's next reset, if it is there by then, else
                before a later one; in the thread that resets.

        Raises:
            CreditError: The episode's id was not opened here, or it was submitted before.
        """
        if episode.id not in self._open:
            raise CreditError(f"an episode {episode.id} is in the store already; take ids from store.open()")
        self._open.discard(episode.id)
        self._post.letters.append(Letter(self, episode.id, episode, scored is not None))
        if scored is not None:
            self._post.hearers[episode.id] = (episode, scored)

    def __reduce__(self) -> tuple[Callable[[int, int], CreditStore | RemoteStore], tuple[int, int]]:
        from credit_wrappers.delivery.store import _store_of

        return _store_of, self._reference

    def __repr__(self) -> str:
        return f"RemoteStore(process={self._reference[0]}, number={self._reference[1]})"


_post: Post | None = None  # of this process, when it is a worker


def become_worker() -> Post:
    """Say that this process is a worker: references to stores of other processes lead to stand-ins from now on."""
    global _post
    _post = Post()
    return _post


def stand_in(process: int, number: int) -> RemoteStore | None:
    """Return the stand-in for a store of another process; None when this process is no worker."""
    return None if _post is None else _post.store(process, number)
