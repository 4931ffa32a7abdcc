"""The wrapper that records what a team does and has it credited: after the episode, or in every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.keywords import check_keywords, keywords_of
from credit_wrappers.core.narrator import Narrator, check_narrator
from credit_wrappers.delivery.intake import Listener
from credit_wrappers.delivery.session import session_for
from credit_wrappers.delivery.source import CreditSource
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.recording.recorded_env import recorded_env
from credit_wrappers.recording.team_reward import TeamRewardRule
from credit_wrappers.wrappers.overlay import CreditOverlay

# What the constructor took before there were credit sources, and what to write now.
_FORMER = {
    "critic": "Deferred(critic)",
    "store": "Deferred(store)",
    "distillation": "Distilled(distillation)",
    "window": "Online(critic, window)",
    "delivery": "Deferred(critic) instead of delivery='deferred', and Online(critic, window), Student(student) or "
    "Distilled(distillation) instead of delivery='immediate'",
}


class CreditWrapper(BaseParallelWrapper):
    """Has each agent credited, and hands on the evidence.

    The credit source decides where the credit comes from, and when:

    | Source | `step` pays | The credit |
    |---|---|---|
    | `Deferred(store)` | the team reward | comes from `env.store` after the episode: exact, the method as published |
    | `Online(critic, window)` | each agent its credit | of a critic that is asked in every step |
    | `Student(student)` | each agent its credit | of a student that was fitted before |
    | `Distilled(distillation)` | the team reward, later each agent its credit | of students that are fitted meanwhile |

    `infos[agent]` gains `team_reward` (float), `episode_id` (int) and `episode_step` (the step t that this reward
    belongs to; -1 at reset); where `step` pays credit, also `credit` (float) and `credit_source` ("student", ...;
    "team": the team reward). A reset in mid-episode drops the unfinished episode.

    An environment that renders and has `set_overlay(credits=, tasks=, text=)`, as Spaceworld has, shows the credits of
    its newest credited episode in its pictures, with the critic's words; where `step` pays, what each agent has been
    paid so far.

    Args:
        env: A PettingZoo parallel environment with `possible_agents`, of which any may come and go; its actions
            are Discrete, MultiDiscrete, MultiBinary or Box.
        source: Where credit comes from, and when.
        narrator: Turns the episode into text; default `env.unwrapped.narrator`, where there is one.
        team_reward: How the team reward is made from the environment's rewards: "shared": all agents are paid
            the same number, and that is the team reward (CreditError where they differ); "mean": it is their mean;
            "sum": it is their sum; "auto": the first reward that is not zero decides for all environments of the
            source, "mean" if all agents are paid the same, else "sum"; it is logged once when rewards differ. Agents
            that have left do not count. Say which it is if you know.
        record_observations: Keep the observations in the episode; of Dict and Tuple observations the numbers, flat,
            one after another by key, without action masks.
        record_snapshots: Keep `env.unwrapped.get_state()` of every state in the episode, `Episode.snapshots`. Many
            environments then step one after another, also where they could step together.

    Attributes:
        source: As given.
        session: The crediting session, which does the work.
        store: The source's store, where deferred credits are collected; None where `step` pays credit.
        distillation: The source's distillation, or None.
        narrator: Turns the episode into text, or None.

    Raises:
        CreditError: The source's student is fitted for another environment, other agents, observations or actions; the
            narrator lacks an example.
        TypeError: `env` is not a parallel environment, has no `possible_agents`, has other actions, has a credit
            wrapper already, or lacks `get_state` and `set_state` where snapshots are wanted; a student cannot read it;
            `source` is no credit source; the narrator lacks methods.
        ValueError: A rule or a distillation that does not fit; `black_death` inside, unless rewards are summed.

    Examples:
        >>> from credit_wrappers import CreditWrapper, Deferred, EqualSplitCritic
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = CreditWrapper(CorridorEnv(length=2), Deferred(EqualSplitCritic()))
        >>> observations, infos = env.reset(seed=1)
        >>> while env.agents:
        ...     observations, rewards, *_, infos = env.step({agent: 2 for agent in env.agents})
        >>> rewards, infos["walker_0"]["episode_step"]
        ({'walker_0': 1.0, 'walker_1': 1.0}, 0)
        >>> [(id, credit.values.tolist()) for id, credit in env.store.settle([0])]
        [(0, [[0.5, 0.5]])]
    """

    def __init__(
        self,
        env: ParallelEnv,
        source: CreditSource | None = None,
        *,
        narrator: Narrator | None = None,
        team_reward: TeamRewardRule = "auto",
        record_observations: bool = False,
        record_snapshots: bool = False,
        **former: Any,
    ) -> None:
        require_parallel(env)
        _check_inside(env, team_reward)
        check_keywords("CreditWrapper", former, [*keywords_of(CreditWrapper.__init__), "source", *_FORMER])
        for name in former:
            raise TypeError(f"CreditWrapper takes a credit source instead of {name}=: {_FORMER[name]}")
        _check_source(source)
        super().__init__(env)
        self.source: CreditSource = source  # type: ignore[assignment]
        self.narrator = narrator if narrator is not None else getattr(env.unwrapped, "narrator", None)
        if self.narrator is not None:
            check_narrator(self.narrator, told=False)
            if hasattr(self.source.critic, "check_narrator"):  # one that has episodes told, which needs more
                self.source.critic.check_narrator(self.narrator)
        keeps = record_observations or self.source.reads_observations
        recorded = recorded_env(env, self.narrator, observations=keeps, snapshots=record_snapshots)
        self.session = session_for(env, self.source, recorded, team_reward, keeps_observations=keeps)
        self._env = recorded
        self._steps, self._episode_id = 0, -1  # of the running episode: steps taken, and its id
        self._over = False  # whether it has ended
        self._overlay = CreditOverlay.of(env.unwrapped, running=self.source.pays)
        if self._overlay is not None:
            self.add_listener(self._overlay.tell)

    @property
    def agents(self) -> list[str]:
        """The agents that act next; none once the episode is over."""
        return [] if self._over else self.env.agents

    @property
    def store(self) -> Any:
        """The store that deferred credits come from, or None."""
        return self.source.store

    @property
    def distillation(self) -> Any:
        """The distillation that fits students, or None."""
        return self.source.distillation

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Start a new episode; an unfinished one is dropped."""
        if self._overlay is not None:
            self._overlay.show()
        returned = self.env.reset(seed=seed, options=options)
        self._steps, self._over = 0, False
        self._episode_id = self.session.start(0, seed, returned)
        observations, infos = returned
        return observations, self._infos(observations, infos, 0.0, -1)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance the environment; pay the team reward or credit, as the source does."""
        session = self.session
        taken = session.taken(0, actions)  # a copy, since an environment may change the dict
        if self._overlay is not None:
            self._overlay.show()
        returned = self.env.step(actions)
        if not session.recorder.active[0]:  # what happens after the end is up to the environment
            return returned
        # Only now: an action that the environment refuses with an error is not recorded.
        row = session.read(0, taken, self.env.agents, returned)
        observations, rewards, terminations, truncations, infos = returned
        if row[0][8]:  # the episode is over, also where the environment says so by other means than PettingZoo's
            self._over = True
            terminations, truncations = session.attendance[0].flags(terminations, truncations)
        team = row[0][2]
        infos = self._infos(observations, infos, team, self._steps)
        self._steps += 1
        credits = session.credit_rows((row,))
        if credits is None:
            return observations, dict.fromkeys(rewards, team), terminations, truncations, infos
        paid = dict(zip(self._env.agents, credits[0].tolist(), strict=True))
        source = session.credit_of(0, credits[0]).source
        for agent, info in infos.items():
            info["credit"], info["credit_source"] = paid[agent], source
        return (
            observations,
            {agent: paid[agent] for agent in rewards if agent in paid},
            terminations,
            truncations,
            infos,
        )

    def add_listener(self, listener: Listener) -> None:
        """Have a function told the credit of every episode of this environment: `listener(episode, credit)`.

        It is called in the thread that scored the episode, and must be quick. Where `step` pays credit it is called in
        every step, with the last steps.
        """
        self.session.listeners[0].append(listener)

    def show_tasks(self, assigned: Mapping[str, str]) -> None:
        """Have the pictures show these tasks, agent -> task, as they change, instead of the newest credit's."""
        if self._overlay is not None:
            self._overlay.assigned = assigned

    def render(self) -> Any:
        """Return the environment's picture, with the newest credits where it has a place for them."""
        if self._overlay is not None:
            self._overlay.show()
        return self.env.render()

    def _infos(
        self, agents: Mapping[str, Any], infos: Mapping[str, Mapping[str, Any]], team: float, step: int
    ) -> dict[str, dict[str, Any]]:
        """Return fresh infos, one dict for each agent, with the evidence added."""
        told: dict[str, dict[str, Any]] = {}
        for agent in agents:  # one key after another: twice as fast as a display of them all
            try:
                told[agent] = info = {**infos[agent]}
            except (KeyError, TypeError):  # it has no info
                told[agent] = info = {**(infos.get(agent) or {})}
            info["team_reward"] = team
            info["episode_id"] = self._episode_id
            info["episode_step"] = step
        return told


