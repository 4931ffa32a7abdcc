"""The critic: numbers, re-ask, fallback, budget, statistics, resuming."""

import time

import numpy as np
import pytest
from credit_fakes import (
    FORWARD,
    STAY,
    FakeClient,
    answer,
    completion,
    corridor_episode,
    event,
    events_critic,
    praise_forward,
)

from credit_wrappers import (
    AnswerError,
    Budget,
    BudgetExceeded,
    CreditError,
    Ledger,
    LedgerError,
    ModelError,
    Usage,
    annotate,
)
from credit_wrappers.critics import asking

# walker_1 acts "less" and is therefore agent_A; walker_0 is agent_B.
EPISODE = corridor_episode([[FORWARD, STAY]] * 4, reward=[0, 0, 0, 1.0], terminated=True)
GOOD = answer([event("agent_B", 0, 4, 2.0), event("agent_A", 3, 4, -0.5)])
BAD = answer([event("agent_Z", 0, 4, 2.0)])


def score(*reactions, episodes=(EPISODE,), **options):
    client = FakeClient(*reactions)
    critic = events_critic(client, **options)
    return critic.score(list(episodes)), critic, client


class TestNumbers:
    def test_event_is_spread_evenly_over_its_steps_and_events_add_up(self):
        [credit], *_ = score(answer([event("agent_B", 1, 3, 1.0), event("agent_B", 2, 4, -0.5)]))
        assert credit.values.dtype == np.float32
        assert credit.values.tolist() == [[0, 0], [0.5, 0], [0.25, 0], [-0.25, 0]]

    def test_events_carry_the_agents_own_names_in_reasons_and_summary_too(self):
        text = answer([event("agent_A", 0, 1, 1.0, "agent_A let agent_B pass, agent_C and agent_AB not")])
        text = text.replace("so it went", "agent_B won")
        [credit], *_ = score(text)
        assert credit.events[0].agent == "walker_1"
        assert credit.events[0].why == "walker_1 let walker_0 pass, agent_C and agent_AB not"
        assert credit.summary == "walker_0 won"

    def test_values_are_the_sum_of_the_events(self):
        random = np.random.default_rng(0)
        events = []
        for _ in range(50):
            start = int(random.integers(0, 4))
            stop = int(random.integers(start + 1, 5))
            events.append(event(random.choice(["agent_A", "agent_B"]), start, stop, float(random.normal() * 5)))
        [credit], *_ = score(answer(events), bound=3.0, normalise="bound")
        expected = np.zeros((4, 2))
        for item in credit.events:
            column = EPISODE.agents.index(item.agent)
            expected[item.start : item.stop, column] += item.amount / (item.stop - item.start)
        np.testing.assert_allclose(credit.values, expected, atol=1e-6)
        assert np.abs(credit.values.sum(axis=0)).max() == pytest.approx(3.0)

    def test_blend_mixes_in_the_team_reward(self):
        [credit], *_ = score(GOOD, blend=0.25)
        assert credit.values.tolist() == [[0.375, 0], [0.375, 0], [0.375, 0], [0.625, -0.125]]

    def test_blend_of_one_is_the_team_reward(self):
        [credit], *_ = score(GOOD, blend=1.0)
        assert credit.values.tolist() == [[0, 0], [0, 0], [0, 0], [1, 1]]

    def test_conserved_credits_are_scaled_to_the_team_return(self):
        [credit], *_ = score(GOOD, conserve="episode")
        assert credit.values.sum() == pytest.approx(1.0)
        np.testing.assert_allclose(credit.values[:, 0], 2.0 / 1.5 / 4, rtol=1e-6)
        np.testing.assert_allclose([item.amount for item in credit.events], [2 / 1.5, -0.5 / 1.5])

    def test_conserved_credits_of_an_episode_without_reward_sum_to_zero(self):
        idle = corridor_episode([[FORWARD, STAY]] * 4)
        [credit], *_ = score(GOOD, episodes=[idle], conserve="episode")
        assert credit.values.sum() == pytest.approx(0.0)

    @pytest.mark.parametrize("amount", [-2.0, 0.0, 0.05])
    def test_conservation_never_turns_credit_round_nor_blows_it_up(self, amount):
        [credit], *_ = score(answer([event("agent_B", 0, 4, amount)]), conserve="episode")
        assert credit.values.sum() == pytest.approx(1.0)
        # What is missing is spread evenly, so differences between agents and steps stay.
        np.testing.assert_allclose(credit.values[:, 0] - credit.values[:, 1], amount / 4, atol=1e-6)

    def test_conserve_and_blend_keep_the_mean_at_the_team_reward(self):
        [credit], *_ = score(GOOD, conserve="episode", blend=0.5)
        # Half of a credit that sums to 1 and half of the team reward for each of two agents.
        assert credit.values.sum() == pytest.approx(0.5 * 1.0 + 0.5 * 2.0)

    def test_top_up_of_conservation_is_blended_too(self):
        [credit], *_ = score(answer([event("agent_B", 0, 4, -2.0)]), conserve="episode", blend=0.5)
        assert credit.values.sum() == pytest.approx(0.5 * 1.0 + 0.5 * 2.0)

    def test_credits_come_in_the_order_of_the_episodes(self):
        longer = corridor_episode([[STAY, FORWARD]] * 6)
        credits, *_ = score(praise_forward, episodes=[longer, EPISODE])
        assert [credit.values.shape for credit in credits] == [(6, 2), (4, 2)]
        assert credits[0].values[:, 1].tolist() == [1.0] * 6

    def test_episodes_of_differently_described_environments_are_asked_about_apart(self):
        other = corridor_episode([[STAY, FORWARD]] * 3, length=7)
        credits, critic, client = score(praise_forward, episodes=[EPISODE, other, EPISODE])
        assert len(client.requests) == 2
        assert [len(request.prompt.split("## Episode")) - 1 for request in client.requests] == [2, 1]
        assert [credit.values.shape for credit in credits] == [(4, 2), (3, 2), (4, 2)]
        assert critic.stats.queries == 2

    def test_no_episodes_cost_nothing(self):
        credits, _, client = score(GOOD, episodes=[])
        assert (credits, client.requests) == ([], [])


