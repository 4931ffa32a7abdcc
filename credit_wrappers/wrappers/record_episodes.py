"""The wrapper that writes a team's play to disk, to be credited later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import attrgetter
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.bench.environments import check_world
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.recording.action_spaces import action_width
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.recording.episode_logs import ActionLog, StepLog
from credit_wrappers.recording.recorded_env import recorded_env
from credit_wrappers.wrappers.credit_wrapper import CreditWrapper

Keep = Literal["auto", "actions", "everything"]
_RESTORES = ("get_state", "set_state", "observe_all")


class RecordEpisodes(BaseParallelWrapper):
    """Writes every finished episode to disk, for `recorded(path)` to read; what the learner sees stays as it is.

    A program that is killed loses the episode that is running, and nothing else; so does a write that fails (OSError
    from `step` or `reset`). A reset in mid-episode drops the unfinished episode. Memory is bounded however long an
    episode is. Many environments, also of several processes, can record into one folder.

    Args:
        env: A PettingZoo parallel environment; see `CreditWrapper` for which.
        path: The recording, a folder. What is in it stays, so a run can go on.
        keep: "actions": seeds (or the state after an unseeded reset), actions and rewards; the environment makes the
            rest again when the recording is read. It is cheap, and needs an environment that plays the same actions
            alike: one with `get_state`, `set_state` and `observe_all` and without wrappers around it, or any that is
            always reset with a seed. "everything": observations, costs, masks and moments, too. "auto": the former
            where those methods are there and no wrapper is.
        world: The environment's name, such as "spaceworld:pair", with which `recorded(path)` makes it again.
        arguments: Further arguments of `make_environment` for it, such as `max_cycles`.
        snapshots: With "everything", keep `env.unwrapped.get_state()` of every state. (With "actions" a reader can
            always have them.)
        narrator: With "everything", captures the moments; default `env.unwrapped.narrator`, where there is one.

    Raises:
        TypeError: `env` is no parallel environment, has a credit wrapper inside, whose rewards are not the team's, has
            other actions, or has no states to be kept; an argument is no value that JSON has.
        NotADirectoryError: `path` is a file.
        ValueError: There is no such way to keep, no such world, or snapshots are asked for with "actions".

    Examples:
        >>> import tempfile
        >>> from credit_wrappers.dataset import recorded
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> folder = tempfile.mkdtemp()
        >>> env = RecordEpisodes(CorridorEnv(length=2), folder)
        >>> observations, infos = env.reset(seed=1)
        >>> while env.agents:
        ...     observations, rewards, *_ = env.step({agent: 2 for agent in env.agents})
        >>> [(episode.seed, episode.actions.tolist()) for episode in recorded(folder)]
        [(1, [[2, 2]])]
    """

    def __init__(
        self,
        env: ParallelEnv,
        path: str | PathLike[str],
        *,
        keep: Keep = "auto",
        world: str = "",
        arguments: Mapping[str, Any] | None = None,
        snapshots: bool = False,
        narrator: Narrator | None = None,
    ) -> None:
        require_parallel(env)
        _require_no_credit(env)
        if world:
            check_world(world)
        _require_json(arguments or {})
        if Path(path).exists() and not Path(path).is_dir():
            raise NotADirectoryError(f"{path} is a file, and a recording is a folder: give another path")
        if keep not in get_args(Keep):
            raise ValueError(f"unknown keep {keep!r}; valid: {', '.join(get_args(Keep))}")
        if keep == "auto":
            restores = env is env.unwrapped and all(callable(getattr(env, name, None)) for name in _RESTORES)
            numbers = action_width([env.action_space(agent) for agent in env.possible_agents]) is None
            keep = "actions" if restores and numbers and not snapshots else "everything"
        if snapshots and keep == "actions":
            raise ValueError("snapshots=True with keep='actions': ask for them when the recording is read, or keep all")
        super().__init__(env)
        if narrator is None:
            narrator = getattr(env.unwrapped, "narrator", None)
        everything = keep == "everything"
        known = recorded_env(env, narrator if everything else None, observations=everything, snapshots=snapshots)
        if not everything and known.action_width is not None:
            raise ValueError("keep='actions' is for actions that are whole numbers; record with keep='everything'")
        head = {
            "agents": known.agents, "env_id": known.env_id, "keep": keep, "width": known.action_width,
            "world": world, "arguments": dict(arguments or {}),
        }  # fmt: skip
        self.path, self.keep = Path(path), keep
        self._log: ActionLog | StepLog = (StepLog if everything else ActionLog)(env, known, self.path, head)
        self.step = self._log.stepper()

    # The base class looks it up in several steps, which takes as long as a fifth of a step of a small environment.
    agents = property(attrgetter("env.agents"), doc="The agents that act next.")

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode; an unfinished one is dropped. After an error nothing is recorded until the next reset.

        Raises:
            CreditError: With keep="actions", the reset cannot be done again.
        """
        self._log.stop()
        returned = self.env.reset(seed=seed, options=options)
        self._log.start(seed, options, returned)
        return returned

    def close(self) -> None:
        """Close the file and the environment."""
        self._log.close()
        self.env.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "step"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.step = self._log.stepper()


def _require_no_credit(env: object) -> None:
    """Raise TypeError if a wrapper inside pays credit: it would be recorded as the team reward."""
    layer: Any = env
    while layer is not None:
        if isinstance(layer, CreditWrapper):
            raise TypeError(
                f"a recording holds what the environment pays, and {type(layer).__name__} is inside: put "
                "RecordEpisodes inside it: CreditWrapper(RecordEpisodes(env, path), ...)"
            )
        # Not by `__dict__`: an object whose `__dict__` was asked for is slower ever after (CPython 3.11).
        layer = getattr(layer, "env", None) or getattr(layer, "aec_env", None)  # the latter in aec_to_parallel


def _require_json(arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        try:
            json.dumps({name: value})
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"arguments[{name!r}] is {value!r}, a {type(value).__name__}, and a recording holds JSON: {error}; "
                "give numbers, texts, lists and dicts of Python"
            ) from error
