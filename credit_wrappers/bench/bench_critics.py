"""Critics by the words of the command line: `scripted`, `exact`, `ledger:FILE`, `anthropic:MODEL`, `module:Name`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

from credit_wrappers.bench.answers_file import AnswersCritic
from credit_wrappers.bench.suite import Suite
from credit_wrappers.core.critic import Critic
from credit_wrappers.core.errors import CreditError
from credit_wrappers.critics.critic_registry import GROUP, critic_names, make_critic
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.exact.counterfactual_critic import CounterfactualCritic
from credit_wrappers.exact.value_function import named_value
from credit_wrappers.llm.budget import Budget
from credit_wrappers.llm.client import Completion, ModelClient, Request
from credit_wrappers.llm.providers.base import MissingKey
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
# The same, estimated a second time, where the truth is an estimate: what can be reached there.
_AGAIN = {"again": ("time", "difference"), "again-work": ("work", "difference")}
_SUITE = "{suite}"  # in the name of a folder: one for each suite


@dataclass
class CriticOptions:
    """What is set for all critics that ask a model.

    Attributes:
        settings: Settings of `LLMCritic`, by name.
        ledger: Where answers are recorded, and found again when the same is asked once more.
        budget: One for all of them.
        base_url: Address of a model server.
        client: Whose answers of a recorded ledger are replayed, where it has those of several clients.
        asks: False where nothing will be asked, as for an estimate: then no model needs a key.
    """

    settings: dict[str, Any]
    ledger: Path | None = None
    budget: Budget | None = None
    base_url: str | None = None
    client: str | None = None
    asks: bool = True


def valid_critics() -> str:
    """Return the words that `bench_critic` takes, for help and errors."""
    models = ["folder:DIR" if name == "folder" else f"{name}:MODEL" for name in provider_names()]
    files = ["ledger:FILE", "answers:FILE", "answered:DIR"]
    return ", ".join(["scripted", *critic_names(), *_EXACT, *_AGAIN, *files, *models, "module:Name (a critic's class)"])


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
    if word in _AGAIN:
        return lambda suite: _again(suite, *_AGAIN[word])
    if name == "answers" and rest:
        answers = AnswersCritic(rest)
        return lambda suite: answers.of(suite.world)
    if word == "scripted":
        return lambda suite: _asking(ScriptedClient(), options)
    if name == "ledger" and rest:
        if not Path(rest).exists():
            raise ValueError(f"there is no ledger {rest}")
        recorded = RecordedClient(rest, options.client)
        return lambda suite: _asking(recorded, options, ledger=None)
    if name == "answered" and rest:
        if _SUITE not in rest and not Path(rest).is_dir():
            raise ValueError(f"there is no folder {rest}")
        return lambda suite: _asking(FolderClient(rest.replace(_SUITE, suite.name), read_only=True), options)
    if name in ("folder", "answered") and not rest:
        raise ValueError(f"the critic {name} needs its folder: {name}:DIR")
    if name == "folder":  # the row says which questions wait; the same command again goes on
        return lambda suite: _asking(FolderClient(rest.replace(_SUITE, suite.name)), options)
    if name in provider_names() and word not in critic_names():
        client = _model(name, rest, options)
        return lambda suite: _asking(client, options)
    if word in critic_names():
        return lambda suite: make_critic(word)
    if name and rest:
        own = _imported(word)
        return lambda suite: _made(own, word)
    raise ValueError(f"unknown critic {word!r}; valid: {valid_critics()}")


def _again(suite: Suite, value: str, kind: str) -> Critic:
    """Return the critic that pays a second estimate of a suite's truth."""
    found = named_value(suite.make_env(), value)
    if not callable(again := getattr(found, "again", None)):
        raise CreditError("the truth of this suite is exact, so there is no second estimate; take exact")
    critic = CounterfactualCritic(suite.make_env, again(), kind)  # type: ignore[arg-type]
    critic.label = "again"
    return critic


@dataclass(frozen=True)
class _NotAsked:
    """Stands for a model whose calls are counted only."""

    name: str
    source: Literal["model"] = "model"

    def complete(self, request: Request) -> Completion:
        raise CreditError(f"{self.name} has no key, so it cannot be asked")


def _model(name: str, model: str, options: CriticOptions) -> ModelClient:
    try:
        return make_client(name, model=model or None, base_url=options.base_url)
    except MissingKey as error:
        if not options.asks:
            return _NotAsked(model or name)
        raise CreditError(
            f"no key for {name}: set {error.variable} in the environment, give --base-url URL for a server of your "
            "own, or answer by files with --critic folder:DIR; --estimate needs no key"
        ) from error


def _imported(word: str) -> Callable[[], Any]:
    """Return what `module:Name` stands for; modules beside which the command runs are found, too."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        make = EntryPoint(word, word, GROUP).load()
    except Exception as error:  # whatever somebody's module raises, such as SyntaxError
        raise ValueError(f"unknown critic {word!r} ({error}); valid: {valid_critics()}") from error
    if not callable(make):
        raise ValueError(f"critic {word!r} is {make!r}: name a class, or a function that makes a critic")
    return make


def _made(make: Callable[[], Any], word: str) -> Critic:
    try:
        critic: Critic = make()
    except Exception as error:  # whatever somebody's class raises: the other rows go on
        raise CreditError(f"{word} makes no critic: {type(error).__name__}: {error}") from error
    if not callable(getattr(critic, "score", None)) or not hasattr(critic, "label"):
        raise CreditError(f"{word}: {type(critic).__name__} is no critic; it needs a score method and a label")
    return critic


def _asking(client: ModelClient, options: CriticOptions, **changes: Any) -> LLMCritic:
    free = client.source != "model"
    chosen = {"ledger": None if free else options.ledger, "budget": None if free else options.budget} | changes
    return LLMCritic(client, **chosen, **options.settings)
