"""One row of the benchmark: a critic's credit of a suite's episodes, and the figures that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np

from credit_wrappers.bench import metrics as m
from credit_wrappers.bench.suite import PlantedFault, Suite
from credit_wrappers.bench.truth import SuiteTruth
from credit_wrappers.core.credit import Credit, Usage
from credit_wrappers.core.episode import Episode
from credit_wrappers.llm.budget import Prices

# Faults of at most so many steps count for the right step: of a longer one any step would be right.
MOMENT = 4


@dataclass(frozen=True)
class Figure:
    """A figure, and how sure it is.

    Attributes:
        value: NaN where there is none.
        interval: 95 %, over episodes; None where there is none.
        count: Episodes that it rests on, where they are fewer than all; else None.
    """

    value: float
    interval: tuple[float, float] | None = None
    count: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return values that JSON has: null for NaN."""
        value = None if isnan(self.value) else self.value
        return {"value": value, "interval": self.interval and list(self.interval), "count": self.count}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Figure:
        """Return the figure that `as_json` was made of."""
        value = m.NAN if data["value"] is None else float(data["value"])
        return cls(value, data["interval"] and tuple(data["interval"]), data.get("count"))


@dataclass(frozen=True, eq=False)
class BenchRow:
    """What one critic did with one suite.

    Attributes:
        suite: Name of the suite.
        critic: The critic's name in the table.
        half: Which half of the suite.
        episodes: Episodes asked about.
        usable: Episodes with a usable answer. The figures are about these.
        answered: Episodes of queries that were answered, usably or not; the others cost nothing. None: all.
        figures: By name; see docs/bench.md.
        note: Why there is no usable answer, no truth or no figure of some kind; "" otherwise.
        reasks: Corrective questions.
        usage: What the answers cost; those from a ledger as much as they cost then, without corrective questions.
        price: The same in money; None without prices.
        label: The critic's own label.
        digest: The suite's.
        waiting: Whether questions wait for their answers.
        against: The critic that it is compared with; "": none.
        gains: By how much its figures are higher than that critic's, by name.
        judged: What the figures come from; None where nothing was usable, or the row was read from a file.
        credits: The credit of each usable episode, by its number in the suite.
        truth: "exact", "estimate" (the value function is a plan or a mean of rollouts), or "" without a truth.
        truth_error: Of an estimate: mean standard error of a credit by value and kind, such as "time difference", in
            the value's unit; without those that are not known.
    """

    suite: str
    critic: str
    half: str
    episodes: int
    usable: int
    figures: dict[str, Figure] = field(default_factory=dict)
    note: str = ""
    reasks: int = 0
    usage: Usage = field(default_factory=Usage)
    price: float | None = None
    label: str = ""
    digest: str = ""
    waiting: bool = False
    against: str = ""
    gains: dict[str, Figure] = field(default_factory=dict)
    judged: JudgedSuite | None = None
    credits: Mapping[int, Credit] = field(default_factory=dict, repr=False)
    truth: str = ""
    truth_error: dict[str, float] = field(default_factory=dict)
    answered: int | None = None

    @property
    def read(self) -> float:
        """Tokens read for each episode that was answered."""
        return (self.usage.tokens - self.usage.output_tokens) / max(self._counted, 1)

    @property
    def written(self) -> float:
        """Tokens written for each episode that was answered."""
        return self.usage.output_tokens / max(self._counted, 1)

    @property
    def _counted(self) -> int:
        return self.episodes if self.answered is None else self.answered

    def as_json(self) -> dict[str, Any]:
        """Return the row as values that JSON has."""
        return {
            "suite": self.suite, "digest": self.digest, "critic": self.critic, "label": self.label, "half": self.half,
            "episodes": self.episodes, "usable": self.usable, "fallbacks": self.episodes - self.usable,
            "answered": self.answered, "reasks": self.reasks, "note": self.note, "truth": self.truth,
            "truth_error": self.truth_error, "calls": self.usage.calls,
            "tokens_read_an_episode": self.read, "tokens_written_an_episode": self.written, "price": self.price,
            "figures": {name: figure.as_json() for name, figure in self.figures.items()}, "against": self.against,
            "gains": {name: figure.as_json() for name, figure in self.gains.items()},
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> BenchRow:
        """Return the row that `as_json` was made of, but for what was judged.

        Raises:
            KeyError: An entry is missing.
        """
        plain = (
            "suite",
            "critic",
            "half",
            "episodes",
            "usable",
            "note",
            "reasks",
            "price",
            "label",
            "digest",
            "against",
            "truth",
        )
        answered = data.get("answered")  # older files have none
        counted = data["episodes"] if answered is None else answered
        read, written = (data[f"tokens_{what}_an_episode"] * counted for what in ("read", "written"))
        usage = Usage(calls=data["calls"], input_tokens=round(read), output_tokens=round(written))
        figures, gains = (
            {name: Figure.from_json(figure) for name, figure in data[key].items()} for key in ("figures", "gains")
        )
        found = {name: data[name] for name in plain} | {
            "truth_error": data.get("truth_error", {}),
            "answered": answered,
        }
        return cls(**found, usage=usage, figures=figures, gains=gains)


@dataclass(frozen=True, eq=False)
class JudgedSuite:
    """The credits of some episodes of a suite beside what is known of them; lists have an entry for each."""

    numbers: list[int]  # of the episodes, in the suite
    credits: list[np.ndarray]
    returns: list[float]
    queries: list[int]
    planted: list[tuple[PlantedFault, int] | None]  # the fault, and which agent is the culprit
    truth: SuiteTruth

    def figures(self, draws: int = 200) -> dict[str, Figure]:
        """Return all figures, each with an interval from so many draws of the episodes (0: none)."""
        count = len(self.credits)
        return {
            name: Figure(
                measure(range(count)), m.bootstrap(measure, count, draws=draws), getattr(measure, "counted", None)
            )
            for name, measure in self.measures().items()
        }

    def measures(self) -> dict[str, Callable[[Sequence[int]], float]]:
        """Return functions that give each figure for some of the episodes, told by their places in the lists."""
        truth, measures = self.truth.credits, {}
        for value, kind in truth:
            measures[f"rank {value} {kind}"] = self._steps(m.rank_correlation, (value, kind))
            measures[f"sign {value} {kind}"] = self._steps(m.sign_agreement, (value, kind))
            measures[f"sums {value} {kind}"] = self._sums(m.rank_correlation, (value, kind))
            measures[f"sums sign {value} {kind}"] = self._sums(m.sign_agreement, (value, kind))
            measures[f"shares {value} {kind}"] = self._sums(m.rank_correlation, (value, kind), shares=True)
        if any(self.planted):
            measures["right agent"] = self._faults(m.right_agent, None)
            measures["right step"] = self._faults(m.right_step, MOMENT)
            measures["right agent and step"] = self._faults(m.right_both, MOMENT)
        measures["paid to idle"] = self._where(self.truth.idle)
        measures["paid in loops"] = self._where(self.truth.loops)
        if ("time", "difference") in truth:
            measures["scale drift"] = self._drift(truth["time", "difference"])
        measures["conservation error"] = lambda chosen: m.conservation_error(
            [self.credits[k] for k in chosen], [self.returns[k] for k in chosen]
        )
        return measures

    def _steps(self, measure: Callable[..., float], which: tuple[str, str]) -> Callable[[Sequence[int]], float]:
        credits, truths = self.credits, self.truth.credits[which]

        def of(chosen: Sequence[int]) -> float:
            pooled = [np.concatenate([arrays[k].ravel() for k in chosen]) for arrays in (credits, truths)]
            known = np.isfinite(pooled[1])
            return measure(pooled[0][known].round(9), pooled[1][known].round(9))

        return of

    def _sums(
        self, measure: Callable[..., float], which: tuple[str, str], shares: bool = False
    ) -> Callable[[Sequence[int]], float]:
        """Compare each agent's sum over an episode, or how far it is from the team's mean of these sums."""

        def summed(arrays: list[np.ndarray]) -> np.ndarray:
            sums = np.array([array.sum(axis=0, dtype=np.float64) for array in arrays])
            return (sums - shares * sums.mean(axis=1, keepdims=True)).round(6)

        credits, truths = summed(self.credits), summed(self.truth.credits[which])
        known = np.isfinite(truths).all(axis=1)

        def of(chosen: Sequence[int]) -> float:
            kept = [k for k in chosen if known[k]]
            return measure(credits[kept], truths[kept]) if kept else m.NAN

        return of

    def _faults(self, measure: Callable[..., float], longest: int | None) -> Callable[[Sequence[int]], float]:
        right = np.full(len(self.credits), np.nan)
        for k, case in enumerate(self.planted):
            if case is not None and (longest is None or case[0].stop - case[0].start <= longest):
                right[k] = measure(self.credits[k], case[1], case[0].start, case[0].stop)

        return _MeanOfKnown(right)

    def _where(self, marks: list[np.ndarray]) -> Callable[[Sequence[int]], float]:
        return lambda chosen: m.paid_where([self.credits[k] for k in chosen], [marks[k] for k in chosen])

    def _drift(self, truths: list[np.ndarray]) -> Callable[[Sequence[int]], float]:
        known = [bool(np.isfinite(truth).all()) for truth in truths]

        def of(chosen: Sequence[int]) -> float:
            kept = [k for k in chosen if known[k]]
            return m.scale_drift(
                [self.credits[k] for k in kept], [truths[k] for k in kept], [self.queries[k] for k in kept]
            )

        return of


class _MeanOfKnown:
    """The mean over the episodes that have a value, and how many have one."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.counted = values, int((~np.isnan(values)).sum())

    def __call__(self, chosen: Sequence[int]) -> float:
        counted = self.values[list(chosen)]
        counted = counted[~np.isnan(counted)]
        return float(counted.mean()) if len(counted) else m.NAN


def evaluate(
    suite: Suite,
    episodes: Sequence[Episode],
    truth: SuiteTruth,
    credits: Sequence[Credit | None],
    chosen: Sequence[int],
    *,
    critic: str,
    half: str = "all",
    queries: Sequence[int] | None = None,
    draws: int = 200,
    prices: Prices | None = None,
    more: dict[str, Figure] | None = None,
    usage: Usage | None = None,
    **counted: Any,
) -> BenchRow:
    """Return the row of a critic.

    Args:
        suite: The suite.
        episodes: All its episodes, replayed.
        truth: What is known of all of them.
        credits: The critic's credit of each chosen episode; None, or one whose source is "fallback": not usable.
        chosen: Numbers of the episodes that it was asked about.
        critic: Its name in the table.
        half: Which half these are.
        queries: In which query each chosen episode was; None: all in one.
        draws: Of the intervals; 0: no intervals.
        prices: What tokens cost.
        more: Further figures.
        usage: What the answers cost when they were recorded; counts where it is more than what they cost now.
        counted: Further fields of the row.
    """
    usable = [j for j, credit in enumerate(credits) if credit is not None and credit.source != "fallback"]
    mine = [chosen[j] for j in usable]
    spent = sum((credit.usage for credit in credits if credit is not None), Usage())
    spent = usage if usage is not None and usage.tokens > spent.tokens else spent
    missing = next(iter(truth.missing.values()), "")
    note = missing if truth.credits else f"no truth: {missing}"
    figures: dict[str, Figure] = {}
    judged: JudgedSuite | None = None
    if usable:
        judged = JudgedSuite(
            numbers=mine,
            credits=[credits[j].values.astype(np.float64) for j in usable],  # type: ignore[union-attr]
            returns=[float(episodes[k].team_reward.sum()) for k in mine],
            queries=[0 if queries is None else queries[j] for j in usable],
            planted=[_culprit(suite.episodes[k].planted, episodes[k]) for k in mine],
            truth=SuiteTruth(
                {which: [arrays[k] for k in mine] for which, arrays in truth.credits.items()},
                truth.error,
                truth.missing,
                [truth.idle[k] for k in mine],
                [truth.loops[k] for k in mine],
            ),
        )
        figures = judged.figures(draws) | (more or {})
    else:
        reasons = [credit.summary for credit in credits if credit is not None and credit.summary]
        note = "nothing usable" + (f": {reasons[0]}" if reasons else "")
    errors = {" ".join(which): error for which, error in truth.error.items() if error > 0}  # not where it is NaN
    counted = {
        "answered": _answered(credits, queries),
        "note": note,
        "truth": truth.quality,
        "truth_error": errors,
        **counted,
    }
    price = None if prices is None else prices.cost(spent)
    return BenchRow(
        suite.name, critic, half, len(chosen), len(usable), figures=figures, usage=spent, price=price, judged=judged,
        digest=suite.digest, **counted,
    )  # fmt: skip


def _culprit(planted: PlantedFault | None, episode: Episode) -> tuple[PlantedFault, int] | None:
    return None if planted is None else (planted, episode.agents.index(planted.agent))


def _answered(credits: Sequence[Credit | None], queries: Sequence[int] | None) -> int:
    """Return how many episodes are in queries of which some credit is usable, or some answer cost something."""
    numbers = [0] * len(credits) if queries is None else queries
    told = {
        number
        for number, credit in zip(numbers, credits, strict=True)
        if credit is not None and (credit.source != "fallback" or credit.usage.calls)
    }
    return sum(number in told for number in numbers)
