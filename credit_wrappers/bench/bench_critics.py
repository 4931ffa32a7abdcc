"""Critics by the words of the command line: `scripted`, `random`, `exact`, `ledger:FILE`, `anthropic:MODEL`, ..."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credit_wrappers.bench.answers_file import AnswersCritic
from credit_wrappers.bench.suite import Suite
from credit_wrappers.core.critic import Critic
from credit_wrappers.critics.critic_registry import critic_names, make_critic
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.exact.counterfactual_critic import CounterfactualCritic
from credit_wrappers.llm.budget import Budget
from credit_wrappers.llm.client import ModelClient
from credit_wrappers.llm.providers.folder import FolderClient
from credit_wrappers.llm.providers.provider_registry import make_client, provider_names
from credit_wrappers.llm.providers.recorded import RecordedClient
from credit_wrappers.scripted.scripted_client import ScriptedClient

# By name: value and kind. The truth itself: its row shows what the figures are for a critic that is right.
_EXACT = {
    "exact": ("time", "difference"),
    "exact-work": ("work", "difference"),
    "exact-shapley": ("time", "shapley"),
    "exact-work-shapley": ("work", "shapley"),
}


@dataclass
class CriticOptions:
    """What is set for all critics that ask a model.

    Attributes:
        settings: Settings of `LLMCritic`, by name.
        ledger: Where answers are recorded, and found again when the same is asked once more.
        budget: One for all of them.
        base_url: Address of a model server.
        client: Whose answers of a recorded ledger are replayed, where it has those of several clients.
    """

    settings: dict[str, Any]
    ledger: Path | None = None
    budget: Budget | None = None
    base_url: str | None = None
    client: str | None = None


def valid_critics() -> str:
    """Return the words that `bench_critic` takes, for help and errors."""
    models = ["folder:DIR" if name == "folder" else f"{name}:MODEL" for name in provider_names()]
    return ", ".join(["scripted", *critic_names(), *_EXACT, "ledger:FILE", "answers:FILE", *models])


def bench_critic(word: str, options: CriticOptions) -> Callable[[Suite], Critic]:
    """Return a function that makes the critic for a suite.

    Raises:
        ValueError: There is no such critic; the message lists what is valid.
        CreditError: A model without a key, a file that is no ledger.
        OSError: A file cannot be read.
    """
    name, _, rest = word.partition(":")
    if word in _EXACT:
        value, kind = _EXACT[word]
        return lambda suite: CounterfactualCritic(suite.make_env, value, kind)  # type: ignore[arg-type]
    if name == "answers" and rest:
        answers = AnswersCritic(rest)
        return lambda suite: answers
    if word == "scripted":
        return lambda suite: _asking(ScriptedClient(), options)
    if name == "ledger" and rest:
        if not Path(rest).exists():
            raise ValueError(f"there is no ledger {rest}")
        recorded = RecordedClient(rest, options.client)
        return lambda suite: _asking(recorded, options, ledger=None)
    if name in provider_names() and word not in critic_names():
        if name == "folder" and not rest:
            raise ValueError("the critic folder needs its folder: folder:DIR")
        if name == "folder":  # the row says which questions wait; the same command again goes on
            client: ModelClient = FolderClient(rest)
        else:
            client = make_client(name, model=rest or None, base_url=options.base_url)
        return lambda suite: _asking(client, options)
    if word in critic_names():
        return lambda suite: make_critic(word)
    raise ValueError(f"unknown critic {word!r}; valid: {valid_critics()}")


def _asking(client: ModelClient, options: CriticOptions, **changes: Any) -> LLMCritic:
    free = client.source != "model"
    chosen = {"ledger": None if free else options.ledger, "budget": None if free else options.budget} | changes
    return LLMCritic(client, **chosen, **options.settings)
