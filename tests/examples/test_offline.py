"""Offline learning: each agent's row holds its own reward of the right step, and learners respect ends and masks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tianshou.data import ReplayBuffer

from credit_wrappers import Credit, CreditError, Episode, dataset
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset import DatasetCard
from credit_wrappers.recording.replay import replay
from credit_wrappers.testing.corridor import CorridorEnv
from tianshou_examples import offline
from tianshou_examples.experiment import offline_study
from tianshou_examples.experiment.offline_data import OfflineData, made_labels
from tianshou_examples.experiment.offline_learners import OfflineLearner, OfflineSettings, offline_learner
from tianshou_examples.experiment.offline_report import gains_of_table, interval
from tianshou_examples.experiment.offline_rows import AgentRows, agent_rows
from tianshou_examples.experiment.offline_study import Source, finished, scale_of

HORIZON = 6
CARD = DatasetCard(world="corridor", max_cycles=HORIZON, credited_by="a rule of the test")


def corridor() -> CorridorEnv:
    return CorridorEnv(horizon=HORIZON)


def label(seed: int, arrive: bool, number: int) -> LabelledEpisode:
    """An episode of two walkers who arrive, or of whom one stays; credit tells episode, agent and step."""
    env = corridor()
    env.reset(seed=seed)
    joints = []
    while env.agents:
        walks = [2 if cell < 3 else 0 for cell in env.position]
        joints.append(walks if arrive else [walks[0], 0])
        env.step(dict(zip(env.agents, joints[-1], strict=True)))
    episode = replace(replay(corridor(), seed, np.array(joints), observations=True), id=number)
    t, agent = np.indices(episode.actions.shape)
    return LabelledEpisode(episode, Credit((1000 * number + 100 * (agent + 1) + t).astype(np.float32)))


LABELS = [label(0, True, 0), label(1, False, 1), label(2, True, 2)]
DATA = OfflineData("known", corridor, LABELS, "a rule of the test")


@pytest.mark.parametrize("size", [0, 200])
def test_every_row_that_a_learner_samples_is_the_agents_own_step_with_its_own_credit(size: int) -> None:
    assert [x.episode.ended for x in LABELS] == ["terminated", "truncated", "terminated"]
    rows = agent_rows(LABELS, 3)
    batch, _ = rows.buffer(rows.rewards(DATA.rewards("credit")), 0).sample(size)
    assert len(batch) == (size or 2 * sum(x.episode.length for x in LABELS))
    seen = set()
    for k in range(len(batch)):
        number, rest = divmod(int(batch.rew[k]), 1000)
        agent, t = rest // 100 - 1, rest % 100
        seen.add((number, agent, t))
        episode = LABELS[number].episode
        assert episode.observations is not None
        assert batch.obs.obs[k].tolist() == episode.observations[t, agent].tolist()
        assert batch.obs_next.obs[k].tolist() == episode.observations[t + 1, agent].tolist()
        assert batch.act[k] == episode.actions[t, agent]
        last = t == episode.length - 1
        assert batch.terminated[k] == (last and episode.terminated)
        assert batch.truncated[k] == (last and episode.truncated)
        assert batch.done[k] == last
        assert batch.obs.mask[k].all() and batch.obs_next.mask[k].all()  # the corridor tells no masks
    assert size or len(seen) == len(batch)


def test_the_team_reward_is_everybodys_and_exact_credit_ones_own() -> None:
    rows = agent_rows(LABELS, 3)
    team, exact = (rows.rewards(DATA.rewards(kind)) for kind in ("team", "exact"))
    for k in range(len(rows)):
        episode = LABELS[rows.episode[k]].episode
        assert team[k] == episode.team_reward[rows.step[k]]
        # one action less to go for a step forward, worth 0.1; standing is the default and worth nothing
        assert exact[k] == pytest.approx(0.1 if episode.actions[rows.step[k], rows.agent[k]] == 2 else 0.0)
    assert team.sum() == 4 and (exact > 0).sum() == sum((x.episode.actions == 2).sum() for x in LABELS)


def test_the_rows_of_one_agent_stand_together_and_the_buffer_goes_from_step_to_step() -> None:
    rows = agent_rows(LABELS, 3)
    buffer = rows.buffer(np.zeros(len(rows)), 0)
    following = buffer.next(np.arange(len(rows)))
    for k in range(len(rows)):
        assert following[k] == (k if rows.done[k] else k + 1)
    assert not len(buffer.unfinished_index())


def absent(actions: list[list[int]], **ends: bool) -> LabelledEpisode:
    """Two agents, of whom some are away where the action is -1; an observation is (agent, t)."""
    taken = np.array(actions)
    t, n = len(taken), 2
    seen = np.empty((t + 1, n), dtype=object)
    for step in range(t + 1):
        for i in range(n):
            here = step < t and taken[step, i] >= 0
            seen[step, i] = np.array([i, step], np.float32) if here or step == t else None
    episode = Episode(
        0, ("a", "b"), taken, np.arange(t, dtype=float), np.zeros((t, n)), ends.get("terminated", False),
        ends.get("truncated", False), observations=seen,
    )  # fmt: skip
    masks = np.zeros((t + 1, n, 3), np.bool_)
    masks[..., 1] = True
    return LabelledEpisode(episode, Credit(np.arange(2 * t, dtype=np.float32).reshape(t, n)), action_masks=masks)


def test_an_agent_that_left_has_no_row_and_its_last_one_is_terminated() -> None:
    one = absent([[1, 1], [1, -1], [1, -1]], truncated=True)
    rows = agent_rows([one], 3)
    assert [*zip(rows.agent.tolist(), rows.step.tolist(), strict=True)] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert rows.rewards([one.credit.values]).tolist() == [0, 2, 4, 1]
    assert rows.terminated.tolist() == [False, False, False, True]
    assert rows.truncated.tolist() == [False, False, True, False]


def test_an_agent_that_comes_back_goes_on_where_it_acts_next() -> None:
    rows = agent_rows([absent([[1, 1], [1, -1], [1, 2]], terminated=True)], 3)
    own = rows.agent == 1
    assert rows.step[own].tolist() == [0, 2]
    assert rows.observation[own].tolist() == [[1, 0], [1, 2]]
    assert rows.next_observation[own].tolist() == [[1, 2], [1, 3]]
    assert rows.terminated[own].tolist() == [False, True]


def test_an_episode_that_goes_on_is_truncated_where_the_data_end() -> None:
    rows = agent_rows([absent([[1, 1], [1, 1]])], 3)
    assert rows.truncated.tolist() == [False, True, False, True] and not rows.terminated.any()


def test_masks_belong_to_their_states_and_what_was_done_was_possible() -> None:
    one = absent([[1, 2], [1, 1]], terminated=True)
    assert one.action_masks is not None
    one.action_masks[2, 0] = False  # nothing is possible after the end
    rows = agent_rows([one], 3)
    only = [False, True, False]
    assert rows.mask.tolist() == [only, only, [False, True, True], only]
    assert rows.next_mask.tolist() == [only, [True] * 3, only, only]


def test_data_that_cannot_be_learned_from_are_refused() -> None:
    with pytest.raises(ValueError, match="no observations"):
        agent_rows([replace(LABELS[0], episode=replace(LABELS[0].episode, observations=None))], 3)
    with pytest.raises(ValueError, match="no steps"):
        agent_rows([], 3)
    mixed = absent([[1, 1]], terminated=True)
    assert mixed.episode.observations is not None
    mixed.episode.observations[0, 1] = np.zeros(3)
    mixed.episode.observations[1, 1] = np.zeros(3)
    with pytest.raises(ValueError, match="2 or 3 numbers"):
        agent_rows([mixed], 3)


def one_state(rows: int, *, terminated: bool, forbidden: bool = False) -> AgentRows:
    """Rows of episodes of one step, which begin and end in the same state, with action 0 of two."""
    numbers, flags = np.arange(rows), np.full(rows, terminated)
    mask = np.tile([True, not forbidden], (rows, 1))
    seen = np.ones((rows, 1), np.float32)
    zeros = np.zeros(rows, np.int64)
    return AgentRows(numbers, zeros, zeros, seen, mask, zeros, seen, mask, flags, ~flags)


def learned_value(method: str, rows: AgentRows, unlike: float = 0.0) -> float:
    """Q of action 0 after learning from rewards of 1 with a discount of a half; `unlike` is added to Q of action 1."""
    settings = OfflineSettings(hidden=8, lr=0.02, gamma=0.5, target=10, conservative=0.0, quantiles=2, threshold=0.0)
    learner = offline_learner(method, 1, 2, settings, 0)
    values = learner.algorithm.critic.net if method == "crr" else (
        learner.network.head.net if method == "cql" else learner.network.values
    )  # fmt: skip
    with torch.no_grad():
        values[4].bias[values[4].out_features // 2 :] += unlike
    learner.learn(rows.buffer(np.ones(len(rows)), 0), 300, 16, lambda steps: None)
    with torch.no_grad():
        found = values(torch.ones(1, 1)).reshape(2, -1).mean(1)
    return float(found[0])


@pytest.mark.parametrize("method", ["bcq", "cql", "crr"])
def test_time_that_runs_out_is_no_end_of_the_world_for_a_learner(method: str) -> None:
    assert learned_value(method, one_state(16, terminated=True)) == pytest.approx(1.0, abs=0.15)
    going_on = learned_value(method, one_state(16, terminated=False, forbidden=True))
    assert going_on == pytest.approx(2.0, abs=0.3)  # 1 + 1/2 + 1/4 + ...


@pytest.mark.parametrize("method", ["bcq", "cql", "crr"])
def test_no_learner_counts_on_an_action_that_is_impossible(method: str) -> None:
    rows = one_state(16, terminated=False, forbidden=True)
    assert learned_value(method, rows, unlike=50.0) == pytest.approx(2.0, abs=0.3)


def test_bcq_prefers_an_unlikely_action_to_a_forbidden_one_and_a_likely_one_to_both() -> None:
    learner = offline_learner("bcq", 1, 3, OfflineSettings(hidden=4), 0)
    values, logits = torch.tensor([[5.0, 9.0, 7.0]]), torch.tensor([[0.0, -9.0, -8.0]])
    assert learner.network.scores(values, logits).argmax() == 0  # type: ignore[operator]
    for allowed, best in (([False, True, True], 1), ([False, False, True], 2)):
        scores = learner.network.scores(values, logits).masked_fill(~torch.tensor([allowed]), -1e9)  # type: ignore[operator]
        assert scores.argmax() == best


@pytest.mark.parametrize("reward", ["none", "team", "credit", "exact"])
def test_a_team_learns_from_the_reward_that_its_cell_names(reward: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buffers: list[ReplayBuffer] = []
    learn = OfflineLearner.learn

    def spy(self: OfflineLearner, buffer: ReplayBuffer, *rest: Any) -> None:
        buffers.append(buffer)
        learn(self, buffer, *rest)

    monkeypatch.setattr(OfflineLearner, "learn", spy)
    source, settings = Source(DATA), OfflineSettings(steps=1, batch=4, hidden=4)
    cell = {"method": "bc" if reward == "none" else "crr", "reward": reward, "seed": 0, "eval_episodes": 1}
    scale = source.learnt(cell, settings, lambda steps: None)["scale"]
    rows = source.rows
    own = np.zeros(len(rows)) if reward == "none" else rows.rewards(DATA.rewards(reward))
    assert buffers[0].rew == pytest.approx(scale * own) and bool(own.any()) == (reward != "none")


def test_rewards_are_scaled_alike_whatever_their_unit() -> None:
    rows = agent_rows(LABELS, 3)
    rewards = rows.rewards(DATA.rewards("credit"))
    assert scale_of(rows, 1000 * rewards, 0.9) == pytest.approx(scale_of(rows, rewards, 0.9) / 1000)
    assert scale_of(rows, np.zeros(len(rows)), 0.9) == 1.0
    one, two = rows.returns(np.ones(len(rows)), 0.5)[rows.done], rows.returns(np.ones(len(rows)), 0.5).max()
    assert (one == 1).all() and 1.5 < two < 2.0


def test_an_interval_is_students_and_gains_are_paired_by_seed() -> None:
    found = interval([1.0, 2.0, 3.0])
    assert (found["mean"], found["seeds"]) == (2.0, 3)
    assert found["high"] - 2.0 == pytest.approx(4.3027 / 3**0.5, abs=1e-3)
    assert interval([1.0])["low"] is None
    records = [
        {
            "cell": {"data": "d", "method": "cql", "reward": reward, "seed": seed},
            "greedy": {"team_return": value + 10 * seed}, "sampled": {"team_return": 0.0},
        }
        for reward, value in (("team", 1.0), ("credit", 1.5)) for seed in range(3)
    ]  # fmt: skip
    records.append({**records[0], "cell": {"data": "d", "method": "bc", "reward": "none", "seed": 0}})
    (gain,) = gains_of_table(records, "team")
    assert (gain["reward"], gain["greedy"]["mean"]) == ("credit", 0.5)
    assert gain["greedy"]["high"] - gain["greedy"]["low"] == pytest.approx(0.0)
    over_bc = {found["reward"]: found["greedy"]["mean"] for found in gains_of_table(records, "bc")}
    assert over_bc == {"team": 0.0, "credit": 0.5}  # of the seed that has both


TINY = ["--steps", "20", "--batch", "8", "--hidden", "8", "--quantiles", "2", "--eval-episodes", "3", "--seeds", "2"]


@pytest.fixture
def saved(tmp_path: Path) -> str:
    masks = [np.ones((x.episode.length + 1, 2, 3), np.bool_) for x in LABELS]
    known = [replace(x, action_masks=mask) for x, mask in zip(LABELS, masks, strict=True)]
    dataset.save(tmp_path / "known.jsonl.gz", known, CARD, form="compact")
    return str(tmp_path / "known.jsonl.gz")


def test_the_command_compares_all_methods_and_rewards_and_learns_nothing_twice(
    saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = ["--data", saved, "--out", str(out), *TINY]
    assert offline.main(command) == 0
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert len(results["cells"]) == 2 * (1 + 3 * 3) and len(results["rows"]) == 10 and len(results["gains"]) == 6 + 9
    assert {cell["credited_by"] for cell in results["cells"]} == {CARD.credited_by}
    assert "95 %" in (out / "table.txt").read_text(encoding="utf-8")

    lines = (out / "cells.jsonl").read_text(encoding="utf-8").splitlines()
    (out / "cells.jsonl").write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:40], encoding="utf-8")  # killed
    assert len(finished(out)) == len(lines) - 1
    capsys.readouterr()
    assert offline.main(command) == 0
    assert "19 of 20 teams" in capsys.readouterr().out
    again = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert again["cells"] == results["cells"]  # the one that was learnt again, too
    monkeypatch.setattr(offline_study, "offline_data", lambda *_: pytest.fail("nothing is to be learnt"))
    assert offline.main(command) == 0


def test_an_interruption_keeps_the_teams_that_are_done(
    saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt, whole = Source.learnt, []

    def stop(self: Source, *rest: object) -> dict[str, object]:
        if len(whole) == 2:
            raise KeyboardInterrupt
        whole.append(rest)
        return learnt(self, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Source, "learnt", stop)
    assert offline.main(["--data", saved, "--out", str(tmp_path / "out"), *TINY]) == 130
    assert len(finished(tmp_path / "out")) == 2
    assert "2 of 20 teams are done" in capsys.readouterr().err


def test_play_is_made_on_the_spot_apart_from_the_layouts_of_the_evaluation(tmp_path: Path) -> None:
    command = ["--env", "spaceworld:duet", "--data", "chance", "--episodes", "9", "--methods", "bc", "crr"]
    assert offline.main([*command, "--rewards", "team", "exact", "--out", str(tmp_path), *TINY]) == 0
    records = finished(tmp_path)
    assert [record["cell"]["reward"] for record in records] == ["none", "team", "exact"] * 2
    assert {record["data_episodes"] for record in records} == {9}
    assert len({record["data_return"] for record in records}) == 2  # each seed has play of its own
    assert {record["credited_by"] for record in records} == {"scripted"}


@pytest.mark.parametrize("data", ["scripted", "chance", "DATA SET"])
def test_teams_of_another_library_learn_offline_too(data: str, tmp_path: Path) -> None:
    world = "lbf:Foraging-8x8-2p-2f-coop-v3"
    if data == "DATA SET":
        card = DatasetCard(world=world, credited_by="scripted")
        data = str(dataset.save(tmp_path / "d-v0", made_labels("mixture", world, 2, 0), card))
    command = ["--env", world, "--data", data, "--methods", "bc", "crr", "--rewards", "team", "credit"]
    few = [*TINY, "--seeds", "1", "--episodes", "2"]
    assert offline.main([*command, "--out", str(tmp_path / "out"), *few]) == 0
    records = finished(tmp_path / "out")
    assert [record["cell"]["reward"] for record in records] == ["none", "team", "credit"]
    assert {record["credited_by"] for record in records} == {"scripted"}
    assert all(record["data_rows"] > 20 and 0 <= record["greedy"]["team_return"] <= 1 for record in records)


def test_behaviour_cloning_of_good_play_plays_well(tmp_path: Path) -> None:
    labels = [label(seed, True, seed) for seed in range(8)]
    source = Source(OfflineData("good", corridor, labels, ""))
    assert source.first_unseen > 8
    settings = OfflineSettings(steps=300, batch=32, hidden=16, lr=0.01)
    cell = {"method": "bc", "reward": "none", "seed": 0, "eval_episodes": 5}
    assert source.learnt(cell, settings, lambda steps: None)["greedy"]["success"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nothing-there"], "duet-claude"),
        (["--env", "nowhere:x", "--data", "chance"], "unknown world"),
    ],
)
def test_bad_data_end_with_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert offline.main([*arguments, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--methods", "ppo"], ["--rewards", "praise"], ["--seeds", "0"], ["--gamma", "2"]]
)
def test_bad_arguments_end_with_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        offline.main(arguments)
    assert ended.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_reward_that_is_not_known_in_a_step_is_refused() -> None:
    values = LABELS[1].credit.values.copy()
    values[2, 0] = np.nan
    broken = replace(LABELS[1], credit=replace(LABELS[1].credit, values=values))
    with pytest.raises(ValueError, match="credit of episode 1 "):
        Source(replace(DATA, labels=[LABELS[0], broken])).paid("credit")


def test_a_world_without_a_simulator_has_no_exact_credit() -> None:
    class Closed(CorridorEnv):
        set_state = None  # type: ignore[assignment]

    with pytest.raises(CreditError):
        OfflineData("closed", lambda: Closed(horizon=HORIZON), LABELS, "").rewards("exact")
