"""Labels seen in a mirror: the same play with the same credit, in a world that is turned or reflected (ours).

A step is worth the same in every mirror, so one answer of a model teaches a student as many situations as the world has
mirrors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.recording.replay import replay


def mirrored_labels(
    labels: Iterable[tuple[Episode, Credit]], make_env: Callable[[], ParallelEnv]
) -> list[list[tuple[Episode, Credit]]]:
    """Return for each label the same play in the other mirrors of its world, for `fit_student(mirrored=...)`.

    Args:
        labels: Episodes with seeds and the whole play from the reset on, each with its credit.
        make_env: Makes their environment. It has `env.unwrapped.mirrors()`, what each action becomes in each mirror,
            (K, actions), and `reset(seed, options={"mirror": k})`, as Spaceworld does. Without, there are no mirrors.

    Returns:
        K - 1 labels with observations for each label.

    Raises:
        CreditError: An episode has no seed or begins later; or the environment does not make the same episode in a
            mirror, so that its mirrors are none.
    """
    env = make_env()
    mirrors = getattr(env.unwrapped, "mirrors", None)
    becomes = np.asarray(mirrors()) if mirrors is not None else np.zeros((1, 0))
    return [
        [(_mirrored(env, episode, mirror, becomes[mirror]), credit) for mirror in range(1, len(becomes))]
        for episode, credit in labels
    ]


def _mirrored(env: ParallelEnv, episode: Episode, mirror: int, becomes: np.ndarray) -> Episode:
    if episode.seed is None or episode.start:
        why = "it has no seed" if episode.seed is None else f"it begins at step {episode.start}"
        raise CreditError(f"episode {episode.id} cannot be played in a mirror: {why}")
    actions = np.where(episode.actions < 0, -1, becomes[episode.actions])
    found = replay(_InMirror(env, mirror), episode.seed, actions, observations=True)
    same = np.array_equal(found.team_reward, episode.team_reward) and np.array_equal(found.cost, episode.cost)
    if not same or (found.terminated, found.truncated) != (episode.terminated, episode.truncated):
        raise CreditError(
            f"episode {episode.id} of {episode.env_id}, seed {episode.seed}: in mirror {mirror} rewards, costs or "
            "the end are others; it is another version of the environment, or its mirrors are wrong"
        )
    return found.without_narration()


class _InMirror(BaseParallelWrapper):
    """An environment whose resets are in one mirror."""

    def __init__(self, env: ParallelEnv, mirror: int) -> None:
        super().__init__(env)
        self.mirror = mirror

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin in the mirror."""
        return self.env.reset(seed=seed, options={**(options or {}), "mirror": self.mirror})
