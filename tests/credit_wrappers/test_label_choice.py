"""Which episodes become labels: every outcome in turn, the most doubted first, none twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from student_labels import episode_of

from credit_wrappers import Episode
from credit_wrappers.distillation.choice import Pool, choose


def ended(paid: float, number: int, terminated: bool = False) -> Episode:
    """Return an episode of one step that paid so much; its number makes it unlike others."""
    observations = np.zeros((2, 2, 1), np.float32)
    episode = episode_of(observations, np.array([[0, 1]]), id=number, reward=[paid], terminated=terminated)
    return replace(episode, seed=number)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_of_the_outcomes_the_one_with_the_fewest_labels_comes_first_and_then_they_take_turns():
    returns = [0.0] * 4 + [10.0] * 4 + [20.0] * 4 + [30.0] * 4
    candidates = [ended(paid, k) for k, paid in enumerate(returns)]
    labelled = [ended(30.0, 100), ended(0.0, 101), ended(0.0, 102), ended(10.0, 103)]
    chosen = choose(candidates, 12, np.zeros(16), labelled, rng())
    levels = [int(candidates[place].team_reward.sum()) for place in chosen]
    assert levels[:2] == [20, 10]  # the one without a label, then the lowest of those that have one each
    had = {0: 2, 10: 1, 20: 0, 30: 1}
    for level in levels:
        assert had[level] == min(had.values())
        had[level] += 1
    assert had == {0: 4, 10: 4, 20: 4, 30: 4}


def test_how_an_episode_ended_is_part_of_its_outcome():
    candidates = [ended(1.0, k, terminated=k == 5) for k in range(9)]
    assert 5 in choose(candidates, 2, np.zeros(9), [], rng())
    labelled = [ended(1.0, 100, terminated=True)]
    assert choose(candidates, 1, np.zeros(9), labelled, rng()) != [5]


def test_an_outcome_without_candidates_left_is_passed_over_and_few_candidates_give_few_labels():
    candidates = [ended(1.0, k, terminated=k == 0) for k in range(5)]
    assert sorted(choose(candidates, 5, np.zeros(5), [], rng())) == [0, 1, 2, 3, 4]
    assert sorted(choose(candidates, 50, np.zeros(5), [], rng())) == [0, 1, 2, 3, 4]
    assert choose(candidates, 0, np.zeros(5), [], rng()) == []


@pytest.mark.parametrize("seed", range(5))
def test_every_other_choice_of_an_outcome_is_the_one_that_is_doubted_most(seed):
    drawn = np.random.default_rng(seed)
    candidates = [ended(1.0, k, terminated=k % 2 == 0) for k in range(40)]
    doubts = drawn.permutation(40).astype(float)
    chosen = choose(candidates, 12, doubts, [], drawn)
    for parity in (0, 1):
        mine = [place for place in chosen if place % 2 == parity]
        assert len(mine) == 6
        for turn in (0, 2, 4):
            rest = [place for place in range(40) if place % 2 == parity and place not in mine[:turn]]
            assert mine[turn] == max(rest, key=lambda place: doubts[place])


def test_the_others_are_drawn_so_that_what_nobody_doubts_is_looked_at():
    candidates = [ended(1.0, k) for k in range(20)]
    doubts = np.arange(20.0)
    second = {choose(candidates, 2, doubts, [], np.random.default_rng(seed))[1] for seed in range(60)}
    assert len(second) > 12 and min(second) < 3


def test_the_choice_is_the_same_for_the_same_seed_and_another_for_another():
    candidates = [ended(float(k % 3), k) for k in range(60)]
    found = [choose(candidates, 9, np.zeros(60), [], np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_no_two_alike_are_chosen_nor_one_like_a_label():
    candidates = [ended(float(k % 4), k % 10) for k in range(40)]  # of 20 kinds, each twice
    labelled = [ended(1.0, 1), ended(0.0, 0)]
    chosen = choose(candidates, 40, np.arange(40.0), labelled, rng())
    keys = [candidates[place].key for place in chosen]
    assert len(keys) == len(set(keys)) == len({episode.key for episode in candidates}) - 2
    assert not {episode.key for episode in labelled} & set(keys)
    known = [candidates[place] for place in chosen] + labelled
    assert choose(candidates, 40, np.zeros(40), known, rng()) == []


def test_a_pool_keeps_the_first_ones_and_never_more_than_it_has_room_for():
    pool = Pool(5, rng())
    for k in range(300):
        pool.add(ended(0.0, k))
        assert len(pool.episodes) == min(k + 1, 5)
        assert len({episode.id for episode in pool.episodes}) == len(pool.episodes)
    pool.clear()
    assert pool.episodes == []
    pool.add(ended(0.0, 7))
    assert [episode.id for episode in pool.episodes] == [7]


@pytest.mark.parametrize("cleared", [False, True])
def test_a_pool_keeps_each_episode_as_likely_as_any_other(cleared):
    room, offered, times, drawn = 4, 20, 3000, rng()
    episodes = [ended(0.0, k) for k in range(offered)]
    pool, kept = Pool(room, drawn), np.zeros(offered)
    if cleared:  # what was offered before must not count
        for episode in episodes:
            pool.add(episode)
    for _ in range(times):
        pool.clear()
        for episode in episodes:
            pool.add(episode)
        kept[[episode.id for episode in pool.episodes]] += 1
    share = room / offered
    deviation = np.sqrt(times * share * (1 - share))
    assert kept.sum() == times * room
    assert np.abs(kept - times * share).max() < 4 * deviation
