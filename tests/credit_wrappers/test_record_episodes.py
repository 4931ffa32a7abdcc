"""RecordEpisodes writes what a CreditWrapper would have recorded, and loses the running episode at most."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pettingzoo.utils import BaseParallelWrapper, BaseWrapper, aec_to_parallel, parallel_to_aec

from credit_wrappers import CreditError, CreditWrapper, Deferred, EqualSplitCritic, Online, RecordEpisodes, annotate
from credit_wrappers.core.errors import DatasetError
from credit_wrappers.dataset import recorded
from credit_wrappers.recording import episode_logs
from credit_wrappers.recording.recording_file import MAGIC, RecordingFile, read_blocks, unpickled
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld import spaceworld_v0


def duet() -> Any:
    return spaceworld_v0.parallel_env(scenario="duet")


class Passing(BaseParallelWrapper):
    """A wrapper, around which states cannot be restored."""


class Leaving(CorridorEnv):
    """A corridor whose second walker leaves after two steps; agents are paid what they did."""

    def __init__(self) -> None:
        super().__init__(length=9, horizon=5)

    def step(self, actions: Any) -> Any:
        observations, rewards, terminations, truncations, infos = super().step(actions)
        if self._time == 2:
            terminations["walker_1"] = True
            self.agents = ["walker_0"]
        return observations, {agent: 0.5 * actions[agent] for agent in rewards}, terminations, truncations, infos


def play(env: Any, episodes: int, seeds: bool = True) -> None:
    rng = np.random.default_rng(0)
    for k in range(episodes):
        env.reset(seed=k if seeds or k == 0 else None)
        while env.agents:
            env.step({agent: int(rng.integers(env.action_space(agent).n)) for agent in env.agents})


def credited(make_env: Any, episodes: int, seeds: bool = True) -> list[Any]:
    """Return the episodes that a CreditWrapper records of the same play."""
    kept: list[Any] = []
    env = CreditWrapper(make_env(), Deferred(EqualSplitCritic()), record_observations=True)
    env.add_listener(lambda episode, credit: kept.append(episode))
    play(env, episodes, seeds)
    env.store.settle(range(episodes))
    return kept


@pytest.mark.parametrize("keep", ["auto", "everything"])
@pytest.mark.parametrize("seeds", [True, False])
@pytest.mark.parametrize("make_env", [duet, lambda: CorridorEnv(horizon=8)])
def test_a_recording_holds_what_a_credit_wrapper_records(tmp_path, keep, seeds, make_env):
    env = RecordEpisodes(make_env(), tmp_path, keep=keep)
    play(env, 3, seeds)
    assert (env.keep == "actions") == (keep == "auto" and make_env is duet)  # the corridor has no observe_all
    found, expected = list(recorded(tmp_path, make_env)), credited(make_env, 3, seeds)
    assert [episode.id for episode in found] == [0, 1, 2]
    for one, other in zip(found, expected, strict=True):
        assert (one.key, one.seed, one.frames) == (other.key, other.seed, other.frames)
        assert one.observations.tobytes() == other.observations.tobytes()
        assert one.observations.dtype == other.observations.dtype
        assert one.actions.dtype == other.actions.dtype
    credits = annotate(recorded(tmp_path, make_env), EqualSplitCritic())
    assert [credit.values.shape for credit in credits] == [(episode.length, 2) for episode in expected]


def test_masks_and_states_come_with_both_ways_to_keep(tmp_path):
    play(RecordEpisodes(duet(), tmp_path / "a"), 2)
    play(RecordEpisodes(duet(), tmp_path / "b", keep="everything", snapshots=True), 2)
    ways = [list(recorded(tmp_path / name, duet, snapshots=True).with_masks()) for name in "ab"]
    for (one, masks), (other, others) in zip(*ways, strict=True):
        assert np.array_equal(masks, others) and masks.shape == (one.length + 1, 2, 6)
        assert [s.row.tolist() for s in one.snapshots] == [s.row.tolist() for s in other.snapshots]
    [episode, *_] = recorded(tmp_path / "b", duet, observations=False)
    assert (episode.observations, episode.snapshots) == (None, ())


def test_the_world_can_be_told_when_it_is_recorded(tmp_path):
    play(RecordEpisodes(CorridorEnv(horizon=8), tmp_path, world="corridor", arguments={"horizon": 8}), 1)
    [episode] = recorded(tmp_path)
    assert episode.narrator is not None and episode.length <= 8


@pytest.mark.parametrize("keeps", [("actions", "everything"), ("everything", "actions")])
def test_each_file_is_read_as_it_was_written(tmp_path, keeps):
    for limit, keep in zip((7, 20), keeps, strict=True):
        arguments = {"horizon": limit}
        play(RecordEpisodes(CorridorEnv(**arguments), tmp_path, keep=keep, world="corridor", arguments=arguments), 2)
    found = list(recorded(tmp_path))
    expected = [*credited(lambda: CorridorEnv(horizon=7), 2), *credited(lambda: CorridorEnv(horizon=20), 2)]
    assert [episode.key for episode in found] == [episode.key for episode in expected]
    assert [episode.id for episode in found] == [0, 1, 2, 3]


def test_other_agents_or_worlds_in_one_folder_are_refused_by_name(tmp_path):
    def play_in(folder: Path, scenario: str, **more: Any) -> None:
        play(RecordEpisodes(spaceworld_v0.parallel_env(scenario=scenario, max_cycles=5), folder, **more), 1)

    play_in(tmp_path / "a", "duet")
    play_in(tmp_path / "a", "truss")
    with pytest.raises(DatasetError, match=r"play-0001\.episodes .*robot_2.*play-0000.*one recording is of one team"):
        next(iter(recorded(tmp_path / "a", duet)))
    play_in(tmp_path / "b", "duet", world="spaceworld:duet")
    play_in(tmp_path / "b", "duet", world="spaceworld:pair")
    with pytest.raises(DatasetError, match=r"world 'spaceworld:pair'.*'spaceworld:duet'"):
        list(recorded(tmp_path / "b"))


def test_a_world_that_could_not_be_made_again_is_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"unknown world 'nope:x'.*valid families are"):
        RecordEpisodes(duet(), tmp_path / "a", world="nope:x")
    for value, told in ((np.int64(6), r"arguments\['max_cycles'\] is .*6.*, a int64"), ({1, 2}, "a set")):
        with pytest.raises(TypeError, match=f"{told}.*a recording holds JSON"):
            RecordEpisodes(duet(), tmp_path / "a", world="spaceworld:duet", arguments={"max_cycles": value})
    assert not (tmp_path / "a").exists()


def test_actions_alone_need_the_environment_and_everything_does_not(tmp_path):
    play(RecordEpisodes(duet(), tmp_path / "a"), 1)
    with pytest.raises(DatasetError, match="the environment is needed"):
        list(recorded(tmp_path / "a"))
    play(RecordEpisodes(duet(), tmp_path / "b", keep="everything"), 1)
    [episode] = recorded(tmp_path / "b")
    assert (episode.moments, episode.narrator) == ((), None)


def test_another_environment_is_found_out(tmp_path):
    play(RecordEpisodes(CorridorEnv(length=3), tmp_path, keep="actions"), 3)
    with pytest.raises(DatasetError, match=r"another episode than|cannot be played again"):
        list(recorded(tmp_path, lambda: CorridorEnv(length=2)))


def test_long_episodes_are_written_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(episode_logs, "_MOST_ACTIONS", 10)
    monkeypatch.setattr(episode_logs, "_MOST_STEPS", 4)
    for keep in ("actions", "everything"):
        env = RecordEpisodes(duet(), tmp_path / keep, keep=keep)
        play(env, 2)
        env.reset(seed=5)
        for _ in range(20):  # this one is dropped
            env.step(dict.fromkeys(env.agents, 0))
        play(env, 1)
        found = [episode.key for episode in recorded(tmp_path / keep, duet)]
        expected = [episode.key for episode in credited(duet, 2)]
        assert found == [*expected, expected[0]]
        [file] = (tmp_path / keep).iterdir()
        assert len(list(read_blocks(file))) > 20


def test_every_environment_has_a_file_and_copies_have_their_own(tmp_path):
    first = RecordEpisodes(duet(), tmp_path)
    play(first, 1)
    for env in (RecordEpisodes(duet(), tmp_path), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        play(env, 1)
        env.close()
    first.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"play-000{k}.episodes" for k in range(4)]
    keys = [episode.key for episode in recorded(tmp_path, duet)]
    assert len(keys) == 4 and len(set(keys)) == 1


def test_a_reset_that_cannot_be_done_again_is_refused(tmp_path):
    env = RecordEpisodes(Passing(duet()), tmp_path, keep="actions")
    env.reset(seed=1)
    with pytest.raises(CreditError, match="reset with seeds, or record with keep='everything'"):
        env.reset()
    with pytest.raises(CreditError, match="a reset with options"):
        env.reset(seed=1, options={"a": 1})
    assert RecordEpisodes(Passing(duet()), tmp_path).keep == "everything"
    with pytest.raises(ValueError, match="snapshots=True with keep='actions'"):
        RecordEpisodes(duet(), tmp_path, keep="actions", snapshots=True)
    with pytest.raises(ValueError, match="valid: auto, actions, everything"):
        RecordEpisodes(duet(), tmp_path, keep="all")  # type: ignore[arg-type]


def test_a_recording_is_of_the_environment_and_not_of_its_credit(tmp_path):
    for inner in (CreditWrapper(CorridorEnv(horizon=8), Online(EqualSplitCritic())), with_aec_inside()):
        with pytest.raises(TypeError, match=r"inside it: CreditWrapper\(RecordEpisodes\(env, path\)"):
            RecordEpisodes(inner, tmp_path)
    play(CreditWrapper(RecordEpisodes(CorridorEnv(horizon=8), tmp_path), Online(EqualSplitCritic())), 1)
    [found], [expected] = list(recorded(tmp_path)), credited(lambda: CorridorEnv(horizon=8), 1)
    assert np.array_equal(found.team_reward, expected.team_reward) and found.length == expected.length


def with_aec_inside() -> Any:
    """Return an environment with credit below two conversions, which undo each other unless a wrapper is between."""
    inner = parallel_to_aec(CreditWrapper(CorridorEnv(), Deferred(EqualSplitCritic())))
    return aec_to_parallel(BaseWrapper(inner))


def test_the_attributes_of_a_recorded_environment_stay_where_they_are_read_fastest(tmp_path):
    env = duet()
    RecordEpisodes(env, tmp_path).reset(seed=1)
    dicts = [found for found in gc.get_referents(env) if isinstance(found, dict)]
    # CPython makes an object's `__dict__` when somebody asks for it, and reads the attributes more slowly ever after.
    assert not any("possible_agents" in found for found in dicts)


def test_what_follows_a_refused_reset_is_not_recorded(tmp_path):
    env = RecordEpisodes(Passing(duet()), tmp_path, keep="actions")
    play(env, 1)
    for refused in ({"seed": 1, "options": {"mirror": 1}}, {}):
        with pytest.raises(CreditError):
            env.reset(**refused)
        while env.agents:
            env.step(dict.fromkeys(env.agents, 1))
    play(env, 1)
    assert [episode.key for episode in recorded(tmp_path, duet)] == [credited(duet, 1)[0].key] * 2


@pytest.mark.parametrize("keep", ["actions", "everything"])
def test_what_follows_a_failed_reset_is_not_recorded(tmp_path, keep):
    class Failing(CorridorEnv):
        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            returned = super().reset(seed, options)
            if seed == 9:
                raise RuntimeError("no contact")
            return returned

    env = RecordEpisodes(Failing(horizon=4), tmp_path, keep=keep)
    env.reset(seed=1)
    env.step(dict.fromkeys(env.agents, 1))
    with pytest.raises(RuntimeError):
        env.reset(seed=9)
    while env.agents:
        env.step(dict.fromkeys(env.agents, 1))
    play(env, 1)
    assert [episode.seed for episode in recorded(tmp_path, lambda: CorridorEnv(horizon=4))] == [0]


@pytest.mark.parametrize("keep", ["actions", "everything"])
def test_a_failed_write_loses_its_episode_only(tmp_path, monkeypatch, keep):
    env = RecordEpisodes(CorridorEnv(horizon=4), tmp_path, keep=keep)
    play(env, 1)
    written, room = os.write, 80

    def full(file: int, data: bytes) -> int:
        nonlocal room
        if room:
            room -= 40
            return written(file, data[:40])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            play(env, 1)
    play(env, 2)
    assert [episode.seed for episode in recorded(tmp_path, lambda: CorridorEnv(horizon=4))] == [0, 0, 1]


PLAY = """
import sys
from credit_wrappers import RecordEpisodes
from spaceworld import spaceworld_v0
env = RecordEpisodes(spaceworld_v0.parallel_env(scenario="duet", max_cycles=9), sys.argv[1], keep=sys.argv[2])
for k in range(10**6):
    env.reset(seed=k)
    while env.agents:
        env.step(dict.fromkeys(env.agents, k % 5))
    print(k, flush=True)
