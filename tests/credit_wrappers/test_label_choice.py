"""Which episodes become labels: the rarest, every outcome in turn, the most doubted first, none twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from student_labels import episode_of

from credit_wrappers import Distillation, Episode, EqualSplitCritic
from credit_wrappers.distillation.acquisition import Pool, choose


def ended(paid: float, number: int, terminated: bool = False) -> Episode:
    """Return an episode of one step that paid so much; its number makes it unlike others."""
    observations = np.zeros((2, 2, 1), np.float32)
    episode = episode_of(observations, np.array([[0, 1]]), id=number, reward=[paid], terminated=terminated)
    return replace(episode, seed=number)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def moving(number: int, *steps: tuple[int, int, int], length: int = 12) -> Episode:
    """Return an episode in which some numbers change; a step is (agent, feature, how often)."""
    observations = np.zeros((length + 1, 2, 3), np.float32)
    for agent, feature, times in steps:
        observations[1 : 1 + times, agent, feature] = np.arange(1, times + 1)
        observations[1 + times :, agent, feature] = times
    return replace(episode_of(observations, np.zeros((length, 2)), id=number), seed=number)


def test_every_other_label_from_the_first_on_goes_to_the_rarest_changes_and_what_was_chosen_is_rare_no_more():
    plain = [moving(k, (0, 0, 12), (1, 0, 12)) for k in range(200)]
    lift, again, turn, faint = (
        moving(1000, (0, 0, 9), (0, 1, 5)), moving(1001, (0, 1, 5)), moving(1002, (1, 2, 3)), moving(1003, (1, 1, 1))
    )  # fmt: skip
    candidates = [*plain[:70], again, *plain[70:], turn, faint, lift]
    labelled = [moving(2000 + k, (0, 0, 12), (1, 0, 12)) for k in range(5)]
    for seed in range(10):
        chosen = choose(candidates, 7, np.zeros(204), labelled, np.random.default_rng(seed))
        # 5 changes never shown and 9 of 61; 3 never shown; 1, which another agent's do not make known; 5 of 6
        assert [candidates[place].id for place in chosen[::2]] == [1000, 1002, 1003, 1001], seed


def test_of_the_outcomes_the_one_with_the_fewest_labels_comes_first_and_then_they_take_turns():
    returns = [0.0] * 6 + [10.0] * 6 + [20.0] * 6 + [30.0] * 6
    candidates = [ended(paid, k) for k, paid in enumerate(returns)]
    labelled = [ended(30.0, 100), ended(0.0, 101), ended(0.0, 102), ended(10.0, 103)]
    for seed in range(10):
        chosen = choose(candidates, 16, np.zeros(24), labelled, np.random.default_rng(seed))
        had, left = {0: 2, 10: 1, 20: 0, 30: 1}, dict.fromkeys((0, 10, 20, 30), 6)
        for turn, place in enumerate(chosen):
            level = int(candidates[place].team_reward.sum())
            if turn % 2 == 1:  # else the rarest, here any
                assert level == min((had[other], other) for other in had if left[other])[1]
            had[level] += 1
            left[level] -= 1


def test_how_an_episode_ended_is_part_of_its_outcome():
    candidates = [ended(1.0, k, terminated=k == 5) for k in range(9)]
    labelled = [ended(1.0, 100, terminated=True), ended(1.0, 101, terminated=True)]
    for seed in range(20):
        assert 5 in choose(candidates, 2, np.zeros(9), [], np.random.default_rng(seed))
        assert choose(candidates, 2, np.zeros(9), labelled, np.random.default_rng(seed))[1] != 5


def test_an_outcome_without_candidates_left_is_passed_over_and_few_candidates_give_few_labels():
    candidates = [ended(1.0, k, terminated=k == 0) for k in range(5)]
    assert sorted(choose(candidates, 5, np.zeros(5), [], rng())) == [0, 1, 2, 3, 4]
    assert sorted(choose(candidates, 50, np.zeros(5), [], rng())) == [0, 1, 2, 3, 4]
    assert choose(candidates, 0, np.zeros(5), [], rng()) == []


@pytest.mark.parametrize("seed", range(5))
def test_every_other_choice_of_an_outcome_is_the_one_that_is_doubted_most(seed):
    drawn = np.random.default_rng(seed)
    candidates = [ended(1.0, k, terminated=k % 2 == 0) for k in range(60)]
    doubts = drawn.permutation(60).astype(float)
    chosen = choose(candidates, 20, doubts, [], drawn)
    turns = {0: 0, 1: 0}
    for turn in range(1, 20, 2):
        parity = chosen[turn] % 2
        rest = [place for place in range(60) if place % 2 == parity and place not in chosen[:turn]]
        if turns[parity] % 2 == 0:
            assert chosen[turn] == max(rest, key=lambda place: doubts[place])
        turns[parity] += 1
    assert sum(turns.values()) == 10 and min(turns.values()) >= 2


def test_the_others_are_drawn_so_that_what_nobody_doubts_is_looked_at():
    candidates = [ended(1.0, k) for k in range(20)]
    doubts = np.arange(20.0)
    drawn = {choose(candidates, 4, doubts, [], np.random.default_rng(seed))[3] for seed in range(60)}
    assert len(drawn) > 12 and min(drawn) < 3


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
        assert len(pool.sample) == len(pool.rare) == min(k + 1, 5)
        assert len({episode.id for episode in pool.episodes}) == len(pool.episodes) <= 10
    pool.clear([])
    assert pool.episodes == []
    pool.add(ended(0.0, 7))
    assert [episode.id for episode in pool.episodes] == [7]


@pytest.mark.parametrize("cleared", [False, True])
def test_the_sample_of_a_pool_keeps_each_episode_as_likely_as_any_other(cleared):
    room, offered, times, drawn = 4, 20, 3000, rng()
    episodes = [ended(0.0, k) for k in range(offered)]
    pool, kept = Pool(room, drawn), np.zeros(offered)
    if cleared:  # what was offered before must not count
        for episode in episodes:
            pool.add(episode)
    for _ in range(times):
        pool.clear([])
        for episode in episodes:
            pool.add(episode)
        kept[[episode.id for episode in pool.sample]] += 1
    share = room / offered
    deviation = np.sqrt(times * share * (1 - share))
    assert kept.sum() == times * room
    assert np.abs(kept - times * share).max() < 4 * deviation


def test_a_pool_keeps_what_the_labels_seldom_show_however_many_others_are_offered():
    pool = Pool(4, rng())
    rare = {50: (0, 1, 2), 170: (1, 1, 1), 310: (0, 2, 1), 700: (1, 2, 4)}

    def offered() -> set[int]:
        for k in range(1000):
            pool.add(moving(k, rare.get(k, (0, 0, 12)), (1, 0, 12)))
        return {episode.id for episode in pool.rare}

    pool.clear([moving(2000 + k, (0, 0, 12), (1, 0, 12)) for k in range(20)])
    assert offered() == set(rare)
    pool.clear([moving(2000 + k, (0, 1, 12), (1, 1, 12), (0, 2, 12), (1, 2, 12)) for k in range(20)])
    assert not offered() & set(rare)  # these are common now, and what was common is rare


def test_a_distillation_finds_the_few_episodes_in_which_something_new_happens():
    distillation = Distillation(EqualSplitCritic(), labels=80, first=10, spacing=1, growth=1.8)
    distillation.join(("walker_0", "walker_1"), (3, 3), (3, 3))
    for k in range(4000):
        new = [(k % 2, 1, 1)] if k % 300 == 99 else []
        many = 6 if new else 12  # fewer changes in all, so that only what is rare tells
        distillation.offer(moving(k, (0, 0, many), (1, 0, many), *new))
    labelled = {episode.id for episode, _ in distillation.labels}
    assert 10 < len(labelled) < 80
    rare = [k for k in range(99, 4000, 300) if k < 1800]  # those of which the last round may not have come are left out
    assert len(labelled.intersection(rare)) >= len(rare) - 1
