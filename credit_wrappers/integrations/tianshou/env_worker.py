"""What runs in a worker process: one environment, which takes commands and answers with what its whole team got."""

from __future__ import annotations

import inspect
import pickle
import traceback
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import cloudpickle
import gymnasium
import numpy as np
from pettingzoo import ParallelEnv

from credit_wrappers.core.errors import CreditError
from credit_wrappers.delivery.remote_store import Outbox, RemoteStore, become_worker
from credit_wrappers.integrations.batched_env_group import BatchedEnvGroup, make_env_group
from credit_wrappers.integrations.env_group import EnvGroup, Gathered
from credit_wrappers.integrations.task_env_group import TaskEnvGroup
from credit_wrappers.recording.env_checks import require_parallel_class


class Command(NamedTuple):
    """What the worker is to do.

    Attributes:
        name: A method of `WorkerEnv` without its underscore.
        given: Its arguments.
        credits: Pickled credits of episodes, by the worker's numbers, that came since the last command.
    """

    name: str
    given: tuple[Any, ...]
    credits: bytes | None = None


class WorkerAnswer(NamedTuple):
    """What came of a command.

    Attributes:
        value: What the method returned.
        messages: Pickled messages to the credit stores, see `StoreMessage`; None: there are none.
        failure: What was raised.
    """

    value: Any
    messages: bytes | None
    failure: Failure | None


class TeamStep(NamedTuple):
    """What the N agents of one environment got; few arrays, since each costs something to send.

    Attributes:
        observations: (N, ...).
        masks: (N, A) bool, or None.
        table: (4, N) float64: rewards; terminated; truncated; who is there.
        episode: The `episode_id` that the infos told at the reset, if any; the worker's number.
    """

    observations: np.ndarray
    masks: np.ndarray | None
    table: np.ndarray
    episode: int | None = None

    @staticmethod
    def of(got: Gathered, episode: int | None = None) -> TeamStep:
        """Return what was gathered from one environment."""
        flags = (got.terminated[0], got.truncated[0], got.there[0])
        return TeamStep(got.observations, got.masks, np.array([got.rewards, *flags]), episode)


class EnvFacts(NamedTuple):
    """What the main process knows of the environment without asking again."""

    possible_agents: list[str]
    observation_spaces: dict[str, gymnasium.Space]
    action_spaces: dict[str, gymnasium.Space]
    metadata: dict[str, Any]
    render_mode: str | None
    store: Any


class Method(NamedTuple):
    """Stands for a method of the environment, which is to be called in the worker."""

    name: str


class Itself(NamedTuple):
    """Stands for the environment itself, which a method such as `eval()` of a task wrapper returns."""


@dataclass(frozen=True)
class Failure:
    """An exception on its way to the main process.

    Attributes:
        text: Its type's name and its message.
        trace: Its traceback.
        pickled: The exception; None when it cannot be pickled.
    """

    text: str
    trace: str
    pickled: bytes | None

    @staticmethod
    def of(error: Exception) -> Failure:
        """Pack an exception."""
        try:
            pickled = cloudpickle.dumps(error)
            pickle.loads(pickled)
        except Exception:  # one that needs more arguments than it remembers, or holds what cannot be pickled
            pickled = None
        return Failure(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)), pickled)

    def error(self, note: str) -> Exception:
        """Return the exception as it was raised, with the note and the worker's traceback."""
        error: Exception
        try:
            if self.pickled is None:
                raise TypeError
            error = pickle.loads(self.pickled)
        except Exception:
            error = CreditError(f"{note}: {self.text}")
        error.add_note(f"{note}:\n{self.trace}")
        return error


