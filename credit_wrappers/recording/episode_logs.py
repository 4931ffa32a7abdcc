"""What is remembered of a running episode until it is on disk: its actions, or everything."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.errors import CreditError
from credit_wrappers.recording.action_masks import MaskReader
from credit_wrappers.recording.attendance import Attendance
from credit_wrappers.recording.recorder import RecordedEnv
from credit_wrappers.recording.recording_file import RecordingFile
from credit_wrappers.recording.team_reward import number

_MOST_ACTIONS, _MOST_STEPS = 16384, 256  # actions, or steps, that are in memory at most


class _Log:
    """A log that writes a record when an episode is over, and a part of it when there is much in memory.

    Args:
        env: The environment.
        recorded: What must be known of it.
        folder: The recording.
        head: The first record of its file.
    """

    def __init__(self, env: ParallelEnv, recorded: RecordedEnv, folder: Path, head: Mapping[str, Any]) -> None:
        self.env, self.recorded, self.folder, self.head = env, recorded, folder, head
        self._file: RecordingFile | None = None
        self._episode, self._part = -1, 0
        self._seed: int | None = None
        self._active = False  # whether what happens belongs to an episode

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> RecordingFile:
        if self._file is None:
            self._file = RecordingFile(self.folder, self.head)
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}  # a copy writes a file of its own


class ActionLog(_Log):
    """Remembers seeds, actions and rewards of an environment whose actions are whole numbers, as cheaply as possible.

    A step of a small environment takes microseconds, so what is done in each step looks nothing up, and rewards of 0
    are left out.
    """

    def __init__(self, env: ParallelEnv, recorded: RecordedEnv, folder: Path, head: Mapping[str, Any]) -> None:
        super().__init__(env, recorded, folder, head)
        self._actions: list[Any] = []  # flat
        self._paid: list[Any] = []  # flat: the place in `_actions` and the agents' rewards, of steps that paid
        self._state: object = None
        self._pick = _picker(recorded.agents)
        self._get_state = getattr(env, "get_state", None) if env is env.unwrapped else None

    def start(self, seed: int | None, options: object, observed: tuple[Any, Any]) -> None:
        """Begin an episode after a reset.

        Raises:
            CreditError: The reset cannot be done again.
        """
        state = None
        if options:
            raise CreditError("a reset with options cannot be done again: record with keep='everything'")
        if seed is None:
            if self._get_state is None:
                raise CreditError(
                    f"{self.recorded.env_id} was reset without a seed, and there is no state from which it could go "
                    "on: reset with seeds, or record with keep='everything'"
                )
            state = self._get_state()
        self._episode, self._part, self._seed, self._state = self._episode + 1, 0, seed, state
        self._active = True

    def stop(self) -> None:
        """End the episode, because a reset is due: it was dropped, or has ended and the environment still names agents.

        Steps are not recorded until `start`.
        """
        if self._actions:
            self._write(None)
        self._active = False

    def stepper(self) -> Callable[[Mapping[str, Any]], tuple[Any, Any, Any, Any, Any]]:
        """Return `step`: a function of its own, which takes a third of the time of a method."""
        env, agents, write = self.env, self.recorded.agents, self._write
        pick, inner, kept, place = self._pick, env.step, self._actions, self._paid.append
        take, pay, nothing, most = kept.extend, self._paid.extend, dict.fromkeys(agents, 0.0), _MOST_ACTIONS

        def step(actions: Mapping[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
            try:
                taken = pick(actions)
            except KeyError:  # somebody has left
                taken = tuple(actions.get(agent, -1) for agent in agents)
            returned = inner(actions)
            if (rewards := returned[1]) != nothing:
                place(len(kept))
                try:
                    pay(pick(rewards))
                except KeyError:  # somebody was not paid
                    pay([rewards.get(agent, 0.0) for agent in agents])
            take(taken)
            if not env.agents or len(kept) > most:
                write(not env.agents)
            return returned

        return step

    def _write(self, over: bool | None) -> None:
        """Write a part of an episode (False), or its end; None: whoever plays it again sees whether it has ended."""
        active, self._active = self._active, False
        try:
            if active:
                self._append(over)
                self._part += 1
                self._active = over is False
        finally:
            self._actions.clear()
            self._paid.clear()

    def _append(self, over: bool | None) -> None:
        n = len(self.recorded.agents)
        try:
            actions, kind = bytes(self._actions), "|u1"
        except (TypeError, ValueError):  # -1, large numbers, or numbers of other types
            rows = np.array(self._actions, object).reshape(-1, n).tolist()
            named = [dict(zip(self.recorded.agents, row, strict=True)) for row in rows]
            actions, kind = np.array([self.recorded.joint(row) for row in named], "<i8").tobytes(), "<i8"
        try:
            paid = array("d", self._paid)
        except TypeError:
            paid = array("d", [number(value, "a reward") for value in self._paid])
        if not isfinite(sum(paid)):
            paid = array("d", [number(value, "a reward") for value in paid])
        state = b"" if self._state is None or over is False else pickle.dumps(self._state, 5)
        # This line is JSON, which json.dumps would write three times as slowly.
        line = (
            f'[{{"episode": {self._episode}, "part": {self._part}, "over": {_JSON[over]}, '
            f'"seed": {"null" if self._seed is None else int(self._seed)}}}, '
            f'[["actions", "{kind}", [{len(self._actions) // n}, {n}]], '
            f'["rewards", "=f8", [{len(paid) // (n + 1)}, {n + 1}]]'
            f'{f""", ["state", "pickle", {len(state)}]""" if state else ""}]]'
        )
        self._open().append_bytes(line.encode(), actions, paid.tobytes(), state)


class StepLog(_Log):
    """Remembers everything that an episode is made of."""

    def __init__(self, env: ParallelEnv, recorded: RecordedEnv, folder: Path, head: Mapping[str, Any]) -> None:
        super().__init__(env, recorded, folder, head)
        self._attendance = Attendance(recorded.env_id, recorded.agents)
        self._masks = MaskReader(env)
        self._forget()

    def start(self, seed: int | None, options: object, observed: tuple[Any, Any]) -> None:
        """Begin an episode with what a reset returned."""
        observations, infos = self._attendance.reset(observed)
        self._episode, self._part, self._active = self._episode + 1, 0, True
        self._seed = None if seed is None else int(seed)
        self._see(observations, infos)

    def stop(self) -> None:
        """Drop the episode, because a reset is due; steps are not recorded until `start`."""
        self._forget()
        self._active = False

    def stepper(self) -> Callable[[Mapping[str, Any]], tuple[Any, Any, Any, Any, Any]]:
        """Return `step`."""
        return self.step

    def step(self, actions: Mapping[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Advance the environment."""
        acting = self._attendance.now.live
        taken = self.recorded.joint({agent: action for agent, action in actions.items() if agent in acting})
        returned = self.env.step(actions)
        if not self._active:  # what happens after the end is up to the environment
            return returned
        self._active = False  # an error loses the episode
        ends = self._attendance.step(self.env.agents, returned).ends
        self._actions.append(taken)
        self._rewards.append([self._reward(returned[1], agent) for agent in self.recorded.agents])
        self._costs.append(self.recorded.costs(returned[4]))
        self._see(returned[0], returned[4])
        if ends[2]:
            self._write(True, ends=[bool(flag) for flag in ends[:2]])
        elif len(self._actions) >= _MOST_STEPS:
            self._write(False)
        self._active = not ends[2]
        return returned

    def _reward(self, rewards: Mapping[str, Any], agent: str) -> float:
        """Return what an agent was paid; NaN if nothing is said of it."""
        return number(rewards[agent], f"the reward of agent {agent!r}") if agent in rewards else np.nan

    def _see(self, observations: Mapping[str, Any], infos: Mapping[str, Any]) -> None:
        self._moments.append(self.recorded.moment(observations))
        self._seen.append(self.recorded.kept(observations))
        self._legal.append(self._masks.read(observations, infos))
        if self.recorded.get_state is not None:
            self._states.append(self.recorded.get_state())

    def _forget(self) -> None:
        self._actions: list[Any] = []
        self._rewards: list[Any] = []
        self._costs: list[Any] = []
        self._moments: list[Any] = []
        self._seen: list[Any] = []
        self._legal: list[Any] = []
        self._states: list[Any] = []

    def _write(self, over: bool, **facts: Any) -> None:
        kind = np.int64 if self.recorded.action_width is None else np.float64
        arrays = {
            "actions": np.array(self._actions, kind),
            "rewards": np.array(self._rewards, np.float64),
            "costs": np.array(self._costs, np.float64),
        }
        if all(row is not None for row in self._legal):
            arrays["masks"] = np.array(self._legal)
        values = {"moments": self._moments, "observations": self._seen, "states": self._states}
        known = {"episode": self._episode, "part": self._part, "over": over, "seed": self._seed, **facts}
        self._open().append(known, arrays, values)
        self._part += 1
        self._forget()


_JSON = {True: "true", False: "false", None: "null"}


def _picker(agents: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a fast function from a mapping by agent to a tuple in the order of the agents; it pickles."""
    return itemgetter(*agents) if len(agents) > 1 else partial(_only, agents[0])


def _only(agent: str, by_agent: Mapping[str, Any]) -> tuple[Any]:
    return (by_agent[agent],)
