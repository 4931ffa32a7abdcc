"""The compiled warehouse is the library, its team is the scripted one, and its estimate is as sure as it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from credit_wrappers import CreditError, EnvSimulator
from credit_wrappers.adapters import rware
from credit_wrappers.adapters.rware_rollouts import advance, legal, rollouts, scripted
from credit_wrappers.adapters.rware_team import scripted_team
from credit_wrappers.adapters.rware_value import DeliveryValue, floor_arrays, home_cells, plan_of
from credit_wrappers.bench.metrics import rank_correlation
from credit_wrappers.bench.suite import load_suite
from credit_wrappers.exact.exact_credit import exact_credit
from credit_wrappers.exact.value_function import named_value
from credit_wrappers.recording.replay import replay

WAIT, FORWARD, LEFT, RIGHT, TOGGLE = range(5)
UP, DOWN, WEST, EAST = range(4)
TINY = "rware-tiny-2ag-v2"
# Little room, so that robots meet: shelves in pairs, two goals side by side.
CROWDED = {"layout": "x.x\n...\nx.x\ngg.", "request_queue_size": 2}


class Twin:
    """The library's environment and, beside it, the model."""

    def __init__(self, **arguments):
        self.env = rware.parallel_env(arguments.pop("env_id", TINY), max_steps=None, **arguments)
        library = self.env.library
        self.plan, self.homes, self.columns = plan_of(library), home_cells(library), library.grid_size[1]
        self.infos = self.env.reset(seed=0)[1]

    def reset(self, seed):
        self.infos = self.env.reset(seed=seed)[1]
        self.robots, self.where, self.queue = self.library_arrays()
        self.grid = self.library_grid()

    def library_arrays(self):
        saved = self.env.get_state().values[3]
        return floor_arrays(saved[:-1], self.homes, self.columns)

    def library_grid(self):
        return self.env.library.grid[1].ravel().astype(np.int64)

    def step(self, joint):
        """Step both, the model with the requests that the library draws, and compare all that there is."""
        env, library = self.env, self.env.library
        draws, choice = [], library.np_random.choice

        class Watched:
            def choice(self, candidates):
                shelf = choice(candidates)
                draws.append((candidates.index(shelf) + 0.5) / len(candidates))
                return shelf

        own = library.np_random
        library._np_random = Watched()
        reward = env.step(dict(zip(env.agents, map(int, joint), strict=True)))
        library._np_random = own
        self.infos = reward[4]
        fate = np.array([*draws, -1.0])
        paid, used = advance(
            self.plan, self.robots, self.where, self.grid, self.queue, np.array(joint, np.int64), fate, 0
        )
        robots, where, queue = self.library_arrays()
        assert self.robots.tolist() == robots.tolist()
        assert self.where.tolist() == where.tolist()
        assert self.queue.tolist() == queue.tolist()
        assert self.grid.tolist() == self.library_grid().tolist()
        assert (paid, used) == (reward[1][env.possible_agents[0]], len(draws))
        return paid

    def robots_act(self):
        """Return the model's scripted joint action."""
        each = range(len(self.robots))
        return [scripted(self.plan, self.robots, self.where, self.grid, self.queue, i) for i in each]


def drawn(twin, rng, keen):
    """Return a joint action by chance; a keen robot mostly drives and takes shelves."""
    masks = [info["action_mask"] for info in twin.infos.values()]
    if rng.random() < 0.2:  # also what has no effect
        return rng.integers(0, 5, len(masks)).tolist()
    chances = [mask * ([0.3, 5, 1, 1, 2] if keen else np.ones(5)) for mask in masks]
    return [int(rng.choice(5, p=chance / chance.sum())) for chance in chances]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"reward_type": "GLOBAL"},
        CROWDED,
        {**CROWDED, "reward_type": "TWO_STAGE"},
        {**CROWDED, "n_agents": 1},
        {"env_id": "rware-small-2ag-hard-v2"},
    ],
    ids=["tiny", "global", "crowded", "two stage", "alone", "small"],
)
@pytest.mark.parametrize("play", ["scripted", "chance", "mixture"])
def test_the_model_does_what_the_library_does(arguments, play):
    twin, rng, paid, seen = Twin(**arguments), np.random.default_rng(1), 0.0, Counter()
    team = scripted_team(twin.env)
    for seed in range(12 if "layout" in arguments else 6):
        twin.reset(seed)
        for _ in range(120):
            best = team()
            assert twin.robots_act() == best
            joint = drawn(twin, rng, seed % 2 == 0)
            if play == "scripted" or (play == "mixture" and rng.random() < 0.7):
                joint = best
            before = twin.robots.copy()
            paid += twin.step(joint)
            seen.update(meetings(twin, before, joint))
    assert paid > 0 or play == "chance"
    if play != "scripted" and len(twin.robots) == 2 and "layout" in arguments:
        assert (
            min(seen[what] for what in ("swap", "one cell", "follows", "stands", "shelf in the way", "with its shelf"))
            > 0
        )


