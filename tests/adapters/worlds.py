"""The adapters under test, and random play on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from credit_wrappers.adapters import lbf, rware
from credit_wrappers.adapters.library_env import TeamEnv

WORLDS: dict[str, Callable[..., TeamEnv]] = {
    "lbf": lambda **more: lbf.parallel_env("Foraging-8x8-2p-3f-v3", **more),
    "lbf-coop": lambda **more: lbf.parallel_env("Foraging-5x5-3p-1f-coop-v3", penalty=0.1, **more),
    "lbf-near": lambda **more: lbf.parallel_env("Foraging-2s-8x8-3p-2f-v3", max_episode_steps=20, **more),
    "lbf-grid": lambda **more: lbf.parallel_env("Foraging-grid-2s-8x8-2p-3f-v3", **more),
    "lbf-oblong": lambda **more: lbf.parallel_env("Foraging-8x8-2p-3f-v3", field_size=(9, 6), sight=9, **more),
    "rware": lambda **more: rware.parallel_env("rware-tiny-2ag-v2", max_steps=60, **more),
    "rware-low": lambda **more: rware.parallel_env("rware-1x3-2h-3ag-3req-twostage-v2", max_steps=60, **more),
    "rware-image": lambda **more: rware.parallel_env("rware-img-tiny-2ag-v2", max_steps=40, **more),
    "rware-both": lambda **more: rware.parallel_env("rware-imgdict-Nd-tiny-2ag-easy-v2", max_steps=40, **more),
    "rware-talk": lambda **more: rware.parallel_env("rware-tiny-3ag-v2", msg_bits=2, max_inactivity_steps=50, **more),
}


def moves_of(env: TeamEnv, agent: str) -> int:
    """How many moves there are; messages to other agents do not count."""
    space = env.action_space(agent)
    return int(space.n) if isinstance(space, Discrete) else int(space.nvec[0])


def busy(
    env: TeamEnv, infos: dict[str, dict[str, Any]], rng: np.random.Generator, free: bool = False
) -> dict[str, Any]:
    """Random actions, the last one (load, toggle) more often than others; `free` of masks."""
    actions: dict[str, Any] = {}
    for agent in env.agents:
        space = env.action_space(agent)
        moves = moves_of(env, agent)
        mask = infos[agent]["action_mask"][:moves]
        eager = rng.random() < 0.4 and mask[-1]
        move = moves - 1 if eager else int(rng.choice(moves if free else np.flatnonzero(mask)))
        bits = rng.integers(0, 2, space.shape[0] - 1) if space.shape else None
        actions[agent] = move if bits is None else np.array([move, *bits])
    return actions


def flat(observation: Any) -> bytes:
    """An observation as bytes."""
    if isinstance(observation, dict):
        return b"".join(observation[key].tobytes() for key in sorted(observation))
    return bytes(observation.tobytes())


def rollout(env: TeamEnv, seed: int | None, steps: int, free: bool = False) -> list[Any]:
    """Everything that the environment returned, as bytes and values."""
    rng = np.random.default_rng(5)
    trace: list[Any] = []

    def note(observations: dict[str, Any], *rest: Any) -> dict[str, Any]:
        told = [(info["action_mask"].tobytes(), info["own_reward"]) for info in rest[-1].values()]
        trace.append(([flat(o) for o in observations.values()], rest[:-1], told, env.state().tobytes()))
        return dict(rest[-1])

    infos = note(*env.reset(seed=seed)) if seed is not None else note(*env.observe_all())
    for _ in range(steps):
        if not env.agents:
            infos = note(*env.reset())
        infos = note(*env.step(busy(env, infos, rng, free)))
    return trace
