"""Tables and rollouts give the values that can be worked out by hand; their errors reach the credit."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from credit_wrappers import CounterfactualCritic, CreditError, EnvSimulator, RolloutValue, TabularValue, exact_credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.exact.simulator import StateError
from credit_wrappers.exact.value_function import Values, named_value, state_key
from credit_wrappers.testing.corridor import CorridorEnv, CorridorState
from spaceworld import spaceworld_v0
from spaceworld.planner import to_go
from spaceworld.presets import get_scenario
from tests.exact_episodes import walk, wander

FIVE = partial(CorridorEnv, 2, length=5)
EPISODE = walk((2, 2), (2, 1), (0, 2), start=(2, 0), length=5)
STATES = EPISODE.snapshots


def forward(states):
    """The policy that always goes forward."""
    return np.full((len(states), 2), 2)


# -- tables ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["time", "work"])
def test_the_table_of_a_corridor_is_its_closed_form(kind):
    table = TabularValue(EnvSimulator(FIVE), STATES[:1], kind)
    assert table.size == 5 * 5 - 1
    own = named_value(FIVE(), kind)
    every = [replace(STATES[0], position=(i, k)) for i in range(5) for k in range(5) if (i, k) != (4, 4)]
    assert table.values(every).mean.tolist() == own.values(every).mean.tolist()
    assert (table.unit, table.counts_reward) == (own.unit, own.counts_reward)
    arrived = FIVE().rewind(replace(STATES[0], position=(4, 4)))
    assert table.values([arrived]).mean.tolist() == [0] and not table.values(STATES).error.any()


def test_the_table_of_rewards_discounts_the_reward_of_arriving():
    table = TabularValue(EnvSimulator(FIVE), STATES[:1], discount=0.5)
    # 4, 4, 4 and 3 steps to go: the reward of 1 comes with the last of them
    assert table.values(STATES[:3]).mean == pytest.approx([0.5**3, 0.5**2, 0.5**3])
    assert table.counts_reward and table.unit == "reward"
    found = exact_credit(EPISODE, EnvSimulator(FIVE), table)
    assert found.values[0] == pytest.approx([0, 0.5 * (0.5**2 - 0.5**3)])


def test_time_running_out_is_no_end_in_a_table():
    make = partial(CorridorEnv, 2, length=5, horizon=1)
    table = TabularValue(EnvSimulator(make), wander(make(), 0).snapshots[:1], "time")
    episode = walk((2, 2), start=(0, 0), length=5, horizon=1)
    assert episode.truncated and table.values(episode.snapshots).mean.tolist() == [-4, -3]


def test_the_world_without_a_way_to_its_end_has_no_value_in_time():
    class Endless(CorridorEnv):
        def step(self, actions):
            return super().step({agent: 1 for agent in actions})  # everybody always goes back

    table = TabularValue(EnvSimulator(partial(Endless, 2, length=5)), STATES[:1], "time")
    with pytest.raises(StateError, match="cannot reach its end"):
        table.values(STATES[:1])


def test_a_state_that_was_not_found_is_named():
    table = TabularValue(EnvSimulator(FIVE), STATES[:1], "time")
    with pytest.raises(StateError, match="starts") as error:
        table.values([STATES[0], replace(STATES[0], position=(9, 9))])
    assert error.value.index == 1


def test_a_world_that_is_too_large_is_refused_with_the_number_and_the_way_out():
    with pytest.raises(CreditError, match=r"more than 23 states.*max_states=23.*rewind.*RolloutValue"):
        TabularValue(EnvSimulator(FIVE), STATES[:1], max_states=23)
    assert TabularValue(EnvSimulator(FIVE), STATES[:1], max_states=24).size == 24


def test_values_that_grow_for_too_long_are_refused():
    class Paying(CorridorEnv):
        def step(self, actions):
            observations, rewards, *rest = super().step(actions)
            return observations, {agent: 1.0 for agent in rewards}, *rest

    simulator = EnvSimulator(partial(Paying, 1, length=4))
    start = walk((0,), start=(0,), length=4).snapshots[:1]
    with pytest.raises(CreditError, match=r"do not converge with .* lower discount"):
        TabularValue(simulator, start, discount=0.99999)
    assert TabularValue(simulator, start, discount=0.5).values(start).mean == pytest.approx([2])


def test_a_time_limit_needs_a_rewind_and_the_message_names_it():
    class Bare(CorridorEnv):
        rewind = None

    simulator = EnvSimulator(partial(Bare, 2, length=5))
    with pytest.raises(CreditError, match=r"Bare has no rewind\(state\): add it, or pass rewind="):
        TabularValue(simulator, STATES[:1], "work")
    back = FIVE().rewind
    assert TabularValue(simulator, STATES[:1], "work", rewind=back).size == 24
    with pytest.raises(CreditError, match=r"After set_state\(rewind\(state\)\) no agent is there"):
        TabularValue(simulator, STATES[:1], "work", rewind=lambda state: state)


def test_undiscounted_reward_is_refused_and_the_usual_discount_pays_who_hurries():
    with pytest.raises(ValueError, match="discount=1 with 'reward': waiting would cost nothing"):
        TabularValue(EnvSimulator(FIVE), STATES[:1], "reward", 1.0)
    table = TabularValue(EnvSimulator(FIVE), STATES[:1])
    assert table.discount == 0.99 and TabularValue(EnvSimulator(FIVE), STATES[:1], "time").discount == 1
    [credit] = CounterfactualCritic(FIVE, value=table).score([EPISODE])
    assert credit.values[0].tolist() == pytest.approx([0, 0.99**3 - 0.99**4], abs=1e-6)


def test_arguments_outside_their_range_are_refused():
    with pytest.raises(ValueError, match="'time', 'work', 'reward'"):
        TabularValue(EnvSimulator(FIVE), STATES[:1], "steps")
    with pytest.raises(ValueError, match=r"discount=1\.5"):
        TabularValue(EnvSimulator(FIVE), STATES[:1], discount=1.5)
    with pytest.raises(ValueError, match="rollouts=1"):
        RolloutValue(EnvSimulator(FIVE), rollouts=1)
    with pytest.raises(ValueError, match="'random'"):
        RolloutValue(EnvSimulator(FIVE), "greedy")
    with pytest.raises(ValueError, match="knows the actions"):
        RolloutValue(object())


# -- rollouts -------------------------------------------------------------------------------------------------


def test_a_rollout_of_a_fixed_policy_is_its_discounted_return():
    value = RolloutValue(EnvSimulator(FIVE), forward, rollouts=2, discount=0.9)
    found = value.values(STATES)  # at (2, 0), (3, 1), (4, 0), (4, 1); who has arrived bumps for 0.05
    expected = []
    for position in ((2, 0), (3, 1), (4, 0), (4, 1)):
        total = 0.0
        for t in range(max(4 - cell for cell in position)):
            done = [cell + t >= 4 for cell in position]
            total += 0.9**t * -0.05 * sum(done)
        expected.append(total + 0.9 ** (max(4 - cell for cell in position) - 1))
    assert found.mean == pytest.approx(expected)
    assert not found.error.any()
    assert RolloutValue(EnvSimulator(FIVE), forward, 2, horizon=3, discount=0.9).values(STATES[:1]).mean < 0


def test_rollouts_go_on_past_the_time_limit_where_the_clock_can_be_set_back():
    make = partial(CorridorEnv, 2, length=9, horizon=3)
    episode = walk((0, 0), (0, 0), (0, 0), start=(0, 0), length=9, horizon=3)
    value = RolloutValue(EnvSimulator(make), forward, 2, discount=1.0)
    assert value.values(episode.snapshots).mean.tolist() == [1, 1, 1, 1]

    class Ticking(CorridorEnv):
        rewind = None

    make = partial(Ticking, 2, length=9, horizon=3)
    value = RolloutValue(EnvSimulator(make), forward, 2, discount=1.0)
    assert value.values(episode.snapshots[:3]).mean.tolist() == [0, 0, 0]
    with pytest.raises(CreditError, match=r"episode 7, step 2, as it happened: .*rewind"):
        exact_credit(episode, EnvSimulator(make), value)
    back = CorridorEnv(2, length=9, horizon=3).rewind
    value = RolloutValue(EnvSimulator(make), forward, 2, discount=1.0, rewind=back)
    assert value.values(episode.snapshots).mean.tolist() == [1, 1, 1, 1]
    value = RolloutValue(EnvSimulator(FIVE), forward, 2, rewind=back)
    assert pickle.loads(pickle.dumps(value)).rewind.__self__.horizon == 3


def test_random_rollouts_are_seeded_and_have_an_error_that_fits_their_spread():
    make = partial(CorridorEnv, 1, length=3)
    start = walk((0,), start=(0,), length=3).snapshots[:1]
    exact = 1 / 9 + (-0.05 / 3)  # in two steps: 1 for twice forward, a bump in the first step, one in the second:
    exact += -0.05 * (2 / 9)  # after a bump or a stay 1/3; after going forward none, as going back is possible
    found = [RolloutValue(EnvSimulator(make), rollouts=100, horizon=2, discount=1.0, seed=s) for s in range(8)]
    means = np.array([value.values(start).mean[0] for value in found])
    errors = np.array([value.values(start).error[0] for value in found])
    assert np.abs(means.mean() - exact) < 4 * errors.mean() / np.sqrt(8)
    assert 0.4 < means.std(ddof=1) / errors.mean() < 2
    assert found[0].values(start).mean[0] == means[0] and len(set(means)) > 1


def test_the_error_of_a_mean_is_that_of_a_sample():
    def one_of_two(states):
        return np.array([[2], [0]] * (len(states) // 2))  # of two rollouts, one goes forward

    make = partial(CorridorEnv, 1, length=3)
    states = walk((0,), (2,), start=(1,), length=3).snapshots[:2]
    found = RolloutValue(EnvSimulator(make), one_of_two, rollouts=2, horizon=1).values(states)
    assert found.mean == pytest.approx([0.5, 0.5]) and found.error == pytest.approx([0.5, 0.5])


def test_the_error_of_a_value_reaches_the_credit_and_cancels_where_two_states_are_one():
    @dataclass
    class Uncertain:
        unit, counts_reward, discount = "reward", True, 0.5

        def values(self, states):
            return Values(np.zeros(len(states)), np.array([1.0 + state.position[1] for state in states]))

    episode = walk((2, 2), (0, 2), start=(0, 0), length=9)
    make = EnvSimulator(partial(CorridorEnv, 2, length=9))
    found = exact_credit(episode, make, Uncertain())
    # step 0 ends at (1, 1), or at (0, 1) and (1, 0); in step 1 walker_0 stays, so that nothing is compared
    assert found.error[0] == pytest.approx([0.5 * np.sqrt(4 + 4), 0.5 * np.sqrt(4 + 1)])
    assert found.error[1] == pytest.approx([0, 0.5 * np.sqrt(9 + 4)])
    found = exact_credit(episode, make, Uncertain(), "shapley")
    # half of v(both) - v(other), half of v(self) - v(nobody): errors 2, 2 or 1, 1
    assert found.error[0] == pytest.approx([0.25 * np.sqrt(4 + 4 + 1 + 1)] * 2)


def test_a_critic_takes_rollouts_as_its_value():
    simulator = EnvSimulator(FIVE)
    critic = CounterfactualCritic(FIVE, RolloutValue(simulator, forward, 2, discount=0.5), explain=True)
    (credit,) = pickle.loads(pickle.dumps(critic)).score([EPISODE])
    assert credit.values[0] == pytest.approx(exact_credit(EPISODE, simulator, critic.value).values[0], abs=1e-6)
    assert {event.why.split()[1] for event in credit.events} == {"reward"}


# -- states ---------------------------------------------------------------------------------------------------


def test_states_are_told_apart_by_what_they_hold():
    assert state_key(STATES[0]) == state_key(pickle.loads(pickle.dumps(STATES[0])))
    assert len({state_key(state) for state in STATES}) == 4
    one, two = np.array([1, 2]), np.array([1, 3])
    assert state_key({"a": [one]}) == state_key({"a": [one.copy()]}) != state_key({"a": [two]})
    assert state_key(one) != state_key(one.astype(float)) != state_key(one[None])
    assert state_key(Episode) == state_key(Episode) != state_key(CorridorState)


def test_an_error_that_is_not_known_stays_unknown_where_it_does_not_cancel():
    @dataclass
    class Planned:
        unit, counts_reward, discount = "reward", False, 1.0

        def values(self, states):
            return Values(np.zeros(len(states)), np.full(len(states), np.nan))

    episode = walk((2, 2), (0, 2), start=(0, 0), length=9)
    found = exact_credit(episode, EnvSimulator(partial(CorridorEnv, 2, length=9)), Planned())
    assert np.isnan(found.error).tolist() == [[True, True], [False, True]] and found.error[1, 0] == 0


def test_a_plan_is_no_exact_value_so_its_error_is_stated_where_it_was_measured(monkeypatch):
    monkeypatch.setattr(to_go, "STATED", {})
    make = partial(spaceworld_v0.parallel_env, scenario="truss", max_cycles=3)
    unknown = exact_credit(wander(make(), 0), EnvSimulator(make), named_value(make(), "time"))
    assert np.isnan(unknown.error).any() and np.isfinite(unknown.values).all()
    monkeypatch.setattr(to_go, "STATED", {"truss": (0.5, 0.7)})
    episode = wander(make(), 0)
    found = exact_credit(episode, EnvSimulator(make), named_value(make(), "time"))
    assert (found.error > 0).any() and found.values.tolist() == unknown.values.tolist()
    assert found.error[np.isnan(unknown.error)] == pytest.approx(0.5 * 2**0.5, abs=0.21)  # of one value or of two
    other = replace(get_scenario("truss"), height=10)  # of no preset, so nobody has measured it
    value = named_value(spaceworld_v0.parallel_env(scenario=other), "time")
    assert np.isnan(value.error) and named_value(make(), "work").error == 0.7


def test_plans_with_other_orders_are_a_second_estimate():
    env = spaceworld_v0.parallel_env(scenario="truss")
    value, states = named_value(env, "time"), []
    for seed in range(4):
        env.reset(seed=seed)
        states.append(env.unwrapped.get_state())
    one, two = value.values(states).mean, value.again().values(states).mean
    assert (one != two).any() and np.abs(one - two).max() < 15
    assert value.again().values(states).mean.tolist() == two.tolist()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (lambda k: None, "it returned NoneType"),
        (lambda k: Values([0.0] * k, np.zeros(k)), "mean is a list"),
        (lambda k: Values(np.zeros(1), np.zeros(k)), r"mean has shape \(1,\), and there are \d+ states"),
        (lambda k: Values(np.zeros(k), 0.0), "error is a float"),
        (lambda k: Values(np.zeros(k), np.zeros(k), np.zeros((3, k))), r"samples have shape \(3, \d+\)"),
        (lambda k: Values(np.zeros(k), np.zeros(k), np.zeros((k, 1))), r"samples have shape \(\d+, 1\)"),
        (lambda k: Values(np.arange(k) * 1.0, np.zeros(k), np.zeros((k, 3))), "samples' means are not the values"),
    ],
)
def test_values_that_are_not_of_the_states_are_refused_with_what_is_wrong(values, why):
    class Wrong:
        unit, counts_reward = "steps", False

        def values(self, states):
            return values(len(states))

    with pytest.raises(CreditError, match=f"episode 7: Wrong.values must return Values.*{why}"):
        exact_credit(walk((1, 2), length=5), EnvSimulator(partial(CorridorEnv, 2, length=5)), Wrong())
