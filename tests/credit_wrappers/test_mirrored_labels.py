"""Labels in the mirrors of their world, and students that learn from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from credit_wrappers import Credit, CreditError, dataset, fit_student, mirrored_labels
from credit_wrappers.recording.replay import replay
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld import spaceworld_v0


def make():
    return spaceworld_v0.parallel_env(scenario="duet")


@pytest.fixture(scope="module")
def labels():
    """Return random episodes of `duet` with a credit that is told by actions alone: 1 for north, -1 for west."""
    found = []
    for seed in range(6):
        actions = np.random.default_rng(seed).integers(6, size=(20, 2))
        episode = replay(make(), seed, actions, observations=True)
        found.append((episode, Credit((actions == 1).astype(np.float32) - (actions == 3))))
    return found


def test_a_mirrored_label_is_the_same_play_with_the_same_credit_seen_otherwise(labels):
    mirrored = mirrored_labels(labels, make)
    assert [len(some) for some in mirrored] == [7] * 6
    becomes = make().unwrapped.mirrors()
    for (episode, credit), some in zip(labels, mirrored, strict=True):
        for mirror, (copy, same) in enumerate(some, 1):
            assert same is credit and np.array_equal(copy.actions, becomes[mirror][episode.actions])
            assert np.array_equal(copy.team_reward, episode.team_reward) and np.array_equal(copy.cost, episode.cost)
            assert not np.array_equal(copy.observations, episode.observations)
    [(turned, _)] = mirrored_labels([(labels[0][0], labels[0][1])], make)[0][:1]
    again = replay(make(), 0, labels[0][0].actions, observations=True)
    assert np.array_equal(again.observations, labels[0][0].observations) and turned.seed == 0


def test_a_student_learns_from_the_mirrors_of_its_labels_and_is_measured_on_labels_alone(labels):
    mirrored = mirrored_labels(labels, make)
    settings = {"n_actions": 6, "epochs": 4, "form": "free"}
    alone, with_copies = fit_student(labels, **settings), fit_student(labels, mirrored=mirrored, **settings)
    assert (alone.labels, alone.agreement.episodes) == (with_copies.labels, with_copies.agreement.episodes) == (6, 1)
    assert not np.array_equal(alone.score([labels[0][0]])[0].values, with_copies.score([labels[0][0]])[0].values)
    # without copies nothing is another, and copies of held-out labels are not learned from
    assert np.array_equal(
        fit_student(labels, mirrored=[[]] * 6, **settings).score([labels[0][0]])[0].values,
        alone.score([labels[0][0]])[0].values,
    )
    held = [k for k in (0, 1, 2) if not _used(labels, k, mirrored, settings)]
    assert held == [1]


def _used(labels, k, mirrored, settings):
    """Return whether the copies of one label change what is learned."""
    only = [some if j == k else [] for j, some in enumerate(mirrored)]
    plain, other = (fit_student(labels, mirrored=m, **settings).score([labels[0][0]])[0] for m in ([[]] * 6, only))
    return not np.array_equal(plain.values, other.values)


def test_a_world_without_mirrors_has_no_copies():
    episode = replay(CorridorEnv(), 1, np.array([[2, 2], [2, 0]]), observations=True)
    assert mirrored_labels([(episode, Credit(np.ones((2, 2), np.float32)))], CorridorEnv) == [[]]


def test_what_cannot_be_mirrored_is_said(labels):
    episode, credit = labels[0]
    with pytest.raises(CreditError, match="it has no seed"):
        mirrored_labels([(replace(episode, seed=None), credit)], make)
    with pytest.raises(CreditError, match="it begins at step 3"):
        mirrored_labels([(replace(episode, start=3), credit)], make)
    with pytest.raises(CreditError, match="rewards, costs or the end are others when it is played again"):
        mirrored_labels([(replace(episode, team_reward=episode.team_reward + 1), credit)], make)
    with pytest.raises(ValueError, match="an entry for each of the 6 labels, not 2"):
        fit_student(labels, mirrored=[[], []], n_actions=6)


def test_a_label_that_becomes_another_episode_in_a_mirror_has_no_copy_there():
    """A robot that grips beside two loose modules takes the one in the lowest cell, which a mirror changes."""
    labels = [label for label in dataset.load("pair-claude") if label.episode.seed == 9013]
    card, [own] = dataset.load_card("pair-claude"), labels
    with pytest.warns(UserWarning, match=r"all 1 labels are others in SpaceworldEnv.mirrors\(\)\[\d.*left out"):
        [copies] = mirrored_labels([(own.episode, own.credit)], card.make_env)
    assert 0 < len(copies) < 7
    assert all(np.array_equal(copy.team_reward, own.episode.team_reward) for copy, _ in copies)


class Turned(CorridorEnv):
    """A corridor with a mirror that is none: forward becomes back, and the layout stays."""

    def mirrors(self):
        return np.array([[0, 1, 2], [0, 2, 1]])


def test_mirrors_in_which_no_label_is_the_same_are_wrong():
    episode = replay(Turned(length=2), 1, np.array([[2, 2], [2, 2]])[:1], observations=True)
    assert episode.team_reward.any()
    with pytest.raises(CreditError, match="the mirrors of Turned are wrong: rewards, costs or the end of all 1 labels"):
        mirrored_labels([(episode, Credit(np.ones((1, 2), np.float32)))], lambda: Turned(length=2))


class HalfWrong(Turned):
    """A corridor of which one mirror changes nothing, and another is none."""

    def mirrors(self):
        return np.array([[0, 1, 2], [0, 1, 2], [0, 2, 1]])


def test_a_mirror_in_which_no_label_is_the_same_is_named_and_left_out():
    credit = Credit(np.ones((1, 2), np.float32))
    paid = replay(HalfWrong(length=2), 1, np.array([[2, 2]]), observations=True)
    idle = replay(HalfWrong(length=2), 1, np.array([[0, 0]]), observations=True)
    assert paid.team_reward.any() and not (idle.team_reward.any() or idle.cost.any() or idle.terminated)
    with pytest.warns(UserWarning, match=r"of all 1 labels are others in HalfWrong.mirrors\(\)\[2\]: left out"):
        copies = mirrored_labels([(paid, credit), (idle, credit)], lambda: HalfWrong(length=2))
    assert [len(some) for some in copies] == [1, 1]
    with pytest.raises(CreditError, match=r"the mirrors of Turned are wrong: .* of all 1 labels"):
        mirrored_labels([(paid, credit), (idle, credit)], lambda: Turned(length=2))


def test_labels_that_tell_nothing_of_mirrors_are_said():
    idle = replay(Turned(length=2), 1, np.array([[0, 0]]), observations=True)
    with pytest.warns(UserWarning, match="none of the 1 labels has a reward, a cost or a termination.*Turned"):
        copies = mirrored_labels([(idle, Credit(np.ones((1, 2), np.float32)))], lambda: Turned(length=2))
    assert [len(some) for some in copies] == [1]


def test_an_error_inside_mirrors_names_the_environment():
    class Failing(CorridorEnv):
        def mirrors(self):
            raise KeyError("north")

    episode = replay(CorridorEnv(), 1, np.array([[2, 2]]), observations=True)
    with pytest.raises(CreditError, match=r"Failing.mirrors\(\) failed: KeyError: 'north'"):
        mirrored_labels([(episode, Credit(np.ones((1, 2), np.float32)))], Failing)


class Odd(CorridorEnv):
    """A corridor whose mirrors are given."""

    told: object = None

    def mirrors(self):
        return self.told


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([0, 2, 1], r"Odd.mirrors\(\) tells what each of the 3 actions becomes .* shape \(K, 3\); .* shape \(3,\)"),
        ([[0, 1, 2, 3]], r"shape \(K, 3\); it has shape \(1, 4\)"),
        ([[0.0, 1.0, 2.0]], "dtype float64"),
        ([], r"it has shape \(0,\)"),
        ([[0, 1, 2], [0, 2, 3]], r"mirrors\(\)\[1\] is \[0, 2, 3\], but each of 0 to 2 comes once"),
        ([[0, 2, 1]], r"mirrors\(\)\[0\] is \[0, 2, 1\], but mirror 0 changes nothing"),
    ],
)
def test_mirrors_that_are_none_are_named(told, message):
    episode = replay(CorridorEnv(), 1, np.array([[2, 2], [2, 0]]), observations=True)
    env = Odd()
    env.told = told
    with pytest.raises(CreditError, match=message):
        mirrored_labels([(episode, Credit(np.ones((2, 2), np.float32)))], lambda: env)


def test_input_that_does_not_belong_together_is_named(labels):
    episode, credit = labels[0]
    with pytest.raises(TypeError, match=r"mirrored_labels takes labels, pairs \(episode, credit\), and number 1 is"):
        mirrored_labels([labels[0], episode], make)
    with pytest.raises(CreditError, match=rf"episode {episode.id}: credit has shape \(3, 2\), expected \(20, 2\)"):
        mirrored_labels([(episode, Credit(np.ones((3, 2), np.float32)))], make)
    with pytest.raises(CreditError, match=r"agents \('robot_0', 'robot_1'\), and make_env makes one with the agents"):
        mirrored_labels(labels, lambda: spaceworld_v0.parallel_env(scenario="truss"))
    with pytest.raises(
        CreditError, match="the name 'spaceworld_v0', and make_env makes one with the name 'corridor_v0'"
    ):
        mirrored_labels(labels, CorridorEnv)
    with pytest.raises(TypeError, match="expected a PettingZoo ParallelEnv"):
        mirrored_labels(labels, lambda: None)
    with pytest.raises(TypeError, match="actions that are whole numbers"):
        mirrored_labels([(replace(episode, actions=episode.actions * 1.0), credit)], make)
    with pytest.raises(CreditError, match="chose action 9 in step 0, and the environment has the actions 0 to 5"):
        mirrored_labels([(replace(episode, actions=np.full_like(episode.actions, 9)), credit)], make)


def test_copies_that_are_of_other_labels_are_named(labels):
    def fitted(copy):
        return fit_student(labels, mirrored=[[], [labels[1], copy], [], [], [], []], n_actions=6, epochs=1)

    episode, credit = labels[1]
    short = replay(make(), 1, episode.actions[:7], observations=True)
    with pytest.raises(CreditError, match=r"mirrored\[1\]\[1\] has 7 steps .* its label, episode 0, has 20 of robot_0"):
        fitted((short, credit))
    with pytest.raises(CreditError, match=r"mirrored\[1\]\[1\] has 20 steps of a, b"):
        fitted((replace(episode, agents=("a", "b")), credit))
    with pytest.raises(TypeError, match=r"mirrored\[1\] of fit_student takes labels.*number 1 is 'copy'"):
        fitted("copy")
    with pytest.raises(ValueError, match="an entry for each of the 6 labels, not 7"):
        fit_student(labels, mirrored=[[]] * 7, n_actions=6)


def test_a_fit_shows_its_passes_where_that_is_asked_for(labels, capsys):
    fit_student(labels, n_actions=6, epochs=3)
    assert capsys.readouterr() == ("", "")
    fit_student(labels, n_actions=6, epochs=3, progress=True)
    out, said = capsys.readouterr()
    assert out == "" and "student: 100%" in said and "3/3" in said and "passes" in said
