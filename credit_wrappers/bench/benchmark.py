"""CreditBench itself: suites and critics in, one row for each pair out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from credit_wrappers.bench.answered_part import answered_by_files, answered_part, check_folder
from credit_wrappers.bench.answers_file import AnswersCritic
from credit_wrappers.bench.evaluation import BenchRow, Figure, evaluate
from credit_wrappers.bench.metrics import NAN
from credit_wrappers.bench.suite import Suite
from credit_wrappers.bench.suite_digests import check_truth, doubts
from credit_wrappers.bench.truth import SuiteTruth, suite_truth
from credit_wrappers.core.credit import Credit, Usage
from credit_wrappers.core.critic import Critic, check_credits
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError, Unanswered
from credit_wrappers.core.narrator import Narrator, telling
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.critics.order import order_drift
from credit_wrappers.delivery.annotation import annotate
from credit_wrappers.llm.budget import Prices
from credit_wrappers.llm.providers.folder import FolderClient
from credit_wrappers.llm.providers.recorded import RecordedClient

_FREE_DRIFT = 8  # episodes that a critic without a price is asked about once more


@dataclass(frozen=True)
class BenchSettings:
    """How critics are asked.

    Attributes:
        half: "choose", "report" or "all": which episodes of a suite.
        limit: At most so many of them; None: all.
        edition: The newest edition of a suite whose episodes count; None: all.
        episodes_per_query: Episodes that a critic compares in one query.
        in_flight: Queries of a model under way at a time.
        order_drift: Episodes that a model is asked about once more with the agents in another order. Critics that cost
            nothing are always asked.
        draws: Of episodes, for the intervals; 0: no intervals.
        prices: What tokens cost.
        progress: Show a bar for critics that ask a model.
        beside: What the narrators tell critics that read beside, such as "distances"; see `told_beside`.

    Raises:
        ValueError: A number is too small.
    """

    half: str = "all"
    limit: int | None = None
    edition: int | None = None
    episodes_per_query: int = 6
    in_flight: int = 8
    order_drift: int = 0
    draws: int = 200
    prices: Prices | None = None
    progress: bool = False
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("episodes_per_query", 1), ("in_flight", 1), ("order_drift", 0), ("draws", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class PreparedSuite:
    """A suite whose episodes were replayed, and the truth about them.

    Attributes:
        suite: The suite, with the episodes that were chosen.
        episodes: These, replayed, with snapshots.
        truth: What is known of them.
        note: What cannot be said about these episodes, and why; "": nothing.
        doubts: What must be said of all rows, and of rows of critics that read text; see `suite_digests.doubts`.
    """

    suite: Suite
    episodes: list[Episode]
    truth: SuiteTruth
    note: str = ""
    doubts: tuple[str, str] = ("", "")

    @classmethod
    def of(cls, suite: Suite, half: str = "all", limit: int | None = None, edition: int | None = None) -> PreparedSuite:
        """Replay a suite and compute the truth about a half, or about at most `limit` episodes of it.

        Only episodes up to an edition count; None: all.

        Raises:
            CreditError: The environment is another version, see `Suite.replay`, or the truth is another one.
        """
        whole, chosen = suite.replay(snapshots=_has_states(suite)), suite.choose(half, limit, edition)
        planted = {k for k in suite.choose(half, edition=edition) if suite.episodes[k].planted is not None}
        left_out = bool(planted) and not planted & set(chosen)
        which = "this episode" if len(chosen) == 1 else f"these {len(chosen)} episodes"
        note = f"no fault is planted in {which}: no who, no when; raise --limit" if left_out else ""
        part = replace(suite, episodes=tuple(suite.episodes[k] for k in chosen))
        episodes = [whole[k] for k in chosen]
        truth = suite_truth(part, episodes)
        check_truth(suite, truth, chosen)
        return cls(part, episodes, truth, note, doubts(suite, whole))


def run_bench(
    suites: Sequence[Suite], critics: Mapping[str, Callable[[Suite], Critic]], settings: BenchSettings
) -> Iterator[BenchRow]:
    """Yield one row for each suite and critic. A critic that fails gets a row that says why.

    Raises:
        CreditError: A suite does not replay as it did when it was made.
    """
    for suite in suites:
        prepared = PreparedSuite.of(suite, settings.half, settings.limit, settings.edition)
        for word, make in critics.items():
            yield bench_row(prepared, word, make, settings)


def bench_row(prepared: PreparedSuite, word: str, make: Callable[[Suite], Critic], settings: BenchSettings) -> BenchRow:
    """Return the row of one critic, which `make` makes, for one suite; `word` is its name in the table."""
    suite, episodes = prepared.suite, prepared.episodes
    chosen = suite.choose(settings.half, settings.limit)
    failed = BenchRow(suite.name, word, settings.half, len(chosen), 0, digest=suite.digest)
    critic: Critic | None = None
    new = ""
    try:
        critic = make(suite)
        if isinstance(critic, LLMCritic):
            episodes = told_beside(episodes, settings.beside)
        if (
            isinstance(critic, LLMCritic)
            and isinstance(critic.client, FolderClient)
            and not critic.client.folder.exists()
        ):
            new = f"{critic.client.folder} is a new folder; "
        asked = [k for k in chosen if not isinstance(critic, AnswersCritic) or critic.knows(episodes[k])]
        waiting: list[str] = []
        parts = [[episodes[k] for k in part] for part in suite.parts(asked)]
        check_folder(critic, _queries(parts, settings))
        credits = _scored(critic, parts, settings, waiting)
        known: dict[int, Credit] = dict(zip(chain(*suite.parts(asked)), credits, strict=True))
        queries = _query_numbers(suite, chosen, settings)
        if isinstance(critic, AnswersCritic):
            chosen, queries = asked, critic.queries([episodes[k] for k in asked])
            if not chosen:
                return replace(failed, note="nothing usable: the file has no credit for this suite's episodes")
        more = {"order drift": drift} if (drift := _order_drift(critic, episodes, chosen, settings, waiting)) else {}
        row = evaluate(
            suite, episodes, prepared.truth, [known.get(k) for k in chosen], chosen, critic=word, half=settings.half,
            queries=queries, draws=settings.draws, more=more, label=critic.label,
            prices=settings.prices if getattr(critic, "source", "") in ("model", "cache") else None,
            usage=_recorded_usage(critic, parts, settings),
            reasks=critic.stats.reasks if isinstance(critic, LLMCritic) else 0,
        )  # fmt: skip
        if waiting and not row.usable:
            return replace(failed, note=f"nothing usable: {new}{waiting[-1]}", waiting=True)
        doubts = prepared.doubts[: 2 if isinstance(critic, LLMCritic) else 1]
        said = [row.note, prepared.note, _unanswered(critic, row), *waiting[-1:], *doubts]
        return replace(
            row,
            note="; ".join(filter(None, said)),
            waiting=bool(waiting),
            credits={k: known[k] for k in chosen if k in known and known[k].source != "fallback"},
        )
    except Unanswered as error:
        return replace(failed, note=f"nothing usable: {new}{error}", waiting=True)
    except CreditError as error:
        return replace(failed, note=f"nothing usable: {error}")
    finally:
        if isinstance(critic, LLMCritic) and critic.ledger is not None:
            critic.ledger.flush()


def told_beside(episodes: Sequence[Episode], beside: Sequence[str]) -> list[Episode]:
    """Return the episodes with narrators that tell more beside.

    Raises:
        CreditError: A narrator cannot tell that.
    """
    made: dict[int, Narrator | None] = {}  # by narrator: those that share one share the other
    for episode in episodes:
        if id(episode.narrator) not in made:
            made[id(episode.narrator)] = telling(episode.narrator, beside)
    return [replace(episode, narrator=made[id(episode.narrator)]) for episode in episodes] if beside else list(episodes)


def _queries(parts: Sequence[Sequence[Episode]], settings: BenchSettings) -> list[list[Episode]]:
    size = settings.episodes_per_query
    return [list(part[at : at + size]) for part in parts for at in range(0, len(part), size)]


def _query_numbers(suite: Suite, chosen: Sequence[int], settings: BenchSettings) -> list[int]:
    """Return in which query each chosen episode is."""
    numbers: dict[int, int] = {}
    before = 0
    for part in suite.parts(chosen):
        numbers |= {k: before + position // settings.episodes_per_query for position, k in enumerate(part)}
        before = 1 + max(numbers.values())
    return [numbers[k] for k in chosen]


def _scored(
    critic: Critic, parts: Sequence[Sequence[Episode]], settings: BenchSettings, waiting: list[str]
) -> list[Credit]:
    """Return the credits; what is said of questions that wait for answers is appended to `waiting`."""
    asks = isinstance(critic, LLMCritic)
    if answered_by_files(critic):
        credits, said = answered_part(critic, _queries(parts, settings))
        waiting += [said] if said else []
        return credits
    asked = critic if asks else _CheckedCritic(critic)
    progress = settings.progress and asks
    return [
        credit
        for part in parts
        for credit in annotate(
            part,
            asked,
            episodes_per_query=settings.episodes_per_query,
            in_flight=settings.in_flight if asks else 1,
            progress=progress,
        )
    ]


def _unanswered(critic: Critic, row: BenchRow) -> str:
    """Return what a folder that is only read has no answer about."""
    client = critic.client if isinstance(critic, LLMCritic) else None
    if not isinstance(client, FolderClient) or not client.read_only or row.usable == row.episodes:
        return ""
    return f"{row.critic} has no answer about {row.episodes - row.usable} of {row.episodes} episodes"


class _CheckedCritic:
    """A critic of anybody's, whose every fault is a CreditError."""

    def __init__(self, critic: Critic) -> None:
        self.critic, self.label = critic, critic.label

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the critic's credits, if there is a finite (T, N) credit for each episode."""
        try:
            credits = self.critic.score(episodes)
            check_credits(episodes, credits)
            return credits
        except CreditError:
            raise
        except Exception as error:  # whatever somebody's critic raises: the other rows go on
            asked = (
                f"episode {episodes[0].id}" if len(episodes) == 1 else f"episodes {episodes[0].id} to {episodes[-1].id}"
            )
            raise CreditError(f"{type(self.critic).__name__} failed at {asked}: {_words(error)}") from error


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _recorded_usage(critic: Critic, parts: Sequence[Sequence[Episode]], settings: BenchSettings) -> Usage:
    """Return what the ledger says that the first question about each query cost, at the time; for replays."""
    ledger = critic.ledger if isinstance(critic, LLMCritic) else None
    if isinstance(critic, LLMCritic) and isinstance(critic.client, RecordedClient):
        ledger = critic.client.ledger
    if ledger is None or not isinstance(critic, LLMCritic):
        return Usage()
    queries = _queries(parts, settings)
    answers = [ledger.find(question.key) for query in queries for question in critic.questions(query)]
    return sum((answer.usage for answer in answers if answer is not None), Usage())