def meetings(twin, before, joint):
    """Yield what happened between two robots in a step, by the cells that they faced before it."""
    if len(before) < 2:
        return
    for i, k in ((0, 1), (1, 0)):
        if joint[i] != FORWARD:
            continue
        faces = twin.plan.ahead[before[i, 0], before[i, 1]]
        other_faces = twin.plan.ahead[before[k, 0], before[k, 1]] if joint[k] == FORWARD else before[k, 0]
        moved = twin.robots[i, 0] != before[i, 0]
        if faces == before[k, 0]:
            yield "swap" if other_faces == before[i, 0] else "follows" if moved else "stands"
            if before[i, 2] and before[k, 2] and moved:
                yield "with its shelf"
        elif faces >= 0 and faces == other_faces:
            yield "one cell"
        elif faces >= 0 and before[i, 2] and not moved:
            yield "shelf in the way"


def test_chance_draws_each_action_of_the_mask_alike():
    twin, rng = Twin(**CROWDED), np.random.default_rng(2)
    for seed in range(60):
        twin.reset(seed)
        for _ in range(5):
            twin.step(drawn(twin, rng, True))
        for i, info in enumerate(twin.infos.values()):
            mask = np.flatnonzero(info["action_mask"])
            chances = (np.arange(len(mask)) + 0.5) / len(mask)
            assert [legal(twin.plan, twin.robots, twin.grid, i, chance) for chance in chances] == mask.tolist()


def test_a_rollout_is_the_play_that_its_random_numbers_say():
    twin, rng = Twin(), np.random.default_rng(3)
    twin.reset(5)
    chances, fates = rng.random((3, 80, 2, 2)), rng.random((3, 200))
    start = (twin.robots.copy(), twin.where.copy(), twin.queue.copy())
    found = rollouts(twin.plan, *start, chances, fates, 0.9, 0.1)
    for r in range(3):
        (robots, where, queue), grid = (array.copy() for array in start), twin.grid.copy()
        total, used = 0.0, 0
        for step in range(80):
            joint = [
                legal(twin.plan, robots, grid, i, chances[r, step, i, 1])
                if chances[r, step, i, 0] < 0.1
                else scripted(twin.plan, robots, where, grid, queue, i)
                for i in range(2)
            ]
            paid, used = advance(twin.plan, robots, where, grid, queue, np.array(joint), fates[r], used)
            total += 0.9**step * paid
        assert found[r] == pytest.approx(total, abs=1e-12)
    assert (found > 0).all() and len(set(found)) == 3


def make_tiny():
    return rware.parallel_env(TINY, max_steps=60)


def placed(env, robots, requests, seed=0):
    """Return a state: robots are (row, column, heading, shelf that it carries or 0), requests are shelves."""
    env.reset(seed=seed)
    state = env.get_state()
    team = tuple((column, row, way, load, False, ()) for row, column, way, load in robots)
    away = tuple((load, row, column) for row, column, _, load in robots if load)
    return replace(state, values=(True, (), (0.0,) * len(team), (team, requests, away, 0, 0)))


def played(state, actions):
    """Return the episode that joint actions make of a state."""
    env = make_tiny()
    episode = replay(env, 0, np.array(actions), snapshots=True)
    env.set_state(state)
    states, rewards = [state], []
    for joint in actions:
        rewards.append(env.step(dict(zip(env.agents, joint, strict=True)))[1]["robot_0"])
        states.append(env.get_state())
    return replace(episode, snapshots=tuple(states)), rewards


@pytest.mark.parametrize("kind", ["difference", "shapley"])
def test_who_brings_a_requested_shelf_is_paid_and_who_idles_is_not(kind):
    env = make_tiny()
    goal = env._goals[0]
    state = placed(env, [(goal[0] - 1, goal[1], DOWN, 7), (0, 0, UP, 0)], (7, 12))
    episode, rewards = played(state, [[FORWARD, WAIT], [WAIT, TOGGLE], [FORWARD, WAIT]])  # the last two do nothing
    assert rewards == [1, 0, 0]
    found = exact_credit(episode, EnvSimulator(make_tiny), DeliveryValue(env.library), kind)
    assert found.values[0, 0] > 0.05 and found.values[0, 0] > 10 * found.error[0, 0] > 0
    assert found.values[0, 1] == found.error[0, 1] == 0
    assert not found.values[1:].any() and not found.error[1:].any()


