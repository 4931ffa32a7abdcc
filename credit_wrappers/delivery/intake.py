"""What a credit store and its stand-in in a worker process have in common: ids, listeners, and how they are pickled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.process_registry import shared
from credit_wrappers.recording.team_reward import TeamRewardDecision

Listener = Callable[[Episode, Credit], None]

# Returns the stand-in for a store of another process; set in worker processes only.
_stand_in: Callable[[int, int], Any] | None = None


class EpisodeIntake:
    """Numbers episodes, and remembers the listener of each.

    A pickle is a reference: in the process of the store it leads to the store, in a worker process to its stand-in.

    Args:
        ids: Where fresh episode ids come from.
        reference: Returns the process of the store, and its number there.

    Attributes:
        team_reward: What the team reward is in all environments that hand episodes in, where they do not say it.
    """

    def __init__(self, ids: Iterator[int], reference: Callable[[], tuple[int, int]]) -> None:
        self._ids, self._reference = ids, reference
        self._listeners: dict[int, Listener] = {}  # by episode
        self.team_reward = TeamRewardDecision()

    def open(self) -> int:
        """Return a fresh episode id."""
        return next(self._ids)

    def _take_listener(self, episode: Episode, taken: bool, scored: Listener | None) -> None:
        """Remember who is to be told of an episode; raise CreditError when it was taken before."""
        if taken:
            raise CreditError(f"an episode {episode.id} is in the store already; take ids from store.open()")
        if scored is not None:
            self._listeners[episode.id] = scored

    def _tell(self, episode: Episode, credit: Credit) -> None:
        """Tell an episode's credit to who wanted it, once."""
        listener = self._listeners.pop(episode.id, None)
        if listener is not None:
            listener(episode, credit)

    def __reduce__(self) -> tuple[Callable[[int, int], Any], tuple[int, int]]:
        return store_of, self._reference()


def store_of(process: int, number: int) -> Any:
    """Return the store that a copy or a pickle refers to; in a worker process its stand-in.

    Raises:
        CreditError: The store lives in another process, and this one is no worker of it.
    """
    store = shared(process, number)
    if store is None and _stand_in is not None:
        store = _stand_in(process, number)
    if store is None:
        raise CreditError(
            "a credit store lives in the process that made it: make the environment, with a store, in each process"
        )
    return store


def use_stand_ins(stand_in: Callable[[int, int], Any]) -> None:
    """Have references to stores of other processes lead to what `stand_in(process, number)` returns."""
    global _stand_in
    _stand_in = stand_in
