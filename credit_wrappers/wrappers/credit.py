"""The wrapper that records episodes and has them credited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from ..actions import action_width
from ..episode import Episode
from ..errors import CreditError
from ..panel import CreditPanel
from ..protocols import Critic, Narrator
from ..recorder import EpisodeRecorder
from ..store import CreditStore
from .checks import require_parallel

TeamReward = Literal["auto", "shared", "sum"]


class CreditWrapper(BaseParallelWrapper):
    """Pays the team reward as a placeholder and sends every finished episode to a `CreditStore`.

    The critic reads whole episodes, so its credit cannot be in the reward that `step` returns. `step` pays
    every agent the team reward; the credits come from `store` afterwards and are written over the placeholder
    where the learner keeps its data (`credit_wrappers.integrations`, or by hand from `store.settle(ids)`).

    `infos[agent]` gains `team_reward` (float), `episode_id` (int) and `episode_step` (the step t this reward
    belongs to; -1 at reset). A reset in mid-episode drops the unfinished episode.

    An environment that renders and has `set_overlay(credits=, tasks=, text=)`, as Spaceworld has, is handed the
    newest episode of its own that was scored: its pictures show each agent's total credit and the critic's words.

    Args:
        env: A PettingZoo parallel environment with `possible_agents`, of which any may come and go; its actions
            are Discrete, MultiDiscrete, MultiBinary or Box.
        critic: Assigns the credit; a store is made for it.
        store: A store to share with other environments, instead of `critic`.
        narrator: Turns the episode into text; default `env.unwrapped.narrator`, where there is one.
        delivery: When credits reach the learner; "deferred" is the only way so far.
        team_reward: How the team reward is made from the environment's rewards: "shared": all agents are paid
            the same number, which is it (CreditError where they differ); "sum": their sum; "auto": shared,
            until rewards differ for the first time, from then on the sum. Say which one it is where you know.
        record_observations: Keep the observations in the episode.

    Raises:
        TypeError: `env` is not a parallel environment, has no `possible_agents`, or has other actions.

    Example:
        >>> from credit_wrappers import CreditWrapper, EqualSplitCritic
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = CreditWrapper(CorridorEnv(length=2), EqualSplitCritic())
        >>> observations, infos = env.reset(seed=1)
        >>> while env.agents:
        ...     observations, rewards, *_, infos = env.step({agent: 2 for agent in env.agents})
        >>> rewards, infos["walker_0"]["episode_step"]
        ({'walker_0': 1.0, 'walker_1': 1.0}, 0)
        >>> [(id, credit.values.tolist()) for id, credit in env.store.settle([0])]
        [(0, [[0.5, 0.5]])]
    """

    def __init__(
        self,
        env: ParallelEnv,
        critic: Critic | None = None,
        *,
        store: CreditStore | None = None,
        narrator: Narrator | None = None,
        delivery: str = "deferred",
        team_reward: TeamReward = "auto",
        record_observations: bool = False,
    ) -> None:
        require_parallel(env)
        if delivery != "deferred":
            raise ValueError(f"unknown delivery {delivery!r}; valid: 'deferred'")
        if team_reward not in ("auto", "shared", "sum"):
            raise ValueError(f"unknown team_reward {team_reward!r}; valid: 'auto', 'shared', 'sum'")
        if (critic is None) == (store is None):
            raise ValueError("give either a critic or a store (which has its critic)")
        super().__init__(env)
        self.store = store if store is not None else CreditStore(critic)  # type: ignore[arg-type]
        self.narrator = narrator if narrator is not None else getattr(env.unwrapped, "narrator", None)
        self.delivery = delivery
        self.team_reward = team_reward
        self._summed = team_reward == "sum"
        name = (getattr(env, "metadata", None) or {}).get("name") or type(env.unwrapped).__name__
        self._agents = tuple(env.possible_agents)
        self.recorder = EpisodeRecorder(
            self._agents,
            self.narrator,
            str(name),
            observations=record_observations,
            action_width=action_width([env.action_space(agent) for agent in self._agents]),
        )
        self._panel = CreditPanel.of(env.unwrapped)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Start a new episode; an unfinished one is dropped."""
        if self._panel is not None:
            self._panel.show()
        observations, infos = self.env.reset(seed=seed, options=options)
        self.recorder.start(self.store.open(), seed, observations)
        return observations, self._infos(observations, infos, 0.0, -1)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance the environment; pay every agent the team reward; at the end submit the episode."""
        recorder = self.recorder
        # A copy, since an environment may change the dict.
        taken = recorder.joint(actions)
        if self._panel is not None:
            self._panel.show()
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        if not recorder.active:  # stepping on after the end: the environment's own affair
            return observations, rewards, terminations, truncations, infos
        team = self._team_reward(rewards)
        step = recorder.length
        # Only now: an action that the environment refuses with an error is not recorded.
        recorder.add(taken, team, observations, infos)
        infos = self._infos(observations, infos, team, step)
        over = not self.env.agents
        if not over and (True in terminations.values() or True in truncations.values()):
            # Some environments leave `agents` filled after the end; their flags tell.
            over = all(terminations[agent] or truncations[agent] for agent in terminations)
        if over:
            self.submit(recorder.finish(any(terminations.values()), any(truncations.values())))
        return observations, dict.fromkeys(rewards, team), terminations, truncations, infos

    def submit(self, episode: Episode) -> None:
        """Send a finished episode of this environment to the store; its credit will be shown where that is possible."""
        if self._panel is None:
            self.store.submit(episode)
        else:
            self.store.submit(episode, scored=self._panel.tell)

    def render(self) -> Any:
        """Return the environment's picture, with the newest credits where it has a place for them."""
        if self._panel is not None:
            self._panel.show()
        return self.env.render()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.recorder.active = False  # a copy records from its own next reset on: an episode is submitted once

    def _team_reward(self, rewards: Mapping[str, Any]) -> float:
        values = list(rewards.values())
        if not values:
            return 0.0
        if not self._summed:
            if values.count(values[0]) == len(values):
                return float(values[0])
            if self.team_reward == "shared":
                raise CreditError(
                    f"step {self.recorder.length}: the agents' rewards differ ({dict(rewards)}), but "
                    "team_reward='shared' was asked for; use team_reward='sum'"
                )
            self._summed = True
        return float(sum(values))

    def _infos(
        self, agents: Mapping[str, Any], infos: Mapping[str, Mapping[str, Any]], team: float, step: int
    ) -> dict[str, dict[str, Any]]:
        """Return fresh infos, one dict for each agent, with the evidence added."""
        episode_id = self.recorder.episode_id
        return {
            agent: {
                **infos.get(agent, {}),
                "team_reward": team,
                "episode_id": episode_id,
                "episode_step": step,
            }
            for agent in agents
        }
