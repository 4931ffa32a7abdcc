"""LLM-MCA in one line: a wrapper that makes its own language-model critic."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, get_args

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.critic import Critic, check_critic
from credit_wrappers.core.keywords import check_keywords, keywords_of
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.delivery.deferred import Deferred
from credit_wrappers.delivery.online import Online
from credit_wrappers.delivery.source import CreditSource
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.distillation.distillation import Distillation
from credit_wrappers.distillation.paying import Distilled, Student
from credit_wrappers.llm.client import ModelClient
from credit_wrappers.narration.fallback_narrators import ActionNames, FeatureNames, narrator_for
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.recording.team_reward import TeamRewardRule
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.wrappers.credit_wrapper import CreditWrapper

Delivery = Literal["deferred", "immediate"]


class LLMCreditWrapper(CreditWrapper):
    """LLM-MCA around any parallel environment: a language model credits each agent for each step.

    Without further arguments the critic is an Anthropic model, and ANTHROPIC_API_KEY must be set.

    Args:
        env: A PettingZoo parallel environment with `possible_agents`, of which any may come and go; its actions
            are Discrete, MultiDiscrete, MultiBinary or Box.
        critic: A critic of your own; then none of the options that make one may be given.
        client: Answers the critic's questions; `ScriptedClient()` needs no key.
        model: Name of the Anthropic model; default `credit_wrappers.llm.providers.anthropic.DEFAULT_MODEL`.
        base_url: A server that speaks the Messages API, for instance a local one.
        store: A store to share with other environments; replaces all the options above and below.
        distillation: A distillation to share with other environments, likewise.
        narrator: Turns episodes into text; default the environment's own, else a `StateNarrator` where the environment
            has `describe_state()`, else an `ArrayNarrator`.
        describe: What the environment is and what the team is to do, for an environment without a narrator. Default:
            its `describe()`, else its docstring.
        action_names: What actions are called, for an environment without a narrator; see `ArrayNarrator`.
        feature_names: What the observed numbers are called, likewise; the environment is then told by its numbers.
        episodes_per_query: Episodes the model compares in one query; default as `CreditStore`.
        workers: Threads that ask the model; default 4 for a model, 0 for a client that computes.
        delivery: "deferred": credit comes from `env.store` after the episode (`Deferred`). "immediate": `step` pays it,
            asking the model in every step (`Online`), or by a student where `labels` are given (`Distilled`) or
            `critic` is one (`Student`).
        labels: With immediate delivery: how many episodes the model scores at most for a student to learn from; see
            `Distillation`, which can be made by hand to set more, and to be shared.
        window: Of how many last steps the model is asked in every step; only with immediate delivery by the model
            itself. Default as `Online`.
        team_reward: See `CreditWrapper`.
        record_observations: See `CreditWrapper`.
        record_snapshots: See `CreditWrapper`.
        progress: Show a bar with scored episodes, calls, tokens, cost and cache share.
        critic_options: Further arguments of `LLMCritic`: `ledger`, `budget`, `asks_tasks`, and its settings by name
            (`CriticSettings`): `fallback`, `order`, `conserve`, `blend`, ...

    Raises:
        CreditError: No key, no client and no server was given.
        TypeError: An unknown option; a critic, client or budget that is none. See `CreditWrapper` for others.
        ValueError: Options that exclude each other or would do nothing, for instance `describe` for an environment with
            its own narrator; another number of names than there are things to be named.
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
        distillation: Distillation | None = None,
        narrator: Narrator | None = None,
        describe: str | None = None,
        action_names: ActionNames | None = None,
        feature_names: FeatureNames | None = None,
        episodes_per_query: int | None = None,
        workers: int | None = None,
        delivery: Delivery = "deferred",
        labels: int | None = None,
        window: int | None = None,
        team_reward: TeamRewardRule = "auto",
        record_observations: bool = False,
        record_snapshots: bool = False,
        progress: bool = False,
        **critic_options: Any,
    ) -> None:
        require_parallel(env)
        if critic_options:
            check_keywords("LLMCreditWrapper", critic_options, known_options())
        if critic is not None:
            check_critic(critic, "critic= takes a critic")
        if delivery not in get_args(Delivery):
            raise ValueError(f"unknown delivery {delivery!r}; valid: 'deferred', 'immediate'")
        narrator = narrator_for(
            env, narrator, describe=describe, action_names=action_names, feature_names=feature_names
        )
        made = {"client": client, "model": model, "base_url": base_url, **critic_options}
        given = sorted(name for name, value in made.items() if value is not None)
        shares = store if store is not None else distillation
        self._makes_critic = shares is None and critic is None
        if labels is not None and (shares is not None or delivery != "immediate"):
            why = "a store or a distillation brings its own" if shares is not None else "deferred scores every episode"
            raise ValueError(f"labels={labels} is for delivery='immediate' ({why})")
        if shares is not None and (critic is not None or given):
            kind = "store" if store is not None else "distillation"
            raise ValueError(f"the {kind} brings its critic; remove {', '.join(given) or 'critic'}")
        if critic is not None and given:
            raise ValueError(f"the critic is given ready made; remove {', '.join(given)}")
        if store is not None and (distillation is not None or delivery == "immediate"):
            raise ValueError("a store delivers deferred credit: give either store= or distillation=, or critic=")
        in_steps = shares is None and labels is None and delivery == "immediate"
        if window is not None and (not in_steps or isinstance(critic, StudentCritic)):
            raise ValueError(f"window={window} is for delivery='immediate' where the critic is asked in every step")
        queries: dict[str, Any] = {"episodes_per_query": episodes_per_query, "workers": workers}
        queries = {name: value for name, value in queries.items() if value is not None}
        queries |= {"progress": True} if progress else {}
        if queries and (shares is not None or in_steps):
            why = "each step is credited by itself" if in_steps else "what is shared has its own"
            raise ValueError(f"{', '.join(queries)} would do nothing here ({why}); remove it")
        if shares is None and critic is None:
            critic = _llm_critic(client, model, base_url, critic_options)
        if workers is None:  # a critic that computes needs no threads
            queries["workers"] = 4 if getattr(critic, "source", "model") == "model" else 0
        if critic is not None and labels is not None:
            distillation = Distillation(critic, labels, **queries)
        source: CreditSource
        if distillation is not None:
            source = Distilled(distillation)
        elif delivery == "deferred":
            source = Deferred(store) if store is not None else Deferred(critic, **queries)  # type: ignore[arg-type]
        elif isinstance(critic, StudentCritic):
            source = Student(critic)
        else:
            source = Online(critic, **({} if window is None else {"window": window}))  # type: ignore[arg-type]
        kept = {"record_observations": record_observations, "record_snapshots": record_snapshots}
        super().__init__(env, source, narrator=narrator, team_reward=team_reward, **kept)

    def close(self) -> None:
        """Close the environment; what waits to be recorded is written. Credits can be collected as before.

        `store.close()` ends the threads, and gives up what is not in a query yet.
        """
        super().close()
        if self._makes_critic:
            if self.distillation is not None:
                self.distillation.warn_if_unfitted()
            # Looked up, not kept: copies and pickles of this environment share the critic.
            if self.source.critic.ledger is not None:
                self.source.critic.ledger.flush()


def known_options() -> list[str]:
    """Return the names of all options of `LLMCreditWrapper`, those of its critic included."""
    from credit_wrappers.critics.critic_settings import CriticSettings  # at its first use: it brings pydantic

    settings = [field.name for field in fields(CriticSettings)]
    return [*keywords_of(LLMCreditWrapper.__init__), "settings", "ledger", "budget", "asks_tasks", *settings]


def _llm_critic(client: ModelClient | None, model: str | None, base_url: str | None, options: dict[str, Any]) -> Critic:
    # Imported at its first use: it brings pydantic.
    from credit_wrappers.critics.llm_critic import LLMCritic

    if client is None:
        from credit_wrappers.llm.providers.anthropic import DEFAULT_MODEL, AnthropicClient

        client = AnthropicClient(model or DEFAULT_MODEL, base_url=base_url)
    elif model is not None or base_url is not None:
        raise ValueError("model and base_url belong to the Anthropic client; give them, or a client, not both")
    return LLMCritic(client, **options)
