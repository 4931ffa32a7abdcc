"""A conformance test of environments: what will work with this package, what will not, and why. It asks no model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.narrator import Narrator, check_narrator
from credit_wrappers.critics.baselines import EqualSplitCritic
from credit_wrappers.critics.critic_settings import CriticSettings
from credit_wrappers.critics.question import ask_about
from credit_wrappers.delivery.deferred import Deferred
from credit_wrappers.llm.tokens import estimate_tokens
from credit_wrappers.narration.fallback_narrators import narrator_for
from credit_wrappers.recording.action_spaces import ActionWords
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.recording.observation_spaces import Features
from credit_wrappers.recording.team_reward import TeamReward, TeamRewardRule
from credit_wrappers.testing.env_paths import (
    FreshEnvs,
    Progress,
    env_name,
    found_of_copies,
    found_of_sources,
    found_of_vectors,
)
from credit_wrappers.testing.env_report import EnvFinding, EnvReport, failed
from credit_wrappers.testing.watched_env import DrawnActions, WatchedEnv
from credit_wrappers.wrappers.credit_wrapper import CreditWrapper

_MANY = 20_000  # tokens of an episode: more is expensive, and models read it badly
_AS_ENV = "repair what the message names, in the environment or in a wrapper around it"


def check_env(
    env_or_factory: ParallelEnv | Callable[[], ParallelEnv],
    *,
    steps: int = 500,
    seed: int = 0,
    narrator: Narrator | None = None,
    team_reward: TeamRewardRule = "auto",
) -> EnvReport:
    """Play an environment with random legal actions; return what of it works with this package.

    The package's own readers look at what the environment does, so a report says what will happen. No model is asked,
    and a broken environment gives a report, not a traceback. An environment that is given is reset several times.

    Args:
        env_or_factory: A PettingZoo parallel environment, or a function that makes one (better: seeds are then compared
            between two fresh ones).
        steps: Steps to play, at most; enough for some episodes.
        seed: Of the first reset and of the actions.
        narrator: As the wrapper is to be given it.
        team_reward: As the wrapper is to be given it.

    Raises:
        ValueError: There are no steps to play, or there is no such `team_reward`.

    Examples:
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> report = check_env(CorridorEnv, steps=50)
        >>> len(report.problems), report.about("actions")[0].text
        (0, 'each agent chooses from the actions 0 to 2')
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    TeamReward(team_reward)  # raises
    is_env = not callable(env_or_factory) or (hasattr(env_or_factory, "reset") and not isinstance(env_or_factory, type))
    fresh = FreshEnvs(env_or_factory if is_env else None, None if is_env else env_or_factory)
    try:
        env = fresh.make()
    except Exception as error:
        return _refused("environment", "making", error, "call the function by itself, and repair what it raises")
    try:
        require_parallel(env)
        watched = WatchedEnv(env)
    except Exception as error:
        fresh.close()
        return _refused(env_name(env), "environment", error, _AS_ENV)
    found: list[EnvFinding] = [EnvFinding("works", "agents", _listed(env.possible_agents))]
    found += _safely("spaces", _found_of_spaces(env))
    topic, way_out = "text", "a narrator= of your own, or a describe_state() that returns a text"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            reader = narrator_for(env, narrator)
            check_narrator(reader)
            topic, way_out = "environment", _AS_ENV
            play = _EnvPlay(watched, reader, team_reward, seed)
        except Exception as error:
            fresh.close()
            return EnvReport(env_name(env), 0, 0, (*found, failed(topic, error, way_out)))
    play.go(steps)
    found += _safely("reset and step", play.found())
    found += _safely("text", _found_of_text(play, reader, [str(w.message) for w in told]))
    away = play.left or play.arrived or (play.unseen and f"{play.unseen} observes nothing")
    found += _safely("Student", found_of_sources(env, fresh, seed, min(steps, 20), team_reward, play.progress, away))
    fresh.close()
    if play.error is None and watched.late_mask:
        for topic in ("ParallelVecEnv", "AgentVectorEnv"):
            found.append(EnvFinding("note", topic, "not checked: it needs action masks from the first reset on"))
    elif play.error is None:
        found += _safely("ParallelVecEnv", found_of_vectors(fresh, seed, min(steps, 100), team_reward))
    if play.error is None:
        found += _safely("seeds", found_of_copies(fresh, seed, min(steps, 100)))
    return EnvReport(env_name(env), watched.steps, len(play.episodes), tuple(found))


