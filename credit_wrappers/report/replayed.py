"""Episodes replayed, so that they can be drawn, and so that exact credit can be computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.bench.truth import TRUTH_KINDS
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.exact.exact_credit import exact_credit
from credit_wrappers.exact.simulator import EnvSimulator
from credit_wrappers.exact.value_function import VALUE_NAMES, named_value
from credit_wrappers.recording.replay import replay
from credit_wrappers.report.scene_table import scene_table

MakeEnv = Callable[[], ParallelEnv]


def drawable(labels: Sequence[LabelledEpisode], make_env: MakeEnv | None) -> list[LabelledEpisode]:
    """Return the labels; episodes of which only a text is known are replayed, where that gives the same episode."""
    if make_env is None or all(_whole(label.episode) for label in labels):
        return list(labels)
    env = make_env()
    return [label if _whole(label.episode) else _replaced(label, env, snapshots=False) for label in labels]


def replay_failures(labels: Sequence[LabelledEpisode], world: str, *, drawn: bool) -> str:
    """Return how many of the labels that `drawable` returned could not be replayed; "" if there are none.

    Args:
        labels: The labels.
        world: Name of the environment in which they were to be replayed.
        drawn: Whether those count that are drawn from their texts all the same.
    """
    failed = [label.episode for label in labels if not _whole(label.episode)]
    shown = [scene_table(episode)[0] is not None for episode in failed]
    if not failed or (all(shown) and not drawn):
        return ""
    seedless = sum(episode.seed is None for episode in failed)
    why = f" ({seedless} of them without a seed)" if seedless else ""
    texts = "shown as text" if not any(shown) else "drawn from their texts"
    if any(shown) and not all(shown):
        texts += f" or, {shown.count(False)} of them, shown as text"
    return f"{len(failed)} of {len(labels)} episodes could not be replayed in {world}{why} and are {texts}"


def with_exact(labels: Sequence[LabelledEpisode], make_env: MakeEnv) -> tuple[list[LabelledEpisode], str]:
    """Return the labels with difference and Shapley values in time and work, and why some lack them ("": none do).

    Args:
        labels: Their episodes are replayed unless they have snapshots.
        make_env: Makes the environment that recorded them.
    """
    try:
        simulator = EnvSimulator(make_env)
    except CreditError as error:
        return list(labels), str(error)
    values, why = [], ""
    for name in VALUE_NAMES:
        try:
            values.append((name, named_value(simulator.env, name)))
        except CreditError as error:
            why = str(error)
    env, found = make_env(), []
    for label in labels:
        played = label if label.episode.snapshots else _replaced(label, env, snapshots=True)
        exact: dict[str, np.ndarray] = {}
        if not played.episode.snapshots:
            why = f"episode {label.episode.key} cannot be replayed"
        else:
            for name, value in values:
                for kind in TRUTH_KINDS:
                    try:
                        exact[f"{name} {kind}"] = exact_credit(played.episode, simulator, value, kind).values
                    except CreditError as error:
                        why = str(error)
        found.append(replace(played, exact={**exact, **label.exact}))
    return found, why


def _whole(episode: Episode) -> bool:
    """Return whether an episode has its states, and not only its texts."""
    return bool(episode.moments) and not _told(episode)


def _told(episode: Episode) -> bool:
    """Return whether an episode was made from a text; then its key is that of what was recorded."""
    return getattr(episode.narrator, "only_texts", False)


def _replaced(label: LabelledEpisode, env: ParallelEnv, *, snapshots: bool) -> LabelledEpisode:
    """Return the label with its episode replayed; as it is where that fails or makes another episode.

    A text does not say whether observations were recorded, but its key depends on them: both are tried.
    """
    episode = label.episode
    if episode.seed is None or episode.actions.ndim != 2 or episode.start:
        return label
    for observations in (False, True):
        try:
            made = replay(env, episode.seed, episode.actions, observations=observations, snapshots=snapshots)
        except (CreditError, ValueError, TypeError):
            return label
        if _same(episode, made):
            return replace(label, episode=replace(made, id=episode.id, env_id=episode.env_id or made.env_id))
        if not _told(episode):
            return label
    return label


def _same(episode: Episode, made: Episode) -> bool:
    """Return whether a replay made the episode; of one that was made from a text only the key is whole."""
    if _told(episode):
        return made.key == episode.key
    return made.agents == episode.agents and np.allclose(made.team_reward, episode.team_reward, atol=1e-6)
