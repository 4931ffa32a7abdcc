"""The critic that pays a learner, and the source through which the learner gets its credit."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from credit_wrappers import (
    BlendedCritic,
    Budget,
    CostPenaltyCritic,
    CounterfactualCritic,
    CreditError,
    CreditStore,
    Critic,
    CriticStats,
    Distillation,
    Episode,
    Ledger,
    LLMCritic,
    ModelClient,
    Prices,
    RecordedClient,
    ScriptedClient,
    SummedCritic,
    TaskDistillation,
    TasksOnlyCritic,
)
from credit_wrappers.critics import critic_registry as other_critics
from credit_wrappers.critics.critic_settings import CriticSettings, Fallback
from credit_wrappers.llm.client import form_asked
from credit_wrappers.llm.providers import provider_registry as model_providers
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.faults import FAULTS, FaultyCritic
from tianshou_examples.experiment.instructive_moments import MonitoredCritic
from tianshou_examples.experiment.methods import METHODS, Method
from tianshou_examples.experiment.recorded_answers import load_student
from tianshou_examples.experiment.settings import OWN_CRITICS, Settings, learner_name, providers
from tianshou_examples.experiment.state_policy import StatePolicy


def make_client(settings: Settings, learner: str = "") -> ModelClient:
    """Return the client that answers for the critic; a recorded one answers from the ledger of the same learner.

    Raises:
        CreditError: A model without a key or a server, or a ledger that does not exist.
    """
    if settings.critic == "recorded":
        path = Path(settings.replay or "") / f"ledger-{learner}.sqlite"
        return RecordedClient(Ledger(path, read_only=True))
    if settings.critic in OWN_CRITICS:
        return ScriptedClient()
    return model_providers.make_client(settings.critic, model=settings.model, base_url=settings.base_url)


def make_budget(settings: Settings) -> Budget | None:
    """Return what one learner's critic may spend; None: no limit, and nothing to count money with."""
    prices = None if settings.prices is None else Prices(*settings.prices)
    if settings.max_calls is None and settings.max_cost is None and prices is None:
        return None
    return Budget(max_calls=settings.max_calls, max_cost=settings.max_cost, prices=prices)


def check_critics(settings: Settings) -> None:
    """Make what the critics need, so that a missing key is reported now and not in an hour.

    Raises:
        CreditError: As `make_client`.
        ValueError: Limits that make no sense; the method exact in a world that has no exact values.
    """
    make_budget(settings)
    for method, seed in settings.learners:
        if METHODS[method].asks and not settings.answers_name:
            _named_critic(settings, method, None, learner_name(method, seed))
        elif METHODS[method].exact and seed == 0:
            try:
                estimated = _exact_critic(settings, METHODS[method]).value.counts_reward
            except CreditError as error:
                raise _no_exact_values(settings) from error
            if estimated:  # the learners' scale and penalty are of actions and steps to go
                raise _no_exact_values(settings)


def _no_exact_values(settings: Settings) -> ValueError:
    return ValueError(
        f"--method exact is not available for --env {settings.env}, which has no exact values, or none for "
        "a world of its size. Worlds that have them: all of spaceworld: (by plans where they are large) "
        "and lbf: with up to 3 players on small fields"
    )


def _settings_of(ledger: Path | None) -> CriticSettings:
    """Return the critic's settings: answers in the form of those that a ledger holds, else in the default form.

    So a run that is repeated, or goes on, asks its own questions when the default has changed since.
    """
    if ledger is None or not ledger.exists():
        return CriticSettings()
    with Ledger(ledger, read_only=True) as recorded:
        first = next(recorded.entries(), None)
    return CriticSettings() if first is None else CriticSettings(answer_format=form_asked(first.request.schema)[0])


def _named_critic(
    settings: Settings, method: str, ledger: Path | None, learner: str, students: TaskDistillation | None = None
) -> Critic:
    """Return the critic that `--critic` names; it is asked for the tasks that the students learn from."""
    if settings.answers_name and ledger is not None:
        return load_student(ledger.parent)
    if settings.critic not in OWN_CRITICS and settings.critic not in providers():
        return other_critics.make_critic(settings.critic)
    client = make_client(settings, learner)
    return LLMCritic(
        client,
        _settings_of(client.ledger.path if isinstance(client, RecordedClient) else ledger),
        ledger=None if settings.critic == "recorded" else ledger,
        fallback=cast(Fallback, settings.fallback),
        budget=make_budget(settings),
        tasks=METHODS[method].tasks,
        asks_tasks=None if students is None else students.wants,
    )


