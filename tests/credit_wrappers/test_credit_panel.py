"""Credits in the pictures: handed to an environment that renders and has a place for them, to no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from credit_wrappers import Credit, CreditEvent, CreditStore, CreditWrapper, Episode
from credit_wrappers.testing.corridor import CorridorEnv


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
                tasks=self.tasks,
                summary=f"episode {e.id} was played.",
            )
            for e in episodes
        ]


def play(env: CreditWrapper) -> None:
    env.reset()
    while env.agents:
        env.step(dict.fromkeys(env.agents, 0))


def test_the_picture_after_a_scored_episode_shows_its_totals_and_the_last_reason() -> None:
    env = CreditWrapper(Painted(), store=CreditStore(Judge(("wait", "go")), episodes_per_query=1, workers=0))
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
    env = CreditWrapper(Painted(), store=CreditStore(Judge(), episodes_per_query=1, workers=0))
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
    envs = [CreditWrapper(Painted(), store=store) for _ in range(2)]
    for env in envs:
        play(env)
    for number, env in enumerate(envs):
        env.render()
        assert [o["text"][:9] for o in env.unwrapped.overlays] == [f"episode {number}"]


def test_credits_from_a_thread_arrive_too() -> None:
    with CreditStore(Judge(), episodes_per_query=1, workers=1) as store:
        env = CreditWrapper(Painted(), store=store)
        play(env)
        assert len(store.settle([0])) == 1
        assert env.render() == 1


@pytest.mark.parametrize("env", [CorridorEnv(length=9, horizon=2), Painted(render_mode=None)])
def test_an_environment_that_renders_nothing_or_has_no_panel_is_left_alone(env: CorridorEnv) -> None:
    wrapped = CreditWrapper(env, store=CreditStore(Judge(), episodes_per_query=1, workers=0))
    play(wrapped)
    wrapped.reset()
    assert getattr(env, "overlays", []) == []
    assert not wrapped.store._hearers


def test_a_failed_query_that_is_sent_again_still_reaches_the_picture() -> None:
    class Failing(Judge):
        failures = 1

        def score(self, episodes: list[Episode]) -> list[Credit]:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("no server")
            return super().score(episodes)

    env = CreditWrapper(Painted(), store=CreditStore(Failing(), episodes_per_query=1, workers=0))
    play(env)
    assert env.render() == 0
    with pytest.raises(ConnectionError):
        env.store.settle([0])
    env.store.settle([0])
    assert env.render() == 1