class TestQuestions:
    def test_request_carries_schema_model_and_limits(self):
        _, _, client = score(GOOD, max_tokens=77, temperature=0.5)
        [request] = client.requests
        assert request.schema["properties"].keys() == {"episodes"}
        assert (request.model, request.max_tokens, request.temperature) == ("fake", 77, 0.5)

    def test_answer_that_does_not_fit_is_asked_for_once_more_quoting_the_error(self):
        [credit], critic, client = score(BAD, GOOD)
        assert len(client.requests) == 2
        first, second = client.requests
        assert second.prompt.startswith(first.prompt)
        assert "unknown agent 'agent_Z'" in second.prompt
        assert second.system == first.system
        assert credit.source == "model"
        assert credit.values[0, 0] == 0.5
        assert (critic.stats.calls, critic.stats.reasks, critic.stats.rejected, critic.stats.fallbacks) == (
            2,
            1,
            1,
            0,
        )

    def test_cut_answer_is_asked_for_again_and_the_reason_is_named(self):
        _, _, client = score(completion(GOOD[:40], "max_tokens"), GOOD)
        assert "cut off at max_tokens" in client.requests[1].prompt

    def test_answer_that_is_complete_counts_although_it_went_on_until_it_was_cut(self):
        [credit], _, client = score(completion(GOOD + " and so on and so on", "max_tokens"))
        assert len(client.requests) == 1
        assert credit.source == "model"

    def test_there_is_only_one_second_chance(self):
        _, critic, client = score(BAD, BAD, GOOD)
        assert len(client.requests) == 2
        assert critic.stats.rejected == 2

    def test_limit_of_calls_is_kept(self):
        client = FakeClient(BAD, GOOD)
        critic = events_critic(client, budget=Budget(max_calls=1))
        with pytest.raises(BudgetExceeded, match="max_calls=1"):
            critic.score([EPISODE])
        assert len(client.requests) == 1

    def test_episode_without_narrator_is_an_error_that_says_what_to_do(self):
        mute = corridor_episode([[STAY]])
        object.__setattr__(mute, "narrator", None)
        with pytest.raises(CreditError, match="ArrayNarrator"):
            score(GOOD, episodes=[mute])

    def test_critics_narrator_tells_episodes_that_bring_none(self):
        mute = corridor_episode([[FORWARD]] * 2)
        narrator = mute.narrator
        object.__setattr__(mute, "narrator", None)
        [credit], *_ = score(praise_forward, episodes=[mute], narrator=narrator)
        assert credit.values.tolist() == [[1.0], [1.0]]


