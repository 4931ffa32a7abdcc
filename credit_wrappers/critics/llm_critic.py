"""The method: a language model reads what the team did and credits each agent for each step (LLM-MCA).

The way of a query:

1. `score` groups the episodes by base prompt; each group is one query, with one question for each agent order.
2. The narrator tells each episode as text, with the agents listed in a canonical order (`order`).
3. The agents get neutral names, and the text is rendered behind the base prompt (`question`).
4. The ledger is searched for an answer; else the model is asked, within the budget (`asking`).
5. The answer is parsed and checked. If it does not fit, one corrective question quotes what was wrong.
6. Curves become events, and the sums of the events a table (T, N) for each episode; several orders are averaged.
7. On request one factor brings the whole query to a common size (the paper's rule), the credits are made to sum to
   what was paid, and they are blended with the team reward (`shaping`).
8. The columns return to the environment's order, the texts to the agents' own names.
9. Without a usable answer every episode of the query gets the fallback, labelled and counted.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from os import PathLike
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit, CreditEvent, Usage
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import AnswerError, BudgetExceeded, CreditError, ModelError, Unanswered
from credit_wrappers.core.narrator import Narrator, check_narrator
from credit_wrappers.critics.asking import Asker, Judged
from credit_wrappers.critics.baselines import equal_values, shared_values
from credit_wrappers.critics.critic_settings import CriticSettings
from credit_wrappers.critics.critic_stats import CriticStats
from credit_wrappers.critics.estimate import Estimate, estimate_questions
from credit_wrappers.critics.order import joint_tasks, order_drift
from credit_wrappers.critics.question import Question, ask_about
from credit_wrappers.llm.answers.task_answers import task_spans
from credit_wrappers.llm.budget import Budget
from credit_wrappers.llm.client import ModelClient, check_client
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.llm.prompts.render import agent_name, prompt_digest, render_system, with_own_names
from credit_wrappers.llm.prompts.templates import Templates
from credit_wrappers.narration.task_vocabulary import tasks_of_narrator

_LOG = logging.getLogger("credit_wrappers")
_WORD = re.compile(r"\w+")


class LLMCritic:
    """Credits whole episodes with a language model, several in one query; the module's docstring has the steps.

    Args:
        client: Asks the model.
        settings: The method's settings.
        narrator: Narrates episodes that have no narrator of their own.
        ledger: A `Ledger`, or the path of one; None: nothing is recorded.
        budget: What may be spent, including what the ledger holds already; None: no limit.
        asks_tasks: With `tasks=True`, returns whether the tasks of an episode are asked for; None: of all episodes. An
            answer without tasks is shorter.
        changes: Single settings by name, instead of or on top of `settings`: `order="shuffled"`, ...

    Raises:
        TypeError: `client` is no model client, `budget` no `Budget`, or a setting is unknown.
        CreditError: `narrator` lacks an example.
        AnswerError: From `score`, with fallback="raise": the second answer did not fit either.
        ModelError: From `score`: the model cannot be asked at all (wrong key, unknown model), or, with
            fallback="raise", refused or stayed unreachable.
        BudgetExceeded: From `score`, with a budget that stops.
    """

    def __init__(
        self,
        client: ModelClient,
        settings: CriticSettings | None = None,
        *,
        narrator: Narrator | None = None,
        ledger: Ledger | str | PathLike[str] | None = None,
        budget: Budget | None = None,
        asks_tasks: Callable[[Episode], bool] | None = None,
        **changes: Any,
    ) -> None:
        known = [field.name for field in fields(CriticSettings)]
        if unknown := sorted(set(changes) - set(known)):
            raise TypeError(f"unknown setting {', '.join(unknown)}; there are: {', '.join(known)}")
        check_client(client)
        if narrator is not None:
            check_narrator(narrator)
        if budget is not None and not isinstance(budget, Budget):
            raise TypeError(
                f"budget={budget!r}: give a Budget, such as Budget(max_calls=100), or "
                "Budget(max_cost=5.0, prices=Prices(input=3.0, output=15.0))"
            )
        self.settings = replace(settings or CriticSettings(), **changes)
        if self.settings.names == "own" and client.source == "scripted":
            raise ValueError("the scripted stand-in reads neutral names only; leave names='neutral'")
        if budget is not None and budget.then == "fallback" and self.settings.fallback == "raise":
            raise ValueError("Budget(then='fallback') needs a fallback; choose fallback='equal' or 'shared'")
        self.client = client
        self.label = client.name
        self.source = client.source
        self.narrator = narrator
        self.ledger = ledger if ledger is None or isinstance(ledger, Ledger) else Ledger(ledger)
        self._owns_ledger = self.ledger is not ledger
        self.budget = budget
        self.stats = CriticStats()
        limits = budget or Budget(then="fallback")  # without any limit
        self.asker = Asker(client, self.settings, Templates(self.settings.templates), self.ledger, limits)
        if budget is not None and self.ledger is not None:
            budget.count_ledger(self.ledger.path, self.ledger.usage() + Usage(calls=self.ledger.unanswered()))
        self._lock = threading.Lock()
        # Base prompts and tasks by narrator object, which is kept, or another one could get its id.
        self._base_prompts: dict[tuple[int, tuple[str, ...], bool], tuple[Narrator, str, tuple[str, ...]]] = {}
        self.asks_tasks = asks_tasks

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return one credit for each episode, in the same order.

        The episodes are one query, unless they come from environments that are described differently, or the tasks of
        only some of them are asked for.
        """
        credits: dict[int, Credit] = {}
        for members, questions in self._plan(episodes):
            credits.update(zip(members, self._query([episodes[i] for i in members], questions), strict=True))
        return [credits[i] for i in range(len(episodes))]

    def check_narrator(self, narrator: Narrator) -> None:
        """Raise TypeError or CreditError, which name what is missing, where a narrator cannot tell episodes."""
        check_narrator(narrator)

    def close(self) -> None:
        """Write pending records; close the client, and the ledger if it was given as a path."""
        if self.ledger is not None:
            (self.ledger.close if self._owns_ledger else self.ledger.flush)()
        if hasattr(self.client, "close"):
            self.client.close()

    def questions(self, episodes: Sequence[Episode]) -> list[Question]:
        """Return what `score(episodes)` would ask first; nothing is sent."""
        return [question for _, questions in self._plan(episodes) for question in questions]

    def estimate(self, episodes: Sequence[Episode], episodes_per_query: int = 8) -> Estimate:
        """Return what scoring these episodes will cost, without a single call; see `Estimate`."""
        asked = [
            question
            for at in range(0, len(episodes), episodes_per_query)
            for question in self.questions(episodes[at : at + episodes_per_query])
        ]
        return estimate_questions(asked, len(episodes), self.settings, self.ledger, self.budget)

    def _plan(self, episodes: Sequence[Episode]) -> list[tuple[list[int], list[Question]]]:
        """Return, for each query, which episodes it is about and its questions, one for each order of the agents."""
        stats = CriticStats()
        queries: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        plan = []
        with stats.timed("narrate"):
            for i, episode in enumerate(episodes):
                queries.setdefault(self._base_prompt(episode), []).append(i)
            for (system, tasks), members in queries.items():
                asked = [episodes[i] for i in members]
                narrators = [self._narrator(episode) for episode in asked]
                questions = [
                    ask_about(asked, narrators, system, self.label, self.settings, variant, tasks)
                    for variant in range(self.settings.orders)
                ]
                plan.append((members, questions))
        self._add(stats)
        return plan

    def _query(self, episodes: list[Episode], questions: list[Question]) -> list[Credit]:
        """Return the credits of one query; one that is too large is halved."""
        stats = CriticStats(queries=1, episodes=len(episodes))
        judged: list[Judged] = []
        error: CreditError | None = None
        unanswered: Unanswered | None = None
        try:
            for question in questions:
                try:
                    judged.append(self.asker.ask(question, stats))
                except Unanswered as failed:  # the other orders are asked all the same, so that all can be answered
                    unanswered = failed
                except (AnswerError, ModelError, BudgetExceeded) as failed:
                    if self._stops(failed):
                        raise
                    error = failed
            if unanswered is not None:
                raise unanswered
            if judged:
                with stats.timed("parse"):
                    return self._credits(episodes, judged, stats)
            assert error is not None
            if getattr(error, "kind", "") != "too_large" or len(episodes) == 1:
                return self._fall_back(episodes, stats, error)
            stats.queries = stats.episodes = 0  # the halves count
        finally:
            self._add(stats)
        half = len(episodes) // 2
        return self.score(episodes[:half]) + self.score(episodes[half:])

    def _stops(self, error: CreditError) -> bool:
        """Return whether an error is the caller's to handle, instead of ending in the fallback."""
        if isinstance(error, BudgetExceeded) and self.budget is not None:
            return self.budget.then == "stop"
        return self.settings.fallback == "raise" or (isinstance(error, ModelError) and error.fatal)

    def _credits(self, episodes: list[Episode], judged: list[Judged], stats: CriticStats) -> list[Credit]:
        """Return the credits of one query, in the environment's order and with the agents' own names."""
        n, listed = len(judged), judged[0].question.orders
        tables = [self._average(k, judged, stats) for k in range(len(episodes))]
        present = [episode.present[:, list(order)] for episode, order in zip(episodes, listed, strict=True)]
        shaped = self.settings.shape(tables, [episode.team_reward for episode in episodes], present)
        credits: list[Credit] = []
        for k, (values, factor, _) in enumerate(shaped):
            answers = [(one.answers[k], one.question.own_names(k)) for one in judged]
            events = tuple(
                CreditEvent(
                    own[e["agent"]], e["start"], e["stop"], factor * e["amount"] / n, with_own_names(e["why"], own)
                )
                for answer, own in answers
                for e in answer["events"]
            )
            stats.zero_answers += not any(event.amount for event in events)
            credits.append(
                Credit(
                    values[:, np.argsort(listed[k])].astype(np.float32),
                    events,
                    joint_tasks([task_spans(*one) for one in answers], episodes[k].agents, episodes[k].length),
                    summary="\n".join(with_own_names(answer["summary"], own) for answer, own in answers),
                    source="cache" if all(one.source == "cache" for one in judged) else self.source,
                    usage=Usage() if credits else stats.usage,
                )
            )
        return credits

    @staticmethod
    def _average(k: int, judged: list[Judged], stats: CriticStats) -> np.ndarray:
        """Return the table of episode k, averaged over the orders, and note how far they differ.

        Its columns follow the first order, in which sums over agents do not change when the team is relabelled.
        """
        if len(judged) == 1:
            return judged[0].tables[k]
        own = [one.tables[k][:, np.argsort(one.question.orders[k])] for one in judged]
        agents = judged[0].question.episodes[k].agents
        drift = order_drift([dict(zip(agents, table.sum(axis=0).tolist(), strict=True)) for table in own])
        stats.drifting += 1
        stats.agent_drift += drift.agent
        stats.team_drift += drift.team
        average: np.ndarray = np.mean(own, axis=0)[:, list(judged[0].question.orders[k])]
        return average

    def _fall_back(self, episodes: list[Episode], stats: CriticStats, error: CreditError) -> list[Credit]:
        kind = getattr(error, "kind", "")
        with self._lock:
            before, now = self.stats.fallbacks, self.stats.fallbacks + len(episodes)
            total = self.stats.episodes + len(episodes)
        # Warn of the first, then whenever the number has doubled; an outage and a spent budget have their own warnings.
        if now.bit_length() > before.bit_length() and kind not in ("outage", "budget"):
            _LOG.warning(
                "critic %s: %d of %d episodes so far got the fallback credit (%s); the last because of %s: %s",
                self.label, now, total, self.settings.fallback, kind, error,
            )  # fmt: skip
        stats.fallbacks += len(episodes)
        fill = shared_values if self.settings.fallback == "shared" else equal_values
        return [
            Credit(
                fill(episode),
                summary=f"fallback ({self.settings.fallback}): {error}",
                source="fallback",
                usage=stats.usage if k == 0 else Usage(),
            )
            for k, episode in enumerate(episodes)
        ]

    def _narrator(self, episode: Episode) -> Narrator:
        narrator = episode.narrator if episode.narrator is not None else self.narrator
        if narrator is None:
            raise CreditError(
                f"episode {episode.id} of {episode.env_id or 'its environment'} has no narrator: give the "
                "wrapper narrator=..., for instance an ArrayNarrator(env), or record with LLMCreditWrapper"
            )
        return narrator

    def wording(self, episode: Episode) -> str:
        """Return the short name of the base prompt with which such an episode is asked about; see `prompt_digest`.

        It changes with every word of the templates, the narrator's texts and the settings that the prompt tells.
        """
        return prompt_digest(self._base_prompt(episode)[0])

    def _base_prompt(self, episode: Episode) -> tuple[str, tuple[str, ...]]:
        """Return the base prompt and the tasks that it lists."""
        narrator, settings = self._narrator(episode), self.settings
        own = settings.names == "own"
        names = episode.agents if own else tuple(agent_name(k) for k in range(episode.n_agents))
        asked = settings.tasks and (self.asks_tasks is None or self.asks_tasks(episode))
        place = (id(narrator), names, asked)
        known = self._base_prompts.get(place)
        if known is None or known[0] is not narrator:
            odd = [name for name in names if not _WORD.fullmatch(name)]
            if own and settings.answer_format == "arrays" and odd:
                raise CreditError(
                    f"answer_format='arrays' reads names of letters, digits and _ only, not {odd[0]!r}; use "
                    "names='neutral' or answer_format='curve'"
                )
            tasks = tasks_of_narrator(narrator) if asked else ()
            system = render_system(
                narrator,
                names,
                settings.bound,
                form=settings.answer_format,
                explain=settings.explain,
                naming=settings.names,
                tasks=tasks,
                templates=self.asker.templates,
            )
            known = (narrator, system, tasks)
            if len(self._base_prompts) >= 256:  # narrators that are made for each episode
                self._base_prompts.clear()
            self._base_prompts[place] = known
        return known[1:]

    def _add(self, stats: CriticStats) -> None:
        with self._lock:
            self.stats.add(stats)

    def __repr__(self) -> str:
        return f"LLMCritic({self.client!r})"