def _check_inside(env: ParallelEnv, team_reward: str) -> None:
    """Refuse wrappers around the environment, or further inside, that cannot be credited through.

    Raises:
        TypeError: One of them is a credit wrapper.
        ValueError: One of them pays agents that have left a reward of 0, and the rewards are not summed.
    """
    inner: Any = env
    while isinstance(inner, ParallelEnv):
        if isinstance(inner, CreditWrapper):
            raise TypeError(
                f"there is a {type(inner).__name__} around {type(env.unwrapped).__name__} already, and an environment "
                "takes one: give the environment without it"
            )
        if type(inner).__name__.startswith("black_death") and team_reward != "sum":
            raise ValueError(
                "SuperSuit's black_death pays agents that have left a reward of 0, so a reward that the others share "
                "looks as if it was not shared: leave it out (agents may leave), put it around the credit wrapper, or "
                "say team_reward='sum' if each agent is paid for itself"
            )
        inner = getattr(inner, "env", None)


def _check_source(source: object) -> None:
    """Raise TypeError unless an object is a credit source; the message says how to make one of it."""
    if not isinstance(source, type) and hasattr(source, "payer"):
        return
    what = f"got {type(source).__name__}"
    if source is None:
        what = "nothing was given"
    elif isinstance(source, type):
        what = f"got the class {source.__name__}"
    ways = (
        ("submit", "CreditWrapper(env, Deferred(store))"),
        ("offer", "CreditWrapper(env, Distilled(distillation))"),
        ("check_env", "CreditWrapper(env, Student(student))"),
        ("complete", "CreditWrapper(env, Deferred(LLMCritic(client))), or LLMCreditWrapper(env, client=client)"),
    )
    way = next((way for name, way in ways if hasattr(source, name)), None)
    if way is None:
        way = "CreditWrapper(env, Deferred(critic)), or Online(critic), Student(student) or Distilled(distillation) "
        way += "instead of Deferred(critic)"
    raise TypeError(f"CreditWrapper takes a credit source, {what}: write {way}")
