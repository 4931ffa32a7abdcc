"""Labels seen in a mirror: the same play with the same credit, in a world that is turned or reflected (ours).

A step is worth the same in every mirror, so one answer of a model teaches a student as many situations as the world has
mirrors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import check_credits, check_labels
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.recording.recorded_env import recorded_env
from credit_wrappers.recording.replay import replay
from credit_wrappers.student.step_arrays import actions_of


def mirrored_labels(
    labels: Iterable[tuple[Episode, Credit]], make_env: Callable[[], ParallelEnv]
) -> list[list[tuple[Episode, Credit]]]:
    """Return for each label the same play in the other mirrors of its world, for `fit_student(mirrored=...)`.

    Args:
        labels: Episodes with seeds and the whole play from the reset on, each with its credit.
        make_env: Makes their environment. It has `env.unwrapped.mirrors()`, what each action becomes in each mirror,
            (K, actions), and `reset(seed, options={"mirror": k})`, as Spaceworld does. Without, there are no mirrors.

    Returns:
        K - 1 labels with observations for each label; fewer for one that becomes another episode in some mirrors. A
        warning names mirrors in which every label becomes another one, which are left out, and says so when no label
        has a reward, a cost or a termination, because nothing can tell then whether the mirrors are right.

    Raises:
        CreditError: An episode has no seed or begins later; its credit does not fit it; the environment is another one,
            or makes other episodes, or tells mirrors that are none.
        TypeError: Something in `labels` is no (episode, credit); `make_env` makes no parallel environment; actions are
            not whole numbers.
    """
    given = list(labels)
    check_labels(given, "mirrored_labels")
    episodes = [episode for episode, _ in given]
    check_credits(episodes, [credit for _, credit in given])
    env = make_env()
    require_parallel(env)
    becomes = _mirrors(env)
    for episode in episodes:
        _check_episode(episode, env, becomes.shape[1])
    if len(becomes) == 1:
        return [[] for _ in given]
    found = []
    for episode in episodes:
        _, *copies = [_mirrored(env, episode, mirror, actions) for mirror, actions in enumerate(becomes)]
        found.append(copies)
    fits = _fitting(episodes, found, type(env.unwrapped).__name__)
    return [
        [(copy, credit) for copy, fit in zip(copies, fits, strict=True) if fit and copy is not None]
        for (_, credit), copies in zip(given, found, strict=True)
    ]


def checked_copies(
    labels: Sequence[tuple[Episode, Credit]], mirrored: Sequence[Sequence[tuple[Episode, Credit]]] | None
) -> list[list[Episode]]:
    """Return for each label the episodes of its copies.

    Raises:
        CreditError: A copy has other steps or agents than its label.
        TypeError: A copy is no (episode, credit).
        ValueError: There are not as many lists of copies as labels.
    """
    copies = [[] for _ in labels] if mirrored is None else [list(some) for some in mirrored]
    if len(copies) != len(labels):
        raise ValueError(f"mirrored has an entry for each of the {len(labels)} labels, not {len(copies)}")
    for k, ((episode, _), some) in enumerate(zip(labels, copies, strict=True)):
        check_labels(some, f"mirrored[{k}] of fit_student")
        for j, (copy, _) in enumerate(some):
            if (copy.length, set(copy.agents)) != (episode.length, set(episode.agents)):
                raise CreditError(
                    f"mirrored[{k}][{j}] has {copy.length} steps of {', '.join(copy.agents)}, and its label, episode "
                    f"{episode.id}, has {episode.length} of {', '.join(episode.agents)}: make the copies of the same "
                    "labels, in their order (mirrored_labels)"
                )
    return [[copy for copy, _ in some] for some in copies]


def _fitting(episodes: Sequence[Episode], found: Sequence[Sequence[Episode | None]], name: str) -> list[bool]:
    """Return which mirrors but the first leave a label as it is; only labels with something to compare tell.

    Raises:
        CreditError: None does.
    """
    telling = [k for k, e in enumerate(episodes) if e.team_reward.any() or e.cost.any() or e.terminated]
    asked = telling or range(len(episodes))
    fits = [any(found[k][j] is not None for k in asked) for j in range(len(found[0]))] if found else []
    wrong = [str(mirror) for mirror, fit in enumerate(fits, 1) if not fit]
    if fits and not any(fits):
        raise CreditError(
            f"the mirrors of {name} are wrong: rewards, costs or the end of all {len(asked)} labels are others in each "
            "of them"
        )
    if wrong:
        said = f"rewards, costs or the end of all {len(asked)} labels are others in {name}.mirrors()"
        warnings.warn(f"{said}[{'], ['.join(wrong)}]: left out, because they may be wrong", stacklevel=3)
    if episodes and not telling:
        said = f"none of the {len(episodes)} labels has a reward, a cost or a termination"
        warnings.warn(f"{said}, so nothing tells whether the mirrors of {name} are right", stacklevel=3)
    return fits


def _mirrors(env: ParallelEnv) -> np.ndarray:
    """Return what each action becomes in each mirror, (K, actions); (1, 0) where there are no mirrors."""
    mirrors = getattr(env.unwrapped, "mirrors", None)
    if mirrors is None:
        return np.zeros((1, 0), np.int64)
    name = type(env.unwrapped).__name__
    try:
        becomes = np.asarray(mirrors())
    except Exception as error:  # the environment's own
        raise CreditError(f"{name}.mirrors() failed: {type(error).__name__}: {error}") from error
    spaces: list[Any] = [env.action_space(agent) for agent in env.possible_agents]
    most = max(int(getattr(space, "n", 0)) for space in spaces)
    if becomes.ndim != 2 or becomes.shape[1] != most or not len(becomes) or becomes.dtype.kind not in "iu":
        raise CreditError(
            f"{name}.mirrors() tells what each of the {most} actions becomes in each of K mirrors, whole numbers of "
            f"shape (K, {most}); it has shape {becomes.shape} and dtype {becomes.dtype}"
        )
    for mirror, row in enumerate(becomes):
        if not np.array_equal(np.sort(row), np.arange(most)) or (mirror == 0 and not np.array_equal(row, np.sort(row))):
            rule = "mirror 0 changes nothing" if mirror == 0 else f"each of 0 to {most - 1} comes once"
            raise CreditError(f"{name}.mirrors()[{mirror}] is {row.tolist()}, but {rule}")
    return becomes


def _check_episode(episode: Episode, env: ParallelEnv, count: int) -> None:
    """Raise CreditError unless an episode can be one of an environment whose mirrors tell so many actions."""
    known = recorded_env(env)
    for name, own, theirs in (("name", episode.env_id, known.env_id), ("agents", episode.agents, known.agents)):
        if own != theirs:
            raise CreditError(
                f"episode {episode.id} is of an environment with the {name} {own!r}, and make_env makes one with the "
                f"{name} {theirs!r}: give what makes the environment of the labels"
            )
    actions = actions_of(episode)
    if count and actions.size and actions.max() >= count:
        step, i = (int(place) for place in np.argwhere(actions >= count)[0])
        raise CreditError(
            f"episode {episode.id}: agent {episode.agents[i]!r} chose action {actions[step, i]} in step {step}, and "
            f"the environment has the actions 0 to {count - 1}"
        )


def _mirrored(env: ParallelEnv, episode: Episode, mirror: int, becomes: np.ndarray) -> Episode | None:
    """Return the episode in a mirror, None if it is another one; raise CreditError if it is another one in mirror 0."""
    if episode.seed is None or episode.start:
        why = "it has no seed" if episode.seed is None else f"it begins at step {episode.start}"
        raise CreditError(f"episode {episode.id} cannot be played in a mirror: {why}")
    actions = np.where(episode.actions < 0, -1, becomes[episode.actions])
    try:
        found = replay(_InMirror(env, mirror), episode.seed, actions, observations=True)
    except CreditError:  # it is over earlier, or others are there
        if mirror == 0:
            raise
        return None
    same = np.array_equal(found.team_reward, episode.team_reward) and np.array_equal(found.cost, episode.cost)
    if same and (found.terminated, found.truncated) == (episode.terminated, episode.truncated):
        return found.without_narration()
    if mirror == 0:
        raise CreditError(
            f"episode {episode.id} of {episode.env_id}, seed {episode.seed}: rewards, costs or the end are others when "
            "it is played again; it is another version of the environment, or has other arguments"
        )
    return None


class _InMirror(BaseParallelWrapper):
    """An environment whose resets are in one mirror."""

    def __init__(self, env: ParallelEnv, mirror: int) -> None:
        super().__init__(env)
        self.mirror = mirror

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin in the mirror."""
        return self.env.reset(seed=seed, options={**(options or {}), "mirror": self.mirror})
