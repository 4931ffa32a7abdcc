"""The method: a language model reads what the team did and credits each agent for each step (LLM-MCA)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from os import PathLike
from typing import Literal

from ..answers import EpisodeAnswer, answer_schema, parse_answer
from ..credit import Credit, Source, Usage
from ..episode import Episode
from ..errors import AnswerError, BudgetExceeded, CreditError, ModelError
from ..ledger import JudgedEpisode, Ledger
from ..prompts import agent_name, render_episode, render_reask, render_system
from ..protocols import Completion, ModelClient, Narrator, Request
from .baselines import equal_values, shared_values
from .order import ORDERS, Order, agent_order
from .shaping import Conserve, Shaping, event_values
from .stats import CriticStats

Fallback = Literal["equal", "shared", "raise"]


class LLMCritic:
    """Credits whole episodes with a language model, several in one query.

    Narrate, order and rename the agents, ask (the ledger first, then the model), check the answer, ask once
    more quoting what was wrong, else fall back; then the agents' own order and names again, one normalising
    factor for the query, and on request conservation and blending.

    Args:
        client: Asks the model.
        narrator: Tells episodes that bring no narrator of their own.
        ledger: A `Ledger`, or the path of one; None: nothing is recorded.
        fallback: What an episode gets when there is no usable answer: "equal" (an equal part of the team
            reward), "shared" (the team reward) or "raise". It is labelled `source="fallback"` and counted.
        order: How agents are listed: "canonical", "shuffled" or "given"; see `critics.order`.
        seed: Seed of the shuffling.
        bound: Largest size of an agent's summed credits in one episode.
        conserve: "episode" scales an episode's credits so that they sum to the team's return (where scaling
            would turn them round or blow them up, the difference is spread evenly instead).
        blend: In [0, 1]; the credit paid is (1 - blend) * credit + blend * team reward.
        max_tokens: Upper limit of an answer's length.
        temperature: Sampling temperature; None leaves it to the model (current Claude models take none).
        max_calls: Largest number of requests sent to the model; then BudgetExceeded.

    Raises:
        AnswerError: From `score`, with fallback="raise": the second answer did not fit either.
        ModelError: From `score`: the model cannot be asked at all (wrong key, unknown model), or, with
            fallback="raise", refused or stayed unreachable.
    """

    def __init__(
        self,
        client: ModelClient,
        *,
        narrator: Narrator | None = None,
        ledger: Ledger | str | PathLike[str] | None = None,
        fallback: Fallback = "equal",
        order: Order = "canonical",
        seed: int = 0,
        bound: float = 10.0,
        conserve: Conserve = "none",
        blend: float = 0.0,
        max_tokens: int = 16_000,
        temperature: float | None = None,
        max_calls: int | None = None,
    ) -> None:
        for name, value, valid in (
            ("fallback", fallback, ("equal", "shared", "raise")),
            ("order", order, ORDERS),
        ):
            if value not in valid:
                raise ValueError(f"unknown {name} {value!r}; valid: {', '.join(map(repr, valid))}")
        self.client = client
        self.label = client.name
        self.source = client.source
        self.narrator = narrator
        self.ledger = ledger if ledger is None or isinstance(ledger, Ledger) else Ledger(ledger)
        self.fallback = fallback
        self.order = order
        self.seed = seed
        self.shaping = Shaping(bound, conserve, blend)
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.max_calls = max_calls
        self.stats = CriticStats()
        self._calls = 0  # begun, while stats.calls counts those of finished queries
        self._lock = threading.Lock()
        # Base prompts by narrator object; the narrator is kept so that its id stays its own.
        self._systems: dict[tuple[int, int], tuple[Narrator, str]] = {}

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return one credit for each episode, in the same order.

        The episodes are one query, unless they come from environments that are described differently.
        """
        queries: dict[str, list[int]] = {}
        stats = CriticStats()
        with stats.timed("prompt"):
            for i, episode in enumerate(episodes):
                queries.setdefault(self._system(episode), []).append(i)
        self._add(stats)
        credits: dict[int, Credit] = {}
        for system, members in queries.items():
            scored = self._query(system, [episodes[i] for i in members])
            credits.update(zip(members, scored, strict=True))
        return [credits[i] for i in range(len(episodes))]

    def _query(self, system: str, episodes: list[Episode]) -> list[Credit]:
        stats = CriticStats(queries=1, episodes=len(episodes))
        try:
            names = [agent_name(k) for k in range(episodes[0].n_agents)]
            orders, frames = [], []
            with stats.timed("narrate"):
                for episode in episodes:
                    narrator = self._narrator(episode)
                    orders.append(agent_order(episode, narrator, self.order, self.seed))
                    frames.append(narrator.frames(episode.moments, orders[-1], names))
            with stats.timed("prompt"):
                prompt = "\n\n".join(
                    render_episode(k, *item, names, self._narrator(item[0]).action_name)
                    for k, item in enumerate(zip(episodes, frames, orders, strict=True), 1)
                )
            try:
                source, answers = self._ask(system, prompt, names, episodes, orders, stats)
            except (AnswerError, ModelError) as error:
                if (isinstance(error, ModelError) and error.fatal) or self.fallback == "raise":
                    raise
                return self._fall_back(episodes, stats, error)
            with stats.timed("parse"):
                credits = self.shaping.credits(episodes, answers, orders, names, source=source, usage=stats.usage)
            stats.zero_answers += sum(not any(event["amount"] for event in answer["events"]) for answer in answers)
            return credits
        finally:
            self._add(stats)

    def _ask(
        self,
        system: str,
        prompt: str,
        names: list[str],
        episodes: list[Episode],
        orders: list[tuple[int, ...]],
        stats: CriticStats,
    ) -> tuple[Source, list[EpisodeAnswer]]:
        """Return the model's judgements, after at most one corrective question."""
        lengths = [episode.length for episode in episodes]
        question, last = prompt, False
        while True:
            with stats.timed("prompt"):
                request = Request(system, question, answer_schema(), self.label, self.max_tokens, self.temperature)
                key = request.key()
            with stats.timed("ledger"):
                completion = None if self.ledger is None else self.ledger.find(key)
            cached = completion is not None
            error: AnswerError | ModelError | None = None
            answers: list[EpisodeAnswer] = []
            if completion is None:
                completion, error = self._call(request, stats)
            else:
                stats.cache_hits += 1
            if completion is not None:
                with stats.timed("parse"):
                    try:
                        answers = _accept(completion, lengths, names)
                    except (AnswerError, ModelError) as rejected:
                        error = rejected
            if self.ledger is not None and not cached:
                failure = "" if error is None else error.kind
                with stats.timed("ledger"):
                    self.ledger.record(
                        request,
                        completion,
                        source=self.source,
                        failure=failure,
                        message=str(error or ""),
                        episodes=_judged(episodes, orders, names, answers),
                        key=key,
                    )
            if error is None:
                return ("cache" if cached else self.source), answers
            if isinstance(error, ModelError):
                stats.model_errors += 1
                raise error
            stats.rejected += 1
            if last:
                raise error
            stats.reasks += 1
            question, last = render_reask(prompt, str(error), len(episodes)), True

    def _call(self, request: Request, stats: CriticStats) -> tuple[Completion | None, ModelError | None]:
        with self._lock:
            if self.max_calls is not None and self._calls >= self.max_calls:
                raise BudgetExceeded(f"critic {self.label!r} has made its {self.max_calls} calls (max_calls)")
            self._calls += 1
        stats.calls += 1
        with stats.timed("answer"):
            try:
                completion = self.client.complete(request)
            except ModelError as error:
                return None, error
        stats.usage += completion.usage
        return completion, None

    def _fall_back(self, episodes: list[Episode], stats: CriticStats, error: Exception) -> list[Credit]:
        stats.fallbacks += len(episodes)
        fill = shared_values if self.fallback == "shared" else equal_values
        return [
            Credit(
                fill(episode),
                summary=f"fallback ({self.fallback}): {error}",
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
                "wrapper one (narrator=..., for instance ArrayNarrator(env)), or let env.unwrapped have one"
            )
        return narrator

    def _system(self, episode: Episode) -> str:
        narrator = self._narrator(episode)
        place = (id(narrator), episode.n_agents)
        known = self._systems.get(place)
        if known is None or known[0] is not narrator:
            names = [agent_name(k) for k in range(episode.n_agents)]
            known = narrator, render_system(narrator, names, self.shaping.bound)
            if len(self._systems) >= 256:  # narrators that are made anew for every episode
                self._systems.clear()
            self._systems[place] = known
        return known[1]

    def _add(self, stats: CriticStats) -> None:
        with self._lock:
            self.stats.add(stats)

    def __repr__(self) -> str:
        return f"LLMCritic({self.client!r})"


def _judged(
    episodes: list[Episode], orders: list[tuple[int, ...]], names: list[str], answers: list[EpisodeAnswer]
) -> list[JudgedEpisode]:
    """Return what the ledger keeps of an answer; without `answers` there was no usable one."""
    columns = {name: k for k, name in enumerate(names)}
    judged = []
    for i, (episode, order) in enumerate(zip(episodes, orders, strict=True)):
        agents = tuple(episode.agents[a] for a in order)
        values = event_values(answers[i]["events"], columns, episode.length).astype("f4") if answers else None
        judged.append(JudgedEpisode(episode.key, agents, values, episode.length))
    return judged


def _accept(completion: Completion, lengths: list[int], names: list[str]) -> list[EpisodeAnswer]:
    """Return the judgements of an answer that fits; raise AnswerError or ModelError for one that does not."""
    if completion.stop_reason == "refusal":
        raise ModelError(f"the model refused to answer: {completion.text[:200]!r}", "refusal")
    try:
        return parse_answer(completion.text, lengths, names)
    except AnswerError as error:
        if completion.stop_reason == "max_tokens":
            raise AnswerError(f"the answer was cut off at max_tokens; be shorter ({error})", "cut_off") from None
        raise
