"""The law of growth of a measured quantity: y = factor * N ** exponent, fitted by least squares of the logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """y = factor * N ** exponent.

    Attributes:
        factor: What it is at N = 1.
        exponent: 1: in proportion to N; 2: with its square.
        low: Lower end of the exponent's 95 % interval (Student's t); NaN with fewer than three points.
        high: Its upper end.
    """

    factor: float
    exponent: float
    low: float
    high: float

    @classmethod
    def of(cls, sizes: Sequence[float], values: Sequence[float]) -> PowerLaw:
        """Fit a law to values at two sizes or more.

        Raises:
            ValueError: There are too few different sizes, or a size or a value is not above 0.
        """
        n, y = np.asarray(sizes, np.float64), np.asarray(values, np.float64)
        if len(set(sizes)) < 2 or len(n) != len(y):
            raise ValueError(f"a law of growth needs values at two sizes or more, got {len(y)} at {list(sizes)}")
        if not (np.isfinite(n) & np.isfinite(y) & (n > 0) & (y > 0)).all():
            raise ValueError(f"sizes and values must be above 0, got {list(sizes)} and {list(values)}")
        x, z = np.log(n), np.log(y)
        spread = x - x.mean()
        exponent = float(spread @ (z - z.mean()) / (spread @ spread))
        factor = float(np.exp(z.mean() - exponent * x.mean()))
        if len(y) < 3:
            return cls(factor, exponent, float("nan"), float("nan"))
        rest = z - np.log(factor) - exponent * x
        error = float(np.sqrt(rest @ rest / (len(y) - 2) / (spread @ spread)))
        half = float(stdtrit(len(y) - 2, 0.975)) * error
        return cls(factor, exponent, exponent - half, exponent + half)

    def at(self, size: float) -> float:
        """Return the value at a size."""
        return float(self.factor * size**self.exponent)

    def reaches(self, value: float) -> float:
        """Return the size at which the value is reached; infinity where it does not grow."""
        return float((value / self.factor) ** (1 / self.exponent)) if self.exponent > 0 else float("inf")
