"""Getting an answer: from the ledger, else from the model within the budget, with at most one corrective question."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from credit_wrappers.core.credit import Source, Usage
from credit_wrappers.core.errors import AnswerError, BudgetExceeded, ModelError, Unanswered
from credit_wrappers.critics.critic_settings import CriticSettings
from credit_wrappers.critics.critic_stats import CriticStats
from credit_wrappers.critics.outage import Outage
from credit_wrappers.critics.question import Question
from credit_wrappers.critics.shaping import event_values
from credit_wrappers.llm.answers.parse import parse_answer
from credit_wrappers.llm.answers.placeholders import placeholder_texts
from credit_wrappers.llm.answers.schema import EpisodeAnswer
from credit_wrappers.llm.budget import Budget
from credit_wrappers.llm.client import Completion, ModelClient
from credit_wrappers.llm.ledger.entry import JudgedEpisode
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.llm.prompts.render import render_form
from credit_wrappers.llm.prompts.templates import Templates
from credit_wrappers.llm.tokens import estimate_tokens

# Larger credits are nonsense, or were ordered by a text inside the episode: they would drown all others. The limits are
# generous, and each episode is held to them by itself, whatever its length and its company.
_MOST_SUM = 100  # bounds that an agent's credits may sum to where they are scaled into the bound afterwards
# Bounds that a step may be worth on average, beside one bound for the episode, where nothing is scaled.
_MOST_MEAN = 0.2

# A server whose context is shorter than a question drops the front of it and answers all the same; it reports the
# tokens that it read. Fewer than this share of the estimate are too few: our texts have 0.42 to 0.57 words for each
# estimated token, so that even a token for every word is more, and real tokenizers count 1.0 to 1.2. Some servers do
# not report what was in their cache: the base prompt, and in a corrective question everything. So the whole question
# is counted only where the server reports its cache, else the episodes. Characters beyond ASCII are left out, of which
# a token can hold many.
_LEAST_READ = 0.4
_SMALLEST_QUESTION = 1_000  # tokens; of a shorter one a larger part may be in a server's cache
# A cut question fills the context, whose size is a round number: a power of two, or a multiple of 1024 (some servers
# keep a few tokens free). Such a number is suspect below this share, and also of the whole first question with a base
# prompt, most of which no server has in its cache. Four characters for a token, as stand-ins count, are 0.74 and more.
_LEAST_ROUND = 0.7
_ROUND, _NEARLY, _SMALLEST_CONTEXT = 1024, 4, 256
_TRUNCATED = (
    "{label} read {read:,} tokens of a question of about {asked:,}: the server cut it to fit its context, so its "
    "answer is no judgement. Raise the server's context length (Ollama: num_ctx, or the variable "
    "OLLAMA_CONTEXT_LENGTH; llama.cpp: --ctx-size), or let a query hold fewer or shorter episodes (episodes_per_query)"
)


# Stop reasons of an answer that was not finished, as providers name them.
_CUT = ("max_tokens", "length", "model_context_window_exceeded")


@dataclass(frozen=True)
class Judged:
    """A question's answer."""

    question: Question
    answers: list[EpisodeAnswer]  # one for each episode, in their order
    tables: list[np.ndarray]  # for each episode (T, N) float64, the sums of its events, columns in prompt order
    source: Source


