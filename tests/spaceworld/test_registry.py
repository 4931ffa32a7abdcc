"""PettingZoo's registry: on request, for every preset, in both forms."""

import subprocess
import sys

import pettingzoo
import pytest

import spaceworld
from spaceworld import PRESETS
from spaceworld.env import SpaceworldEnv


def test_every_preset_can_be_made_from_the_registry() -> None:
    ids = spaceworld.register_envs()
    assert ids == tuple(f"spaceworld/{name}-v0" for name in PRESETS)
    for name, env_id in zip(PRESETS, ids, strict=True):
        env = pettingzoo.make("parallel", env_id, max_cycles=7, render_mode="ansi")
        assert isinstance(env, SpaceworldEnv)
        assert (env.scenario.name, env.max_cycles, env.render_mode) == (name, 7, "ansi")
        turns = pettingzoo.make("aec", env_id)
        turns.reset(seed=0)
        assert turns.unwrapped.scenario.name == name


def test_registering_twice_does_no_harm() -> None:
    assert spaceworld.register_envs() == spaceworld.register_envs()  # warnings are errors here


def test_importing_registers_nothing() -> None:
    code = "import pettingzoo, spaceworld; print(*[k for k in pettingzoo.parallel_registry if 'spaceworld' in k])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_an_old_pettingzoo_without_a_registry_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pettingzoo, "register")
    with pytest.raises(ImportError, match="no registry: install pettingzoo"):
        spaceworld.register_envs()
