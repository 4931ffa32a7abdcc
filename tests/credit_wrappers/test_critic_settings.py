"""The method's settings: what each does to the question and to the numbers, and that wrong ones are refused."""

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, corridor_episode, event, events_critic

from credit_wrappers import CreditError, CriticSettings, LLMCritic

# walker_1 acts "less" and is therefore agent_A; walker_0 is agent_B.
EPISODE = corridor_episode([[FORWARD, STAY]] * 4, reward=[0, -0.1, 0, 1.0], terminated=True)
GOOD = answer([event("agent_B", 0, 4, 2.0), event("agent_A", 3, 4, -0.5)])


def score(*reactions, episodes=(EPISODE,), **options):
    client = FakeClient(*reactions)
    return events_critic(client, **options).score(list(episodes)), client


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("answer_format", "json"),
        ("normalise", "mean"),
        ("conserve", "agent"),
        ("names", "robots"),
        ("order", "average"),
        ("order", "average-1"),
        ("order", "average-0"),
        ("fallback", "zero"),
        ("bound", float("nan")),
        ("bound", float("inf")),
        ("blend", -0.1),
        ("seed", -1),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("temperature", -1.0),
        ("temperature", float("nan")),
    ],
)
def test_impossible_values_are_refused_by_name(setting, value):
    with pytest.raises(ValueError, match=setting):
        CriticSettings(**{setting: value})


def test_unknown_setting_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(TypeError, match=r"unknown setting bund; there are: .*bound"):
        LLMCritic(FakeClient(""), bund=3)


def test_changes_come_on_top_of_settings():
    critic = LLMCritic(FakeClient(""), CriticSettings(bound=3.0, blend=0.5), blend=0.25)
    assert (critic.settings.bound, critic.settings.blend) == (3.0, 0.25)


def test_step_conservation_gives_each_step_its_reward_and_keeps_the_differences_between_agents():
    [credit], _ = score(GOOD, conserve="step")
    np.testing.assert_allclose(credit.values.sum(axis=1), EPISODE.team_reward, atol=1e-6)
    np.testing.assert_allclose(credit.values[:, 0] - credit.values[:, 1], [0.5, 0.5, 0.5, 1.0], atol=1e-6)


def test_step_conservation_is_made_before_blending():
    [credit], _ = score(GOOD, conserve="step", blend=0.5)
    np.testing.assert_allclose(credit.values.sum(axis=1), 1.5 * EPISODE.team_reward, atol=1e-6)


@pytest.mark.parametrize(("normalise", "sums"), [("bound", [2.0, 4.0]), ("full", [2.5, 5.0]), ("none", [2.0, 4.0])])
def test_full_normalisation_stretches_the_whole_query_to_the_bound(normalise, sums):
    text = answer([event("agent_B", 0, 4, 2.0)], [event("agent_A", 0, 4, 4.0)])
    credits, _ = score(text, episodes=[EPISODE, EPISODE], normalise=normalise, bound=5.0)
    assert [credit.values.sum() for credit in credits] == pytest.approx(sums)
    assert [credit.events[0].amount for credit in credits] == pytest.approx(sums)


def test_without_normalisation_nothing_is_scaled():
    [credit], _ = score(answer([event("agent_B", 0, 4, 17.0)]), normalise="none")
    assert credit.values.sum() == pytest.approx(17.0)
    assert CriticSettings().normalise == "none"


@pytest.mark.parametrize("events", [[], [event("agent_B", 0, 4, 1e-310)]])
def test_answers_of_zero_or_next_to_it_are_not_stretched(events):
    [credit], _ = score(answer(events), normalise="full")
    assert not credit.values.any()


def test_own_names_are_used_in_the_question_and_understood_in_the_answer():
    [credit], client = score(answer([event("walker_0", 0, 4, 2.0, "walker_0 went")]), names="own")
    [request] = client.requests
    assert "agent_A" not in request.prompt
    assert "walker_1 stay; walker_0 forward" in request.prompt
    assert "The agents are called walker_0 and walker_1, in every episode the same." in request.system
    assert "given anew" not in request.system
    assert credit.values.sum(axis=0).tolist() == [2.0, 0.0]
    assert credit.events[0].why == "walker_0 went"


def test_own_names_that_arrays_cannot_be_read_with_are_refused_before_anything_is_asked():
    client = FakeClient(AssertionError("asked"))
    critic = LLMCritic(client, names="own", answer_format="arrays")
    with pytest.raises(CreditError, match="'robot-1'"):
        critic.score([corridor_episode([[FORWARD, STAY]], agents=["robot_0", "robot-1"])])
    assert client.requests == []


def test_the_scripted_stand_in_reads_neutral_names_only():
    with pytest.raises(ValueError, match="names='neutral'"):
        LLMCritic(FakeClient("", source="scripted"), names="own")


@pytest.mark.parametrize(
    "change",
    [
        {"answer_format": "arrays"},
        {"explain": False},
        {"bound": 3.0},
        {"names": "own"},
        {"max_tokens": 99},
        {"temperature": 0.5},
    ],
    ids=str,
)
def test_settings_that_change_the_question_change_its_key(change):
    plain = LLMCritic(FakeClient("")).questions([EPISODE])
    changed = LLMCritic(FakeClient(""), **change).questions([EPISODE])
    assert plain[0].key != changed[0].key


@pytest.mark.parametrize(
    "change", [{"normalise": "full"}, {"conserve": "step"}, {"blend": 0.5}, {"fallback": "shared"}], ids=str
)
def test_settings_that_only_change_the_numbers_leave_the_question_alone(change):
    plain = LLMCritic(FakeClient("")).questions([EPISODE])
    changed = LLMCritic(FakeClient(""), **change).questions([EPISODE])
    assert plain[0].key == changed[0].key


def test_arrays_are_credited_as_they_are_written():
    text = (
        "## Episode 1\nExplanation: agent_B went all the way.\n"
        "agent_A: [0, 0, 0.25, -0.5]\nagent_B: [0.5, 0.5, 0.5, 0.5]"
    )
    [credit], client = score(text, answer_format="arrays")
    assert client.requests[0].schema is None
    assert credit.values.tolist() == [[0.5, 0], [0.5, 0], [0.5, 0.25], [0.5, -0.5]]
    assert credit.summary == "walker_0 went all the way."
    np.testing.assert_allclose(sum(e.amount for e in credit.events), 2.0 - 0.25, atol=1e-9)


def test_without_explanations_the_answer_is_numbers():
    text = '{"episodes": [{"episode": 1, "events": [{"agent": "agent_B", "start": 0, "stop": 4, "amount": 2}]}]}'
    [credit], client = score(text, explain=False)
    assert "why" not in str(client.requests[0].schema)
    assert credit.values[:, 0].tolist() == [0.5] * 4
    assert (credit.summary, credit.events[0].why) == ("", "")