@dataclass(eq=False, repr=False)
class Asker:
    """Asks a client, keeps the answers in a ledger, and stays within a budget. May be called from several threads."""

    client: ModelClient
    settings: CriticSettings
    templates: Templates
    ledger: Ledger | None
    budget: Budget
    outage: Outage = field(default_factory=Outage)
    # Answers that a message batch brought, by request key; they are taken instead of a call.
    prefetched: dict[str, Completion | ModelError] = field(default_factory=dict)
    _read_before: set[str] = field(default_factory=set)  # base prompts to which an answer has come
    _under_way: set[str] = field(default_factory=set)  # keys of the questions that are being asked
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def ask(self, question: Question, stats: CriticStats) -> Judged:
        """Return the answer to a question, after at most one corrective question.

        Raises:
            AnswerError: Neither answer fits.
            ModelError: There is no answer.
            BudgetExceeded: The call would go over the budget.
        """
        try:
            return self._once(question, stats)
        except AnswerError as error:
            stats.reasks += 1
            with stats.timed("prompt"):
                again = question.again(str(error), self.settings, self.templates)
            unfit = error
        try:
            return self._once(again, stats)
        except Unanswered:
            raise
        except ModelError as error:
            if error.kind != "not_recorded":
                raise
            raise ModelError(
                f"the answer on record does not fit ({unfit}), and there is none to the corrective question: {error}",
                error.kind,
            ) from error

    def _once(self, question: Question, stats: CriticStats) -> Judged:
        """Return the answer to one question and count what happened."""
        with stats.timed("prompt"):
            key = question.key
        try:
            if self.ledger is None:
                return self._read(question, self._complete(question, stats), self.client.source, stats)
            with self._alone(key):
                with stats.timed("ledger"):
                    recorded = self.ledger.find(key)
                if recorded is None:
                    return self._ask_and_record(self.ledger, question, stats)
                stats.cache_hits += 1
                return self._read(question, recorded, "cache", stats)
        except AnswerError as error:
            stats.rejected += 1
            stats.placeholders += error.kind == "placeholder"
            raise
        except ModelError:
            stats.model_errors += 1
            raise

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Wait while another thread asks the same question; its answer will then be in the ledger."""
        with self._changed:
            self._changed.wait_for(lambda: key not in self._under_way)
            self._under_way.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._under_way.discard(key)
                self._changed.notify_all()

    def _ask_and_record(self, ledger: Ledger, question: Question, stats: CriticStats) -> Judged:
        """Ask the model; write the answer or the failure into the ledger."""
        completion: Completion | None = None
        judged: Judged | None = None
        error: AnswerError | ModelError | BudgetExceeded | None = None
        try:
            completion = self._complete(question, stats)
            judged = self._read(question, completion, self.client.source, stats)
            return judged
        except (AnswerError, ModelError, BudgetExceeded) as failed:
            error = failed
            raise
        finally:  # after Ctrl-C, too: an answer that came is paid for
            stops = isinstance(error, BudgetExceeded) and self.budget.then == "stop"
            if completion is not None or not (error is None or error.kind == "not_recorded" or stops):
                with stats.timed("ledger"):
                    ledger.record(
                        question.request,
                        completion,
                        source=self.client.source,
                        failure="" if error is None else error.kind,
                        message=str(error or ""),
                        episodes=_episodes(question, judged),
                        key=question.key,
                    )

    def _complete(self, question: Question, stats: CriticStats) -> Completion:
        """Return what a batch brought, else what the model says."""
        prefetched = self.prefetched.pop(question.key, None)
        if isinstance(prefetched, Completion):
            self.budget.charge(prefetched.usage, batch=True)
            stats.calls += 1
            stats.usage += prefetched.usage
            return prefetched
        label = self.client.name
        self.outage.check(label)
        with self.budget.call(question.request):
            stats.calls += 1
            try:
                with stats.timed("answer"):
                    completion = self.client.complete(question.request)
            except Unanswered:  # nothing was asked over a wire, and nothing is paid
                raise
            except ModelError as error:
                self.budget.charge(Usage(calls=1))
                if not error.transient:  # the server can be reached
                    self.outage.succeeded(label)
                elif self.client.source == "model":
                    self.outage.failed(label, error)
                raise
            self.budget.charge(completion.usage)
        self.outage.succeeded(label)
        stats.usage += completion.usage
        return completion

    def _placeholders(self, question: Question) -> frozenset[str]:
        form, explain = self.settings.answer_format, self.settings.explain
        described = render_form(form, explain, self.templates)
        return placeholder_texts(described, form, explain, tuple(question.known), question.tasks)

    def _read(self, question: Question, completion: Completion, source: Source, stats: CriticStats) -> Judged:
        """Return the judgements of an answer that fits; raise AnswerError or ModelError for one that does not."""
        settings = self.settings
        with stats.timed("parse"):
            if source == "model":
                base = question.request.system
                _check_read(question, completion.usage, self.client.name, base not in self._read_before)
                self._read_before.add(base)
            if completion.stop_reason == "error":
                raise ModelError(
                    f"the server broke the answer off with an error: {completion.text[:200]!r}", "server_error"
                )
            if completion.stop_reason == "refusal":
                raise ModelError(f"the model refused to answer: {completion.text[:200]!r}", "refusal")
            try:
                answers = parse_answer(
                    completion.text,
                    question.lengths,
                    question.known,
                    form=settings.answer_format,
                    explain=settings.explain,
                    tasks=question.tasks,
                    placeholders=self._placeholders(question),
                    cut=completion.stop_reason in _CUT,
                )
            except AnswerError as error:
                if completion.stop_reason not in _CUT:
                    raise
                message = f"the answer was cut off at max_tokens; be shorter ({error})"
                raise AnswerError(message, "cut_off") from None
            tables = [
                event_values(answer["events"], names, length)
                for answer, names, length in zip(answers, question.names, question.lengths, strict=True)
            ]
            _check_size(tables, question, settings)
        return Judged(question, answers, tables, source)


def _episodes(question: Question, judged: Judged | None) -> list[JudgedEpisode]:
    """Return what the ledger holds of the question's episodes."""
    found = []
    for k, (episode, order) in enumerate(zip(question.episodes, question.orders, strict=True)):
        values = None if judged is None else judged.tables[k].astype(np.float32)
        found.append(JudgedEpisode(episode.key, tuple(episode.agents[i] for i in order), values, episode.length))
    return found