class WorkerEnv(gymnasium.Env):
    """A whole ParallelEnv behind the `step` of a gymnasium Env, which is what Tianshou's workers can talk to.

    Nothing is made before the command "make": Ray's worker sends this object from the main process.

    Args:
        make: The pickled factory of the environment.
        number: The environment's number in the vector environment.
    """

    action_space = gymnasium.spaces.Discrete(1)  # Tianshou's workers ask for one

    def __init__(self, make: bytes, number: int) -> None:
        self._factory, self._number = make, number
        self._env: Any = None
        self._outbox: Outbox | None = None

    def step(self, action: Command) -> WorkerAnswer:
        """Obey a command; whatever goes wrong is in the answer."""
        try:
            if action.credits is not None and self._outbox is not None:
                self._outbox.deliver(pickle.loads(action.credits))
            value, failure = getattr(self, f"_{action.name}")(*action.given), None
        except Exception as error:
            value, failure = None, Failure.of(error)
        try:
            return WorkerAnswer(value, self._messages(), failure)
        except Exception as error:
            return WorkerAnswer(None, None, failure or Failure.of(error))

    def close(self) -> None:
        """Do nothing: the environment is closed by a command, which tells what goes wrong."""

    def _make(self) -> bytes:
        self._outbox = become_worker()
        # Forked workers share this generator's state: environments that draw from it must not all play alike.
        np.random.seed((np.random.randint(2**31) + self._number) % 2**32)
        self._env = env = pickle.loads(self._factory)()
        require_parallel_class(env)
        store = getattr(env, "store", None)
        if store is not None and not isinstance(store, RemoteStore):
            raise ValueError(
                f"the environment brings a {type(store).__name__} of its worker process, where nobody collects "
                "credits: make one CreditStore in the main process and hand it to the factory itself, "
                "lambda: CreditWrapper(make(), Deferred(store))"
            )
        agents = list(env.possible_agents)
        facts = EnvFacts(
            agents,
            {agent: env.observation_space(agent) for agent in agents},
            {agent: env.action_space(agent) for agent in agents},
            dict(getattr(env, "metadata", None) or {}),
            getattr(env, "render_mode", None),
            store,
        )
        return cloudpickle.dumps(facts)

    @cached_property
    def _teams(self) -> EnvGroup | BatchedEnvGroup | TaskEnvGroup:
        return make_env_group([self._env], self._env.possible_agents)

    def _reset(self, seed: int | None, options: bytes | None) -> TeamStep:
        given = None if options is None else pickle.loads(options)
        got, episodes = self._teams.reset(np.zeros(1, dtype=int), [seed], given)
        return TeamStep.of(got, episodes[0])

    def _step(self, actions: np.ndarray, acting: np.ndarray) -> TeamStep:
        # A copy: what comes by Ray cannot be written to.
        return TeamStep.of(self._teams.step(np.zeros(1, dtype=int), np.array(actions), acting[None]))

    def _agree(self, store: RemoteStore, rule: Literal["mean", "sum"], told: str) -> None:
        store.team_reward.agree(rule, told)

    def _get(self, name: str) -> bytes:
        value = getattr(self._env, name)
        return cloudpickle.dumps(Method(name) if inspect.ismethod(value) else value)

    def _set(self, name: str, value: bytes) -> None:
        setattr(self._env, name, pickle.loads(value))

    def _call(self, name: str, given: bytes) -> bytes:
        args, kwargs = pickle.loads(given)
        value = getattr(self._env, name)(*args, **kwargs)
        itself = isinstance(value, ParallelEnv) and value.unwrapped is self._env.unwrapped
        return cloudpickle.dumps(Itself() if itself else value)

    def _end(self) -> None:
        env, self._env = self._env, None
        if isinstance(env, ParallelEnv):
            env.close()

    def _messages(self) -> bytes | None:
        """Return the messages since the last answer, pickled, each with its narrator as bytes of its own.

        The main process recognises the bytes: critics know a narrator by its identity.
        """
        messages = [] if self._outbox is None else self._outbox.collect()
        if not messages:
            return None
        packed = []
        for message in messages:
            narrator = b""
            if message.episode is not None:
                narrator = cloudpickle.dumps(message.episode.narrator)
                message = message._replace(episode=replace(message.episode, narrator=None))
            packed.append((message, narrator))
        return cloudpickle.dumps(packed)
