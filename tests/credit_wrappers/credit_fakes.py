"""Stand-ins shared by the tests of this folder: corridor episodes, an environment that follows a script, clients."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers import Completion, CreditWrapper, Deferred, Episode, LLMCritic, Request, SharedCritic, Usage
from credit_wrappers.llm.client import STEP_WORTH, form_asked
from credit_wrappers.testing.corridor import CorridorNarrator

Reaction = str | Completion | Exception | Callable[[Request], "str | Completion"]

STAY, BACK, FORWARD = 0, 1, 2

# Asks in the form in which `answer` writes.
events_critic = partial(LLMCritic, answer_format="events")


def corridor_episode(
    actions: Sequence[Sequence[int]],
    *,
    id: int = 0,
    start: Sequence[int] | None = None,
    reward: Sequence[float] | None = None,
    cost: Sequence[Sequence[float]] | None = None,
    agents: Sequence[str] | None = None,
    terminated: bool = False,
    length: int = 100,
) -> Episode:
    """Return an episode of walkers; row t of `actions` is the joint action of step t."""
    table = np.array(actions, dtype=np.int64)
    steps, n_agents = table.shape
    moments = [tuple(start or [0] * n_agents)]
    for row in table:
        moments.append(tuple(p + {-1: 0, 0: 0, 1: -1, 2: 1}[int(a)] for p, a in zip(moments[-1], row, strict=True)))
    return Episode(
        id=id,
        agents=tuple(agents or [f"walker_{i}" for i in range(n_agents)]),
        actions=table,
        team_reward=np.array(reward if reward is not None else [0.0] * steps),
        cost=np.array(cost, dtype=float) if cost is not None else np.zeros((steps, n_agents)),
        terminated=terminated,
        truncated=not terminated,
        moments=tuple(moments),
        narrator=CorridorNarrator(n_agents, length),
        env_id="corridor_v0",
    )


def relabelled(episode: Episode, new_from_old: Sequence[int]) -> Episode:
    """Return the same deeds by other agents: new agent k is what old agent `new_from_old[k]` was."""
    order = list(new_from_old)
    return Episode(
        id=episode.id,
        agents=episode.agents,
        actions=episode.actions[:, order],
        team_reward=episode.team_reward,
        cost=episode.cost[:, order],
        terminated=episode.terminated,
        truncated=episode.truncated,
        moments=tuple(tuple(moment[i] for i in order) for moment in episode.moments),
        narrator=episode.narrator,
        env_id=episode.env_id,
    )


def event(agent: str, start: int, stop: int, amount: float, why: str = "because") -> dict[str, Any]:
    return {"agent": agent, "start": start, "stop": stop, "amount": amount, "why": why}


def answer(*episodes: Sequence[dict[str, Any]], summary: str = "so it went") -> str:
    """Return an answer with the events of episode 1, 2, ..."""
    return json.dumps(
        {
            "episodes": [
                {"episode": k, "summary": summary, "events": list(events)} for k, events in enumerate(episodes, 1)
            ]
        }
    )


def curves_answer(agents: Sequence[str], *episodes: Sequence[dict[str, Any]], summary: str = "so it went") -> str:
    """Return the same answer in the form `curve`; each event is of one step."""

    def curve(agent: str, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
        extra = [
            {"step": e["start"], "amount": e["amount"] / STEP_WORTH, "why": e["why"]}
            for e in events
            if e["agent"] == agent
        ]
        return {"agent": agent, "start": 0, "left": [], "extra": extra, "reasons": []}

    return json.dumps(
        {
            "episodes": [
                {"episode": k, "summary": summary, "curves": [curve(agent, events) for agent in agents]}
                for k, events in enumerate(episodes, 1)
            ]
        }
    )


def completion(text: str, stop_reason: str = "end_turn", read: int = 100) -> Completion:
    return Completion(text, Usage(1, read, 10, 5, 0.25), "fake-1", stop_reason)


class FakeClient:
    """Gives the reactions in turn, the last one for ever; keeps the requests."""

    def __init__(self, *reactions: Reaction, name: str = "fake", source: str = "model") -> None:
        self.reactions = list(reactions)
        self.name = name
        self.source = source
        self.requests: list[Request] = []
        self.lock = threading.Lock()

    def complete(self, request: Request) -> Completion:
        with self.lock:
            self.requests.append(request)
            reaction = self.reactions.pop(0) if len(self.reactions) > 1 else self.reactions[0]
        if isinstance(reaction, Exception):
            raise reaction
        if callable(reaction):
            reaction = reaction(request)
        if isinstance(reaction, Completion):
            return reaction
        # A long question that was read whole: nobody takes the answer to another.
        return completion(reaction, read=100 if len(request.prompt) < 2000 else len(request.prompt) // 2)


def praise_forward(request: Request) -> str:
    """Read the prompt as a model would: +1 for each `forward`, in its episode, for its agent and step.

    Answers as curves where they are asked for, else with events.
    """
    episodes: list[list[dict[str, Any]]] = []
    for line in request.prompt.splitlines():
        if line.startswith("## Episode"):
            episodes.append([])
        elif found := re.match(r"(\d+): ([^|]*)", line):
            t = int(found[1])
            for agent in re.findall(r"(agent_[A-Z]+) forward", found[2]):
                episodes[-1].append(event(agent, t, t + 1, 1.0, f"{agent} went forward"))
    if form_asked(request.schema)[0] != "curve":
        return answer(*episodes)
    agents = sorted(set(re.findall(r"agent_[A-Z]+", request.prompt)))
    return curves_answer(agents, *episodes)


class Recorder:
    """A critic that keeps the episodes."""

    label = "recorder"

    def __init__(self):
        self.episodes = []

    def score(self, episodes):
        self.episodes.extend(episodes)
        return SharedCritic().score(episodes)


class Script(ParallelEnv):
    """Pays, ends and informs as it is told; agents leave by themselves.

    rewards[t][agent]; `leaves[agent]` is the step after which the agent is gone.
    """

    metadata = {"name": "script_v0"}  # noqa: RUF012

    def __init__(self, rewards, leaves=None, keeps_agents=False, infos=None):
        self.possible_agents = ["a", "b"]
        self.agents = []
        self.rewards, self.leaves, self.keeps_agents = rewards, leaves or {}, keeps_agents
        self.shared_infos = infos
        self.render_mode = None

    def observation_space(self, agent):
        return Box(-1, 100, (2,))

    def action_space(self, agent):
        return Discrete(10)

    def _infos(self):
        return self.shared_infos or {agent: {} for agent in self.agents}

    def reset(self, seed=None, options=None):
        self.agents, self.t = list(self.possible_agents), 0
        return {agent: np.zeros(2, np.float32) for agent in self.agents}, self._infos()

    def step(self, actions):
        for agent in self.agents:
            if not 0 <= actions[agent] < 10:
                raise ValueError(f"{agent}: {actions[agent]}")
        live, t = self.agents, self.t
        self.t += 1
        last = self.t == len(self.rewards)
        gone = {agent: self.leaves.get(agent) == t for agent in live}
        result = (
            {agent: np.full(2, self.t, np.float32) for agent in live},
            {agent: self.rewards[t][agent] for agent in live},
            gone,
            {agent: last and not gone[agent] for agent in live},
            self._infos(),
        )
        if not self.keeps_agents:
            self.agents = [] if last else [agent for agent in live if not gone[agent]]
        return result


def play(env, *joint_actions, seed=None):
    """Reset and play; return the infos and rewards of every step."""
    env.reset(seed=seed)
    history = []
    for joint in joint_actions:
        actions = dict(zip(env.possible_agents, joint, strict=True))
        _, rewards, *_, infos = env.step({agent: actions[agent] for agent in env.agents})
        history.append((rewards, infos))
    return history


def recorded(env, *joint_actions, seed=None, **options):
    critic = Recorder()
    wrapped = CreditWrapper(env, Deferred(critic, workers=0), **options)
    history = play(wrapped, *joint_actions, seed=seed)
    wrapped.store.settle(range(10))
    return critic.episodes, history, wrapped
