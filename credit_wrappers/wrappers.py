"""Wrappers that record episodes and have them credited. Parallel environment in, parallel environment out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from .actions import action_width, require_actions
from .episode import Episode
from .errors import CreditError
from .narrators import ActionNames, FeatureNames, narrator_for
from .panel import CreditPanel
from .protocols import Critic, ModelClient, Narrator
from .recorder import EpisodeRecorder
from .store import CreditStore

if TYPE_CHECKING:
    from .critics.llm import LLMCritic
    from .ledger import Ledger

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


class LLMCreditWrapper(CreditWrapper):
    """LLM-MCA around any parallel environment: a language model credits each agent for each step.

    Without further arguments the critic is an Anthropic model, and ANTHROPIC_API_KEY must be set.

    Args:
        env: A PettingZoo parallel environment with `possible_agents`, of which any may come and go; its actions
            are Discrete, MultiDiscrete, MultiBinary or Box.
        critic: A critic of your own; then none of the options that make one may be given.
        client: Answers the critic's questions; `ScriptedClient()` needs no key.
        model: Name of the Anthropic model; default `credit_wrappers.clients.anthropic.DEFAULT_MODEL`.
        base_url: A server that speaks the Messages API, for instance a local one.
        store: A store to share with other environments; replaces all the options above and below.
        narrator: Turns episodes into text; default the environment's own, else a `StateNarrator` where the environment
            has `describe_state()`, else an `ArrayNarrator`.
        describe: What the environment is and what the team is to do, for an environment without a narrator. Default:
            its `describe()`, else its docstring.
        action_names: What actions are called, for an environment without a narrator; see `ArrayNarrator`.
        feature_names: What the observed numbers are called, likewise; the environment is then told by its numbers.
        episodes_per_query: Episodes the model compares in one query.
        workers: Threads that ask the model; default 4 for a model, 0 for a client that computes.
        team_reward: See `CreditWrapper`.
        progress: Show a bar with scored episodes, calls, tokens, cost and cache share.
        critic_options: Further arguments of `LLMCritic`: `ledger`, `budget`, and its settings by name
            (`CriticSettings`): `fallback`, `order`, `conserve`, `blend`, ...

    Raises:
        CreditError: No key, no client and no server was given.
        ValueError: Options that exclude each other, for instance `describe` for an environment with its own narrator;
            another number of names than there are things to be named.
    """

    def __init__(
        self,
        env: ParallelEnv,
        *,
        critic: Critic | None = None,
        client: ModelClient | None = None,
        model: str | None = None,
        base_url: str | None = None,
        store: CreditStore | None = None,
        narrator: Narrator | None = None,
        describe: str | None = None,
        action_names: ActionNames | None = None,
        feature_names: FeatureNames | None = None,
        episodes_per_query: int = 8,
        workers: int | None = None,
        delivery: str = "deferred",
        team_reward: TeamReward = "auto",
        progress: bool = False,
        **critic_options: Any,
    ) -> None:
        require_parallel(env)
        narrator = narrator_for(
            env, narrator, describe=describe, action_names=action_names, feature_names=feature_names
        )
        made = {"client": client, "model": model, "base_url": base_url, **critic_options}
        given = sorted(name for name, value in made.items() if value is not None)
        ledger: Ledger | None = None
        if store is not None:
            if critic is not None or given:
                raise ValueError(f"the store brings its critic; remove {', '.join(given) or 'critic'}")
        else:
            if critic is None:
                critic = made_critic = _llm_critic(client, model, base_url, critic_options)
                ledger = made_critic.ledger
            elif given:
                raise ValueError(f"the critic is given ready made; remove {', '.join(given)}")
            if workers is None:  # a critic that computes needs no threads
                workers = 4 if getattr(critic, "source", "model") == "model" else 0
            store = CreditStore(critic, episodes_per_query=episodes_per_query, workers=workers, progress=progress)
        super().__init__(env, store=store, narrator=narrator, delivery=delivery, team_reward=team_reward)
        self._ledger = ledger

    def close(self) -> None:
        """Close the environment; what waits to be recorded is written. Credits can be collected as before.

        `store.close()` ends the threads, and gives up what is not in a query yet.
        """
        super().close()
        if self._ledger is not None:
            self._ledger.flush()


def require_parallel(env: object) -> None:
    """Raise TypeError unless `env` is a parallel environment that names its agents and has usable actions."""
    if not isinstance(env, ParallelEnv):
        if hasattr(env, "agent_iter"):
            way = "it is an AEC environment: convert it with pettingzoo.utils.conversions.aec_to_parallel(env)"
        elif hasattr(env, "action_space") and not callable(env.action_space):
            way = "it looks like a single-agent Gymnasium environment: write it as a pettingzoo.ParallelEnv"
        else:
            way = "write it as, or adapt it to, a pettingzoo.ParallelEnv"
        raise TypeError(f"expected a PettingZoo ParallelEnv, got {type(env).__name__}; {way}")
    agents = getattr(env, "possible_agents", None)
    if not agents:
        raise TypeError(
            f"{type(env.unwrapped).__name__} has no possible_agents: credit needs the list of all agents that can ever "
            "appear, so that an episode has the same agents from start to end; let the environment name them"
        )
    for agent in agents:
        require_actions(agent, env.action_space(agent))


def _llm_critic(
    client: ModelClient | None, model: str | None, base_url: str | None, options: dict[str, Any]
) -> LLMCritic:
    from .critics.llm import LLMCritic

    if client is None:
        from .clients.anthropic import DEFAULT_MODEL, AnthropicClient

        client = AnthropicClient(model or DEFAULT_MODEL, base_url=base_url)
    elif model is not None or base_url is not None:
        raise ValueError("model and base_url belong to the Anthropic client; give them, or a client, not both")
    return LLMCritic(client, **options)
