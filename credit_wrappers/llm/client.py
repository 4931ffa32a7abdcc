"""The interface to a model: a question, an answer, and the client that gets one for the other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from credit_wrappers.core.credit import Usage

AnswerForm = Literal["events", "arrays", "curve"]  # see `answers.parse`
# What one step saved is worth, in credit (ours). Questions count in steps saved, and so do answers in the form `curve`.
STEP_WORTH = 0.05


@dataclass(frozen=True)
class Request:
    """One question to a model, with everything that can change the answer.

    Attributes:
        system: The base prompt; the same for every query of an environment, so that providers can cache it.
        prompt: The episodes to score.
        schema: JSON schema of the answer, or None for free text.
        model: Name of the client that answers (for Anthropic: model and server).
        max_tokens: Upper limit of the answer's length.
        temperature: Sampling temperature; None leaves it to the model.
    """

    system: str
    prompt: str
    schema: dict[str, Any] | None = field(repr=False)
    model: str
    max_tokens: int
    temperature: float | None = None

    def key(self) -> str:
        """Return the sha256 hex digest of all fields: the ledger's key."""
        rest = json.dumps([self.model, self.max_tokens, self.temperature, self.schema], sort_keys=True)
        digest = hashlib.sha256()
        for part in (self.system, self.prompt, rest):
            data = part.encode()
            # The length in front keeps ("ab", "c") and ("a", "bc") apart.
            digest.update(b"%d:" % len(data))
            digest.update(data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Completion:
    """A model's answer to one request.

    Attributes:
        text: The answer as it came.
        usage: Its cost in calls, tokens and seconds.
        model: The model that answered, as the provider names it.
        stop_reason: Why it stopped: `end_turn`, `max_tokens`, `refusal`, ...
    """

    text: str
    usage: Usage
    model: str
    stop_reason: str = "end_turn"


class ModelClient(Protocol):
    """Anything that asks a model. Several threads call it at once."""

    @property
    def name(self) -> str:
        """Its name in the ledger's keys and in tables."""

    @property
    def source(self) -> Literal["model", "scripted", "cache"]:
        """Where its answers come from."""

    def complete(self, request: Request) -> Completion:
        """Return the model's answer; raise ModelError when there is none."""


def form_asked(schema: dict[str, Any] | None) -> tuple[AnswerForm, bool]:
    """Return the form that a request's schema asks for, and whether it asks for reasons; see `answers.schema`.

    A request without a schema asks for arrays; whether with reasons, it does not say: then False.
    """
    if schema is None:
        return "arrays", False
    fields = {name for node in schema.get("$defs", {}).values() for name in node.get("properties", ())}
    return ("curve" if "curves" in fields else "events"), "summary" in fields


def check_client(client: object) -> None:
    """Raise TypeError unless an object is a `ModelClient`; the message says what it is instead."""
    if isinstance(client, type):
        raise TypeError(f"the model client is the class {client.__name__}; give an object, {client.__name__}(...)")
    missing = [name for name in ("name", "source", "complete") if not hasattr(client, name)]
    if not missing:
        return
    if hasattr(client, "score"):
        raise TypeError(f"{client!r} is a critic, not a model client: give it to a wrapper as critic=")
    raise TypeError(
        f"{client!r} is no model client, it lacks {', '.join(missing)}: give AnthropicClient(model), "
        "OpenAICompatibleClient(model, base_url=...), RecordedClient(ledger) or ScriptedClient()"
    )