class _EnvPlay:
    """Plays an environment in a `CreditWrapper`, and keeps what came of it."""

    def __init__(self, watched: WatchedEnv, narrator: Narrator, team_reward: TeamRewardRule, seed: int) -> None:
        source = Deferred(EqualSplitCritic(), workers=0)
        source.team_reward.changed = lambda decision: None  # the report tells it, no log
        self.watched, self.decision, self.seed = watched, source.team_reward, seed
        self.env = CreditWrapper(watched, source, narrator=narrator, team_reward=team_reward)
        self.episodes: list[Any] = []
        self.env.add_listener(lambda episode, credit: self.episodes.append(episode))
        self.newest: Any = None  # the newest episode, finished or not
        self.error: Exception | None = None
        self.paid = False  # whether any reward was not 0
        self.rewarded_arrays = ""  # the first reward that is an array
        self.vanished, self.stale, self.arrived, self.left = "", "", "", ""  # the first agent of each kind, and when
        self.paid_gone, self.unpaid, self.unseen = "", "", ""
        self.ends: set[str] = set()

    def go(self, steps: int) -> None:
        """Play so many steps, or until something goes wrong."""
        draw, attendance = DrawnActions(self.env, self.seed), self.env.session.attendance[0]
        seed: int | None = self.seed
        try:
            while self.watched.steps < steps:
                returned: Any = self.env.reset(seed=seed)
                seed = None
                while self.watched.steps < steps and self.env.session.recorder.active[0]:
                    before = attendance.now
                    live = [agent for agent in self.env.possible_agents if agent in before.live]
                    returned = self.env.step({agent: draw(agent, returned[0], returned[-1]) for agent in live})
                    if self.watched.bad_reward:
                        raise CreditError(self.watched.bad_reward)
                    self._look(before, attendance.now)
                self.newest = self.env.session.recorder.episode(0, *attendance.now.ends[:2])
                if not self.env.session.recorder.active[0]:
                    self.env.store.settle([self.newest.id])
        except Exception as error:
            self.error = CreditError(self.watched.bad_reward) if self.watched.bad_reward else error

    @property
    def progress(self) -> Progress:
        """How far the play came."""
        if self.error is not None:
            return "stopped" if self.watched.steps else "not begun"
        return "ended" if self.episodes else "played"

    def _look(self, before: Any, now: Any) -> None:
        """Note what a step did to the team."""
        observations, rewards, terminated, truncated, _ = self.watched.last
        where = f"step {self.env.session.recorder.length(0) - 1}"
        self.paid |= any(bool(value) for value in rewards.values())
        arrays = (agent for agent, reward in rewards.items() if getattr(reward, "shape", ()))
        self.rewarded_arrays = self.rewarded_arrays or next(arrays, "")
        for agent in sorted(now.terminated | now.truncated):
            if not any(flags.get(agent) or flags.get("__all__") for flags in (terminated, truncated)):
                self.vanished = self.vanished or f"{agent!r} in {where}"
        if now.live:
            gone, new = sorted(before.live - now.live), sorted(now.live - before.live)
            self.left = self.left or (f"{gone[0]!r} leaves in {where}" if gone else "")
            self.arrived = self.arrived or (f"{new[0]!r} arrives in {where}" if new else "")
        self.stale = self.stale or next((f"{agent!r} in {where}" for agent in sorted(now.stale)), "")
        blind = [agent for agent in sorted(now.live) if agent not in observations]
        self.unseen = self.unseen or (f"{blind[0]!r} in {where}" if blind else "")
        given = {*observations, *rewards, *terminated, *truncated}
        lacks = [agent for agent in sorted(before.live & given) if agent not in rewards]
        self.unpaid = self.unpaid or (f"{lacks[0]!r} in {where}" if lacks else "")
        late = sorted(set(rewards) - before.live - {"__all__"})
        self.paid_gone = self.paid_gone or (f"{late[0]!r} in {where}" if late else "")
        if now.ends[2]:
            self.ends |= {name for name, it in zip(("terminated", "truncated"), now.ends, strict=False) if it}

    def found(self) -> Iterator[EnvFinding]:
        """Yield what was found of resets and steps, rewards, costs, ends, departures and masks."""
        if self.error is None:
            yield EnvFinding("works", "reset and step", "they return dicts by agent, which the wrapper reads")
        else:
            where = f"play stopped after {self.watched.steps} steps: "
            way_out = "repair the reward" if self.watched.bad_reward else _AS_ENV
            yield failed("reset and step", self.error, way_out, where)
        if self.watched.steps:
            yield from self._found_of_rewards()
            yield from self._found_of_ends()
            yield from self._found_of_masks()
        if self.watched.costs:
            text = "infos[agent]['cost'] is kept in the episode, and is no part of the team reward"
            yield EnvFinding("works", "costs", text)
        if self.watched.bad_seen:
            how = "repair the observation; networks and students cannot read it"
            yield EnvFinding("problem", "observations", self.watched.bad_seen, how)
        if self.watched.outside:
            how = "declare what is observed; a learner, and a student, may stop at it"
            yield EnvFinding("problem", "observations", f"not in their space: {self.watched.outside}", how)
        if self.unseen:
            text = f"{self.unseen} goes on and observes nothing: its rows hold zeros, and no student can read it"
            yield EnvFinding("note", "observations", text)
        if self.watched.again:
            text = (
                f"{self.watched.again} is returned again with the next step. What is recorded is copied; a learner of "
            )
            yield EnvFinding("note", "arrays", text + "your own must copy too")
        if self.watched.shared:
            yield EnvFinding("note", "arrays", "agents' observations share memory; what is recorded is copied")

    def _found_of_rewards(self) -> Iterator[EnvFinding]:
        told = self.decision.told
        if self.env.session.team_rewards[0].rule != "auto":
            rule = self.env.session.team_rewards[0].rule
            yield EnvFinding("works", "rewards", f"team_reward={rule!r}, as you said")
        elif self.watched.bad_reward:
            return
        elif told:
            yield EnvFinding("note", "rewards", told)
        elif not self.paid:
            yield EnvFinding("note", "rewards", "no reward but 0 was seen, so nobody can say how agents are paid")
        elif len(self.env.possible_agents) == 1:
            yield EnvFinding("works", "rewards", "there is one agent, whose reward is the team reward")
        elif self.decision.rule == "mean":
            text = "all agents are paid the same number, the team reward; team_reward='shared' makes sure of it"
            yield EnvFinding("works", "rewards", text)
        if self.rewarded_arrays:
            text = f"the reward of {self.rewarded_arrays!r} is an array of one number, which is read as a number"
            yield EnvFinding("note", "rewards", text)
        if self.unpaid:
            text = f"{self.unpaid} acts and is not among the rewards: it is left out of the team reward"
            yield EnvFinding("note", "rewards", text)
        if self.paid_gone:
            yield EnvFinding("note", "rewards", f"{self.paid_gone} is paid and did not act; that does not count")

    def _found_of_ends(self) -> Iterator[EnvFinding]:
        if self.episodes:
            how = " and ".join(sorted(self.ends))
            lengths = sorted({episode.length for episode in self.episodes})
            long = f"{lengths[0]} to {lengths[-1]}" if len(lengths) > 1 else lengths[0]
            yield EnvFinding("works", "ends", f"episodes of {long} steps end as {how}")
        elif self.error is None:
            text = f"no episode ended in {self.watched.steps} steps; credit comes when one has ended"
            how = "play longer (steps=), or let step() flag an end: terminations, or truncations when time is up"
            yield EnvFinding("problem", "ends", text, how)
        if self.watched.everyone:
            yield EnvFinding("note", "ends", "a flag '__all__' is read as every agent's")
        if self.stale:
            yield EnvFinding("note", "ends", f"{self.stale} has ended and stays in env.agents; its flag counts")
        if self.vanished:
            text = f"{self.vanished} disappears without a flag, which is read as a termination; if its time ran out, "
            yield EnvFinding("note", "come and go", text + "set its flag in truncations")
        if self.left:
            yield EnvFinding("note", "come and go", f"{self.left}, before the episode ends; its rows end there")
        if self.arrived:
            yield EnvFinding("note", "come and go", f"{self.arrived}, in mid-episode; its rows begin again there")

    def _found_of_masks(self) -> Iterator[EnvFinding]:
        have, lack = self.watched.with_mask, self.watched.without_mask
        if self.watched.late_mask:
            text = "reset() returned no action_mask, step() did"
            yield EnvFinding("problem", "action masks", text, "return one from both; vectorised environments need it")
        elif have and lack:
            text = f"{lack} of {have + lack} infos of acting agents have no 'action_mask': there every action is legal"
            yield EnvFinding("note", "action masks", f"{text}; vectorised environments need one at the first reset")
        elif have:
            yield EnvFinding("works", "action masks", "every info has one")


