"""What is no ParallelEnv is refused with the way to make it one."""

import gymnasium
import pytest
from pettingzoo.utils.conversions import parallel_to_aec

from credit_wrappers.recording.env_checks import require_parallel, require_parallel_class
from credit_wrappers.testing.corridor import CorridorEnv


class Lone(gymnasium.Env):
    """One agent; its spaces are not set yet."""


@pytest.mark.parametrize("require", [require_parallel, require_parallel_class])
@pytest.mark.parametrize(
    ("env", "advice"),
    [
        (parallel_to_aec(CorridorEnv()), r"it is an AEC environment: .*aec_to_parallel\(env\)"),
        (Lone(), r"got Lone; it is a gymnasium Env, which has one agent: .*DummyVectorEnv"),
        ("no env", r"got str; write it as, or adapt it to, a pettingzoo.ParallelEnv"),
    ],
)
def test_the_error_says_what_to_do(require, env, advice):
    with pytest.raises(TypeError, match=advice):
        require(env)


def test_the_class_alone_does_not_need_agents():
    env = CorridorEnv()
    env.possible_agents = []
    require_parallel_class(env)
    with pytest.raises(TypeError, match="has no possible_agents"):
        require_parallel(env)