def _check_read(question: Question, usage: Usage, label: str, first: bool) -> None:
    """Raise ModelError (kind "truncated") where the model read far less than it was asked; see `_LEAST_READ`.

    `first`: no other answer to a question with this base prompt has come.
    """
    read = usage.tokens - usage.output_tokens
    if read == 0 or question.corrective:  # nothing was reported
        return
    system, episodes = (
        estimate_tokens(text.encode("ascii", "ignore").decode())
        for text in (question.request.system, question.request.prompt)
    )
    reported = usage.cached_tokens > 0 or usage.cache_write_tokens > 0
    asked = system + episodes if reported else episodes
    too_few = episodes >= _SMALLEST_QUESTION and read < _LEAST_READ * asked
    asked = system + episodes if first else asked
    if too_few or (_is_round(read) and read < _LEAST_ROUND * asked):
        raise ModelError(_TRUNCATED.format(label=label, read=read, asked=system + episodes), "truncated")


def _is_round(tokens: int) -> bool:
    """Return whether a number of tokens is the size of a context, or a few less."""
    near = min(tokens % _ROUND, -tokens % _ROUND) <= _NEARLY
    return tokens >= _SMALLEST_CONTEXT and (near or tokens & (tokens - 1) == 0)


def _check_size(tables: list[np.ndarray], question: Question, settings: CriticSettings) -> None:
    """Raise AnswerError where an agent's credits are out of all proportion to the bound."""
    bound = settings.bound
    for number, (table, names) in enumerate(zip(tables, question.names, strict=True), 1):
        if not table.size:
            continue
        sizes = np.abs(table)
        if settings.normalise != "none":
            sums, limit = np.abs(table.sum(axis=0)), _MOST_SUM * bound
        else:
            sums, limit = sizes.sum(axis=0), bound * (1 + _MOST_MEAN * len(table))
            t, i = np.unravel_index(sizes.argmax(), table.shape)
            if sizes[t, i] > bound:
                raise AnswerError(
                    f"episode {number}: {names[i]} gets {table[t, i]:g} for step {t}; one step may be worth at most "
                    f"{bound:g} in size"
                )
        if sums.max() > limit:
            raise AnswerError(
                f"episode {number}: the credits of {names[int(sums.argmax())]} sum to {sums.max():g} in size; at most "
                f"{bound:g} is asked for"
            )
