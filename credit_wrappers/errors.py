"""The package's exceptions: one family, so that a caller can catch all of them at once."""


class CreditError(Exception):
    """Something about credit assignment went wrong; the base class of all errors of this package."""


class ModelError(CreditError):
    """The model could not be asked, or refused to answer.

    Args:
        message: What happened; never contains a key.
        transient: True when asking again later may succeed (rate limit, time-out, overload). A transient
            error that outlives the client's own retries, and a refusal, end in the critic's fallback; any
            other model error (wrong key, unknown model) stops the run, because every later call would fail
            the same way.
        refusal: True when the model itself declined.
    """

    def __init__(self, message: str, *, transient: bool = False, refusal: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        self.refusal = refusal


class AnswerError(CreditError):
    """The model answered, but not with credits that fit the episodes. The message names what and where."""


class BudgetExceeded(CreditError):
    """The next call would go over the limit the user set."""


class LedgerError(CreditError):
    """The ledger file cannot be used: not a ledger, damaged, or not writable."""
