"""What a simulator is: from states and joint actions to their outcomes, for any environment that restores states."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Discrete

from credit_wrappers.core.errors import CreditError
from credit_wrappers.recording.attendance import Attendance
from credit_wrappers.recording.team_reward import TeamReward, TeamRewardRule


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What K joint actions lead to, each taken in a state of its own.

    Attributes:
        states: The K states after the step.
        reward: (K,) float64, the team reward of the step.
        cost: (K, N) float64, the agents' costs of the step.
        terminated: (K,) bool, whether the world ended the episode.
        truncated: (K,) bool, whether time ran out.
    """

    states: list[object]
    reward: np.ndarray
    cost: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class Simulator(Protocol):
    """Everything that can say what a joint action leads to."""

    def outcomes(self, states: Sequence[object], joints: np.ndarray) -> Outcomes:
        """Return what K joint actions, (K, N) int, lead to; state k takes joint action k."""
        ...


class StateError(CreditError):
    """A state that cannot be simulated or valued.

    Args:
        message: Why, and the way out.
        index: Its place among the states that were given.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index

    def __reduce__(self) -> tuple[type[StateError], tuple[str, int]]:
        return type(self), (str(self), self.index)


class EnvSimulator:
    """A simulator of any PettingZoo ParallelEnv with `get_state` and `set_state`, or of what `env.unwrapped` brings.

    The environment may bring, beside its two methods: `simulator()`, a faster simulator, which is used then; `noop`,
    the default action, an int or one by agent (else 0); `observe_all()`, whose infos hold the `action_mask`s of the
    present state; `rewind(state)`, the same state with the episode's clock at 0. An environment whose state includes
    its random stream draws the same numbers for all joint actions of a state.

    Args:
        env_factory: Makes the environment; picklable if the simulator is to be pickled.
        team_reward: How agents' rewards become the team reward, see `CreditWrapper`.

    Attributes:
        agents: Names of the N agents.
        default: (N,) int64, the default action of each.
        counts: (N,) int64, the number of actions of each.

    Raises:
        TypeError: No function is given.
        CreditError: The environment cannot restore states, or an agent's actions are not `Discrete` from 0.
    """

    def __init__(self, env_factory: Callable[[], Any], *, team_reward: TeamRewardRule = "auto") -> None:
        if not callable(env_factory):
            raise TypeError(f"env_factory must be a function that makes the environment, got {env_factory!r}")
        self.env_factory = env_factory
        self._team_reward = TeamReward(team_reward)
        self._open()
        self.agents = tuple(self.env.possible_agents)
        self.counts = np.array([_count(self.env, agent) for agent in self.agents], np.int64)
        self.default = _default(self.env, self.agents, self.counts)

    def outcomes(self, states: Sequence[object], joints: np.ndarray) -> Outcomes:
        """Return what K joint actions lead to.

        Args:
            states: K states that `get_state` returned.
            joints: (K, N) int; an agent that has left is passed over.

        Raises:
            StateError: The episode has ended in a state, so no action can be taken.
        """
        with self._lock:
            if self._fast is not None:
                return self._fast.outcomes(states, joints)
            return self._step_each(states, np.asarray(joints))

    def masks(self, states: Sequence[object]) -> np.ndarray | None:
        """Return the possible actions, (K, N, A) bool; None where the environment does not tell them."""
        if not hasattr(self.env, "observe_all"):
            return None
        found = np.zeros((len(states), len(self.agents), int(self.counts.max())), bool)
        with self._lock:
            for k, state in enumerate(states):
                self.env.set_state(state)
                infos = self.env.observe_all()[1]
                for i, agent in enumerate(self.agents):
                    if agent not in infos:  # it has left
                        continue
                    mask = infos[agent].get("action_mask")
                    if mask is None:
                        return None
                    found[k, i, : self.counts[i]] = np.asarray(mask)[: self.counts[i]] != 0
        return found

    @property
    def rewind(self) -> Callable[[Any], Any] | None:
        """The environment's `rewind(state)`; None where it has none."""
        return getattr(self.env, "rewind", None)

    def _open(self) -> None:
        self.env = self.env_factory().unwrapped
        lacks = [name for name in ("get_state", "set_state") if not callable(getattr(self.env, name, None))]
        if lacks:
            raise CreditError(
                f"{type(self.env).__name__} has no {' and no '.join(lacks)}, which exact credit needs: add "
                "get_state(), which returns the whole state, random generator included, as a value of its own, and "
                "set_state(state), which restores it"
            )
        self.env.reset(seed=0)
        make = getattr(self.env, "simulator", None)
        self._fast: Simulator | None = make() if callable(make) else None
        self._lock = threading.Lock()

    def _step_each(self, states: Sequence[object], joints: np.ndarray) -> Outcomes:
        count, env = len(states), self.env
        attendance = Attendance(type(env).__name__, self.agents)
        after: list[object] = []
        reward, cost = np.zeros(count), np.zeros((count, len(self.agents)))
        ended = np.zeros((2, count), bool)
        for k, state in enumerate(states):
            env.set_state(state)
            if not env.agents:
                raise StateError(self._over(), k)
            attendance.resume(env.agents)
            live = attendance.now.live
            returned = env.step({a: int(joints[k, i]) for i, a in enumerate(self.agents) if a in live})
            terminated, truncated, over = attendance.step(env.agents, returned).ends
            _, rewards, _, _, infos = returned
            after.append(env.get_state())
            reward[k] = self._team_reward(rewards, live)
            cost[k] = [infos.get(agent, {}).get("cost", 0.0) for agent in self.agents]
            if over:
                ended[:, k] = terminated, truncated
        return Outcomes(after, reward, cost, *ended)

    def _over(self) -> str:
        text = "the episode has ended in this state, so no action can be taken in it. If time ran out: "
        if self.rewind is not None:
            return text + "rewind(state) sets the clock back"
        return text + (
            f"{type(self.env).__name__} has no rewind(state), which returns a state with the episode's clock at 0 and "
            "all agents there; add this method to it, or give rewind= to RolloutValue or TabularValue"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("env", "_fast", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


def _count(env: Any, agent: str) -> int:
    space = env.action_space(agent)
    if not isinstance(space, Discrete) or space.start != 0:
        raise CreditError(f"agent {agent!r} has actions {space}; exact credit needs Discrete actions from 0")
    return int(space.n)


def _default(env: Any, agents: Sequence[str], counts: np.ndarray) -> np.ndarray:
    given = getattr(env, "noop", 0)
    if isinstance(given, Mapping):
        lacks = [agent for agent in agents if agent not in given]
        if lacks:
            raise CreditError(f"the environment's `noop` has no default action for {', '.join(lacks)}")
        given = [given[agent] for agent in agents]
    default = np.broadcast_to(np.asarray(given, np.int64), len(agents)).copy()
    wrong = [f"{agent}: {a}" for agent, a, n in zip(agents, default, counts, strict=True) if not 0 <= a < n]
    if wrong:
        raise CreditError(f"the environment's `noop` is no action of {'; '.join(wrong)}")
    return default