def _found_of_spaces(env: ParallelEnv) -> Iterator[EnvFinding]:
    agents = list(env.possible_agents)
    words = ActionWords({agent: env.action_space(agent) for agent in agents})
    yield EnvFinding(
        "works", "actions", _of_each(agents, [f"chooses from {words.describe(agent)}" for agent in agents])
    )
    seen = [Features(agent, env.observation_space(agent)) for agent in agents]
    told = [f"observes {features.size} number{'s' * (features.size != 1)}" for features in seen]
    yield EnvFinding("works", "observations", _of_each(agents, told))


def _found_of_text(play: _EnvPlay, narrator: Narrator, told: list[str]) -> Iterator[EnvFinding]:
    kind = type(narrator).__name__
    for text in told:
        yield EnvFinding("note", "text", text)
    if play.newest is None:
        return
    try:
        episode = play.newest
        teller: Any = episode.narrator or narrator
        question = ask_about([episode], [teller], teller.describe(), "", CriticSettings())
        lines = question.request.prompt.splitlines()
        example = next((line for line in lines if line.startswith(f"{episode.length - 1}: ")), lines[-1])
        tokens = estimate_tokens(question.request.prompt)
        text = (
            f"{kind} tells it to the critic; an episode of {episode.length} steps is about {tokens:,} tokens. A line: "
        )
        text += example if len(example) < 160 else example[:157] + "..."
        less = "tell less: a narrator, describe_state(), or feature_names= with None for what does not matter"
        yield EnvFinding("note", "text", text, less) if tokens > _MANY else EnvFinding("works", "text", text)
    except Exception as error:
        yield failed("text", error, "repair the narrator, or describe_state()", f"{kind}: ")


def _safely(topic: str, findings: Iterator[EnvFinding]) -> Iterator[EnvFinding]:
    """Yield the findings; what is raised meanwhile is a problem of a topic."""
    try:
        yield from findings
    except Exception as error:
        yield failed(topic, error, _AS_ENV)


def _refused(env_id: str, topic: str, error: Exception, way_out: str) -> EnvReport:
    return EnvReport(env_id, 0, 0, (failed(topic, error, way_out),))


def _of_each(agents: list[str], told: list[str]) -> str:
    if len(set(told)) == 1:
        return f"each agent {told[0]}"
    first = dict(zip(reversed(told), reversed(agents), strict=True))  # the first agent of each kind
    return "; ".join(f"{first[what]} {what}" for what in dict.fromkeys(told))


def _listed(names: Any) -> str:
    shown = ", ".join(map(str, list(names)[:6]))
    return f"{len(names)}: {shown}" + (", ..." if len(names) > 6 else "")
