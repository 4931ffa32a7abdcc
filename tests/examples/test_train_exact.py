"""`--method exact`: the learner's own rows hold what a simulator says of each agent's action."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from credit_wrappers.cli.main import main as report
from credit_wrappers.core.episode import Episode
from spaceworld import spaceworld_v0
from spaceworld.planner import value_function
from tests.examples.one_learner import TINY, Queue, play
from tianshou_examples.experiment.learner_process import LearnerProcess
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.train import main


def by_hand(episode: Episode, value: str, scale: float, penalty: float) -> np.ndarray:
    """The credit of each step and robot, (T, N), by stepping fresh environments."""
    env, other = (spaceworld_v0.parallel_env(scenario="duet") for _ in range(2))
    env.reset(seed=0), other.reset(seed=0)
    to_go = value_function(env, value)  # type: ignore[arg-type]
    credit = np.zeros(episode.actions.shape)

    def worth(snapshot: object, joint: np.ndarray) -> float:
        env.set_state(snapshot)
        *_, infos = env.step(dict(zip(env.possible_agents, joint.tolist(), strict=True)))
        cost = sum(info["cost"] for info in infos.values())
        return float(to_go.values([env.get_state()]).mean[0] - penalty * cost)

    for t, joint in enumerate(episode.actions):
        for i in range(2):
            stayed = joint.copy()
            stayed[i] = 0
            gain = worth(episode.snapshots[t], joint) - worth(episode.snapshots[t], stayed)
            credit[t, i] = scale * gain
    return credit


@pytest.mark.parametrize("value", ["work", "time"])
def test_rows_of_the_learner_hold_each_robots_exact_credit(value: str, tmp_path: Path) -> None:
    settings = replace(TINY, envs=1, exact_value=value, exact_scale=0.5, exact_penalty=2.0, method=("exact",))
    process = LearnerProcess(settings, "exact", 0, tmp_path, Queue())
    episodes: list[Episode] = []
    score = process.store.critic.score
    process.store.critic.score = lambda query: (episodes.extend(query), score(query))[1]  # type: ignore[method-assign]
    process.learner.collector.collect(n_episode=2)
    batch, _ = process.learner.buffer.sample(0)
    assert len(batch) == 2 * sum(episode.length for episode in episodes)
    for episode in episodes:
        expected = by_hand(episode, value, 0.5, 2.0)
        assert np.abs(expected).sum(axis=0).all()
        for i in range(2):
            own = (batch.info["episode_id"] == episode.id) & (batch.obs.agent_id == i)
            got = np.full(episode.length, np.nan)
            got[batch.info["episode_step"][own]] = batch.rew[own]
            assert got == pytest.approx(expected[:, i], abs=1e-6)
    process.store.close()


def test_a_learner_says_that_its_credit_is_exact_and_asks_no_model(tmp_path: Path) -> None:
    settings = replace(TINY, steps=120, method=("exact",))
    settings.write(tmp_path)
    (result,) = play(settings, "exact", tmp_path).of("result")
    assert result["label"] == "exact"
    assert result["critic"]["calls"] == 0
    assert not list(tmp_path.glob("ledger-*"))
    assert report(["report", str(tmp_path), "--out", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "report.html").read_bytes()
    assert Settings(method=("exact", "shared")).critic_note == "no critic is asked"


@pytest.mark.parametrize("value", ["work", "time"])  # in time the warehouse has an estimate, in reward
@pytest.mark.parametrize("world", ["rware:rware-tiny-2ag-easy-v2", "lbf:Foraging-8x8-4p-2f-v3"])
def test_a_world_without_exact_values_is_refused_before_anything_is_trained(
    world: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--env", world, "--method", "exact", "--exact-value", value, "--steps", "1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"--method exact is not available for --env {world}, which has no exact values")
    assert "spaceworld:" in said and "lbf: with up to 3 players" in said
    assert "critic" not in said and "value=" not in said and "RolloutValue" not in said