class TestFallback:
    @pytest.mark.parametrize(("fallback", "paid"), [("equal", 0.5), ("shared", 1.0)])
    def test_unusable_answers_end_in_the_chosen_fallback_labelled_and_counted(self, fallback, paid):
        credits, critic, _ = score(BAD, episodes=[EPISODE, EPISODE], fallback=fallback)
        for credit in credits:
            assert credit.source == "fallback"
            assert credit.values.tolist() == [[0, 0], [0, 0], [0, 0], [paid, paid]]
            assert credit.events == ()
            assert "unknown agent" in credit.summary
        assert critic.stats.fallbacks == 2

    def test_raise_raises(self):
        with pytest.raises(AnswerError, match="unknown agent"):
            score(BAD, fallback="raise")

    def test_fallback_costs_what_the_calls_cost(self):
        credits, *_ = score(BAD, episodes=[EPISODE, EPISODE])
        assert credits[0].usage + credits[1].usage == Usage(2, 200, 20, 10, 0.5)

    def test_refusal_is_not_asked_again_but_falls_back(self):
        [credit], critic, client = score(completion("I cannot do that.", "refusal"))
        assert len(client.requests) == 1
        assert credit.source == "fallback"
        assert (critic.stats.model_errors, critic.stats.fallbacks) == (1, 1)

    def test_transient_model_error_falls_back(self):
        [credit], critic, _ = score(ModelError("overloaded", "overloaded"))
        assert credit.source == "fallback"
        assert critic.stats.model_errors == 1

    def test_lasting_model_error_is_raised_whatever_the_fallback(self):
        with pytest.raises(ModelError, match="wrong key"):
            score(ModelError("wrong key", "auth"))

    def test_transient_model_error_is_raised_on_request(self):
        with pytest.raises(ModelError, match="overloaded"):
            score(ModelError("overloaded", "overloaded"), fallback="raise")

    @pytest.mark.parametrize(
        ("option", "value"),
        [("fallback", "zero"), ("order", "random"), ("conserve", "all"), ("blend", 1.5), ("bound", 0.0)],
    )
    def test_unknown_options_are_refused_at_once(self, option, value):
        with pytest.raises(ValueError, match=option):
            events_critic(FakeClient(GOOD), **{option: value})


class TestStatistics:
    def test_usage_is_booked_once_for_a_query(self):
        credits, critic, _ = score(praise_forward, episodes=[EPISODE] * 3)
        assert [credit.usage.calls for credit in credits] == [1, 0, 0]
        assert critic.stats.usage == Usage(1, 100, 10, 5, 0.25)

    def test_all_zero_answers_are_counted_by_episode(self):
        text = answer([], [event("agent_A", 0, 1, 0.0)], [event("agent_A", 0, 1, 0.1)])
        _, critic, _ = score(text, episodes=[EPISODE] * 3)
        assert critic.stats.zero_answers == 2

    def test_every_part_of_the_time_is_measured(self, tmp_path):
        _, critic, _ = score(GOOD, ledger=tmp_path / "l.sqlite")
        stats = critic.stats
        assert min(stats.narrate, stats.prompt, stats.answer, stats.parse, stats.ledger) > 0.0
        assert (stats.queries, stats.episodes, stats.calls) == (1, 1, 1)

    def test_label_and_source_are_the_clients(self):
        critic = events_critic(FakeClient(GOOD, name="scripted", source="scripted"))
        assert critic.label == "scripted"
        assert critic.score([EPISODE])[0].source == "scripted"


