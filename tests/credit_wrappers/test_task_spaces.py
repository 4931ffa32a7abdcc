"""What a task looks like in each kind of observation, and which kinds cannot carry one."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple

from credit_wrappers.wrappers.task_spaces import widen

AWAY = np.array([0, 1, 1, -0.5, 0.25], np.float32)  # the second of two tasks; half the grid before, a quarter behind
NONE = np.zeros(5, np.float32)
ALL = np.ones(5, bool)


def test_a_vector_gets_the_numbers_at_its_end():
    space = Box(np.array([-2.0, 0.0], np.float32), np.array([3.0, np.inf], np.float32))
    wide, join = widen("a", space, 2, True)
    assert wide.shape == (7,) and wide.dtype == np.float32
    np.testing.assert_array_equal(wide.low, [-2, 0, -1, -1, -1, -1, -1])
    np.testing.assert_array_equal(wide.high, [3, np.inf, 1, 1, 1, 1, 1])
    seen = np.array([1.5, 7.0], np.float32)
    np.testing.assert_array_equal(join(seen, AWAY, ALL), [1.5, 7, 0, 1, 1, -0.5, 0.25])
    assert join(seen, AWAY, ALL) in wide and join(seen, NONE, ALL) in wide
    assert not np.shares_memory(join(seen, AWAY, ALL), seen)


@pytest.mark.parametrize(
    ("dtype", "widened"), [(np.float64, np.float64), (np.float16, np.float16), (np.uint8, np.float32)]
)
def test_a_vector_keeps_its_type_unless_it_holds_whole_numbers(dtype, widened):
    space = Box(0, 200, (3,), dtype)
    wide, join = widen("a", space, 2, False)
    assert wide.dtype == widened
    joined = join(np.array([1, 2, 200], dtype), AWAY[:2], ALL[:2])
    assert joined.dtype == widened and joined in wide
    np.testing.assert_array_equal(joined, [1, 2, 200, 0, 1])


def test_an_image_becomes_a_dict():
    wide, join = widen("a", Box(0, 255, (3, 4, 4), np.uint8), 2, True)
    image = np.full((3, 4, 4), 9, np.uint8)
    joined = join(image, AWAY, ALL)
    assert joined in wide
    assert joined["observation"] is image
    np.testing.assert_array_equal(joined["task"], AWAY)


def test_a_dict_gets_a_key():
    wide, join = widen("a", Dict({"x": Box(-1, 1, (2,)), "action_mask": MultiBinary(3)}), 2, False)
    seen = {"x": np.zeros(2, np.float32), "action_mask": np.ones(3, np.int8)}
    assert join(seen, AWAY[:2], ALL[:2]) in wide
    assert set(seen) == {"x", "action_mask"}  # what the environment returned is not changed


def test_a_dict_with_a_task_of_its_own_is_refused():
    with pytest.raises(ValueError, match="'a' have a key 'task'"):
        widen("a", Dict({"task": Discrete(2)}), 2, False)


def test_numbers_of_few_values_get_more_of_them():
    space = MultiDiscrete([3, 5], start=[0, -2])
    wide, join = widen("a", space, 2, True)
    np.testing.assert_array_equal(wide.nvec, [3, 5, 2, 2, 4, 4])
    np.testing.assert_array_equal(wide.start, [0, -2, 0, 0, 0, 0])
    seen = np.array([2, -2])
    np.testing.assert_array_equal(join(seen, AWAY, ALL), [2, -2, 0, 1, 1, 3])
    np.testing.assert_array_equal(join(seen, NONE, ALL), [2, -2, 0, 0, 0, 0])
    here = np.array([1, 0, 1, 0, 0], np.float32)
    np.testing.assert_array_equal(join(seen, here, ALL), [2, -2, 1, 0, 2, 2])
    kept = np.array([True, True, True, False, True])  # a way that is dropped is not told, and is not "here"
    dropped = AWAY * kept
    np.testing.assert_array_equal(join(seen, dropped, kept), [2, -2, 0, 1, 0, 3])
    for row in (AWAY, NONE, here):
        assert join(seen, row, ALL) in wide
    narrow, plain = widen("a", space, 2, False)
    np.testing.assert_array_equal(narrow.nvec, [3, 5, 2, 2])
    assert plain(seen, AWAY[:2], ALL[:2]) in narrow


@pytest.mark.parametrize(
    "space", [Discrete(4), MultiBinary(3), Tuple([Discrete(2)]), Text(5), MultiDiscrete([[2, 2], [3, 3]])]
)
def test_other_spaces_are_refused_by_name_with_the_way_out(space):
    with pytest.raises(TypeError) as refused:
        widen("scout", space, 2, False)
    said = str(refused.value)
    assert "'scout'" in said and str(space) in said and "flatten_space" in said
