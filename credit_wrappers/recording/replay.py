"""Replay: an episode again, from its seed and its actions, without a critic."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.recording.attendance import Attendance
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.recording.recorded_env import recorded_env
from credit_wrappers.recording.recorder import EpisodeRecorder
from credit_wrappers.recording.team_reward import TeamReward, TeamRewardDecision, TeamRewardRule


def replay(
    env: ParallelEnv,
    seed: int,
    actions: np.ndarray,
    *,
    snapshots: bool = False,
    observations: bool = False,
    narrator: Narrator | None = None,
    team_reward: TeamRewardRule = "auto",
) -> Episode:
    """Return the episode that a seed and joint actions make, as a `CreditWrapper` with the same options records it.

    Its key is the key of the episode recorded then, if the environment is repeatable; its id is 0.

    Args:
        env: A PettingZoo parallel environment, without a credit wrapper. It is reset and stepped.
        seed: Seed of the reset.
        actions: (T, N) whole numbers, `Episode.actions`; -1 for an agent that has left. They may be the first steps of
            an episode, which then goes on: it is neither terminated nor truncated.
        snapshots: Keep `env.unwrapped.get_state()` of every state, `Episode.snapshots`.
        observations: Keep the observations.
        narrator: Captures the moments; default `env.unwrapped.narrator`, where there is one.
        team_reward: How the team reward is made; see `CreditWrapper`.

    Raises:
        CreditError: The episode is over before the actions are, an agent is there without an action, or an action is
            not in its space: another environment, other arguments or another seed.
        TypeError: `env` is not a parallel environment; it has no snapshots, which are to be kept.
        ValueError: The actions are not (T, N) whole numbers, or there is no seed.
    """
    require_parallel(env)
    joints = _checked(seed, actions, len(env.possible_agents))
    _check_actions(env, np.asarray(actions))
    if narrator is None:
        narrator = getattr(env.unwrapped, "narrator", None)
    recorded = recorded_env(env, narrator, observations=observations, snapshots=snapshots)
    recorder = EpisodeRecorder([recorded])
    attendance = Attendance(recorded.env_id, recorded.agents)
    rewarded = TeamReward(team_reward, TeamRewardDecision(), recorded.env_id)

    def seen(observed: Any) -> Any:
        return recorded.kept(observed) if observations else None

    observed, _ = attendance.reset(env.reset(seed=seed))
    recorder.start(0, 0, seed, recorded.moment(observed), seen(observed))
    ends = (False, False, False)
    for t, joint in enumerate(joints):
        if ends[2]:
            raise CreditError(
                f"{recorded.env_id}: the episode of seed {seed} is over after step {t - 1}, and there are actions for "
                f"{len(joints)} steps: the environment, its arguments or the seed are not those of the recording"
            )
        acting = attendance.now.live
        given = {agent: action for agent, action in zip(recorded.agents, joint, strict=True) if agent in acting}
        if -1 in given.values():
            absent = next(agent for agent, action in given.items() if action == -1)
            raise CreditError(
                f"{recorded.env_id}, step {t}: agent {absent!r} is there and its action is -1, which stands for an "
                "agent that has left: the environment, its arguments or the seed are not those of the recording"
            )
        taken = recorded.joint(given)
        returned = env.step(given)
        ends = attendance.step(env.agents, returned).ends
        observed, rewards, _, _, infos = returned
        reward, costs = rewarded(rewards, acting), recorded.costs(infos)
        recorder.add_row((0, taken, reward, costs, recorded.moment(observed), seen(observed), *ends))
        recorder.keep_snapshot(0)
    return recorder.episode(0, ends[0], ends[1])


def _checked(seed: int, actions: np.ndarray, n: int) -> list[list[int]]:
    """Return the actions as whole numbers, a list for each step."""
    if seed is None:
        raise ValueError(
            "seed=None: an episode whose reset had no seed cannot be replayed; reset with a seed, or record snapshots "
            "and restore the first one"
        )
    array = np.asarray(actions)
    if array.ndim != 2 or array.shape[1] != n or not len(array) or array.dtype.kind not in "iu":
        raise ValueError(
            f"actions are (T, {n}) whole numbers, a row for each step and a column for each agent; these are "
            f"{array.shape} {array.dtype}"
        )
    joints: list[list[int]] = array.tolist()
    return joints


def _check_actions(env: ParallelEnv, actions: np.ndarray) -> None:
    """Raise CreditError where an action is not in its agent's space; -1 stands for an agent that has left."""
    for i, agent in enumerate(env.possible_agents):
        space = env.action_space(agent)
        if isinstance(space, Discrete):
            taken = actions[:, i]
            wrong = np.flatnonzero((taken != -1) & ((taken < space.start) | (taken >= space.start + space.n)))
            if len(wrong):
                raise CreditError(
                    f"step {wrong[0]}: {taken[wrong[0]]} is no action of agent {agent!r}, of {space}: the environment "
                    "or its arguments are not those of the recording"
                )