class TestLedger:
    def test_second_run_asks_nothing_and_gives_the_same_credits(self, tmp_path):
        path = tmp_path / "l.sqlite"
        first, critic, _ = score(GOOD, ledger=path)
        critic.ledger.close()
        second, critic, client = score(AssertionError("asked"), ledger=path)
        assert client.requests == []
        np.testing.assert_array_equal(first[0].values, second[0].values)
        assert first[0].events == second[0].events
        assert second[0].source == "cache"
        assert second[0].usage == Usage()
        assert (critic.stats.calls, critic.stats.cache_hits) == (0, 1)
        assert len(critic.ledger) == 1

    def test_answer_whose_reading_is_interrupted_is_not_asked_for_again(self, tmp_path, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        client = FakeClient(GOOD)
        critic = events_critic(client, ledger=tmp_path / "ledger.sqlite")
        with monkeypatch.context() as patch:
            patch.setattr(asking, "parse_answer", interrupted)
            with pytest.raises(KeyboardInterrupt):
                critic.score([EPISODE])
        [credit] = critic.score([EPISODE])
        assert (credit.source, len(client.requests)) == ("cache", 1)

    def test_the_same_question_at_the_same_time_is_asked_once(self, tmp_path):
        def slowly(request):
            time.sleep(0.05)
            return GOOD

        client = FakeClient(BAD, slowly)
        critic = events_critic(client, ledger=tmp_path / "ledger.sqlite")
        credits = annotate([EPISODE] * 8, critic, episodes_per_query=1, in_flight=8)
        assert len(client.requests) == 2  # with the corrective question
        assert len({credit.values.tobytes() for credit in credits}) == 1
        assert sorted(credit.source for credit in credits) == ["cache"] * 7 + ["model"]
        assert sum(credit.usage.calls for credit in credits) == 2

    def test_the_same_question_is_asked_by_the_next_when_the_first_got_no_answer(self, tmp_path):
        client = FakeClient(ModelError("down", "connection"), GOOD)
        critic = events_critic(client, ledger=tmp_path / "ledger.sqlite")
        credits = annotate([EPISODE] * 4, critic, episodes_per_query=1, in_flight=4)
        assert len(client.requests) == 2
        assert sorted(credit.source for credit in credits) == ["cache", "cache", "fallback", "model"]

    def test_second_run_repeats_a_reask_without_asking(self, tmp_path):
        path = tmp_path / "l.sqlite"
        score(BAD, GOOD, ledger=path)
        [credit], critic, client = score(AssertionError("asked"), ledger=path)
        assert client.requests == []
        assert credit.values[0, 0] == 0.5
        assert (critic.stats.cache_hits, critic.stats.reasks) == (2, 1)

    def test_second_run_repeats_a_fallback_without_asking(self, tmp_path):
        path = tmp_path / "l.sqlite"
        score(BAD, ledger=path)
        [credit], *_, client = score(AssertionError("asked"), ledger=path)
        assert client.requests == []
        assert credit.source == "fallback"

    def test_model_that_was_unreachable_is_asked_again(self, tmp_path):
        path = tmp_path / "l.sqlite"
        score(ModelError("overloaded", "overloaded"), ledger=path)
        [credit], *_, client = score(GOOD, ledger=path)
        assert len(client.requests) == 1
        assert credit.source == "model"

    @pytest.mark.parametrize("change", [{"max_tokens": 5}, {"temperature": 0.1}, {"bound": 5.0}])
    def test_another_question_is_asked_afresh(self, tmp_path, change):
        path = tmp_path / "l.sqlite"
        score(GOOD, ledger=path)
        *_, client = score(GOOD, ledger=path, **change)
        assert len(client.requests) == 1

    def test_another_model_is_asked_afresh(self, tmp_path):
        ledger = Ledger(tmp_path / "l.sqlite")
        events_critic(FakeClient(GOOD, name="one"), ledger=ledger).score([EPISODE])
        other = FakeClient(GOOD, name="other")
        events_critic(other, ledger=ledger).score([EPISODE])
        assert len(other.requests) == 1

    def test_close_writes_what_waits_and_closes_what_the_critic_opened(self, tmp_path):
        path = tmp_path / "own.sqlite"
        own = events_critic(FakeClient(GOOD, source="scripted"), ledger=path)  # scripted answers are written in batches
        own.score([EPISODE])
        own.close()
        with pytest.raises(LedgerError):
            len(own.ledger)
        with Ledger(tmp_path / "lent.sqlite") as lent:
            critic = events_critic(FakeClient(GOOD, source="scripted"), ledger=lent)
            critic.score([EPISODE])
            critic.close()
            with Ledger(lent.path, read_only=True) as seen:
                assert len(seen) == len(lent) == 1
        with Ledger(path, read_only=True) as seen:
            assert len(seen) == 1

    def test_failures_and_episodes_are_on_record(self, tmp_path):
        with Ledger(tmp_path / "l.sqlite") as ledger:
            score(BAD, GOOD, ledger=ledger)
            entries = list(ledger.entries())
        assert [entry.failure for entry in entries] == ["content", ""]
        assert "unknown agent 'agent_Z'" in entries[0].message
        [bad], [good] = entries[0].episodes, entries[1].episodes
        assert (bad.key, bad.agents, bad.length, bad.values) == (EPISODE.key, ("walker_1", "walker_0"), 4, None)
        assert good.values.tolist() == [[0, 0.5], [0, 0.5], [0, 0.5], [-0.5, 0.5]]
        assert entries[0].completion.text == BAD
