"""Exact credit on small corridors, by hand; what it refuses; the critic around it."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from credit_wrappers import (
    CounterfactualCritic,
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    EnvSimulator,
    Outcomes,
    Values,
    exact_credit,
    named_value,
)
from credit_wrappers.exact.simulator import StateError
from credit_wrappers.recording.replay import replay
from credit_wrappers.testing.corridor import CorridorEnv, CorridorValue
from tests.exact_episodes import Odd, walk, wander

STAY, BACK, FORWARD = 0, 1, 2
FIVE = partial(CorridorEnv, 2, length=5)
#                      walker_0 at 2, 3, 4, 4; walker_1 at 0, 1, 0, 1
EPISODE = walk((FORWARD, FORWARD), (FORWARD, BACK), (STAY, FORWARD), start=(2, 0), length=5)


def credit_of(episode, value="time", kind="difference", make=FIVE, **options):
    (credit,) = CounterfactualCritic(make, value, kind, **options).score([episode])
    return credit.values


def test_time_left_pays_only_who_is_on_the_longest_way():
    assert credit_of(EPISODE, "time").tolist() == [[0, 1], [0, -1], [0, 1]]


def test_work_left_pays_every_useful_step():
    assert credit_of(EPISODE, "work").tolist() == [[1, 1], [1, -1], [0, 1]]


def test_progress_pays_all_what_the_team_gained():
    assert credit_of(EPISODE, "work", "progress").tolist() == [[2, 2], [0, 0], [1, 1]]


def test_the_average_over_the_actions_is_what_coma_takes_away():
    # walker_0 at 2: forward 3, stay 2, back 1: mean 2. At 4, staying: 4, 3 by going back, 4 against the wall.
    # walker_1 at 0: going back leaves it there, so that its mean is 1/3 step; at 1 the mean is 1.
    found = credit_of(EPISODE, "work", "average")
    assert found[:, 0] == pytest.approx([1, 1, 1 / 3])
    assert found[:, 1] == pytest.approx([2 / 3, -1, 2 / 3])


def test_the_average_follows_a_given_policy():
    def policy(state):
        assert state.time < 3
        return np.array([[0.5, 0.0, 0.5], [0.0, 0.25, 0.75]])

    found = credit_of(EPISODE, "work", "average", policy=policy)
    assert found[0] == pytest.approx([0.5, 1 - 0.75])  # walker_1 at 0: going back leaves it there
    assert found[1] == pytest.approx([0.5, -1 - (0.75 - 0.25)])


def test_only_the_agent_that_acted_is_paid_and_only_at_that_step():
    joints = [(STAY, STAY, STAY)] * 3 + [(STAY, FORWARD, STAY)] + [(STAY, STAY, STAY)] * 2
    episode = walk(*joints, start=(0, 0, 0), length=9)
    expected = np.zeros((6, 3))
    expected[3, 1] = 1
    for kind in ("difference", "shapley"):
        assert np.array_equal(credit_of(episode, "work", kind, partial(CorridorEnv, 3, length=9)), expected)


def test_a_default_that_the_environment_names_is_what_an_agent_is_compared_with():
    class Going(CorridorEnv):
        noop = {"walker_1": FORWARD, "walker_0": STAY}  # noqa: RUF012  # a mapping by name

    found = credit_of(EPISODE, "work", make=partial(Going, 2, length=5))
    assert found.tolist() == [[1, 0], [1, -2], [0, 0]]
    found = credit_of(EPISODE, "work", "shapley", make=partial(Going, 2, length=5))
    assert found.tolist() == [[1, 0], [1, -2], [0, 0]]


@pytest.mark.parametrize(
    ("noop", "named"), [(3, "walker_0: 3"), ({"walker_0": 0}, "walker_1"), ({"walker_0": 0, "walker_1": -1}, ": -1")]
)
def test_a_default_that_is_no_action_is_refused(noop, named):
    class Wrong(CorridorEnv):
        pass

    Wrong.noop = noop
    with pytest.raises(CreditError, match=named):
        EnvSimulator(partial(Wrong, 2))


def test_a_world_that_has_ended_is_worth_nothing_and_is_not_valued():
    episode = walk((FORWARD, FORWARD), start=(3, 3), length=5)
    assert episode.terminated

    class Far(Odd):
        def values(self, states):
            assert all(state.position != (4, 4) for state in states)
            return Values(np.full(len(states), -10.0), np.zeros(len(states)))

    found = exact_credit(episode, EnvSimulator(FIVE), Far())
    assert found.values.tolist() == [[10, 10]] and found.team.tolist() == [10]
    found = exact_credit(episode, EnvSimulator(FIVE), Far(counts_reward=True, discount=0.5))
    assert found.values.tolist() == [[6, 6]]


@pytest.mark.parametrize("kind", ["difference", "shapley"])
def test_the_error_of_values_with_common_samples_is_that_of_the_differences(kind):
    noise = np.array([-3.0, 1.0, 2.0])  # the same chance in all states, so that no difference has it

    class Common(Odd):
        def values(self, states):
            own = np.array([[0.0, 0.0, 0.3 * (state.position[0] == 3)] for state in states])
            samples = np.array([[-8.0 + sum(state.position)] for state in states]) + noise + own
            return Values(samples.mean(axis=1), samples.std(axis=1, ddof=1) / np.sqrt(3), samples)

    episode = walk((FORWARD, FORWARD), start=(2, 0), length=5)
    found = exact_credit(episode, EnvSimulator(FIVE), Common(counts_reward=True, discount=0.5), kind)
    assert found.values[0] == pytest.approx([0.55, 0.5])
    assert found.error[0] == pytest.approx([0.5 * 0.3 / 3, 0.0])


def test_time_running_out_does_not_make_a_state_worth_nothing():
    episode = walk((FORWARD, FORWARD), (FORWARD, STAY), start=(0, 0), length=5, horizon=2)
    assert episode.truncated and not episode.terminated
    make = partial(CorridorEnv, 2, length=5, horizon=2)
    assert credit_of(episode, "work", make=make).tolist() == [[1, 1], [1, 0]]
    assert credit_of(episode, "work", "progress", make=make).tolist() == [[2, 2], [1, 1]]


def test_a_cost_takes_the_penalty_from_who_caused_it():
    episode = walk((BACK, FORWARD), start=(0, 0), length=5)
    assert episode.cost.tolist() == [[1, 0]]
    for kind in ("difference", "shapley"):
        assert credit_of(episode, "work", kind, penalty=0.25).tolist() == [[-0.25, 1]]
    assert credit_of(episode, "work", "progress", penalty=0.25).tolist() == [[0.75, 0.75]]


def test_an_agent_that_has_left_is_paid_nothing_and_others_are_compared_without_it():
    gone = replace(EPISODE, actions=np.array([[FORWARD, FORWARD], [-1, BACK], [-1, FORWARD]]))
    for kind in ("difference", "average", "shapley"):
        found = credit_of(gone, "work", kind)
        assert not found[1:, 0].any() and found[1, 1] < 0 < found[2, 1]


def test_an_agent_that_has_left_is_not_stepped():
    class Leaving(CorridorEnv):
        """walker_1 leaves after the first step."""

        def step(self, actions):
            assert list(actions) == self.agents
            found = super().step(actions)
            self.agents = self.agents[:1]
            return found

    make = partial(Leaving, 2, length=5)
    env = make()
    env.reset(seed=0)
    env.position = [0, 0]
    shots = [env.get_state()]
    for actions in ({"walker_0": FORWARD, "walker_1": FORWARD}, {"walker_0": FORWARD}):
        env.step(actions)
        shots.append(env.get_state())
    actions = np.array([[FORWARD, FORWARD], [FORWARD, -1]])
    zeros = np.zeros((2, 2))
    episode = replace(
        EPISODE, actions=actions, team_reward=zeros[0], cost=zeros, snapshots=tuple(shots), terminated=False
    )
    assert credit_of(episode, "work", make=make).tolist() == [[1, 1], [1, 0]]


def test_every_outcome_is_asked_for_once_and_every_state_valued_once():
    class Counting(EnvSimulator):
        asked = 0

        def outcomes(self, states, joints):
            rows = {(state.time, *joint) for state, joint in zip(states, joints.tolist(), strict=True)}
            assert len(rows) == len(states)
            self.asked += len(states)
            return super().outcomes(states, joints)

    class Once(Odd):
        calls = 0

        def values(self, states):
            assert len({(state.time, state.position) for state in states}) == len(states)
            self.calls += 1
            return super().values(states)

    simulator, value = Counting(FIVE), Once()
    exact_credit(EPISODE, simulator, value, "shapley")
    assert simulator.asked == 4 + 4 + 2  # in the last step one of the two stays
    assert value.calls == 1


# -- what is refused ------------------------------------------------------------------------------------------


def test_an_episode_without_snapshots_is_told_how_to_get_them():
    for shots in ((), EPISODE.snapshots[:-1]):
        with pytest.raises(CreditError, match=r"episode 7: .*record_snapshots=True.*replay\("):
            credit_of(replace(EPISODE, snapshots=shots))


def test_unknown_kinds_and_values_are_told_the_valid_ones():
    with pytest.raises(ValueError, match="'difference', 'average', 'shapley', 'progress'"):
        CounterfactualCritic(FIVE, kind="differences")
    with pytest.raises(ValueError, match="'time', 'work'"):
        CounterfactualCritic(FIVE, "speed")
    with pytest.raises(ValueError, match="'time', 'work'"):
        CounterfactualCritic(FIVE, None)
    with pytest.raises(ValueError, match="'time', 'work'"):
        named_value(FIVE(), "speed")
    with pytest.raises(ValueError, match="budget=1"):
        CounterfactualCritic(FIVE, budget=1)
    with pytest.raises(ValueError, match="scale=nan"):
        CounterfactualCritic(FIVE, scale=float("nan"))


@pytest.mark.parametrize(
    ("joint", "kind", "where"),
    [
        ((STAY, FORWARD), "difference", "step 1, with the default of walker_0"),
        ((FORWARD, STAY), "shapley", "step 1, the coalition walker_0"),
        ((STAY, STAY), "progress", "step 1, with all defaults"),
    ],
)
def test_a_state_without_a_value_is_named_by_episode_step_and_case(joint, kind, where):
    episode = walk((FORWARD, FORWARD), (FORWARD, FORWARD), start=(0, 0), length=5)
    position = tuple(1 + (action == FORWARD) for action in joint)

    class Lost(Odd):
        def values(self, states):
            for k, state in enumerate(states):
                if state.position == position and state.time == 2:
                    raise StateError("no way on", k)
            return super().values(states)

    with pytest.raises(CreditError, match=rf"episode 7, {where}: no way on"):
        exact_credit(episode, EnvSimulator(FIVE), Lost(), kind)

    class Infinite(Odd):
        def values(self, states):
            mean = [-np.inf if state.position == position and state.time == 2 else 0.0 for state in states]
            return Values(np.array(mean), np.zeros(len(states)))

    with pytest.raises(CreditError, match=rf"episode 7, {where}: the goal cannot be reached.*RolloutValue"):
        exact_credit(episode, EnvSimulator(FIVE), Infinite(), kind)


def test_an_episode_of_another_environment_is_refused():
    with pytest.raises(CreditError, match="episode 7 is of the agents walker_0, walker_1, the simulator of walker_0"):
        credit_of(EPISODE, make=partial(CorridorEnv, 3, length=5))
    with pytest.raises(CreditError, match=r"episode 7: the state is of a corridor with .* \(2, 5, 12\)"):
        credit_of(EPISODE, make=partial(CorridorEnv, 2, length=6))
    wrong = replace(EPISODE, terminated=True)
    with pytest.raises(CreditError, match="episode 7, step 2: the simulator's world does not end there"):
        credit_of(wrong)


def test_an_environment_without_states_or_values_is_told_what_to_do():
    class Bare(CorridorEnv):
        set_state = None

    with pytest.raises(CreditError, match=r"Bare has no set_state.*: add .*set_state\(state\), which"):
        EnvSimulator(Bare)
    with pytest.raises(TypeError, match="env_factory must be a function"):
        EnvSimulator(FIVE())

    class Valueless(CorridorEnv):
        value_function = None

    with pytest.raises(CreditError, match=r"Valueless has no value function 'time'.*TabularValue.*RolloutValue"):
        CounterfactualCritic(Valueless)


def test_actions_that_are_vectors_are_refused():
    with pytest.raises(CreditError, match="episode 7: exact credit needs Discrete actions"):
        credit_of(replace(EPISODE, actions=np.zeros((3, 2, 1))))


def test_masks_of_the_environment_say_which_actions_count_in_the_average():
    class Masking(CorridorEnv):
        def observe_all(self):
            """Tell that nobody can go back; walker_1 is gone from (3, 1) on."""
            here = self.possible_agents[: 1 if self.position[0] == 3 else 2]
            return {}, {agent: {"action_mask": np.array([1, 0, 1])} for agent in here}

    gone = replace(EPISODE, actions=np.array([[FORWARD, FORWARD], [FORWARD, -1], [STAY, FORWARD]]))
    found = credit_of(gone, "work", "average", make=partial(Masking, 2, length=5))
    assert found == pytest.approx(np.array([[0.5, 0.5], [0.5, 0], [0, 0.5]]))


def test_a_policy_that_returns_no_probabilities_is_refused():
    for wrong in (np.ones((2, 3)), np.ones((3, 1))):
        with pytest.raises(ValueError, match="probabilities"):
            credit_of(EPISODE, kind="average", policy=lambda _, wrong=wrong: wrong)


def test_a_simulator_that_does_not_know_the_actions_is_enough_but_for_the_average():
    class Only:
        def outcomes(self, states, joints):
            return EnvSimulator(FIVE).outcomes(states, joints)

    value = CorridorValue("work", 5)
    assert exact_credit(EPISODE, Only(), value).values.tolist() == [[1, 1], [1, -1], [0, 1]]
    assert exact_credit(EPISODE, Only(), value, default=FORWARD).values.tolist() == [[0, 0], [0, -2], [0, 0]]
    with pytest.raises(CreditError, match="kind='average' needs a simulator that knows the actions"):
        exact_credit(EPISODE, Only(), value, "average")


# -- the critic and the simulator -----------------------------------------------------------------------------


def test_the_critic_is_a_critic_that_can_be_pickled():
    critic = pickle.loads(pickle.dumps(CounterfactualCritic(FIVE, "work", scale=0.5, explain=True)))
    assert critic.label == "exact"
    credit, other = critic.score([EPISODE, walk((BACK, FORWARD), start=(1, 0), length=5)])
    assert credit.source == "exact" and credit.values.dtype == np.float32
    assert credit.values.tolist() == [[0.5, 0.5], [0.5, -0.5], [0, 0.5]]
    assert other.values.tolist() == [[-0.5, 0.5]]
    summed = np.zeros((3, 2))
    for event in credit.events:
        summed[event.start, EPISODE.agents.index(event.agent)] += event.amount
        assert event.stop == event.start + 1
    assert np.array_equal(summed, credit.values)
    assert credit.summary.startswith("difference credit in actions") and "; the whole team gained " in credit.summary
    assert credit.events[3].why == "1 action further than with its default action"
    assert CounterfactualCritic(FIVE).score([EPISODE])[0].events == ()


def test_a_wrapper_pays_the_exact_credit_of_what_was_played():
    store = CreditStore(CounterfactualCritic(FIVE, "work", "shapley"))
    env = CreditWrapper(FIVE(), Deferred(store), record_snapshots=True)
    _, infos = env.reset(seed=4)
    start = env.unwrapped.position[:]
    joints = [(FORWARD, STAY), (STAY, FORWARD), (BACK, FORWARD)] + [(STAY, STAY)] * 9
    for joint in joints:
        _, _, _, _, infos = env.step(dict(zip(env.possible_agents, joint, strict=True)))
    ((_, credit),) = store.settle([infos["walker_0"]["episode_id"]])
    assert start[0] < 4 and credit.source == "exact"
    assert credit.values.tolist() == [[1, 0], [0, 1], [-1, 1]] + [[0, 0]] * 9
    again = replay(FIVE(), 4, np.array(joints), snapshots=True)
    assert credit_of(again, "work", "shapley").tolist() == credit.values.tolist()


def test_an_environments_own_simulator_is_used():
    class Fast(CorridorEnv):
        def simulator(self):
            return self

        def outcomes(self, states, joints):
            after = [
                replace(state, position=tuple(np.add(state.position, joint).tolist()), time=state.time + 1)
                for state, joint in zip(states, joints, strict=True)
            ]
            zeros = np.zeros(len(states))
            return Outcomes(after, zeros, np.zeros(joints.shape), zeros > 0, zeros > 0)

    # here going forward is two cells, and going back is one cell forward
    assert credit_of(EPISODE, "work", make=partial(Fast, 2, length=5)).tolist() == [[2, 2], [2, 1], [0, 2]]


def test_the_simulator_goes_on_as_the_environment_did():
    episode = wander(CorridorEnv(3, length=4), 3)
    found = EnvSimulator(partial(CorridorEnv, 3, length=4)).outcomes(episode.snapshots[:-1], episode.actions)
    assert tuple(found.states) == episode.snapshots[1:]
    assert found.reward.tolist() == episode.team_reward.tolist()
    assert found.cost.tolist() == episode.cost.tolist()
    assert found.truncated.tolist() == [False] * (episode.length - 1) + [episode.truncated]
    with pytest.raises(StateError, match="has ended") as error:
        EnvSimulator(partial(CorridorEnv, 3, length=4)).outcomes(episode.snapshots[-2:], episode.actions[-2:])
    assert error.value.index == 1 and pickle.loads(pickle.dumps(error.value)).index == 1
