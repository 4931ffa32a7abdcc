"""Replay of labels: from seeds and actions, their environment makes moments, observations, masks and states again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.content_digest import content_digest
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError, DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.recording.action_masks import MaskKeeper
from credit_wrappers.recording.replay import replay


def replayed(
    labels: Iterable[LabelledEpisode], make_env: Callable[[], ParallelEnv], *, snapshots: bool = False
) -> Iterator[LabelledEpisode]:
    """Yield each label with its episode played again: with moments, narrator, observations and action masks.

    Args:
        labels: The labels; their episodes have seeds, and actions that are whole numbers.
        make_env: Makes the environment that they were played in, such as `card.make_env`.
        snapshots: Keep `env.unwrapped.get_state()` of every state.

    Raises:
        DatasetError: The environment makes another episode, or the label is of a part of one.
    """
    env: MaskKeeper | None = None
    for label in labels:
        episode = label.episode
        if episode.seed is None or episode.start:
            why = "it has no seed" if episode.seed is None else f"it begins at step {episode.start}"
            raise DatasetError(f"episode {episode.id} cannot be played again: {why}")
        env = env or MaskKeeper(make_env())
        try:
            found = replay(env, episode.seed, episode.actions, observations=True, snapshots=snapshots)
        except (CreditError, ValueError) as error:
            raise _other_episode(episode, str(error)) from error
        check_same(episode, found)
        yield replace(label, episode=replace(found, id=episode.id), action_masks=env.masks)


def check_same(recorded: Episode, found: Episode) -> None:
    """Raise DatasetError unless an episode that was played again is the one that was recorded."""
    for name in ("agents", "terminated", "truncated"):
        before, now = getattr(recorded, name), getattr(found, name)
        if before != now:
            raise _other_episode(recorded, f"{name} was {before!r} and is {now!r}")
    for name in ("team_reward", "cost"):
        before, now = getattr(recorded, name), getattr(found, name)
        if not np.array_equal(before, now):
            step = int(np.flatnonzero((before != now).reshape(len(before), -1).any(axis=1))[0])
            raise _other_episode(recorded, f"{name} of step {step} was {before[step]} and is {now[step]}")


def replay_digest(label: LabelledEpisode) -> str:
    """Return a digest, 16 hex digits, of what a replay makes: observations and masks, all bits of them."""
    return content_digest(label.episode.observations, label.action_masks).hex()


def _other_episode(episode: Episode, why: str) -> DatasetError:
    return DatasetError(
        f"the environment makes another episode of seed {episode.seed} than the one that was recorded ({why}): it is "
        "another version of the environment, or has other arguments"
    )
