"""What scoring will cost, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from credit_wrappers.core.credit import Usage
from credit_wrappers.critics.critic_settings import CriticSettings
from credit_wrappers.critics.question import Question
from credit_wrappers.llm.budget import Budget
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.llm.tokens import estimate_tokens

# Tokens that a model writes for each agent of each episode (some six events, or a curve of some fifteen points), and
# for each number of an array: assumed, not measured. A ledger with enough answers knows better.
_EXPLAINED, _BRIEF, _NUMBER = 250, 100, 3
_CURVE_EXPLAINED, _CURVE_BRIEF = 160, 90
_ENOUGH_ANSWERS = 5


@dataclass(frozen=True)
class Estimate:
    """What scoring episodes is expected to cost, and the most it can cost.

    Token counts of requests are offline estimates. Answers are assumed to be as long as those in the ledger are on
    average, if it holds at least five, else to have 160 tokens for each agent of an episode (as events 250).

    Attributes:
        episodes: Episodes to be scored.
        calls: Requests that will be sent; at most twice as many, when every answer needs a corrective question.
        recorded: Requests that the ledger answers.
        usage: Expected usage; all calls but the first read the base prompt from the provider's cache.
        most: The largest usage: every answer `max_tokens` long, and asked for twice, nothing cached.
        cost: What `usage` costs, when prices are known.
        most_cost: What `most` costs.
    """

    episodes: int
    calls: int
    recorded: int
    usage: Usage
    most: Usage
    cost: float | None = None
    most_cost: float | None = None

    def __str__(self) -> str:
        money = "" if self.cost is None else f", cost about {self.cost:.2f} (at most {self.most_cost:.2f})"
        used, calls = self.usage, "call" if self.calls == 1 else "calls"
        return (
            f"{self.episodes:,} episodes: {self.calls:,} {calls} ({self.recorded:,} answered from the ledger), "
            f"about {used.tokens:,} tokens ({used.input_tokens + used.cache_write_tokens:,} read, "
            f"{used.cached_tokens:,} from the cache, {used.output_tokens:,} written; at most "
            f"{self.most.tokens:,}){money}"
        )


def estimate_questions(
    questions: Sequence[Question], episodes: int, settings: CriticSettings, ledger: Ledger | None, budget: Budget | None
) -> Estimate:
    """Return what asking these questions, about so many episodes, costs at the budget's prices.

    Questions that the ledger answers cost nothing.
    """
    asked = [question for question in questions if ledger is None or ledger.find(question.key) is None]
    prefix = {system: estimate_tokens(system) for system in {question.request.system for question in asked}}
    prompts = sum(estimate_tokens(question.request.prompt) for question in asked)
    written = sum(prefix.values())
    cached = sum(prefix[question.request.system] for question in asked) - written
    answers = int(min(_answer_tokens(asked, settings, ledger), len(asked) * settings.max_tokens))
    usage = Usage(len(asked), prompts, answers, cached, 0.0, written)
    most = Usage(2 * len(asked), 2 * (prompts + written + cached), 2 * len(asked) * settings.max_tokens)
    prices = None if budget is None else budget.prices
    costs = (None, None) if prices is None else (prices.cost(usage), prices.cost(most))
    return Estimate(episodes, len(asked), len(questions) - len(asked), usage, most, *costs)


def _answer_tokens(asked: Sequence[Question], settings: CriticSettings, ledger: Ledger | None) -> float:
    past = Usage() if ledger is None else ledger.usage()
    if past.calls >= _ENOUGH_ANSWERS:
        return past.output_tokens / past.calls * len(asked)
    episodes = [episode for question in asked for episode in question.episodes]
    agents = sum(episode.n_agents for episode in episodes)
    if settings.answer_format == "arrays":
        numbers = sum(episode.length * episode.n_agents for episode in episodes)
        return _NUMBER * numbers + (_BRIEF * agents if settings.explain else 0)
    if settings.answer_format == "curve":
        return (_CURVE_EXPLAINED if settings.explain else _CURVE_BRIEF) * agents
    return (_EXPLAINED if settings.explain else _BRIEF) * agents
