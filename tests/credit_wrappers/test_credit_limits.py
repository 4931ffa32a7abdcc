"""The size of credit: nothing is scaled by default, absurd sizes are refused, and the paper's rule is an option."""

import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, corridor_episode, event, events_critic

# walker_1 acts "less" and is therefore agent_A; walker_0 is agent_B.
EPISODE = corridor_episode([[FORWARD, STAY]] * 4, reward=[0, 0, 0, 1.0], terminated=True)
GOOD = answer([event("agent_B", 0, 4, 2.0), event("agent_A", 3, 4, -0.5)])


def score(*reactions, episodes=(EPISODE,), **options):
    client = FakeClient(*reactions)
    critic = events_critic(client, **options)
    return critic.score(list(episodes)), critic, client


def test_a_deed_is_worth_the_same_whatever_stands_beside_it_in_the_query():
    deeds = [event("agent_B", 0, 4, 12.0), event("agent_B", 0, 1, 4.0)]
    for others in ([], [[event("agent_A", 0, 4, -16.0)], [event("agent_B", 3, 4, 10.0)]]):
        credits, *_ = score(answer(*others, deeds), episodes=[EPISODE] * (len(others) + 1))
        assert credits[-1].values.tolist() == [[7.0, 0], [3.0, 0], [3.0, 0], [3.0, 0]]
        assert [event.amount for event in credits[-1].events] == [12.0, 4.0]


def test_arrays_are_worth_the_same_whatever_stands_beside_them_in_the_query():
    head = "## Episode {}\nSo it went.\nagent_A: [0, 0, 0, {}]\nagent_B: [5, 4.5, -4, 2]\n"
    for heads in (["0"], ["-10", "9", "0"]):
        text = "".join(head.format(k, amount) for k, amount in enumerate(heads, 1))
        credits, *_ = score(text, episodes=[EPISODE] * len(heads), answer_format="arrays")
        assert credits[-1].values.tolist() == [[5.0, 0], [4.5, 0], [-4.0, 0], [2.0, 0]]


@pytest.mark.parametrize("form", ["events", "arrays"])
@pytest.mark.parametrize("wrong", [10.5, -400.0])
def test_a_step_worth_more_than_the_bound_is_asked_for_again(form, wrong):
    def text(amount):
        if form == "events":
            return answer([], [event("agent_B", 2, 3, amount), event("agent_A", 2, 3, 3.0)])
        head = "## Episode {}\nSo it went.\nagent_A: [0, 0, 3, 0]\nagent_B: [0, 0, {}, 0]\n"
        return head.format(1, 0) + head.format(2, amount)

    (_, credit), _, client = score(text(wrong), text(10.0), episodes=[EPISODE, EPISODE], answer_format=form)
    assert (
        f"episode 2: agent_B gets {wrong:g} for step 2; one step may be worth at most 10" in client.requests[1].prompt
    )
    assert credit.values.tolist() == [[0, 0], [0, 0], [10, 3], [0, 0]]


def test_what_an_agent_gets_in_a_step_counts_and_not_each_event():
    cancels = [event("agent_B", 0, 4, 80.0), event("agent_B", 0, 2, -40.0), event("agent_B", 2, 4, -40.0)]
    [credit], critic, _ = score(answer(cancels))
    assert (critic.stats.reasks, credit.values.any()) == (0, False)
    adds_up = [event("agent_B", 0, 1, 6.0), event("agent_B", 0, 2, 10.0)]
    _, critic, _ = score(answer(adds_up), GOOD)
    assert critic.stats.reasks == 1


@pytest.mark.parametrize(("steps", "most"), [(5, 20.0), (60, 130.0), (250, 510.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_episode_may_be_worth_the_bound_and_a_fifth_of_it_for_each_step(steps, most, sign):
    long = corridor_episode([[FORWARD, STAY]] * steps)
    half = steps // 2
    for amount, reasks in ((most - 0.5, 0), (most + 0.5, 1)):
        part = amount * half / steps  # praise and blame do not cancel out
        events = [event("agent_B", 0, half, sign * part), event("agent_B", half, steps, -sign * (amount - part))]
        _, critic, client = score(answer(events), answer([]), episodes=[long])
        assert critic.stats.reasks == reasks
        told = f"the credits of agent_B sum to {amount:g} in size; at most 10 is asked for"
        assert (told in client.requests[-1].prompt) == bool(reasks)


def test_by_the_papers_rule_one_factor_brings_the_whole_query_within_the_bound():
    big = answer([event("agent_B", 0, 4, 16.0), event("agent_B", 0, 1, 4.0)], [event("agent_A", 0, 1, -1.0)])
    credits, *_ = score(big, episodes=[EPISODE, EPISODE], normalise="bound")
    assert credits[0].values.sum(axis=0).tolist() == [10.0, 0.0]
    assert credits[1].values[0].tolist() == [0.0, -0.5]
    assert [event.amount for event in credits[0].events] == [8.0, 2.0]
    assert [event.amount for event in credits[1].events] == [-0.5]


def test_blame_is_bound_like_praise():
    [credit], *_ = score(answer([event("agent_B", 0, 4, -40.0)]), bound=2.0, normalise="bound")
    assert credit.values[:, 0].tolist() == [-0.5] * 4


def test_credits_within_the_bound_are_left_as_they_are():
    big = answer([event("agent_B", 0, 4, 10.0), event("agent_A", 0, 1, 10.0)])
    [credit], *_ = score(big, normalise="bound")
    assert credit.values.sum(axis=0).tolist() == [10.0, 10.0]
