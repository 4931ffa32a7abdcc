"""The recorder: rows of one environment and columns of many become the same episodes, and memory is bounded."""

import numpy as np
import pytest

from credit_wrappers import CreditError
from credit_wrappers.recording.recorder import EpisodeRecorder, RecordedEnv, StepColumns

ENVS, AGENTS = 5, 2


class Echo:
    """A narrator that remembers what it is shown."""

    def capture(self, observations):
        return dict(observations)


def env():
    return RecordedEnv(("a", "b"), "echo_v0", Echo())


def column_of(rows, entry):
    return np.array([row[entry] for row in rows])


def play(lengths, steps, seed=0):
    """Play random subsets of the environments into a recorder of rows and one of columns; return finished pairs."""
    by_row, by_column = EpisodeRecorder([env() for _ in range(ENVS)]), EpisodeRecorder([env() for _ in range(ENVS)])
    rng, finished, taken = np.random.default_rng(seed), [], [0] * ENVS
    ids = iter(range(10**6))

    def start(k):
        episode, first = next(ids), rng.random(AGENTS)
        taken[k] = 0
        for recorder in (by_row, by_column):
            recorder.start(k, episode, episode + 100, ("moment", first[0]), first)

    for k in range(ENVS):
        start(k)
    for t in range(steps):
        chosen = np.arange(ENVS) if t % 3 else rng.permutation(ENVS)[: rng.integers(1, ENVS + 1)]
        rows = [
            (k, rng.integers(0, 9, AGENTS), rng.random(), rng.random(AGENTS), ("moment", t), rng.random(AGENTS),
             False, taken[k] + 1 == lengths[k], taken[k] + 1 == lengths[k])
            for k in chosen.tolist()
        ]  # fmt: skip
        for row in rows:
            by_row.add_row(row)
        moments = [row[4] for row in rows]
        by_column.add(StepColumns(chosen, *(column_of(rows, i) for i in (1, 2, 3)), moments,
                                  *(column_of(rows, i) for i in (5, 6, 7, 8))))  # fmt: skip
        for k in chosen.tolist():
            taken[k] += 1
            if taken[k] == lengths[k]:
                finished.append([recorder.episode(k, False, True) for recorder in (by_row, by_column)])
                start(k)
    return finished, by_column


def test_rows_and_columns_become_the_same_episodes():
    finished, _ = play(lengths=[1, 3, 7, 20, 90], steps=400)
    assert len(finished) > 300
    for one, other in finished:
        for name in ("id", "seed", "agents", "env_id", "terminated", "truncated", "moments", "start", "key"):
            assert getattr(one, name) == getattr(other, name)
        for name in ("actions", "team_reward", "cost", "observations"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert len(one.moments) == len(one.observations) == one.length + 1


def test_columns_that_no_running_episode_needs_are_dropped():
    _, recorder = play(lengths=[4, 5, 6, 7, 8], steps=3000)
    assert len(recorder._columns) < 100


def test_a_window_is_the_end_of_the_episode():
    recorder = EpisodeRecorder([env()])
    recorder.start(0, 7, None, "start", [0.0, 0.0])
    for t in range(6):
        recorder.add_row((0, [t, -t], float(t), [0.0, t], f"after {t}", [t, t + 0.5], False, False, False))
    window, whole = recorder.window(0, 2, False, False), recorder.episode(0, True, False)
    assert (window.start, window.length, window.ended) == (4, 2, "not yet")
    np.testing.assert_array_equal(window.actions, whole.actions[4:])
    np.testing.assert_array_equal(window.observations, whole.observations[4:])
    assert window.moments == whole.moments[4:] == ("after 3", "after 4", "after 5")
    assert recorder.window(0, 99, False, False).moments[0] == "start"


def test_a_reset_forgets_the_steps_before_it():
    recorder = EpisodeRecorder([env()])
    for episode in (0, 1):
        recorder.start(0, episode, None, None)
        recorder.add_row((0, [episode, 1], 0.5, [0.0, 0.0], None, None, False, False, False))
    assert recorder.episode(0, True, False).actions.tolist() == [[1, 1]]


def test_a_reward_that_is_no_number_names_environment_and_step():
    recorder = EpisodeRecorder([env()])
    recorder.start(0, 0, None, None)
    for reward in (0.0, float("inf")):
        recorder.add_row((0, [0, 0], reward, [0.0, 0.0], None, None, False, False, False))
    with pytest.raises(CreditError, match="echo_v0, step 1: the team reward is inf"):
        recorder.episode(0, False, True)


def test_vectors_are_recorded_as_copies_with_nan_for_who_has_left():
    one = RecordedEnv(("a", "b"), "", action_width=2)
    action = np.array([1.0, 2.0])
    joint = one.joint({"a": action})
    action[:] = 9
    np.testing.assert_array_equal(joint, [[1.0, 2.0], [np.nan, np.nan]])
    assert env().joint({"b": 3}) == [-1, 3]
