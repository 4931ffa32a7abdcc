"""By how much one critic is more right than another, on the same episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from credit_wrappers.bench import metrics as m
from credit_wrappers.bench.evaluation import BenchRow, Figure, JudgedSuite

PAIRED = ("rank time difference", "sign time difference", "rank work difference", "sign work difference")


def compared(rows: Sequence[BenchRow], against: str, draws: int = 200) -> list[BenchRow]:
    """Return the rows of one suite, each with its gains over the critic of one of them.

    Args:
        rows: Rows with what was judged.
        against: Name of that critic.
        draws: Of episodes, for the intervals; 0: no intervals.
    """
    other = next((row.judged for row in rows if row.critic == against), None)
    return [
        replace(row, against=against, gains=gains_over(row.judged, other, draws))
        if row.critic != against and row.judged is not None and other is not None
        else row
        for row in rows
    ]


def gains_over(mine: JudgedSuite, other: JudgedSuite, draws: int = 200) -> dict[str, Figure]:
    """Return by how much figures are higher than another critic's, from the episodes that both judged.

    An interval comes from the differences in the same draws of these episodes. It is narrower than the two critics'
    own intervals let expect, because a hard episode is hard for both.
    """
    common = [number for number in mine.numbers if number in other.numbers]
    gains: dict[str, Figure] = {}
    for name in PAIRED:
        measures = [judged.measures().get(name) for judged in (mine, other)]
        if not common or None in measures:
            continue

        def gap(drawn: Sequence[int], measures: Sequence[object] = tuple(measures)) -> float:
            one, two = (
                measure([judged.numbers.index(common[k]) for k in drawn])  # type: ignore[operator]
                for measure, judged in zip(measures, (mine, other), strict=True)
            )
            return float(one - two)

        count = len(common)
        gains[name] = Figure(gap(range(count)), m.bootstrap(gap, count, draws=draws), count)
    return gains
