"""Credits in the pictures: handed to an environment that renders and has a place for them, to no other."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from credit_wrappers import (
    Credit,
    CreditEvent,
    CreditStore,
    CreditWrapper,
    Deferred,
    Episode,
    LLMTaskWrapper,
    Online,
    TaskObservationWrapper,
)
from credit_wrappers.testing.corridor import CorridorEnv
from tests.credit_wrappers.task_fakes import spans


class Painted(CorridorEnv):
    """A corridor with a side panel."""

    def __init__(self, render_mode: str | None = "rgb_array") -> None:
        super().__init__(length=9, horizon=2)
        self.render_mode = render_mode
        self.overlays: list[dict[str, Any]] = []

    def set_overlay(self, **overlay: Any) -> None:
        self.overlays.append(overlay)

    def render(self) -> int:
        return len(self.overlays)


class Judge:
    """Credits agent i with id + i at every step; says so."""

    label = "judge"

    def __init__(self, tasks: tuple[str, ...] | None = None) -> None:
        self.tasks = tasks

    def score(self, episodes: list[Episode]) -> list[Credit]:
        return [
            Credit(
                np.full((e.length, 2), float(e.id), np.float32) + np.arange(2, dtype=np.float32),
                events=(
                    CreditEvent("walker_1", 1, 2, 0.5, "it came last"),
                    CreditEvent("walker_0", 0, 1, -0.5, "it came first"),
                ),
                tasks=spans([self.tasks] * e.length, e.agents) if self.tasks else None,
                summary=f"episode {e.id} was played.",
            )
            for e in episodes
        ]


def play(env: CreditWrapper) -> None:
    env.reset()
    while env.agents:
        env.step(dict.fromkeys(env.agents, 0))


def test_the_picture_after_a_scored_episode_shows_its_totals_and_the_last_reason() -> None:
    env = CreditWrapper(Painted(), Deferred(CreditStore(Judge(("wait", "go")), episodes_per_query=1, workers=0)))
    play(env)
    assert env.unwrapped.overlays == []  # not before a picture is due
    assert env.render() == 1
    assert env.unwrapped.overlays == [
        {
            "credits": {"walker_0": 0.0, "walker_1": 2.0},
            "tasks": {"walker_0": "wait", "walker_1": "go"},
            "text": "episode 0 was played. walker_1, steps 1 to 1, +0.50: it came last",
        }
    ]
    assert [i for i, _ in env.store.ready()] == [0]  # the learner gets them all the same


def test_newer_episodes_replace_older_ones_and_nothing_is_set_twice() -> None:
    env = CreditWrapper(Painted(), Deferred(CreditStore(Judge(), episodes_per_query=1, workers=0)))
    for _ in range(3):
        play(env)
    env.render()
    env.render()
    env.reset()
    texts = [overlay["text"].split(".")[0] for overlay in env.unwrapped.overlays]
    assert texts == ["episode 0 was played", "episode 1 was played", "episode 2 was played"]
    assert all(overlay["tasks"] is None for overlay in env.unwrapped.overlays)


def test_each_environment_of_a_shared_store_shows_its_own_episode() -> None:
    store = CreditStore(Judge(), episodes_per_query=2, workers=0)
    envs = [CreditWrapper(Painted(), Deferred(store)) for _ in range(2)]
    for env in envs:
        play(env)
    for number, env in enumerate(envs):
        env.render()
        assert [o["text"][:9] for o in env.unwrapped.overlays] == [f"episode {number}"]


def test_credits_from_a_thread_arrive_too() -> None:
    with CreditStore(Judge(), episodes_per_query=1, workers=1) as store:
        env = CreditWrapper(Painted(), Deferred(store))
        play(env)
        assert len(store.settle([0])) == 1
        assert env.render() == 1


@pytest.mark.parametrize("env", [CorridorEnv(length=9, horizon=2), Painted(render_mode=None)])
def test_an_environment_that_renders_nothing_or_has_no_panel_is_left_alone(env: CorridorEnv) -> None:
    wrapped = CreditWrapper(env, Deferred(CreditStore(Judge(), episodes_per_query=1, workers=0)))
    play(wrapped)
    wrapped.reset()
    assert getattr(env, "overlays", []) == []
    assert not wrapped.store._listeners


def test_a_failed_query_that_is_sent_again_still_reaches_the_picture() -> None:
    class Failing(Judge):
        failures = 1

        def score(self, episodes: list[Episode]) -> list[Credit]:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("no server")
            return super().score(episodes)

    env = CreditWrapper(Painted(), Deferred(CreditStore(Failing(), episodes_per_query=1, workers=0)))
    play(env)
    assert env.render() == 0
    with pytest.raises(ConnectionError):
        env.store.settle([0])
    env.store.settle([0])
    assert env.render() == 1


def tasked(*plans: tuple[str, ...] | None, **options: Any) -> LLMTaskWrapper:
    """A painted corridor whose critic names each plan in one step, then the last one for ever."""

    class Plans(Judge):
        def score(self, episodes: list[Episode]) -> list[Credit]:
            self.tasks = left.pop(0) if len(left) > 1 else left[0]
            source = "scripted" if self.tasks else "fallback"
            return [replace(credit, source=source) for credit in super().score(episodes)]

    left = list(plans)
    return LLMTaskWrapper(Painted(), critic=Plans(), wean_steps=10**9, window=1, delivery="immediate", **options)


def painted_tasks(env: LLMTaskWrapper) -> dict[str, str] | None:
    env.render()
    return env.unwrapped.overlays[-1]["tasks"]


GO, WAIT = "walk to the end", "wait"


def test_pictures_show_the_tasks_that_the_agents_have() -> None:
    env = tasked((GO, WAIT), (WAIT, GO))
    env.reset()
    for first, second in ((GO, WAIT), (WAIT, GO)):
        *_, infos = env.step(dict.fromkeys(env.agents, 0))
        assert painted_tasks(env) == {"walker_0": first, "walker_1": second}
        assert [info["task"] for info in infos.values()] == [first, second]


def test_a_fallback_brings_no_tasks_and_takes_none_from_the_picture() -> None:
    env = tasked((GO, WAIT), None)
    env.reset()
    for _ in range(2):
        *_, infos = env.step(dict.fromkeys(env.agents, 0))
        assert painted_tasks(env) == {agent: info["task"] for agent, info in infos.items()}
    assert infos["walker_0"]["credit_source"] == "fallback" and infos["walker_0"]["task"] == GO


def test_tasks_that_are_given_by_hand_are_shown_too_and_a_copy_shows_its_own() -> None:
    by_hand = TaskObservationWrapper(CreditWrapper(Painted(), Online(Judge())))
    by_hand.reset()
    by_hand.assign({"walker_1": GO})
    by_hand.step(dict.fromkeys(by_hand.agents, 0))
    assert painted_tasks(by_hand) == {"walker_1": GO}
    env = tasked((GO, WAIT))
    env.assign({"walker_0": WAIT})
    env.reset()
    assert painted_tasks(env) == {"walker_0": WAIT}
    other = copy.deepcopy(env)
    other.assign({"walker_0": GO})
    assert painted_tasks(other) == {"walker_0": GO}
    assert painted_tasks(env) == {"walker_0": WAIT}


def test_a_reason_names_the_steps_of_the_whole_episode() -> None:
    class Last(Judge):
        def score(self, episodes: list[Episode]) -> list[Credit]:
            event = CreditEvent("walker_0", 0, 1, 1.0, "it went on")
            return [Credit(np.zeros((e.length, 2), np.float32), events=(event,)) for e in episodes]

    env = CreditWrapper(Painted(), Online(Last(), window=1))
    env.reset()
    for step in range(2):
        env.step(dict.fromkeys(env.agents, 0))
        env.render()
        assert env.unwrapped.overlays[-1]["text"] == f"walker_0, steps {step} to {step}, +1.00: it went on"
