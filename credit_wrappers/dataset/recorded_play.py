"""Reading a recording: the episodes that `RecordEpisodes` wrote, to be credited, or saved as a data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.bench.environments import make_environment
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError, DatasetError
from credit_wrappers.recording.action_masks import MaskKeeper
from credit_wrappers.recording.recorder import EpisodeRecorder, RecordedEnv
from credit_wrappers.recording.recording_file import EpisodeBlock, read_blocks, recording_files, unpickled
from credit_wrappers.recording.replay import replay
from credit_wrappers.recording.team_reward import TeamReward, TeamRewardDecision, TeamRewardRule

_OURS = ("credit_wrappers", "spaceworld")


class Recording:
    """The episodes of a recording, one at a time, in the order in which they ended; it can be gone through repeatedly.

    Args:
        path: The folder.
        make_env: Makes the environment; default: the world that `RecordEpisodes` was told. It is needed where only
            actions were kept, and for moments; classes of its package are trusted in what the recording holds.
        observations: Whether episodes have their observations.
        snapshots: Whether episodes have snapshots, where they were kept or the environment makes them again.
        team_reward: How agents' rewards become the team reward, see `CreditWrapper`.

    Raises:
        FileNotFoundError: There is no recording.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        make_env: Callable[[], ParallelEnv] | None = None,
        *,
        observations: bool = True,
        snapshots: bool = False,
        team_reward: TeamRewardRule = "auto",
    ) -> None:
        self.path, self._observations, self._snapshots = Path(path), observations, snapshots
        self._files = recording_files(self.path)
        self._make_env, self._rule = make_env, team_reward

    def __iter__(self) -> Iterator[Episode]:
        return (episode for episode, _ in self.with_masks())

    def with_masks(self) -> Iterator[tuple[Episode, np.ndarray | None]]:
        """Yield each episode with its action masks, (T+1, N, A) bool; None where the environment tells none.

        Raises:
            DatasetError: A file is damaged, or of another team or world than the first; or the environment makes other
                episodes, or cannot be made.
        """
        number, decision = 0, TeamRewardDecision()
        players: dict[str, Callable[..., tuple[Episode, np.ndarray | None] | None]] = {}  # by the head of the file
        for file, head in self._heads():
            blocks = read_blocks(file)
            next(blocks)  # the head
            rewarded = TeamReward(self._rule, decision, head["env_id"])
            kind = json.dumps(head, sort_keys=True)
            for parts in _episodes(blocks):
                player = players[kind] = players.get(kind) or self._player(head)
                found = player(number, parts, head, rewarded)
                if found is not None:  # it was dropped by a reset
                    yield found
                    number += 1

    def world(self) -> tuple[str, dict[str, Any]]:
        """Return the world's name that was recorded, "" if none was, and its arguments.

        Raises:
            DatasetError: Files differ in them.
        """
        told = [(file, head) for file, head in self._heads() if head["world"]]
        for file, head in told:
            if head["arguments"] != told[0][1]["arguments"]:
                raise DatasetError(
                    f"{file} has the arguments {head['arguments']} of {head['world']!r}, and {told[0][0].name} has "
                    f"{told[0][1]['arguments']}: no one environment made both; put them into folders of their own, or "
                    "say which environment is to be named (--world, or make_env)"
                )
        return (told[0][1]["world"], dict(told[0][1]["arguments"])) if told else ("", {})

    def _heads(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return the files that hold anything, with their heads.

        Raises:
            DatasetError: They are not of one team in one world.
        """
        heads = [(file, head.facts) for file in self._files for head in islice(read_blocks(file), 1)]
        for name, what in (("env_id", "environment"), ("agents", "agents"), ("world", "world")):
            told = [(file, head[name]) for file, head in heads if head[name]]
            for file, one in told:
                if one != told[0][1]:
                    raise DatasetError(
                        f"{file} is of the {what} {one!r}, and {told[0][0].name} of {told[0][1]!r}: one recording is "
                        "of one team in one world; record into another folder"
                    )
        return heads

    def _player(self, head: dict[str, Any]) -> Callable[..., tuple[Episode, np.ndarray | None] | None]:
        env = None
        if self._make_env is not None:
            env = self._make_env()
        elif head["world"]:
            env = make_environment(head["world"], **head["arguments"])
        if head["keep"] == "everything":
            return _Kept(env, self._observations, self._snapshots)
        if env is None:
            raise DatasetError(
                f"{self.path} holds actions only, so the environment is needed to play them again: "
                "recorded(path, make_env), or RecordEpisodes(..., world='spaceworld:pair') next time"
            )
        return _Replayed(env, self._observations, self._snapshots)


recorded = Recording  # called like a function: `annotate(recorded("play"), critic)`


class _FromState(BaseParallelWrapper):
    """Begins episodes in a state, where one is set, instead of the seed's; keeps what the agents were paid."""

    def __init__(self, env: ParallelEnv) -> None:
        super().__init__(env)
        self.state: Any = None
        self.paid: list[float] = []  # flat: the step, then each agent's reward, of steps that paid
        self._steps = 0

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        observed = self.env.reset(seed=seed, options=options)
        self.paid, self._steps = [], 0
        if self.state is not None:
            world: Any = self.env.unwrapped
            world.set_state(self.state)
            observed = world.observe_all()
        return observed

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Any]:
        returned = self.env.step(actions)
        rewards = [float(returned[1].get(agent, 0.0)) for agent in self.env.possible_agents]
        if any(rewards):
            self.paid += [self._steps, *rewards]
        self._steps += 1
        return returned


