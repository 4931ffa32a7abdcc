"""What a recorder must know of an environment, read from the environment."""

from __future__ import annotations

from typing import Any

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.narrator import Narrator
from credit_wrappers.recording.action_spaces import action_width, length
from credit_wrappers.recording.observation_spaces import readers_of
from credit_wrappers.recording.recorder import RecordedEnv


def recorded_env(
    env: ParallelEnv, narrator: Narrator | None = None, *, observations: bool = False, snapshots: bool = False
) -> RecordedEnv:
    """Return what a recorder must know of an environment.

    Args:
        env: The environment.
        narrator: Captures what must be remembered of each state.
        observations: Whether its observations are kept.
        snapshots: Whether its snapshots are kept.

    Raises:
        TypeError: Its actions are no numbers; it has no snapshots, which are to be kept.
    """
    spaces = [env.action_space(agent) for agent in env.possible_agents]
    return RecordedEnv(
        tuple(env.possible_agents),
        _name(env),
        narrator,
        readers_of(env) if observations else {},
        action_width(spaces),
        tuple(map(length, spaces)),
        _get_state(env) if snapshots else None,
    )


def _get_state(env: ParallelEnv) -> Any:
    world: Any = env.unwrapped
    missing = [name for name in ("get_state", "set_state") if not callable(getattr(world, name, None))]
    if missing:
        raise TypeError(
            f"{_name(env)}: snapshots are env.unwrapped.get_state(), and {type(world).__name__} lacks "
            f"{' and '.join(f'{name}()' for name in missing)}: add get_state(), which returns the whole state, random "
            "generator included, as a value of its own, and set_state(state), which restores it; or do without "
            "snapshots"
        )
    return world.get_state


def _name(env: ParallelEnv) -> str:
    return str((getattr(env, "metadata", None) or {}).get("name") or type(env.unwrapped).__name__)
