"""`AgentReplayBuffer` is `VectorReplayBuffer`, faster: same rows, same indices, same return values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tianshou.data import Batch, VectorReplayBuffer

from credit_wrappers.integrations.tianshou import AgentReplayBuffer

N_SLOTS, SLOT_SIZE = 3, 4

slots = st.sets(st.integers(0, N_SLOTS - 1), min_size=1).map(sorted)
step = st.tuples(st.just("add"), slots, st.integers(0, 2**N_SLOTS - 1))
reset = st.tuples(st.just("reset"), st.booleans(), st.none())
operations = st.lists(st.one_of(step, step, step, step, reset), min_size=1, max_size=40)


def rows(number: int, slots: list[int], done_bits: int, width: int) -> Batch:
    n = len(slots)
    done = np.array([bool(done_bits >> k & 1) for k in range(n)])
    stamp = np.arange(n) + 10.0 * number
    return Batch(
        obs=Batch(agent_id=np.array(["a", "b", "c"], dtype=object)[slots], obs=stamp[:, None]),
        act=np.arange(n) + number,
        rew=stamp if width == 0 else stamp[:, None] + np.arange(width),
        terminated=done & (number % 2 == 0),
        truncated=done & (number % 2 == 1),
        obs_next=Batch(agent_id=np.array(["a", "b", "c"], dtype=object)[slots], obs=stamp[:, None] + 1),
        info=Batch(episode_id=np.full(n, number)),
        policy=Batch(),
    )


def same(a: Any, b: Any) -> None:
    if isinstance(a, Batch):
        assert set(a.get_keys()) == set(b.get_keys())
        for key in a.get_keys():
            same(a[key], b[key])
    else:
        np.testing.assert_array_equal(a, b)
        assert np.asarray(a).dtype == np.asarray(b).dtype


@settings(max_examples=75, deadline=None)
@given(operations=operations, width=st.sampled_from([0, 2]))
def test_everything_it_returns_is_what_vector_replay_buffer_returns(operations: list, width: int) -> None:
    theirs = VectorReplayBuffer(N_SLOTS * SLOT_SIZE, N_SLOTS)
    ours = AgentReplayBuffer(N_SLOTS * SLOT_SIZE, N_SLOTS)
    assert ours.maxsize == theirs.maxsize
    added = False
    for number, (name, what, bits) in enumerate(operations):
        if name == "reset":
            theirs.reset(keep_statistics=what)
            ours.reset(keep_statistics=what)
        else:
            added = True
            batch = rows(number, what, bits, width)
            before = Batch(batch.to_dict(), copy=True)
            for a, b in zip(ours.add(batch, what), theirs.add(batch, np.array(what)), strict=True):
                same(a, b)
            same(batch, before)
        assert len(ours) == len(theirs)
        if not added:
            continue
        same(ours.sample_indices(0), theirs.sample_indices(0))
        same(ours.last_index, theirs.last_index)
        same(ours.unfinished_index(), theirs.unfinished_index())
        everywhere = np.arange(-ours.maxsize, ours.maxsize)
        same(ours.next(everywhere), theirs.next(everywhere))
        same(ours.prev(everywhere), theirs.prev(everywhere))
        assert ours.next(5) == theirs.next(5) and ours.prev(5) == theirs.prev(5)
        assert ours.hasnull() == (theirs.hasnull() if len(theirs) else False)
        if len(ours):
            same(ours[:], theirs[:])


def test_adding_to_all_slots_needs_no_ids() -> None:
    buffer = AgentReplayBuffer(N_SLOTS * SLOT_SIZE, N_SLOTS)
    index, *_ = buffer.add(rows(0, [0, 1, 2], 0, 0))
    assert index.tolist() == [0, 4, 8]


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (4, 8), (11, 9), (8, 12)])
def test_the_rows_between_two_indices_of_a_slot_are_those_of_vector_replay_buffer(start: int, stop: int) -> None:
    theirs = VectorReplayBuffer(N_SLOTS * SLOT_SIZE, N_SLOTS)
    ours = AgentReplayBuffer(N_SLOTS * SLOT_SIZE, N_SLOTS)
    same(ours.get_buffer_indices(start, stop), theirs.get_buffer_indices(start, stop))


def test_an_episode_that_fills_its_slot_from_the_middle_has_all_its_rows() -> None:
    # VectorReplayBuffer returns none.
    ours = AgentReplayBuffer(N_SLOTS * SLOT_SIZE, N_SLOTS)
    assert ours.get_buffer_indices(6, 6).tolist() == [6, 7, 4, 5]


def test_the_rows_between_indices_of_different_slots_are_refused() -> None:
    with pytest.raises(ValueError, match="different agent columns"):
        AgentReplayBuffer(N_SLOTS * SLOT_SIZE, N_SLOTS).get_buffer_indices(1, 6)


@pytest.mark.parametrize("column", ["obs", "obs_next", "rew"])
def test_a_nan_is_noticed_as_long_as_it_is_stored(column: str) -> None:
    buffer = AgentReplayBuffer(N_SLOTS * 2, N_SLOTS)
    buffer.add(rows(0, [0, 1, 2], 0, 0), [0, 1, 2])
    bad = rows(1, [0, 1, 2], 0, 0)
    target = bad[column].obs if column != "rew" else bad.rew
    target[1] = np.nan
    assert not buffer.hasnull()
    buffer.add(bad, [0, 1, 2])
    assert buffer.hasnull()
    for number in (2, 3):
        buffer.add(rows(number, [0, 1, 2], 0, 0), [0, 1, 2])
    assert not buffer.hasnull()


def test_a_gap_that_an_episode_hook_leaves_is_noticed() -> None:
    buffer = AgentReplayBuffer(N_SLOTS * 2, N_SLOTS)
    buffer.add(rows(0, [0, 1, 2], 0, 0), [0, 1, 2])
    buffer.set_array_at_key(np.array([1.0]), "extra", index=np.array([0]), default_value=np.nan)
    assert buffer.hasnull()


def test_random_rows_come_from_all_that_is_stored_and_the_seed_decides_which() -> None:
    buffers = [AgentReplayBuffer(N_SLOTS * SLOT_SIZE, N_SLOTS, random_seed=seed) for seed in (1, 1, 2)]
    for buffer in buffers:
        for number in range(3):
            buffer.add(rows(number, [0, 2], 0, 0), [0, 2])
    draws = [buffer.sample_indices(200) for buffer in buffers]
    assert set(draws[0]) == {0, 1, 2, 8, 9, 10}
    assert draws[0].tolist() == draws[1].tolist() != draws[2].tolist()
    assert len(buffers[0].sample_indices(-1)) == 0


def test_there_are_no_stale_sub_buffers_to_read_from() -> None:
    assert not hasattr(AgentReplayBuffer(4, 2), "buffers")
