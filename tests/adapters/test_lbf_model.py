"""The model of Level-Based Foraging is the library, and its tables are exact."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from credit_wrappers import CounterfactualCritic, CreditError, EnvSimulator, TabularValue, exact_credit
from credit_wrappers.adapters import lbf, lbf_model, lbf_table
from credit_wrappers.adapters.lbf_table import Layout, steps_to_go
from credit_wrappers.exact.simulator import StateError
from tests.adapters.worlds import WORLDS, busy
from tests.exact_episodes import recorded, shapley_by_definition, wander, worth

STAY, NORTH, SOUTH, WEST, EAST, LOAD = range(6)


def library(env_id="Foraging-5x5-2p-1f-coop-v3", **arguments):
    """Make the environment without its own simulator."""
    env = lbf.parallel_env(env_id, **arguments)
    env.simulator = None
    return env


def placed(env, foods, players):
    """Return a state: foods are (row, column, level), players (row, column, level)."""
    env.reset(seed=0)
    state = env.get_state()
    team = tuple(((row, column), level, 0.0, 0.0) for row, column, level in players)
    return replace(state, values=(True, (), (0.0,) * len(team), (tuple(foods), tuple(foods), team, 0, False)))


@pytest.mark.parametrize("world", ["lbf", "lbf-coop", "lbf-near", "lbf-oblong"])
def test_the_model_does_what_the_library_does(world):
    env, rng = WORLDS[world](), np.random.default_rng(1)
    states, joints, after, paid, ends = [], [], [], [], []
    for seed in range(6):
        _, infos = env.reset(seed=seed)
        for _ in range(60):
            if not env.agents:
                break
            states.append(env.get_state())
            actions = busy(env, infos, rng, free=seed % 2 == 0)
            _, rewards, terminations, truncations, infos = env.step(actions)
            joints.append([int(a) for a in actions.values()])
            after.append(env.get_state())
            paid.append(rewards["player_0"])
            ends.append((terminations["player_0"], truncations["player_0"]))
    found = env.simulator().outcomes(states, np.array(joints))
    assert found.states == after
    assert found.reward.tolist() == paid
    assert list(zip(found.terminated, found.truncated, strict=True)) == ends
    assert any(p > 0 for p in paid) and any(cut for _, cut in ends) and not found.cost.any()


def test_crowds_move_and_load_as_in_the_library():
    env = library("Foraging-5x5-3p-1f-coop-v3", penalty=0.25, field_size=(4, 3), sight=4)
    rng = np.random.default_rng(2)
    states, joints, after = [], [], []
    for _ in range(600):  # players close together, on one cell too, in every combination of actions
        cells = rng.choice([k for k in range(12) if k != 4], 3)
        state = placed(
            env, [(1, 1, int(rng.integers(1, 7)))], [(k // 3, k % 3, int(rng.integers(1, 3))) for k in cells]
        )
        joint = rng.choice(6, 3, p=[0.1, 0.1, 0.1, 0.1, 0.1, 0.5])
        env.set_state(state)
        env.step(dict(zip(env.agents, map(int, joint), strict=True)))
        states.append(state)
        joints.append(joint)
        after.append(env.get_state())
    found = type(env).simulator(env).outcomes(states, np.array(joints))
    assert found.states == after
    assert (found.reward < 0).any() and found.terminated.any()


@pytest.mark.parametrize("kind", ["time", "work"])
def test_the_table_is_that_of_all_states_explored_with_the_library(kind):
    make = partial(library, field_size=(4, 3), sight=4)
    env = make()
    start = placed(env, [(2, 1, 3)], [(0, 0, 2), (3, 2, 1)])
    table = TabularValue(EnvSimulator(make), [start], kind, max_states=150)
    foods, _, team, *_ = start.values[3]
    cells = [(row, column) for row in range(4) for column in range(3) if (row, column) != foods[0][:2]]
    states = [
        placed(env, foods, [(*one, team[0][1]), (*two, team[1][1])]) for one in cells for two in cells if one != two
    ]
    own = env.value_function(kind)
    assert own.values(states).mean.tolist() == table.values(states).mean.tolist()
    assert (own.unit, own.counts_reward) == (table.unit, table.counts_reward)


def test_two_foods_take_the_steps_that_the_model_explores():
    make = partial(lbf.parallel_env, "Foraging-5x5-2p-2f-v3", field_size=(5, 4), sight=5)
    start = placed(make(), [(1, 1, 2), (3, 2, 1)], [(0, 0, 1), (4, 3, 1)])
    table = TabularValue(EnvSimulator(make), [start], "time", max_states=2000)
    rng = np.random.default_rng(0)
    keys = [key for key, number in table._index.items() if number >= 0]
    assert len(keys) == table.size > 600
    states, own, model = [start], make().value_function("time"), make().simulator()
    for _ in range(200):
        found = model.outcomes(states[-1:], rng.choice(6, (1, 2), p=[0.1, 0.1, 0.1, 0.1, 0.1, 0.5]))
        if not found.terminated[0]:
            states.append(lbf.rewound(found.states[0]))
    assert own.values(states).mean.tolist() == table.values(states).mean.tolist()
    # player_1 walks 4 steps to (1, 2), past the second food, which it loads alone; then both load the first
    assert own.values(states[:1]).mean.tolist() == [-(4 + 1 + 1)]


def test_food_is_in_the_way():
    env = lbf.parallel_env("Foraging-5x5-2p-2f-v3", field_size=(3, 7), sight=7)
    # player_0 walks 5 steps around (1, 1), which needs both, to (1, 3), loads, and goes back by one; then both load.
    # Straight through the food it would be 3 steps; waiting for player_1, whose way to (1, 1) is 5 steps, takes longer.
    state = placed(env, [(1, 1, 3), (1, 4, 2)], [(1, 0, 2), (0, 6, 1)])
    assert env.value_function("time").values([state]).mean.tolist() == [-(5 + 1 + 1 + 1)]


def test_symmetric_players_share_the_way_and_a_waiting_one_gets_nothing():
    make = partial(lbf.parallel_env, "Foraging-5x5-2p-1f-coop-v3")
    env = make()
    state = placed(env, [(2, 2, 2)], [(2, 0, 1), (2, 4, 1)])
    env.set_state(state)

    def play(*joints):
        env.set_state(state)
        shots = [state]
        for joint in joints:
            env.step(dict(zip(env.agents, joint, strict=True)))
            shots.append(env.get_state())
        template = wander(make(), 0)
        return replace(
            template, actions=np.array(joints), team_reward=np.zeros(len(joints)), cost=np.zeros((len(joints), 2)),
            terminated=not env.agents, truncated=False, snapshots=tuple(shots),
        )  # fmt: skip

    def credit(episode, value, kind):
        return CounterfactualCritic(make, value, kind).score([episode])[0].values.tolist()

    both = play((EAST, WEST), (LOAD, LOAD))
    assert both.terminated
    assert credit(both, "work", "shapley") == [[1, 1], [1, 1]]
    assert credit(both, "time", "shapley") == [[0.5, 0.5], [0.5, 0.5]]  # 2 steps to go, 1 only if both act
    assert credit(both, "time", "difference") == [[1, 1], [1, 1]]
    assert credit(play((EAST, STAY), (LOAD, WEST)), "work", "difference") == [[1, 0], [0, 1]]
    assert credit(play((EAST, STAY), (STAY, WEST)), "time", "difference") == [[0, 0], [0, 1]]


@pytest.mark.parametrize("kind", ["time", "work"])
def test_shapley_credit_is_the_librarys_by_definition(kind):
    make = partial(lbf.parallel_env, "Foraging-5x5-3p-1f-coop-v3", penalty=0.1, field_size=(4, 4), sight=4)
    episode = wander(make(), 3, steps=5)
    value = make().value_function(kind)
    found = exact_credit(episode, EnvSimulator(make), value, "shapley")
    plain = library("Foraging-5x5-3p-1f-coop-v3", penalty=0.1, field_size=(4, 4), sight=4)
    np.testing.assert_allclose(found.values, shapley_by_definition(plain, episode, value), atol=1e-9)
    assert found.values.any()


def test_the_average_counts_possible_actions_only():
    make = partial(lbf.parallel_env, "Foraging-5x5-2p-1f-coop-v3")
    masks = []

    def choose(_, infos):
        masks.append([infos[agent]["action_mask"] for agent in infos])
        return [int(np.flatnonzero(mask)[-1]) for mask in masks[-1]]

    episode = recorded(make(), 2, choose, steps=4)
    value, env = make().value_function("work"), library()
    found = exact_credit(episode, EnvSimulator(make), value, "average")
    for t, joint in enumerate(episode.actions):
        state = episode.snapshots[t]
        for i in range(2):
            others = [worth(env, state, [*joint[:i], a, *joint[i + 1 :]], value) for a in np.flatnonzero(masks[t][i])]
            assert len(others) < 6
            assert found.values[t, i] == pytest.approx(worth(env, state, joint, value) - np.mean(others))


def test_a_truncated_episode_goes_on_for_its_value():
    make = partial(lbf.parallel_env, "Foraging-5x5-2p-1f-coop-v3", max_episode_steps=3)
    episode = recorded(make(), 5, lambda *_: (STAY, STAY))
    assert episode.truncated
    assert (make().value_function("time").values(episode.snapshots).mean < 0).all()
    assert not CounterfactualCritic(make).score([episode])[0].values.any()
    with pytest.raises(StateError, match="has ended"):
        make().simulator().outcomes(episode.snapshots[-1:], np.zeros((1, 2), int))
    again = make().simulator().outcomes([make().rewind(episode.snapshots[-1])], np.zeros((1, 2), int))
    assert not again.truncated[0]


def test_what_cannot_be_loaded_and_what_is_too_large_has_no_value():
    make = partial(lbf.parallel_env, "Foraging-5x5-2p-1f-coop-v3")
    heavy = placed(make(), [(2, 2, 5)], [(0, 0, 1), (4, 4, 1)])
    with pytest.raises(StateError, match="cannot load all food") as error:
        make().value_function("time").values([placed(make(), [(2, 2, 2)], [(0, 0, 1), (4, 4, 1)]), heavy])
    assert error.value.index == 1
    for world, named in (("8x8-4p-1f", "4 players on 8x8"), ("10x10-3p-3f", "3 players on 10x10")):
        large = partial(lbf.parallel_env, f"Foraging-{world}-coop-v3")
        with pytest.raises(CreditError, match=rf"value_function\('time'\): .*{named} cells.*RolloutValue"):
            CounterfactualCritic(large)
    assert lbf.parallel_env("Foraging-8x8-3p-1f-coop-v3").value_function("time").kind == "time"
    four = lbf.parallel_env("Foraging-8x8-4p-1f-coop-v3")
    with pytest.raises(StateError, match=r"4 players on 8x8 cells"):
        lbf_model.ForagingValue("time", four._setup).values([wander(four, 0, steps=1).snapshots[0]])
    with pytest.raises(ValueError, match="'time', 'work'"):
        make().value_function("speed")


def test_a_layout_is_solved_once():
    layout = Layout(5, 5, ((2, 2, 2),), (1, 1))
    assert steps_to_go(layout, "time") is steps_to_go(layout, "time")
    assert not steps_to_go(layout, "time").flags.writeable
    assert lbf_table.steps_to_go.cache_info().hits > 0
    value = lbf.parallel_env("Foraging-5x5-2p-1f-coop-v3").value_function("work")
    assert pickle.loads(pickle.dumps(value)) == value
