"""The seams of the package: who narrates, who answers, who assigns credit. All are structural types."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .credit import Credit, Usage

if TYPE_CHECKING:
    from .episode import Episode


class Critic(Protocol):
    """Everything that can assign credit."""

    @property
    def label(self) -> str:
        """Short name for tables, such as "scripted" or "shared"."""
        ...

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return one credit for each episode, in the same order. May be called from several threads."""
        ...


class Narrator(Protocol):
    """Turns an environment's history into text. Must pickle.

    An environment brings its own as the attribute `narrator` of `env.unwrapped`. A narrator that is bound to
    a live environment (for a cheap `capture`) may have a method `detached()` that returns a copy which no
    longer is; episodes carry that copy.
    """

    def capture(self, observations: Mapping[str, Any]) -> object:
        """Return what must be remembered of the present state. Called at every step: must be cheap."""
        ...

    def frames(self, moments: Sequence[object], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return one short text for each moment: the first whole, then only what changed.

        A later text may be "" when nothing changed. A clause of the form `name: text`, between "; " and without a
        second ": ", is written behind the action of that agent, which saves its name: `agent_A west (2,3)`.

        Args:
            moments: T+1 values that `capture` returned.
            order: Agent indices, in the order in which the agents are to be listed.
            names: What to call them; `names[k]` is the name of agent `order[k]`.
        """
        ...

    def describe(self) -> str:
        """Return part 1 of the base prompt: world, rules, goal, what each action does, the team."""
        ...

    def notation(self) -> str:
        """Return part 2 of the base prompt: how frames, actions and rewards are written down."""
        ...

    def examples(self) -> Mapping[str, str]:
        """Return worked examples, by the keys `temporal`, `structural`, `under_collaboration`, ... (part
        3)."""
        ...

    def action_name(self, agent: str, action: Any) -> str:
        """Return what an action of `agent` is called in the prompt: an int, or a row (A,); see `Episode.actions`."""
        ...

    def tasks(self) -> Sequence[str]:
        """Return the tasks that agents can be given; empty when the environment names none."""
        ...


@dataclass(frozen=True)
class Request:
    """One question to a model, with everything that can change the answer.

    Attributes:
        system: The base prompt; the same for every query of an environment, so that providers can cache it.
        prompt: The episodes to be scored.
        schema: JSON schema the answer must follow, or None for free text.
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
        usage: What it cost.
        model: The model that answered, as the provider names it.
        stop_reason: Why it stopped: `end_turn`, `max_tokens`, `refusal`, ...
    """

    text: str
    usage: Usage
    model: str
    stop_reason: str = "end_turn"


class ModelClient(Protocol):
    """Asks a model. Called from several threads at once."""

    @property
    def name(self) -> str:
        """What the ledger's key and the tables call it."""
        ...

    @property
    def source(self) -> Literal["model", "scripted", "cache"]:
        """Where its answers come from."""
        ...

    def complete(self, request: Request) -> Completion:
        """Return the model's answer; raise ModelError when there is none."""
        ...