"""


@pytest.mark.parametrize("keep", ["actions", "everything"])
def test_a_kill_loses_the_running_episode_only(tmp_path, keep):
    program = subprocess.Popen([sys.executable, "-c", PLAY, str(tmp_path), keep], stdout=subprocess.PIPE)
    assert program.stdout is not None
    for _ in range(50):
        done = int(program.stdout.readline())
    program.send_signal(signal.SIGKILL)
    done += len(program.stdout.read().splitlines())
    program.stdout.close()
    program.wait()
    found = list(recorded(tmp_path, lambda: spaceworld_v0.parallel_env(scenario="duet", max_cycles=9)))
    assert [episode.seed for episode in found[: done + 1]] == list(range(done + 1))
    assert len(found) <= done + 2  # one may have been written and not printed


def test_wherever_a_file_was_cut_its_whole_episodes_are_read(tmp_path):
    play(RecordEpisodes(CorridorEnv(horizon=3), tmp_path, keep="actions"), 3)
    [file] = tmp_path.iterdir()
    data, lengths = file.read_bytes(), []
    for size in range(0, len(data) + 1, 7):
        file.write_bytes(data[:size])
        lengths.append(len(list(recorded(tmp_path, lambda: CorridorEnv(horizon=3)))))
    file.write_bytes(data)
    lengths.append(len(list(recorded(tmp_path, lambda: CorridorEnv(horizon=3)))))
    assert lengths == sorted(lengths) and set(lengths) == {0, 1, 2, 3}


def test_no_damaged_byte_loses_an_episode_silently(tmp_path):
    env = RecordEpisodes(CorridorEnv(horizon=3), tmp_path, keep="actions")
    play(env, 3)
    env.close()
    [file] = tmp_path.iterdir()
    data = file.read_bytes()
    for at in range(len(MAGIC), len(data)):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        with pytest.raises(DatasetError, match=r"play-0000\.episodes is damaged at byte"):
            list(read_blocks(file))


def test_a_damaged_file_and_one_of_another_version_are_refused(tmp_path):
    play(RecordEpisodes(duet(), tmp_path), 2)
    [file] = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(DatasetError, match=r"play-0000\.episodes is damaged at byte"):
        list(recorded(tmp_path, duet))
    file.write_bytes(data.replace(b"recording 2", b"recording 3"))
    with pytest.raises(DatasetError, match="is of another version"):
        list(recorded(tmp_path, duet))
    with pytest.raises(FileNotFoundError, match="is no recording"):
        recorded(tmp_path / "nothing")


def test_a_recording_runs_no_foreign_code(tmp_path):
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    head = {
        "agents": ["robot_0", "robot_1"],
        "env_id": "x",
        "keep": "actions",
        "width": None,
        "world": "",
        "arguments": {},
    }
    file = RecordingFile(tmp_path, head)
    arrays = {"actions": np.zeros((1, 2), np.uint8), "rewards": np.zeros((0, 3))}
    file.append({"episode": 0, "part": 0, "over": True, "seed": None}, arrays, {"state": Evil()})
    with pytest.raises(DatasetError, match=r"holds a posix\.system"):
        list(recorded(tmp_path, duet))
    assert not Path(tmp_path / "ran").exists()


def test_a_recording_reaches_no_foreign_class_through_our_modules(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine", encoding="utf-8")

    def word(text: str) -> bytes:
        return b"\x8c" + bytes([len(text)]) + text.encode()

    module = "credit_wrappers.recording.recording_file"
    for name in ("io.FileIO", "Path"):  # FileIO(mine, "w") empties the file
        data = b"\x80\x04" + word(module) + word(name) + b"\x93" + word(str(mine)) + word("w") + b"\x86R."
        with pytest.raises(DatasetError, match=rf"holds a {module}\.{name}"):
            unpickled(data, {"credit_wrappers"})
    assert mine.read_text(encoding="utf-8") == "mine"


def test_one_agent_alone_and_agents_that_leave_are_recorded(tmp_path):
    def solo() -> Any:
        return spaceworld_v0.parallel_env(scenario="solo", max_cycles=9)

    env = pickle.loads(pickle.dumps(RecordEpisodes(solo(), tmp_path / "solo")))
    play(env, 2)
    assert [episode.key for episode in recorded(tmp_path / "solo", solo)] == [e.key for e in credited(solo, 2)]
    for keep in ("actions", "everything"):
        play(RecordEpisodes(Leaving(), tmp_path / keep, keep=keep), 2)
        found, expected = list(recorded(tmp_path / keep, Leaving)), credited(Leaving, 2)
        for one, other in zip(found, expected, strict=True):
            assert np.array_equal(one.actions, other.actions) and (one.actions == -1).any()
            assert np.array_equal(one.team_reward, other.team_reward)
            assert (one.terminated, one.truncated) == (other.terminated, other.truncated)
