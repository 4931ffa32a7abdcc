"""Agent rows: an offline data set as Tianshou's learners read it, one row for each agent and each of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tianshou.data import Batch, ReplayBuffer

from credit_wrappers.core.labelled_episode import LabelledEpisode


@dataclass(frozen=True, eq=False)
class AgentRows:
    """The rows of all agents: those of one agent in one episode stand together, in the order of the steps.

    An agent has a row for each step in which it acted. Its next observation is what it saw before its next action; in
    its last row, what it saw after the step. An agent that leaves before the episode ends can earn nothing more, so its
    last row is terminated. An episode that was cut off is truncated.

    Attributes:
        episode: (R,) int64, number of the label.
        step: (R,) int64, step of the episode.
        agent: (R,) int64, the agent's place in `episode.agents`.
        observation: (R, F) float32.
        mask: (R, A) bool, what was possible; all where nothing is known of it, or nothing at all was possible.
        action: (R,) int64.
        next_observation: (R, F) float32.
        next_mask: (R, A) bool.
        terminated: (R,) bool, the world ended it.
        truncated: (R,) bool, time ran out; a learner still counts on what would have come.
    """

    episode: np.ndarray
    step: np.ndarray
    agent: np.ndarray
    observation: np.ndarray
    mask: np.ndarray
    action: np.ndarray
    next_observation: np.ndarray
    next_mask: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.action)

    @property
    def done(self) -> np.ndarray:
        """(R,) bool, the last row of an agent in an episode."""
        return self.terminated | self.truncated

    def rewards(self, by_episode: Sequence[np.ndarray]) -> np.ndarray:
        """Return each row's own reward, (R,) float64.

        Args:
            by_episode: For each label (T, N), a reward for each agent and step.
        """
        steps = np.array([len(values) for values in by_episode])
        first = np.cumsum(steps) - steps
        return np.concatenate(by_episode).astype(np.float64)[first[self.episode] + self.step, self.agent]

    def returns(self, rewards: np.ndarray, gamma: float) -> np.ndarray:
        """Return what each row's agent was paid from there on in its episode, discounted, (R,) float64."""
        found, rest = np.zeros(len(self)), 0.0
        for k in range(len(self) - 1, -1, -1):
            rest = rewards[k] + gamma * rest * (not self.done[k])
            found[k] = rest
        return found

    def buffer(self, rewards: np.ndarray, seed: int) -> ReplayBuffer:
        """Return Tianshou's buffer of the rows with their rewards.

        Args:
            rewards: (R,) one for each row.
            seed: Of the order in which rows are sampled.
        """
        buffer = ReplayBuffer(len(self), random_seed=seed)
        buffer.set_batch(
            Batch(
                obs=Batch(obs=self.observation, mask=self.mask),
                act=self.action,
                rew=np.asarray(rewards, np.float64),
                terminated=self.terminated,
                truncated=self.truncated,
                done=self.done,
                obs_next=Batch(obs=self.next_observation, mask=self.next_mask),
                info=Batch(episode=self.episode, step=self.step, agent=self.agent),
            )
        )
        buffer._size = len(self)  # as `ReplayBuffer.from_data` does, which takes no seed
        buffer.last_index = np.array([len(self) - 1])
        return buffer


def agent_rows(labels: Sequence[LabelledEpisode], n_actions: int) -> AgentRows:
    """Return the rows of all agents of all episodes.

    Args:
        labels: With observations, and actions that are whole numbers.
        n_actions: Actions of an agent; all have as many.

    Raises:
        ValueError: An episode has no observations, or actions that are no whole numbers; or agents observe different
            numbers of things, which one network for all of them cannot read.
    """
    columns: list[list[np.ndarray]] = []
    for number, label in enumerate(labels):
        episode = label.episode
        if episode.observations is None or episode.actions.ndim != 2 or episode.actions.dtype.kind not in "iu":
            raise ValueError(
                f"episode {episode.id} (seed {episode.seed}) has no observations, or actions that are no whole "
                "numbers; offline learning here needs both"
            )
        for i in range(episode.n_agents):
            steps = np.flatnonzero(episode.actions[:, i] >= 0)
            if len(steps):
                columns.append(_rows_of_agent(label, number, i, steps, n_actions))
    if not columns:
        raise ValueError("the data set has no steps to learn from")
    widths = sorted({column[3].shape[1] for column in columns})
    if len(widths) > 1:
        raise ValueError(f"agents observe {' or '.join(map(str, widths))} numbers; one network for all needs one size")
    return AgentRows(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _rows_of_agent(label: LabelledEpisode, number: int, i: int, steps: np.ndarray, n_actions: int) -> list[np.ndarray]:
    """Return the rows of one agent in one episode, a column for each field of `AgentRows`."""
    episode, count = label.episode, len(steps)
    assert episode.observations is not None
    after = np.append(steps[1:], steps[-1] + 1)  # states in which the agent observes next
    seen = [np.asarray(episode.observations[t, i], np.float32).reshape(-1) for t in steps]
    final = episode.observations[after[-1], i]  # None where an agent that leaves is told nothing
    following = [*seen[1:], seen[-1] if final is None else np.asarray(final, np.float32).reshape(-1)]
    actions = episode.actions[steps, i].astype(np.int64)
    if label.action_masks is None:
        mask = next_mask = np.ones((count, n_actions), np.bool_)
    else:
        mask, next_mask = label.action_masks[steps, i].astype(bool), label.action_masks[after, i].astype(bool)
        mask[np.arange(count), actions] = True  # what was done was possible; a mask may be stricter than its world
        next_mask[~next_mask.any(axis=1)] = True
    last = np.arange(count) == count - 1
    stayed = steps[-1] == episode.length - 1
    terminated = bool(episode.terminated) if stayed else True
    return [
        np.full(count, number), steps, np.full(count, i), np.stack(seen), mask, actions, np.stack(following), next_mask,
        last & terminated, last & (not terminated),
    ]  # fmt: skip
