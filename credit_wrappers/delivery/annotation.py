"""Scoring recorded episodes: a data set in, one credit for each episode out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic, check_critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError, ModelError, Unanswered
from credit_wrappers.critics.progress import CreditProgress
from credit_wrappers.llm.client import Request

if TYPE_CHECKING:
    from credit_wrappers.critics.llm_critic import LLMCritic

_LOG = logging.getLogger("credit_wrappers")
# Of one message batch. The provider's own limits are 100,000 requests and 256 MB.
_BATCH_REQUESTS = 10_000
_BATCH_BYTES = 100_000_000


def annotate(
    episodes: Iterable[Episode],
    critic: Critic,
    *,
    episodes_per_query: int = 8,
    in_flight: int = 8,
    batch: bool = False,
    poll_seconds: float = 60.0,
    progress: bool = False,
) -> list[Credit]:
    """Return the credit of every episode, in the same order.

    When it is interrupted, or an error is raised, what was answered is in the critic's ledger; the same call
    again goes on from there. Queries are made of neighbouring episodes. Where questions are answered by files
    (`FolderClient`), all are written before `Unanswered` is raised. The log tells how to make a report of the ledger.

    Args:
        episodes: What to score.
        critic: Assigns the credit.
        episodes_per_query: Episodes the critic compares in one query.
        in_flight: Queries under way at a time.
        batch: Use the provider's message batches: half the price, an answer within a day instead of at once.
            Needs an `LLMCritic` with a ledger, whose client has batches (`AnthropicClient`). The ids of
            batches that are under way are kept in the ledger: after an interruption, the same call
            fetches their answers and does not ask again. Answers that are unusable are asked for again directly. With a
            budget, a batch is only made when the worst case of all its requests fits.
        poll_seconds: How often a batch is asked whether it is ready.
        progress: Show a bar with calls, tokens, cost and cache share.

    Raises:
        TypeError: `critic` is no critic, or something in `episodes` no `Episode`.
        ValueError: `batch` with a critic that cannot; the message says what is missing.
        CreditError: What `critic.score` raises.
    """
    if episodes_per_query < 1 or in_flight < 1:
        raise ValueError(f"episodes_per_query and in_flight must be at least 1, got {episodes_per_query}, {in_flight}")
    check_critic(critic, "annotate takes a critic")
    everything = list(episodes)
    for k, episode in enumerate(everything):
        if not isinstance(episode, Episode):
            raise TypeError(f"annotate takes episodes, and number {k} is {episode!r}")
    queries = [everything[at : at + episodes_per_query] for at in range(0, len(everything), episodes_per_query)]
    bar = CreditProgress(critic, len(everything)) if progress else None
    scored: dict[int, list[Credit]] = {}
    try:
        if batch:
            batches = _Batches(critic, poll_seconds)
            for group in batches.groups(queries):
                _score(critic, queries, group, in_flight, scored, bar)
                batches.done()
        else:
            _score(critic, queries, range(len(queries)), in_flight, scored, bar)
    finally:
        if bar is not None:
            bar.close()
    if (path := getattr(getattr(critic, "ledger", None), "path", None)) is not None:
        _LOG.info("to see what was credited, and why: python -m credit_wrappers report %s", path)
    return [credit for k in range(len(queries)) for credit in scored[k]]


def _score(
    critic: Critic,
    queries: Sequence[list[Episode]],
    group: Sequence[int],
    in_flight: int,
    scored: dict[int, list[Credit]],
    bar: CreditProgress | None,
) -> None:
    """Have some of the queries scored, many at a time."""
    stopped = threading.Event()
    unanswered: list[Unanswered] = []

    def score(query: list[Episode]) -> list[Credit]:
        if stopped.is_set():
            return []  # nobody will read it: an earlier query's error comes first
        try:
            return critic.score(query)
        except Unanswered as error:  # the others are asked all the same, so that all can be answered together
            unanswered.append(error)
            return []
        except BaseException:
            stopped.set()
            raise

    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="critic")
    try:
        for k, credits in zip(group, pool.map(score, [queries[k] for k in group]), strict=True):
            scored[k] = credits
            if bar is not None:
                bar.add(len(credits))
        if unanswered:
            raise max(unanswered, key=lambda error: len(error.files))
    finally:
        stopped.set()
        # Queries under way are waited for: they are paid for, and their answers belong in the ledger.
        pool.shutdown(wait=True, cancel_futures=True)


class _Batches:
    """Brings the answers to many questions by message batches, for the critic to find."""

    def __init__(self, critic: Critic, poll_seconds: float) -> None:
        from credit_wrappers.critics.llm_critic import LLMCritic

        if not isinstance(critic, LLMCritic):
            raise ValueError(f"batch=True needs an LLMCritic, not {type(critic).__name__}")
        if critic.ledger is None:
            raise ValueError("batch=True needs a ledger, which keeps the batch's id: LLMCritic(..., ledger='x.sqlite')")
        if not hasattr(critic.client, "create_batch"):
            raise ValueError(f"{type(critic.client).__name__} has no message batches; AnthropicClient has")
        self.critic: LLMCritic = critic
        self.client = critic.client
        self.ledger = critic.ledger
        self.poll_seconds = poll_seconds
        self.taken: str | None = None  # the batch whose answers are being read

    def groups(self, queries: Sequence[list[Episode]]) -> Iterator[list[int]]:
        """Yield the queries of one group at a time, once its answers have arrived. Only one group is in memory.

        All batches are made before the first is waited for.
        """
        under_way = {key: name for name, keys in self.ledger.open_batches(self.client.name) for key in keys}
        budget = self.critic.budget
        if budget is not None:
            # What is under way is fetched in any case; it counts when more is to be sent.
            left = (q for query in queries for q in self.critic.questions(query) if self.ledger.find(q.key) is None)
            asked = {question.key: question.request for question in left}
            if asked.keys() - under_way.keys():
                budget.require(asked.values(), batch=True)
        groups: dict[str, list[int]] = {}
        answered: list[int] = []
        part: list[Request] = []
        members: list[int] = []
        size = 0
        for k, query in enumerate(queries):
            questions = self.critic.questions(query)
            missing = [question.request for question in questions if self.ledger.find(question.key) is None]
            if not missing:
                answered.append(k)
            elif (name := under_way.get(missing[0].key())) is not None:
                groups.setdefault(name, []).append(k)
            else:
                length = sum(len(request.system.encode()) + len(request.prompt.encode()) for request in missing)
                if part and (len(part) + len(missing) > _BATCH_REQUESTS or size + length > _BATCH_BYTES):
                    groups[self._create(part)] = members
                    part, members, size = [], [], 0
                part += missing
                members.append(k)
                size += length
        if part:
            groups[self._create(part)] = members
        yield answered
        for name, group in groups.items():
            self._take(name)
            yield group

    def done(self) -> None:
        """Note that the answers of the last group are in the ledger."""
        if self.taken is not None:
            self.ledger.close_batch(self.taken)
        self.taken = None
        self.critic.asker.prefetched.clear()

    def _create(self, requests: list[Request]) -> str:
        batch_id: str = self.client.create_batch(requests)
        _LOG.info("message batch %s: %d requests", batch_id, len(requests))
        self.ledger.open_batch(self.client.name, batch_id, [request.key() for request in requests])
        return batch_id

    def _take(self, batch_id: str) -> None:
        while True:
            try:
                status = self.client.batch_status(batch_id)  # type: ignore[attr-defined]
                if status.ended:
                    break
                _LOG.info("message batch %s: %s", batch_id, status)
            except ModelError as error:
                if not error.transient:
                    raise
                _LOG.warning(
                    "message batch %s: no word of it (%s); asked again in %g s", batch_id, error, self.poll_seconds
                )
            time.sleep(self.poll_seconds)
        self.taken = batch_id
        failed = 0
        for key, outcome in self.client.batch_results(batch_id):  # type: ignore[attr-defined]
            if isinstance(outcome, CreditError):
                failed += 1
            else:
                self.critic.asker.prefetched[key] = outcome
        if failed:
            _LOG.warning("message batch %s: %d requests have no answer; they are asked directly", batch_id, failed)
