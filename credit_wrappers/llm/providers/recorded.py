"""RecordedClient answers from a ledger only: it replays a published run without a key and without a network."""

from __future__ import annotations

from os import PathLike
from typing import Literal, cast, get_args

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.errors import BudgetExceeded, ModelError, ModelFailure
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.ledger.ledger import Ledger


class RecordedClient:
    """Gives the answers and failures that a ledger holds, and no others.

    With the settings of the recorded run the critic asks the same questions, so it returns the same credits.
    Replaying costs nothing: the usage of the answers is zero.

    Args:
        ledger: An open `Ledger`, or the path of one, which is only read.
        client: Name of the recorded client to replay; can be left out if there is only one.

    Raises:
        LedgerError: The ledger cannot be read.
        ValueError: The ledger has several clients and none was chosen, has no client of that name, or is empty.
    """

    source: Literal["cache"] = "cache"

    def __init__(self, ledger: Ledger | str | PathLike[str], client: str | None = None) -> None:
        self.ledger = ledger if isinstance(ledger, Ledger) else Ledger(ledger, read_only=True)
        clients = self.ledger.clients()
        listed = ", ".join(map(repr, clients))
        if not clients:
            raise ValueError(f"ledger {self.ledger.path} is empty: there is nothing to replay")
        if client is None and len(clients) > 1:
            raise ValueError(f"ledger {self.ledger.path} has several clients: choose one of {listed} (client=...)")
        if client is not None and client not in clients:
            raise ValueError(f"ledger {self.ledger.path} has no client {client!r}; it has {listed}")
        self.name = client or clients[0]  # as recorded, because it is part of every question's key

    def complete(self, request: Request) -> Completion:
        """Return the recorded answer.

        Raises:
            BudgetExceeded: The recorded run's budget had ended.
            ModelError: The recorded failure, if the question got no answer; of kind "not_recorded" if the ledger does
                not have the question.
        """
        key = request.key()
        found = self.ledger.find(key)
        if found is not None:
            return Completion(found.text, Usage(), found.model, found.stop_reason)
        if (failed := self.ledger.find_failure(key)) is not None:
            kind, message = failed
            if kind == BudgetExceeded.kind:
                raise BudgetExceeded(message)
            kind = kind if kind in get_args(ModelFailure) else "bad_reply"
            raise ModelError(message or "no answer", cast(ModelFailure, kind))
        raise ModelError(
            f"ledger {self.ledger.path} has no answer of {self.name!r} to question {key[:12]}: the recorded run "
            "asked something else; are the critic's settings (such as answer_format), the episodes (seeds, policy) and "
            "the version of this package the same?",
            "not_recorded",
        )

    def __repr__(self) -> str:
        return f"RecordedClient({str(self.ledger.path)!r}, client={self.name!r})"
