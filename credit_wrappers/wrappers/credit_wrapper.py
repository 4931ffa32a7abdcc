"""The wrapper that records what a team does and has it credited: after the episode, or in every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.delivery.online import OnlineCredit, Payer
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.distillation.distillation import Distillation
from credit_wrappers.distillation.student_pay import StudentPay
from credit_wrappers.recording.action_spaces import action_width
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.recording.observation_spaces import readers_of
from credit_wrappers.recording.recorder import EpisodeRecorder
from credit_wrappers.student.inputs import StudentInputs
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.wrappers.overlay import CreditPanel

Delivery = Literal["deferred", "immediate"]
TeamReward = Literal["auto", "shared", "sum"]


class CreditWrapper(BaseParallelWrapper):
    """Has a critic credit each agent, and hands on the evidence.

    With `delivery="deferred"` (exact; the default) the critic reads whole episodes, so its credit cannot be in the
    reward that `step` returns. `step` pays every agent the team reward; a finished episode goes to a `CreditStore`, and
    the credits come from `store` afterwards and are written over the placeholder where the learner keeps its data
    (`credit_wrappers.integrations`, or by hand from `store.settle(ids)`).

    With `delivery="immediate"` (the paper's online form) the critic is asked in every step about the last `window`
    steps, and `step` pays each agent its credit for this very step: any learner can use it, but a model is asked once a
    step, and `step` waits for the answer: slow and dear, for small studies. There is no store. A `StudentCritic` pays
    at once, and needs no window. A `Distillation` has none yet: its environments pay the team reward, until
    it has bought labels of their episodes and fitted a student, which pays from the next reset on.

    `infos[agent]` gains `team_reward` (float), `episode_id` (int) and `episode_step` (the step t this reward
    belongs to; -1 at reset), with immediate delivery also `credit` (float) and `credit_source` ("student", ...; "team":
    the team reward). A reset in mid-episode drops the unfinished episode.

    An environment that renders and has `set_overlay(credits=, tasks=, text=)`, as Spaceworld has, is handed the
    newest episode of its own that was scored: its pictures show each agent's total credit and the critic's words; with
    immediate delivery what each agent has been paid so far.

    Args:
        env: A PettingZoo parallel environment with `possible_agents`, of which any may come and go; its actions
            are Discrete, MultiDiscrete, MultiBinary or Box.
        critic: Assigns the credit; with deferred delivery a store is made for it.
        store: A store to share with other environments, instead of `critic`.
        distillation: A distillation to share with other environments, instead of either; delivery is immediate.
        narrator: Turns the episode into text; default `env.unwrapped.narrator`, where there is one.
        delivery: When credits reach the learner: "deferred" or "immediate".
        window: Steps that the critic reads with immediate delivery; more of them show it more of what led to the last.
        team_reward: How the team reward is made from the environment's rewards: "shared": all agents are paid
            the same number, which is it (CreditError where they differ); "sum": their sum; "auto": shared,
            until rewards differ for the first time, from then on the sum. Say which one it is where you know.
        record_observations: Keep the observations in the episode; of Dict and Tuple observations the numbers, flat,
            one after another by key, without action masks.

    Raises:
        CreditError: The student is fitted for another environment, other agents, observations or actions.
        TypeError: `env` is not a parallel environment, has no `possible_agents`, or has other actions; or a student
            cannot read it.
        ValueError: Arguments that exclude each other; a distillation of another team.

    Example:
        >>> from credit_wrappers import CreditWrapper, EqualSplitCritic
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = CreditWrapper(CorridorEnv(length=2), EqualSplitCritic())
        >>> observations, infos = env.reset(seed=1)
        >>> while env.agents:
        ...     observations, rewards, *_, infos = env.step({agent: 2 for agent in env.agents})
        >>> rewards, infos["walker_0"]["episode_step"]
        ({'walker_0': 1.0, 'walker_1': 1.0}, 0)
        >>> [(id, credit.values.tolist()) for id, credit in env.store.settle([0])]
        [(0, [[0.5, 0.5]])]
        >>> env = CreditWrapper(CorridorEnv(length=2), EqualSplitCritic(), delivery="immediate")
        >>> observations, infos = env.reset(seed=1)
        >>> env.step({agent: 2 for agent in env.agents})[1]
        {'walker_0': 0.5, 'walker_1': 0.5}
    """

    def __init__(
        self,
        env: ParallelEnv,
        critic: Critic | None = None,
        *,
        store: CreditStore | None = None,
        distillation: Distillation | None = None,
        narrator: Narrator | None = None,
        delivery: Delivery = "deferred",
        window: int = 8,
        team_reward: TeamReward = "auto",
        record_observations: bool = False,
    ) -> None:
        require_parallel(env)
        if delivery not in get_args(Delivery):
            raise ValueError(f"unknown delivery {delivery!r}; valid: 'deferred', 'immediate'")
        if team_reward not in get_args(TeamReward):
            raise ValueError(f"unknown team_reward {team_reward!r}; valid: 'auto', 'shared', 'sum'")
        if sum(given is not None for given in (critic, store, distillation)) != 1:
            raise ValueError("give either a critic, or a store or a distillation (which have theirs)")
        super().__init__(env)
        name = str((getattr(env, "metadata", None) or {}).get("name") or type(env.unwrapped).__name__)
        self.distillation = distillation
        self.store: CreditStore = None  # type: ignore[assignment]
        self._online: Payer | None = None
        if distillation is not None or (delivery == "immediate" and isinstance(critic, StudentCritic)):
            delivery = "immediate"
            self._online = StudentPay(distillation or critic, env, name)  # type: ignore[arg-type]
        elif delivery == "deferred":
            self.store = store if store is not None else CreditStore(critic)  # type: ignore[arg-type]
        elif critic is None:
            raise ValueError("delivery='immediate' asks a critic in every step and has no store: give critic=")
        else:
            self._online = OnlineCredit(critic, window)
        self.narrator = narrator if narrator is not None else getattr(env.unwrapped, "narrator", None)
        self.delivery = delivery
        self.team_reward = team_reward
        self._summed = team_reward == "sum"
        records = record_observations
        if isinstance(student := getattr(self.store, "critic", None), StudentCritic):
            rows, records = StudentInputs(env), True
            student.check_env(rows.agents, rows.sizes, rows.n_actions, name)
        self._agents = tuple(env.possible_agents)
        self.recorder = EpisodeRecorder(
            self._agents,
            self.narrator,
            name,
            observations=records,
            readers=readers_of(env) if records else None,
            action_width=action_width([env.action_space(agent) for agent in self._agents]),
        )
        self._panel = CreditPanel.of(env.unwrapped)
        self._hearers: list[Callable[[Episode, Credit], None]] = []

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Start a new episode; an unfinished one is dropped."""
        if self._panel is not None:
            self._panel.show()
        observations, infos = self.env.reset(seed=seed, options=options)
        number = self.store.open() if self._online is None else self._online.open()
        self.recorder.start(number, seed, observations)
        if self._online is not None:
            self._online.begin(observations)
        return observations, self._infos(observations, infos, 0.0, -1)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance the environment; pay the team reward, and at the end submit the episode; or pay credit."""
        recorder = self.recorder
        # A copy, since an environment may change the dict.
        taken = recorder.joint(actions)
        if self._panel is not None:
            self._panel.show()
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        if not recorder.active:  # stepping on after the end: the environment's own affair
            return observations, rewards, terminations, truncations, infos
        team = self._team_reward(rewards)
        step = recorder.length
        # Only now: an action that the environment refuses with an error is not recorded.
        recorder.add(taken, team, observations, infos)
        infos = self._infos(observations, infos, team, step)
        over = not self.env.agents
        if not over and (True in terminations.values() or True in truncations.values()):
            # Some environments leave `agents` filled after the end; their flags tell.
            over = all(terminations[agent] or truncations[agent] for agent in terminations)
        ends = (any(terminations.values()), any(truncations.values())) if over else (False, False)
        if self._online is not None:
            credit = self._online.pay(recorder, observations, over, ends)
            recorder.active = not over
            if self._panel is not None or self._hearers:
                self._tell(recorder.window(self._online.window, *ends), credit)
            paid = dict(zip(self._agents, credit.values[-1].tolist(), strict=True))
            for agent, info in infos.items():
                info["credit"], info["credit_source"] = paid[agent], credit.source
            return observations, {agent: paid[agent] for agent in rewards}, terminations, truncations, infos
        if over:
            self.submit(recorder.finish(*ends))
        return observations, dict.fromkeys(rewards, team), terminations, truncations, infos

    def submit(self, episode: Episode) -> None:
        """Send a finished episode of this environment to the store; who hears of credits is told when it is scored."""
        if self._hearers or self._panel is not None:
            self.store.submit(episode, scored=self._tell)
        else:
            self.store.submit(episode)

    def hear(self, scored: Callable[[Episode, Credit], None]) -> None:
        """Have a function told the credit of every episode of this environment, as `CreditStore.submit` does.

        With immediate delivery: of the last steps, in every step.
        """
        self._hearers.append(scored)

    def show_tasks(self, assigned: Mapping[str, str]) -> None:
        """Have the pictures show these tasks, agent -> task, as they change, instead of the newest credit's."""
        if self._panel is not None:
            self._panel.assigned = assigned

    def render(self) -> Any:
        """Return the environment's picture, with the newest credits where it has a place for them."""
        if self._panel is not None:
            self._panel.show()
        return self.env.render()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._online is None:
            self.recorder.active = False  # a copy records from its own next reset on: an episode is submitted once

    def _tell(self, episode: Episode, credit: Credit) -> None:
        if self._panel is not None:
            self._panel.tell(episode, credit, None if self._online is None else self._online.paid)
        for scored in self._hearers:
            scored(episode, credit)

    def _team_reward(self, rewards: Mapping[str, Any]) -> float:
        values = list(rewards.values())
        if not values:
            return 0.0
        if not self._summed:
            if values.count(values[0]) == len(values):
                return float(values[0])
            if self.team_reward == "shared":
                raise CreditError(
                    f"step {self.recorder.length}: the agents' rewards differ ({dict(rewards)}), but "
                    "team_reward='shared' was asked for; use team_reward='sum'"
                )
            self._summed = True
        return float(sum(values))

    def _infos(
        self, agents: Mapping[str, Any], infos: Mapping[str, Mapping[str, Any]], team: float, step: int
    ) -> dict[str, dict[str, Any]]:
        """Return fresh infos, one dict for each agent, with the evidence added."""
        episode_id = self.recorder.episode_id
        return {
            agent: {
                **infos.get(agent, {}),
                "team_reward": team,
                "episode_id": episode_id,
                "episode_step": step,
            }
            for agent in agents
        }