class _Replayed:
    """Plays actions again."""

    def __init__(self, env: ParallelEnv, observations: bool, snapshots: bool) -> None:
        self.begin = _FromState(env)
        self.env = MaskKeeper(self.begin)
        self.options = {"observations": observations, "snapshots": snapshots}
        self.trusted = _trusted(env)

    def __call__(
        self, number: int, parts: list[EpisodeBlock], head: dict[str, Any], rewarded: TeamReward
    ) -> tuple[Episode, np.ndarray | None] | None:
        last = parts[-1]
        seed, state = last.facts["seed"], last.pickled.get("state")
        self.begin.state = None if state is None else unpickled(state, self.trusted)
        actions = np.concatenate([part.arrays["actions"].astype(np.int64) for part in parts])
        where = f"episode {number} (seed {seed}) of the recording"
        try:
            found = replay(self.env, 0 if seed is None else seed, actions, team_reward=rewarded.rule, **self.options)  # type: ignore[arg-type]
        except CreditError as error:
            raise DatasetError(f"{where} cannot be played again: {error}") from error
        ended = found.terminated or found.truncated
        if not ended and last.facts["over"] is None:
            return None
        if not ended or self.begin.paid != _paid(parts):
            raise DatasetError(
                f"the environment makes another episode than {where}: it is another version or has other arguments"
            )
        return replace(found, id=number, seed=seed), self.env.masks


class _Kept:
    """Puts together what was kept."""

    def __init__(self, env: ParallelEnv | None, observations: bool, snapshots: bool) -> None:
        self.narrator = None if env is None else getattr(env.unwrapped, "narrator", None)
        self.trusted = _trusted(env) if env is not None else set()
        self.observations, self.snapshots = observations, snapshots

    def __call__(
        self, number: int, parts: list[EpisodeBlock], head: dict[str, Any], rewarded: TeamReward
    ) -> tuple[Episode, np.ndarray | None]:
        agents, last = tuple(head["agents"]), parts[-1]
        actions, costs = (np.concatenate([part.arrays[name] for part in parts]) for name in ("actions", "costs"))
        team = _team_rewards(parts, agents, actions, rewarded)
        moments = self._values(parts, "moments") if self.narrator is not None else [None] * (len(team) + 1)
        seen = self._values(parts, "observations") if self.observations else [None] * (len(team) + 1)
        states = iter(self._values(parts, "states") if self.snapshots else ())
        env = RecordedEnv(
            agents, head["env_id"], self.narrator, action_width=head["width"],
            get_state=(lambda: next(states)) if self.snapshots else None,
        )  # fmt: skip
        recorder = EpisodeRecorder([env])
        recorder.start(0, number, last.facts["seed"], moments[0], seen[0])
        for t in range(len(team)):
            row = (0, actions[t], team[t], costs[t], moments[t + 1], seen[t + 1], False, False, False)
            recorder.add_row(row)
            recorder.keep_snapshot(0)
        masks = [part.arrays["masks"] for part in parts if "masks" in part.arrays]
        known = np.concatenate(masks) if len(masks) == len(parts) else None
        return recorder.episode(0, *last.facts["ends"]), known

    def _values(self, parts: list[EpisodeBlock], name: str) -> list[Any]:
        return [value for part in parts for value in unpickled(part.pickled[name], self.trusted)]


def _episodes(blocks: Iterator[EpisodeBlock]) -> Iterator[list[EpisodeBlock]]:
    """Yield the parts of each episode that came to its end."""
    parts: list[EpisodeBlock] = []
    for block in blocks:
        if parts and parts[0].facts["episode"] != block.facts["episode"]:
            parts = []  # the one before was dropped
        parts.append(block)
        if block.facts["over"] is not False:
            if len(parts) == block.facts["part"] + 1:
                yield parts
            parts = []


def _paid(parts: list[EpisodeBlock]) -> list[float]:
    """Return the steps that paid and the agents' rewards, flat, as `_FromState` keeps them."""
    rows, before = [], 0
    for part in parts:
        rewards, n = part.arrays["rewards"].copy(), part.arrays["actions"].shape[1]
        rewards[:, 0] = rewards[:, 0] / n + before  # from places in a flat list of actions
        rows.append(rewards[rewards[:, 1:].any(axis=1)])
        before += len(part.arrays["actions"])
    return [float(value) for value in np.concatenate(rows).ravel()]


def _team_rewards(
    parts: list[EpisodeBlock], agents: tuple[str, ...], actions: np.ndarray, rewarded: TeamReward
) -> np.ndarray:
    rewards = np.concatenate([part.arrays["rewards"] for part in parts])
    acted = actions != -1 if actions.ndim == 2 else ~np.isnan(actions).all(axis=2)
    paid = []
    for row, there in zip(rewards.tolist(), acted.tolist(), strict=True):
        acting = {agent for agent, one in zip(agents, there, strict=True) if one}
        named = {agent: reward for agent, reward in zip(agents, row, strict=True) if reward == reward}  # not NaN
        paid.append(rewarded(named, acting))
    return np.array(paid, np.float64)


def _trusted(env: ParallelEnv) -> set[str]:
    """Return the packages whose classes a recording of this environment may name."""
    return {type(env.unwrapped).__module__.partition(".")[0], *_OURS}
