"""The team reward with another critic's tasks, and which episodes a critic is asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from credit_fakes import FakeClient, answer, corridor_episode, events_critic

from credit_wrappers import Credit, Episode, SharedCritic, TasksOnlyCritic
from tests.credit_wrappers.task_fakes import KnowingCritic

FORWARD = 2


def episodes(many: int) -> list[Episode]:
    return [corridor_episode([[FORWARD, FORWARD]] * 3, id=k) for k in range(many)]


def test_everybody_is_paid_the_team_reward_and_the_tasks_are_those_of_the_other_critic() -> None:
    some = episodes(2)
    critic = TasksOnlyCritic(KnowingCritic())
    for credit, shared, other in zip(
        critic.score(some), SharedCritic().score(some), KnowingCritic().score(some), strict=True
    ):
        np.testing.assert_array_equal(credit.values, shared.values)
        assert not np.array_equal(credit.values, other.values)
        assert credit.tasks == other.tasks and (credit.source, credit.events) == ("baseline", ())
    assert critic.label == "knowing, tasks only" and critic.source == "scripted"


def test_the_other_critic_is_asked_about_wanted_episodes_in_one_query_and_about_no_others() -> None:
    other = KnowingCritic()
    critic = TasksOnlyCritic(other, lambda episode: episode.id % 2 == 1)
    credits = critic.score(episodes(4))
    assert other.asked == [1, 3]
    assert [credit.tasks is not None for credit in credits] == [False, True, False, True]
    assert critic.score(episodes(1))[0].tasks is None and other.asked == [1, 3]


def test_a_fallback_of_the_other_critic_stays_one() -> None:
    class Failing(KnowingCritic):
        def judge(self, episode: Episode) -> Credit:
            return replace(super().judge(episode), tasks=None, source="fallback")

    (credit,) = TasksOnlyCritic(Failing()).score(episodes(1))
    assert (credit.source, credit.tasks) == ("fallback", None)


def test_what_is_no_critic_is_refused() -> None:
    with pytest.raises(TypeError, match="TasksOnlyCritic takes a critic"):
        TasksOnlyCritic(FakeClient(answer([])))  # type: ignore[arg-type]


def test_tasks_are_asked_for_in_some_episodes_only_and_the_other_question_is_as_if_there_were_none() -> None:
    plain, client = FakeClient(answer([])), FakeClient(*[answer([])] * 5)
    some = episodes(2)
    events_critic(plain).score(some[:1])
    critic = events_critic(client, tasks=True, asks_tasks=lambda episode: episode.id == 1, fallback="equal")
    assert [question.tasks for question in critic.questions(some)] == [(), ("walk to the end", "wait")]
    first, second = critic.score(some)
    assert client.requests[0].key() == plain.requests[0].key()
    assert (first.source, second.source) == ("model", "fallback")  # the second answer named no tasks
    assert "**Name the tasks.**" in client.requests[1].system