def test_who_carries_a_requested_shelf_away_from_the_goal_is_blamed():
    env = make_tiny()
    goal = env._goals[0]
    state = placed(env, [(goal[0] - 2, goal[1], UP, 7), (0, 0, UP, 0)], (7, 12))
    episode, _ = played(state, [[FORWARD, WAIT]])
    found = exact_credit(episode, EnvSimulator(make_tiny), DeliveryValue(env.library))
    assert found.values[0, 0] < -3 * found.error[0, 0]


def test_which_request_is_drawn_next_is_nobodys_credit():
    env, found, drawn_next = make_tiny(), [], set()
    goal = env._goals[0]
    for seed in range(5):
        state = placed(env, [(goal[0] - 1, goal[1], DOWN, 7), (0, 0, UP, 0)], (7, 12), seed)
        episode, _ = played(state, [[FORWARD, WAIT]])
        drawn_next.add(episode.snapshots[-1].values[3][1])
        found.append(exact_credit(episode, EnvSimulator(make_tiny), DeliveryValue(env.library)).values.tolist())
    assert len(drawn_next) == 5 and found == [found[0]] * 5


def test_a_state_holds_which_request_was_drawn_for_which_shelf_until_the_next_step():
    env = make_tiny()
    goal = env._goals[0]
    env.set_state(placed(env, [(goal[0] - 1, goal[1], DOWN, 12), (0, 0, UP, 0)], (7, 12)))
    env.step({"robot_0": FORWARD, "robot_1": WAIT})
    delivered = env.get_state()
    assert delivered.values[3][5] == ((1, 12),)
    env.step({"robot_0": WAIT, "robot_1": WAIT})
    assert env.get_state().values[3][5] == ()
    env.set_state(delivered)
    assert env.get_state() == delivered and env.rewind(delivered).values[3][5] == ((1, 12),)
    env.reset(seed=1)
    assert env.get_state().values[3][5] == ()


def test_values_are_the_same_each_time_and_for_states_in_any_company():
    env = make_tiny()
    states = [placed(env, [(0, 0, UP, 0), (4, 3, WEST, 0)], (k, k + 9)) for k in range(1, 9)]
    first = DeliveryValue(env.library).values(states)
    again = DeliveryValue(make_tiny().library).values(states[::-1])
    assert first.mean.tolist() == again.mean[::-1].tolist() and first.error.tolist() == again.error[::-1].tolist()
    assert first.samples.shape == (8, 256) and len(set(first.mean.tolist())) == 8
    late = [replace(s, values=(False, (1, 1), s.values[2], (*s.values[3][:3], 60, 60))) for s in states]
    assert DeliveryValue(env.library).values(late).mean.tolist() == first.mean.tolist()  # no clock counts


def test_two_seeds_agree_within_the_error_that_is_stated():
    suite = load_suite("rware-tiny")
    suite = replace(suite, episodes=suite.episodes[2:5], digest="")
    simulator, both = EnvSimulator(suite.make_env), []
    for seed in (11, 12):
        value = DeliveryValue(simulator.env.library, seed, count=64)
        both.append([exact_credit(episode, simulator, value) for episode in suite.replay(snapshots=True)])
    one, two = (np.concatenate([found.values.ravel() for found in each]) for each in both)
    errors = [np.concatenate([found.error.ravel() for found in each]) for each in both]
    gap, bar = np.abs(one - two), 2 * np.hypot(*errors)
    unsure = bar > 0
    assert 0.90 < (gap <= bar)[unsure].mean() < 0.99  # about 0.95: neither too small nor too large
    assert not gap[~unsure].any() and unsure.mean() > 0.5
    assert rank_correlation(one, two) > 0.9


def test_what_cannot_be_estimated_is_refused():
    four = rware.parallel_env("rware-tiny-4ag-v2")
    with pytest.raises(CreditError, match="deliveries are estimated for up to 2 robots, and here are 4: use RolloutVa"):
        named_value(four, "time")
    with pytest.raises(CreditError, match="the warehouse has no value 'work', because requests never end"):
        named_value(make_tiny(), "work")
    with pytest.raises(ValueError, match=r"count=1, horizon=60, discount=0\.95: needs count from 2"):
        DeliveryValue(make_tiny().library, count=1)
