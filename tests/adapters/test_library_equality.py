"""The adapters play what the libraries play: the same layouts, observations and rewards, step by step, and ids."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import gymnasium
import lbforaging
import numpy as np
import pytest
import rware as rware_library

from credit_wrappers.adapters import lbf, rware
from credit_wrappers.adapters.lbf import arguments_of as lbf_arguments
from credit_wrappers.adapters.rware_ids import arguments_of as rware_arguments

LIBRARY_IDS = ["Foraging-8x8-2p-3f-v3", "Foraging-5x5-2p-1f-coop-v3", "Foraging-2s-6x6-4p-4f-v3",
               "rware-tiny-2ag-v2", "rware-small-4ag-easy-v2"]  # fmt: skip


def play_both(env_id: str, episodes: int, on_end: Callable[[Any, dict[str, bool], dict[str, bool]], None]) -> None:
    adapter = lbf if env_id.startswith("Foraging") else rware
    more = {} if adapter is lbf else {"max_steps": 120}
    env = adapter.parallel_env(env_id, **more)
    raw: Any = None
    rng = np.random.default_rng(0)
    for episode in range(episodes):
        seed = episode if episode % 2 == 0 else None  # every second one goes on with the random stream
        if seed is not None:  # lbforaging's used environments start elsewhere than new ones
            raw = gymnasium.make(env_id, disable_env_checker=True, **more).unwrapped
        seen, infos = env.reset(seed=seed)
        expected, _ = raw.reset(seed=seed)
        while env.agents:
            for one, other in zip(seen.values(), expected, strict=True):
                np.testing.assert_array_equal(one, other)
            choices = [int(rng.choice(np.flatnonzero(info["action_mask"]))) for info in infos.values()]
            choices = [len(info["action_mask"]) - 1 if info["action_mask"][-1] and rng.random() < 0.5 else c
                       for info, c in zip(infos.values(), choices, strict=True)]  # fmt: skip
            seen, rewards, ended, cut, infos = env.step(dict(zip(env.agents, choices, strict=True)))
            expected, own, over, _, _ = raw.step(choices)
            assert [info["own_reward"] for info in infos.values()] == own
            assert set(rewards.values()) == {float(sum(own))}
            assert bool(over) == (not env.agents)
        for one, other in zip(seen.values(), expected, strict=True):
            np.testing.assert_array_equal(one, other)
        on_end(raw, ended, cut)


@pytest.mark.parametrize("env_id", LIBRARY_IDS)
def test_every_step_is_the_librarys_own(env_id: str) -> None:
    play_both(env_id, 3 if "rware" in env_id else 6, lambda raw, ended, cut: None)


def test_the_end_of_time_is_truncation_and_an_empty_field_is_termination() -> None:
    ends = set()

    def check(raw: Any, ended: dict[str, bool], cut: dict[str, bool]) -> None:
        empty = raw.field.sum() == 0
        assert set(ended.values()) == {bool(empty)} and set(cut.values()) == {not empty}
        ends.add(bool(empty))

    play_both("Foraging-5x5-2p-2f-v3", 12, check)
    assert ends == {True, False}


def test_the_last_food_in_the_last_step_is_termination() -> None:
    env = lbf.parallel_env("Foraging-5x5-2p-1f-v3", max_episode_steps=3)
    env.reset(seed=0)
    ((row, column, level),) = env.foods
    first, second = env.library.players
    first.setup((row - 1, column), level, env.library.field_size)
    second.setup((0, 0) if (row, column) != (1, 0) else (4, 4), 1, env.library.field_size)
    env.library._gen_valid_moves()
    for action in (0, 0, 5):
        _, rewards, ended, cut, _ = env.step({"player_0": action, "player_1": 0})
    assert set(rewards.values()) == {1.0}
    assert set(ended.values()) == {True} and set(cut.values()) == {False}


def test_all_registered_foraging_ids_have_their_own_arguments() -> None:
    known = {i: s for i, s in gymnasium.registry.items() if s.entry_point == "lbforaging.foraging:ForagingEnv"}
    assert len(known) == 1920
    assert all(lbf_arguments(env_id) == known[env_id].kwargs for env_id in list(known)[::41])


def test_grid_ids_mean_what_the_library_would_register(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: dict[str, dict[str, Any]] = {}
    monkeypatch.setattr(lbforaging, "register", lambda id, entry_point, kwargs: registered.update({id: kwargs}))
    lbforaging.register_grid_envs()
    for env_id in list(registered)[::397]:
        assert lbf_arguments(env_id) == {**registered[env_id], "penalty": 0.0}  # the library's default


class Enough(Exception):
    pass


@pytest.mark.parametrize("registration", ["image_registration", "full_registration"])
def test_warehouse_ids_mean_what_the_library_would_register(registration: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = 0

    def check(id: str, entry_point: str, kwargs: dict[str, Any]) -> None:
        nonlocal told
        told += 1
        if told % 499 == 1 or told > 60_000:  # from here on the ids by rows and columns, of which there are millions
            plain = {"observation_type": rware_library.ObservationType.FLATTENED, "image_observation_directional": True}
            assert {**plain, **rware_arguments(id)} == {**plain, **kwargs}
        if told > 60_100:
            raise Enough

    monkeypatch.setattr(rware_library, "register", check)
    with contextlib.suppress(Enough):
        getattr(rware_library, registration)()
    assert told > 900


@pytest.mark.parametrize("env_id", ["rware-Nd-tiny-2ag-v2", "rware-tiny-20ag-v2", "rware-imgdict-tiny-8h-2ag-v2",
                                    "rware-2s-tiny-2ag-v2", "rware-1x4-8h-2ag-2req-indiv-v2"])  # fmt: skip
def test_ids_that_the_library_never_registers_are_unknown(env_id: str) -> None:
    with pytest.raises(ValueError, match="nearest valid"):
        rware_arguments(env_id)
