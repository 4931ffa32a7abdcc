"""The crediting session: the one place where steps are recorded and credited, for one environment or for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.delivery.intake import Listener
from credit_wrappers.delivery.source import CreditSource, Payer
from credit_wrappers.recording.attendance import Attendance
from credit_wrappers.recording.recorder import EpisodeRecorder, RecordedEnv, Row, StepColumns
from credit_wrappers.recording.team_reward import TeamReward, TeamRewardRule


class CreditSession:
    """Records, numbers, credits and submits the episodes of E environments of one team.

    A wrapper has a session for its one environment, E = 1. Whoever steps many environments together joins their
    sessions to one (`join_sessions`). The steps of an environment come as the dicts of the parallel API (`start`,
    `read`, then `credit_rows`), those of many that have arrays as columns (`start_many`, `credit`).

    Args:
        source: Where credit comes from, and when.
        payer: What the source made for these environments.
        recorder: Records them.
        team_rewards: For each environment, how its team reward is made.
        listeners: For each environment, who is told its credits.
        keeps_observations: Whether episodes hold observations. If the payer reads observations, its rows are kept.
        flat: Whether all observations are vectors, float32: the same as the columns of many environments.

    Attributes:
        source: As given.
        recorder: As given.
        attendance: For each environment, who of its team is there.
        listeners: As given; more may be added at any time.
    """

    def __init__(
        self,
        source: CreditSource,
        payer: Payer,
        recorder: EpisodeRecorder,
        team_rewards: Sequence[TeamReward],
        listeners: Sequence[list[Listener]],
        *,
        keeps_observations: bool,
        flat: bool = False,
    ) -> None:
        self.source, self.recorder = source, recorder
        self.team_rewards, self.listeners = list(team_rewards), list(listeners)
        self.keeps_observations, self._flat = keeps_observations, flat
        self.attendance = [Attendance(env.env_id, env.agents) for env in recorder.envs]
        self._payer, self._reads, self._pays = payer, payer.reads, source.pays
        # Whether nothing of the running episode is missing; an episode with a gap is not handed on.
        self._whole = [False] * len(recorder.envs)

    @property
    def takes_columns(self) -> bool:
        """Whether steps may come as columns: rewards are shared, nobody needs the dicts, no snapshots are kept."""
        return (
            self.source.joins(self.source)
            and (not self.keeps_observations or self._reads is not None or self._flat)
            and all(reward.rule != "sum" for reward in self.team_rewards)
            and not self.recorder.keeps_snapshots
            and not (self.source.pays and any(self.listeners))
        )

    def start(self, k: int, seed: int | None, returned: Any) -> int:
        """Begin an episode of environment `k` with what its reset returned; return the episode's id.

        Raises:
            CreditError: The reset returned something else than two dicts, an agent was never named, or the source
                cannot read an observation.
        """
        self._whole[k] = False
        observations, _ = self.attendance[k].reset(returned)
        episode_id = self._payer.open(k)
        env = self.recorder.envs[k]
        moment = env.moment(observations)
        rows = None if self._reads is None else self._reads(observations)
        kept = self._kept(env, observations, rows) if self.keeps_observations else None
        self.recorder.start(k, episode_id, seed, moment, kept)
        self._payer.start(np.array([k]), None if rows is None else rows[None])
        self._whole[k] = True
        return episode_id

    def start_many(
        self, chosen: np.ndarray, seeds: Sequence[int | None], moments: np.ndarray, rows: np.ndarray
    ) -> list[int]:
        """Begin episodes of many environments after their resets; return the episodes' ids.

        Args:
            chosen: (e,) numbers of the environments.
            seeds: (e,) of their resets.
            moments: (e, ...) what their narrators captured.
            rows: (e, N, F) what their agents observe.
        """
        ids = [self._payer.open(k) for k in chosen.tolist()]
        for j, k in enumerate(chosen.tolist()):
            self._whole[k] = False
            self.recorder.start(k, ids[j], seeds[j], moments[j], rows[j].copy() if self.keeps_observations else None)
        self._payer.start(chosen, rows)
        for k in chosen.tolist():
            self._whole[k] = True
        return ids

    def taken(self, k: int, actions: Mapping[str, Any]) -> Any:
        """Return the joint action of environment `k` as it is recorded; agents that are not there have none.

        Raises:
            CreditError: An action is no whole number, or a vector of another length than its space's.
        """
        attendance = self.attendance[k]
        if not attendance.complete:
            live = attendance.now.live
            actions = {agent: action for agent, action in actions.items() if agent in live}
        return self.recorder.envs[k].joint(actions)

    def read(
        self,
        k: int,
        taken: Any,
        agents: Sequence[str],
        returned: Any,
    ) -> tuple[Row, np.ndarray | None]:
        """Return what one step of environment `k` brought: a recorder's row, and the row (N, F) that a payer reads.

        Args:
            k: Which environment.
            taken: The joint action, as `taken` returned it before the step.
            agents: `env.agents` after the step.
            returned: What the step returned.

        Raises:
            CreditError: The step returned something else than five dicts, rewards are no numbers or differ where they
                must not, an agent was never named, or the source cannot read an observation.
        """
        env, attendance = self.recorder.envs[k], self.attendance[k]
        try:
            acting = attendance.now.live
            terminated, truncated, over = attendance.step(agents, returned).ends
            observations, rewards, _, _, infos = returned
            team_reward = self.team_rewards[k](rewards, acting)
            moment = env.moment(observations)
            read = None if self._reads is None else self._reads(observations)
            kept = self._kept(env, observations, read) if self.keeps_observations else None
            costs = env.costs(infos)
        except Exception as error:
            self._whole[k] = False
            if isinstance(error, CreditError):
                raise CreditError(f"step {self.recorder.length(k)}: {error}") from error
            attendance.check_step(returned)  # what has another form may fail in any of these lines
            raise
        return (k, taken, team_reward, costs, moment, kept, terminated, truncated, over), read

    def credit_rows(self, rows: Sequence[tuple[Row, np.ndarray | None]]) -> np.ndarray | None:
        """Record and credit one step of some environments, given what `read` returned for each; see `credit`."""
        ended = []
        for row, _ in rows:
            self.recorder.add_row(row)
            if row[8]:
                ended.append((row[0], row[6], row[7]))
        if self.recorder.keeps_snapshots:
            self._keep_snapshots([row[0] for row, _ in rows])
        if not self._pays:
            if ended:
                self._finish(ended)
            return None
        columns = [*zip(*(row for row, _ in rows), strict=True), [read for _, read in rows]]
        return self._pay(StepColumns(*columns))

    def _keep_snapshots(self, chosen: Sequence[int]) -> None:
        """Keep a snapshot of each of these environments; an episode of which one is missing is not handed on."""
        for place, k in enumerate(chosen):
            try:
                self.recorder.keep_snapshot(k)
            except BaseException:
                for missed in chosen[place:]:
                    self._whole[missed] = False
                raise

    def credit(self, step: StepColumns) -> np.ndarray | None:
        """Record and credit one step of some environments, and hand on the episodes that end with it.

        Returns:
            (e, N) float64, what the agents are paid; None: they are paid the team reward, and credit comes later.

        Raises:
            CreditError: The source cannot credit the step; what its critic raised.
        """
        self.recorder.add(step)
        return self._pay(step)

    def _pay(self, step: StepColumns) -> np.ndarray | None:
        try:
            paid = self._payer.pay(step, self.recorder)
        except BaseException:
            for k in step.chosen:
                self._whole[k] = False
            raise
        if paid is not None and any(self.listeners):
            for j, k in enumerate(step.chosen):
                if self.listeners[k]:
                    window = self.recorder.window(k, self.source.window, step.terminated[j], step.truncated[j])
                    self._tell(k, window, self._payer.credit(k, paid[j]))
        over = np.flatnonzero(step.over).tolist()
        self._finish([(int(step.chosen[j]), bool(step.terminated[j]), bool(step.truncated[j])) for j in over])
        return paid

    def credit_of(self, k: int, paid: np.ndarray) -> Credit:
        """Return the credit of the last steps of environment `k`, where the source pays; the last was paid `paid`."""
        return self._payer.credit(k, paid)

    def _finish(self, ended: list[tuple[int, bool, bool]]) -> None:
        """Hand on the episodes of environments that are terminated, or truncated; raise what went wrong first."""
        error: BaseException | None = None
        for k, terminated, truncated in ended:
            self.recorder.active[k] = False
            if self.source.takes_episodes and self._whole[k]:
                try:
                    episode = self.recorder.episode(k, terminated, truncated)
                    self._payer.finish(episode, partial(self._tell, k) if self.listeners[k] else None)
                except BaseException as raised:  # the episodes of the others are handed on all the same
                    error = error or raised
        if error is not None:
            raise error

    def _tell(self, k: int, episode: Episode, credit: Credit) -> None:
        for listener in self.listeners[k]:
            listener(episode, credit)

    def _kept(self, env: RecordedEnv, observations: Mapping[str, Any], rows: np.ndarray | None) -> Any:
        return env.kept(observations) if rows is None else rows

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A copy goes on being paid, but an episode is handed on once: by the original.
        self._whole = [False] * len(self._whole)
        if not self.source.pays:
            self.recorder.active = [False] * len(self._whole)


def session_for(
    env: ParallelEnv,
    source: CreditSource,
    recorded: RecordedEnv,
    rule: TeamRewardRule = "auto",
    *,
    keeps_observations: bool = False,
) -> CreditSession:
    """Return the session of one environment.

    Args:
        env: The environment.
        source: Where its credit comes from.
        recorded: What its recorder must know of it.
        rule: How its team reward is made.
        keeps_observations: Whether episodes hold observations, also where the source does not need them.

    Raises:
        CreditError, TypeError, ValueError: The source cannot credit the environment; the message says why.
    """
    team_reward = TeamReward(rule, source.team_reward, recorded.env_id)
    payer = source.payer(env, recorded.env_id)
    keeps = keeps_observations or source.reads_observations
    spaces = [env.observation_space(agent) for agent in env.possible_agents]
    flat = all(isinstance(space, Box) and len(space.shape) == 1 and space.dtype == np.float32 for space in spaces)
    return CreditSession(
        source, payer, EpisodeRecorder([recorded]), [team_reward], [[]], keeps_observations=keeps, flat=flat
    )


def join_sessions(sessions: Sequence[CreditSession]) -> CreditSession | None:
    """Return one session for the environments of several, in their order; None where they cannot be credited together.

    It begins without an episode under way; listeners are shared with the sessions given.
    """
    first = sessions[0]
    for session in sessions:
        source, keeps = session.source, session.keeps_observations
        if not (first.source.joins(source) and source.joins(first.source)) or keeps != first.keeps_observations:
            return None
    return CreditSession(
        first.source,
        first._payer.joined([session._payer for session in sessions]),
        EpisodeRecorder([env for session in sessions for env in session.recorder.envs]),
        [reward for session in sessions for reward in session.team_rewards],
        [listeners for session in sessions for listeners in session.listeners],
        keeps_observations=first.keeps_observations,
        flat=all(session._flat for session in sessions),
    )