def _order_drift(
    critic: Critic, episodes: Sequence[Episode], chosen: Sequence[int], settings: BenchSettings, waiting: list[str]
) -> Figure | None:
    """Return how much an agent's sum of credits depends on the order of the agents in the question.

    It is the mean spread of the agent with the largest, over the mean size of the largest sum of an agent, in episodes
    whose order was another one the second time. None where it was not asked.
    """
    if not isinstance(critic, LLMCritic):
        return None
    count = settings.order_drift or (_FREE_DRIFT if critic.source == "scripted" else 0)
    if not count or critic.settings.order not in ("canonical", "given"):
        return None
    mine = [episodes[k] for k in chosen[:count]]
    shuffling = replace(critic.settings, order="shuffled")
    shuffled = LLMCritic(critic.client, shuffling, ledger=critic.ledger, budget=critic.budget)
    spread, size = [], []
    both_ways = [_scored(one, [mine], settings, waiting) for one in (critic, shuffled)]
    for episode, *both in zip(mine, *both_ways, strict=True):
        orders = [one.questions([episode])[0].orders[0] for one in (critic, shuffled)]
        if orders[0] == orders[1] or "fallback" in [credit.source for credit in both]:
            continue
        sums = [credit.values.sum(axis=0, dtype=np.float64) for credit in both]
        totals = [dict(zip(episode.agents, each_sum.tolist(), strict=True)) for each_sum in sums]
        spread.append(order_drift(totals).agent)
        size.append(max(abs(each_sum).max() for each_sum in sums))
    return Figure(float(np.mean(spread) / np.mean(size)) if spread and np.mean(size) > 0 else NAN)


def _has_states(suite: Suite) -> bool:
    env = suite.make_env().unwrapped
    return callable(getattr(env, "get_state", None))
