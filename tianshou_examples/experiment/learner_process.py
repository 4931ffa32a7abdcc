"""One learner, of one method and one seed, from its first step to its last, in its own process."""

from __future__ import annotations

import multiprocessing
import signal
import time
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from credit_wrappers import CostPenaltyCritic, CreditError, Distillation, TaskDistillation
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from tianshou_examples.experiment.best_team import BestTeams, listed
from tianshou_examples.experiment.critics import TimedStore, critic_numbers, make_critic, make_source
from tianshou_examples.experiment.environments import environment_maker, reward_wrapper
from tianshou_examples.experiment.evaluation import PLAY, UNSEEN, Evaluation, play
from tianshou_examples.experiment.fast_learner import FastLearner
from tianshou_examples.experiment.instructive_moments import KEPT
from tianshou_examples.experiment.learners import Learner
from tianshou_examples.experiment.methods import METHODS, credited_environment
from tianshou_examples.experiment.paid_worlds import PaidWorlds, payer_of
from tianshou_examples.experiment.perturbed_pay import perturbed
from tianshou_examples.experiment.recorded_answers import load_student
from tianshou_examples.experiment.run_page import write_page
from tianshou_examples.experiment.settings import PAGE, Settings, checkpoint_of, learner_name
from tianshou_examples.experiment.state_policy import StatePolicy

CHECKPOINT_SECONDS = 60.0
MOST_IN_VAIN = 3  # questions; after as many the critic itself speaks of an outage