def _exact_critic(settings: Settings, method: Method, policy: StatePolicy | None = None) -> CounterfactualCritic:
    """Return the critic of the methods exact and coma-exact."""
    return CounterfactualCritic(
        environment_maker(settings.env, **settings.world_options, **settings.idle_option),
        settings.exact_value,
        "average" if method.averaged else "difference",
        policy=policy,
        scale=settings.exact_scale,
        penalty=settings.exact_penalty,
    )


def _critic_of(
    settings: Settings,
    method: str,
    ledger: Path,
    learner: str,
    policy: StatePolicy | None,
    students: TaskDistillation | None,
) -> Critic:
    """Return the critic of a method, before sums and faults."""
    kind = METHODS[method]
    if kind.baseline is not None:
        return kind.baseline()
    if kind.exact:
        return _exact_critic(settings, kind, policy)
    return _named_critic(settings, method, ledger, learner, students)


def make_critic(
    settings: Settings,
    method: str,
    ledger: Path,
    learner: str = "",
    policy: StatePolicy | None = None,
    students: TaskDistillation | None = None,
) -> tuple[Critic, MonitoredCritic, LLMCritic | None]:
    """Return the critic of one method, the monitor in it, and the language-model critic in that, if there is one.

    Args:
        settings: Of the run.
        method: What pays the learner.
        ledger: The learner's.
        learner: Its name.
        policy: The learner's, for coma-exact.
        students: Of tasks, where the method has some.
    """
    kind = METHODS[method]
    inner = _critic_of(settings, method, ledger, learner, policy, students)
    # inside sums and faults, so that the report shows what the critic itself said
    judge = inner if kind.credit else TasksOnlyCritic(inner, None if students is None else students.wants)
    monitor = MonitoredCritic(judge, settings.recent, counts=kind.student is None)
    critic: Critic = monitor
    if kind.asks and kind.credit and settings.critic in FAULTS:
        critic = FaultyCritic(critic, FAULTS[settings.critic].change)
    if kind.summed:
        critic = SummedCritic(critic)
    if settings.blend:
        critic = BlendedCritic(critic, settings.blend)
    if settings.cost_price:
        critic = CostPenaltyCritic(critic, settings.cost_price)
    return critic, monitor, inner if isinstance(inner, LLMCritic) else None


def make_source(
    settings: Settings, method: str, critic: Critic, monitor: MonitoredCritic, asks_model: bool
) -> TimedStore | TimedDistillation:
    """Return the source of credit of one learner's environments; a critic that computes needs no threads."""
    workers = settings.in_flight if asks_model else 0
    queries: dict[str, Any] = {"episodes_per_query": settings.episodes_per_query, "workers": workers}
    form = METHODS[method].student
    if form is None:
        return TimedStore(critic, **queries)
    return TimedDistillation(critic, settings.labels, monitor=monitor, form=form, **queries)


def _timed(method: Callable[..., Any], counter: str) -> Any:
    """Return a method that also adds the seconds it takes to an attribute."""

    @functools.wraps(method)
    def timed(self: Any, *args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(self, *args, **options)
        finally:
            setattr(self, counter, getattr(self, counter) + time.perf_counter() - began)

    return timed


class TimedStore(CreditStore):
    """A CreditStore that measures the time of the caller's thread in it, scoring or waiting."""

    in_submit = 0.0  # seconds during collection
    in_settle = 0.0  # seconds during updates
    submit = _timed(CreditStore.submit, "in_submit")
    settle = _timed(CreditStore.settle, "in_settle")
    ready = _timed(CreditStore.ready, "in_settle")


class TimedDistillation(Distillation):
    """A Distillation that shows every episode to a monitor, and measures the time of the caller's thread in it."""

    in_submit = 0.0  # seconds during collection, for labels and students
    in_settle = 0.0  # nothing is done during updates

    def __init__(self, critic: Critic, labels: int, *, monitor: MonitoredCritic, **options: Any) -> None:
        super().__init__(critic, labels, **options)
        self._monitor = monitor

    def _counted(self, episode: Episode) -> None:
        self._monitor.count(episode)
        super().offer(episode)

    offer = _timed(_counted, "in_submit")


def critic_numbers(inner: LLMCritic | None) -> dict[str, Any]:
    """Return the counters of a language-model critic as JSON values; zeros for any other."""
    stats = inner.stats if inner is not None else CriticStats()
    prices = inner.budget.prices if inner is not None and inner.budget is not None else None
    counts = ("calls", "cache_hits", "reasks", "placeholders", "fallbacks", "zero_answers", "episodes")
    return {
        **{name: getattr(stats, name) for name in counts},
        "tokens": stats.usage.tokens,
        "cached_tokens": stats.usage.cached_tokens,
        "cost": 0.0 if prices is None else prices.cost(stats.usage),  # of this session
        "seconds": {k: getattr(stats, k) for k in ("narrate", "prompt", "answer", "parse", "ledger")},
    }
