"""What a critic may spend: calls, tokens, money."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.errors import BudgetExceeded
from credit_wrappers.llm.client import Request
from credit_wrappers.llm.tokens import estimate_tokens

_LOG = logging.getLogger("credit_wrappers")
_MILLION = 1_000_000
_MARGIN = 1.3  # the offline estimate of a request's length may be short by this factor


@dataclass(frozen=True)
class Prices:
    """Prices per million tokens, in the currency of `max_cost`.

    Attributes:
        input: Tokens read.
        output: Tokens written.
        cached: Tokens read from the provider's prompt cache; None: as `input`.
        cache_write: Tokens put into it; None: as `input`.
        batch: Price of a message batch, as a fraction of these prices.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    batch: float = 0.5

    def __post_init__(self) -> None:
        for name, price in vars(self).items():
            if price is not None and not price >= 0.0:
                raise ValueError(f"{name} must be 0 or more, got {price!r}")

    def cost(self, usage: Usage, *, batch: bool = False) -> float:
        """Return what `usage` costs."""
        cached = self.input if self.cached is None else self.cached
        cache_write = self.input if self.cache_write is None else self.cache_write
        plain = usage.input_tokens * self.input + usage.output_tokens * self.output
        full = (plain + usage.cached_tokens * cached + usage.cache_write_tokens * cache_write) / _MILLION
        return full * (self.batch if batch else 1.0)


class Budget:
    """A limit that is never exceeded: a call is made only if its worst case still fits.

    The worst case is the request's estimated length, with a margin, and an answer of `max_tokens`. A call that does
    not fit waits for the calls in flight, which may turn out cheaper. One budget may serve several critics and any
    number of threads of one process. The calls in a critic's ledger count as spent, so that a run that is resumed keeps
    to one limit.

    Args:
        max_calls: Largest number of calls.
        max_tokens: Largest number of tokens, read and written.
        max_cost: Largest cost; needs `prices`.
        prices: Prices of tokens.
        then: What happens when the budget has ended: "stop" raises BudgetExceeded (no episode is lost: resume with a
            larger budget); "fallback" goes on with the critic's fallback credit, labelled and counted.

    Examples:
        >>> from credit_wrappers import Budget, Prices
        >>> Budget(max_cost=5.0, prices=Prices(input=3.0, output=15.0, cached=0.3))
        Budget(0 calls, 0 tokens, cost 0.00 of 5.00)
    """

    def __init__(
        self,
        *,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        prices: Prices | None = None,
        then: Literal["stop", "fallback"] = "stop",
    ) -> None:
        for name, value in (("max_calls", max_calls), ("max_tokens", max_tokens), ("max_cost", max_cost)):
            if value is not None and not value >= 0:
                raise ValueError(f"{name} must be 0 or more, got {value!r}")
        if prices is not None and not isinstance(prices, Prices):
            raise TypeError(f"prices={prices!r}: give Prices(input=..., output=...), per million tokens")
        if max_cost is not None and prices is None:
            raise ValueError("max_cost needs prices=Prices(input=..., output=...), per million tokens")
        if then not in ("stop", "fallback"):
            raise ValueError(f"unknown then {then!r}; valid: 'stop', 'fallback'")
        self.max_calls = max_calls
        self.max_tokens = max_tokens
        self.max_cost = max_cost
        self.prices = prices
        self.then = then
        self.spent = Usage()
        self.cost = 0.0
        self._reserved = np.zeros(3)  # calls, tokens, money of the calls in flight
        self._announced = False
        self._ledgers: set[Path] = set()
        self._changed = threading.Condition()

    @contextmanager
    def call(self, request: Request) -> Iterator[None]:
        """Reserve the worst case of a call while it is made; `charge` its real cost inside.

        Raises:
            BudgetExceeded: It does not fit, and no call in flight could still leave more.
        """
        most = self._worst(request)
        with self._changed:
            self._changed.wait_for(lambda: self._lacking(most) is None or self._reserved[0] == 0)
            lacking = self._lacking(most)
            if lacking is not None:
                self._announce(lacking)
                raise BudgetExceeded(f"the budget has ended: {lacking} ({self})")
            self._reserved += most
        try:
            yield
        finally:
            with self._changed:
                self._reserved -= most
                self._changed.notify_all()

    def charge(self, usage: Usage, *, batch: bool = False) -> None:
        """Add to what was spent."""
        with self._changed:
            self.spent += usage
            if self.prices is not None:
                self.cost += self.prices.cost(usage, batch=batch)

    def require(self, requests: Iterable[Request], *, batch: bool = False) -> None:
        """Raise BudgetExceeded unless the worst case of all these calls together still fits."""
        most = sum(map(self._worst, requests), np.zeros(3))
        if batch and self.prices is not None:
            most[2] *= self.prices.batch
        with self._changed:
            lacking = self._lacking(most)
        if lacking is not None:
            raise BudgetExceeded(f"the budget is too small: {lacking} ({self})")

    def count_ledger(self, path: Path, spent: Usage) -> None:
        """Add what the ledger at `path` has cost so far; each file counts once."""
        with self._changed:
            if path.resolve() in self._ledgers:
                return
            self._ledgers.add(path.resolve())
        self.charge(spent)

    def _worst(self, request: Request) -> np.ndarray:
        """Return (calls, tokens, cost) of a call in its worst case."""
        if self.max_tokens is None and self.max_cost is None:
            return np.array([1.0, 0.0, 0.0])
        read = int(_MARGIN * (estimate_tokens(request.system) + estimate_tokens(request.prompt)))
        cost = 0.0
        if self.prices is not None:
            dearest = max(self.prices.input, self.prices.cache_write or 0.0)
            cost = (read * dearest + request.max_tokens * self.prices.output) / _MILLION
        return np.array([1.0, read + request.max_tokens, cost])

    def _lacking(self, more: np.ndarray) -> str | None:
        """Return which limit `more` would break, or None."""
        spent = (self.spent.calls, self.spent.tokens, self.cost)
        limits = (self.max_calls, self.max_tokens, self.max_cost)
        for name, limit, used, reserved, wanted in zip(
            ("calls", "tokens", "cost"), limits, spent, self._reserved, more, strict=True
        ):
            if limit is not None and used + reserved + wanted > limit * (1 + 1e-12):
                return f"max_{name}={limit:g} allows {max(limit - used, 0):g} more, the next needs up to {wanted:g}"
        return None

    def _announce(self, lacking: str) -> None:
        if not self._announced:
            self._announced = True
            what = "episodes get the fallback credit from now on" if self.then == "fallback" else "the critic stops"
            _LOG.warning("the critic's budget has ended: %s; %s (%s)", lacking, what, self)

    def __getstate__(self) -> dict[str, object]:
        raise TypeError("a Budget counts what one process spends; it cannot be pickled")

    def __repr__(self) -> str:
        def of(limit: float | None, form: str) -> str:
            return "" if limit is None else f" of {limit:{form}}"

        cost = "" if self.prices is None else f", cost {self.cost:.2f}{of(self.max_cost, '.2f')}"
        calls = f"{self.spent.calls:,}{of(self.max_calls, ',')} calls"
        return f"Budget({calls}, {self.spent.tokens:,}{of(self.max_tokens, ',')} tokens{cost})"