def run_learner(settings: Settings, method: str, seed: int, folder: Path, queue: Any, stop: Any) -> None:
    """Train one learner.

    Args:
        settings: The run.
        method: What pays the learner.
        seed: Its seed.
        folder: The run's folder; a checkpoint found there is continued.
        queue: Gets `(kind, learner's name, value)`: "record" for metrics.jsonl, "result" at the end or after a stop, or
            "error".
        stop: An event; when it is set the learner saves itself and ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    try:
        LearnerProcess(settings, method, seed, folder, queue).run(stop)
    except CreditError as error:  # a wrong key, a damaged ledger, an answer with --fallback raise: not a bug here
        queue.put(("error", learner_name(method, seed), f"{type(error).__name__}: {error}"))
    except Exception:
        queue.put(("error", learner_name(method, seed), traceback.format_exc()))


class LearnerProcess:
    """A learner with its critic, its checkpoint and its reports; arguments as `run_learner`."""

    def __init__(self, settings: Settings, method: str, seed: int, folder: Path, queue: Any) -> None:
        torch.set_num_threads(1)  # the other cores train the other learners
        torch.set_flush_denormal(True)
        torch.distributions.Distribution.set_default_validate_args(False)  # checks of every batch cost 5 %
        self.settings, self.method, self.seed, self.queue = settings, method, seed, queue
        self.name = learner_name(method, seed)
        self.folder = folder
        self.checkpoint = checkpoint_of(folder, method, seed)
        self.make_env = environment_maker(settings.env, **settings.world_options)  # for evaluations
        harder = reward_wrapper(settings.reward)
        training = environment_maker(settings.env, **settings.world_options, **settings.idle_option)
        make_paying = training if harder is None else lambda: harder(training())
        ledger = folder / f"ledger-{self.name}.sqlite"
        kind = METHODS[method]
        policy = StatePolicy(training()) if kind.averaged else None  # a world of the same variant
        self.students = TaskDistillation(settings.labels) if kind.tasks else None
        self.critic, self.monitor, self.inner = make_critic(settings, method, ledger, self.name, policy, self.students)
        asks_model = self.inner is not None and self.inner.source == "model"
        self.store = make_source(settings, method, self.critic, self.monitor, asks_model)
        wean_steps = round(settings.wean * settings.steps / settings.envs)
        observe = bool(settings.answers_name)
        self.make_credited = credited_environment(method, make_paying, self.store, wean_steps, observe, self.students)
        self.learner: Learner | FastLearner
        if settings.loop == "fast":
            self.learner = self._fast_learner(training())
        else:
            venv = AgentVectorEnv(
                [self.make_credited] * settings.envs,
                learners="shared" if settings.policy == "shared" else "per-agent",
            )
            # an advantage is no reward: nothing that comes later is added to it
            own = replace(settings, gamma=0.0) if kind.averaged else settings
            self.learner = Learner(own, venv, seed, kind.central)
            if policy is not None:
                policy.actors = self.learner.acting
        self.times = {"environment": 0.0, "critic": 0.0, "learning": 0.0, "evaluation": 0.0}
        self.before: dict[str, Any] = {}  # critic numbers of the sessions before this one
        self.evaluated = 0  # intermediate evaluations that were due
        self.final: dict[str, dict[str, float]] | None = None  # the evaluation after the last step
        self.best = BestTeams(settings.short_evaluation)
        self.absolute: dict[str, Any] | None = None  # how good the best teams are, where that is asked for
        self._restore()
        start = np.random.SeedSequence([seed, self.learner.steps]).generate_state(1)[0]
        self.learner.begin(int(start % 9_000_000))  # below the evaluation's layouts

    def _fast_learner(self, env: Any) -> FastLearner:
        """Return the learner of --loop fast; where the run has a student, it pays in the worlds."""
        s = self.settings
        student = load_student(self.folder) if s.answers_name and METHODS[self.method].asks else None
        pay = payer_of(self.method, student, env.possible_agents, s.envs)
        noise = np.random.default_rng([self.seed, s.steps])  # apart from what the learner draws
        worlds = PaidWorlds(env, s.envs, perturbed(pay, s.reward, s.envs, noise))
        return FastLearner(s, worlds, self.seed, self.monitor.count_ended)

    def run(self, stop: Any) -> None:
        """Train until the last step or until `stop` is set, evaluate, and send the result."""
        try:
            played = self._run(stop)
            if isinstance(self.learner, FastLearner) and self._complete:
                self._play_credited()
            self.store.close()
            self._write_page()
        finally:  # whatever happened, answers that were paid for belong in the ledger
            self.store.close()
            if self.inner is not None:
                if self.inner.ledger is not None:
                    self.inner.ledger.close()
                if hasattr(self.inner.client, "close"):
                    self.inner.client.close()
        self.queue.put(("result", self.name, self._result(played)))

    def _run(self, stop: Any) -> dict[str, dict[str, float]]:
        saved = time.monotonic()
        with SummaryWriter(str(self.folder / "tensorboard" / self.name)) as board:
            while not self._complete and not stop.is_set() and not _orphaned() and self._in_vain < MOST_IN_VAIN:
                self._train()
                self._report(board)
                due = self.learner.steps * (self.settings.evaluations + 1) // self.settings.steps
                if due > self.evaluated and not self._complete:
                    self.evaluated = due
                    self._evaluate(self.settings.short_evaluation, board)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self._save()
                    saved = time.monotonic()
            if self.final is None:
                self._save()  # before the evaluation, which can be done again
                played = self._evaluate(self.settings.eval_episodes, board)
                if not self._complete:
                    return played
                if self.settings.absolute:
                    self.absolute = self._absolute()
                self.final = played
                self._save()
            return self.final

    @property
    def _complete(self) -> bool:
        return self.learner.steps >= self.settings.steps

    @property
    def _in_vain(self) -> int:
        """Questions to which the model gave no answer in this session, if it gave none to any."""
        if self.inner is None or self.inner.source != "model":
            return 0
        stats = self.inner.stats
        return 0 if stats.usage.calls or stats.cache_hits else stats.model_errors

    def _train(self) -> None:
        store, began = self.store, time.perf_counter()
        submit, settle = store.in_submit, store.in_settle
        if isinstance(self.critic, CostPenaltyCritic):
            self.critic.price = self.settings.cost_price_at(min(1.0, self.learner.steps / self.settings.steps))
        update = self.learner.train()
        total = time.perf_counter() - began
        submit, settle = store.in_submit - submit, store.in_settle - settle
        # Tianshou times its updates by another clock: the difference of two clocks may fall below zero
        self.times["environment"] += max(0.0, total - update - submit)
        self.times["critic"] += submit + settle
        self.times["learning"] += max(0.0, update - settle)

    def _report(self, board: Any) -> None:
        returns, collisions, success = self.monitor.means()
        numbers = self._critic_numbers()
        shown = {"return": returns, "collisions": collisions, "success": success}
        if isinstance(self.learner, Learner) and METHODS[self.method].tasks:
            shown |= self.learner.venv.envs[0].task_metrics
        else:
            shown |= self._student() or {}
        for key, value in shown.items():
            board.add_scalar(f"train/{key}", value, self.learner.steps)
        board.add_scalar("critic/tokens", numbers["tokens"], self.learner.steps)
        counts = {key: numbers[key] for key in ("calls", "tokens", "fallbacks", "cached_tokens", "cost")}
        counts["team_reward"] = self.store.team_reward.rule  # None: nothing but zero was paid so far
        self._send("train", {**shown, "wall": sum(self.times.values()), **counts})

    def _send(self, kind: str, numbers: dict[str, Any]) -> None:
        """Send a record for metrics.jsonl."""
        record = {"kind": kind, "method": self.method, "seed": self.seed, "steps": self.learner.steps, **numbers}
        self.queue.put(("record", self.name, record))

    def _student(self) -> dict[str, float] | None:
        """Return the metrics of the student that pays, if one does."""
        if not isinstance(self.store, Distillation):
            return None
        return {name: value for name, value in self.store.metrics.items() if value == value}  # NaN is no JSON

    def _evaluate(self, episodes: int, board: Any) -> dict[str, dict[str, float]]:
        began = time.perf_counter()
        actors = self.learner.actors
        each = {how: play(self.make_env, actors, episodes, how == "greedy") for how in PLAY}
        played = {how: asdict(Evaluation.of(values)) for how, values in each.items()}
        self.times["evaluation"] += time.perf_counter() - began
        for how, means in played.items():
            for key, value in means.items():
                board.add_scalar(f"{how}/{key}", value, self.learner.steps)
        record: dict[str, Any] = dict(played)
        if self.settings.absolute:
            self.best.offer(each, actors)
            record["each"] = {how: listed(values) for how, values in each.items()}
        self._send("evaluation", record)
        return played

    def _absolute(self) -> dict[str, Any]:
        """Play the best teams of all evaluations, on layouts that no evaluation had."""
        began = time.perf_counter()
        behind = UNSEEN + self.settings.eval_episodes
        found = self.best.absolute(self.make_env, self.settings.absolute, behind)
        self.times["evaluation"] += time.perf_counter() - began
        return found

    def _critic_numbers(self) -> dict[str, Any]:
        return _added(critic_numbers(self.inner), self.before)

    def _result(self, final: dict[str, dict[str, float]]) -> dict[str, Any]:
        return {
            "method": self.method,
            "seed": self.seed,
            "steps": self.learner.steps,
            "complete": self._complete,
            "label": self.store.critic.label,
            **final,
            "times": self.times,
            "critic": self._critic_numbers(),
            "in_vain": self._in_vain,
            "student": self._student(),
            "moments": self.monitor.state()["best"],
            **({} if self.absolute is None else {"absolute": self.absolute}),
        }

    def _play_credited(self) -> None:
        """Let the trained team play a few episodes that the critic itself scores, for the run's report."""
        assert isinstance(self.store, TimedStore)
        env = self.make_credited()
        episodes = []
        for seed in range(UNSEEN - KEPT, UNSEEN):
            observations, infos = env.reset(seed=seed)
            episodes.append(infos[env.agents[0]]["episode_id"])
            while env.agents:
                observations, *_, infos = env.step(self.learner.actors.best_actions(observations, infos))
        self.store.settle(episodes)

    def _write_page(self) -> None:
        """Write the report of the run's newest credits, if it is this learner's task and there are some."""
        ledger = None if self.inner is None else self.inner.ledger
        if self.name == learner_name(*self.settings.shown_learner) and self.monitor.labels:
            write_page(self.settings, self.name, self.monitor.labels, ledger, self.folder / PAGE)

    def _save(self) -> None:
        self.checkpoint.parent.mkdir(exist_ok=True)
        state = {
            "learner": self.learner.state(),
            "watch": self.monitor.state(),
            "times": self.times,
            "critic": self._critic_numbers(),
            "evaluated": self.evaluated,
            "final": self.final,
            "best": self.best.kept,
            "absolute": self.absolute,
            "team_reward": (self.store.team_reward.rule, self.store.team_reward.told),
            "student": self.store.state() if isinstance(self.store, Distillation) else None,
            "tasks": None if self.students is None else self.students.state(),
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)  # if it is killed in between, the old one is whole

    def _restore(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=False)
        self.learner.restore(state["learner"])
        if isinstance(self.learner, Learner) and METHODS[self.method].tasks:
            for env in self.learner.venv.envs:
                env.task_progress = min(1.0, self.learner.steps / max(1.0, self.settings.wean * self.settings.steps))
        if isinstance(self.store, Distillation):
            self.store.restore(state["student"])
        if self.students is not None and state.get("tasks") is not None:
            self.students.restore(state["tasks"])
        if state["team_reward"][0] is not None:
            self.store.team_reward.agree(*state["team_reward"])
        self.monitor.restore(state["watch"])
        self.times, self.before = state["times"], state["critic"]
        self.evaluated, self.final = state["evaluated"], state["final"]
        self.best.kept, self.absolute = state.get("best", {}), state.get("absolute")
        torch.set_rng_state(state["torch"])
        np.random.set_state(state["numpy"])


def _orphaned() -> bool:
    """Return whether the process that reads the messages is gone."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def _added(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Return the sums of two nested dictionaries of numbers; `b` may be empty."""
    return {k: _added(v, b.get(k, {})) if isinstance(v, dict) else v + b.get(k, 0) for k, v in a.items()}
