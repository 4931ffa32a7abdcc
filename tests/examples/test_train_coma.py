"""`--method coma-exact` and `coma`: an action's worth against the average of the agent's own policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tianshou.data import Batch

from credit_wrappers.core.episode import Episode
from spaceworld import spaceworld_v0
from spaceworld.planner import value_function
from tests.examples.one_learner import TINY, Queue, play
from tianshou_examples.experiment.coma import CentralQ, teams_of
from tianshou_examples.experiment.learner_process import LearnerProcess
from tianshou_examples.train import main


def chances_of(network: Any, seen: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The probabilities of actions, (N, A), worked out from the network's numbers."""
    with torch.no_grad():
        scores = np.exp(network(torch.as_tensor(seen)).double().numpy()) * masks
    return scores / scores.sum(axis=1, keepdims=True)


def by_hand(episode: Episode, network: Any, scale: float, penalty: float) -> np.ndarray:
    """The credit of every eighth step and of each robot, (T, N), by stepping a fresh environment."""
    env = spaceworld_v0.parallel_env(scenario="duet")
    env.reset(seed=0)
    to_go = value_function(spaceworld_v0.parallel_env(scenario="duet"), "work")

    def worth(snapshot: object, joint: np.ndarray) -> float:
        env.set_state(snapshot)
        *_, infos = env.step(dict(zip(env.possible_agents, joint.tolist(), strict=True)))
        return float(to_go.values([env.get_state()]).mean[0] - penalty * sum(i["cost"] for i in infos.values()))

    credit = np.full(episode.actions.shape, np.nan)
    for t in range(0, episode.length, 8):
        joint = episode.actions[t]
        env.set_state(episode.snapshots[t])
        observations, infos = env.observe_all()
        masks = np.stack([info["action_mask"] for info in infos.values()])
        chances = chances_of(network, np.stack(list(observations.values())), masks)
        for i in range(2):
            average = 0.0
            for action in np.flatnonzero(chances[i] > 0):
                other = joint.copy()
                other[i] = action
                average += chances[i, action] * worth(episode.snapshots[t], other)
            credit[t, i] = scale * (worth(episode.snapshots[t], joint) - average)
    return credit


def test_rows_hold_each_robots_exact_advantage_over_the_policy_that_acted(tmp_path: Path) -> None:
    settings = replace(TINY, envs=1, exact_scale=0.5, exact_penalty=2.0, method=("coma-exact",))
    process = LearnerProcess(settings, "coma-exact", 0, tmp_path, Queue())
    network = process.learner.algorithm.policy.actor.net
    with torch.no_grad():  # a policy that is far from uniform
        network[-1].weight *= 300
    episodes: list[Episode] = []
    score = process.store.critic.score
    process.store.critic.score = lambda query: (episodes.extend(query), score(query))[1]  # type: ignore[method-assign]
    process.learner.collector.collect(n_episode=2)
    batch, _ = process.learner.buffer.sample(0)
    assert len(batch) == 2 * sum(episode.length for episode in episodes)
    for episode in episodes:
        expected = by_hand(episode, network, 0.5, 2.0)
        assert np.nansum(np.abs(expected), axis=0).all()
        known = ~np.isnan(expected[:, 0])
        for i in range(2):
            own = (batch.info["episode_id"] == episode.id) & (batch.obs.agent_id == i)
            got = np.full(episode.length, np.nan)
            got[batch.info["episode_step"][own]] = batch.rew[own]
            assert got[known] == pytest.approx(expected[known, i], abs=1e-5)
    assert process.learner.algorithm.gamma == 0  # the advantage is all that an action is paid
    process.store.close()


def test_the_learned_advantage_is_q_less_its_mean_over_the_own_policy_and_q_learns_lambda_returns(
    tmp_path: Path,
) -> None:
    settings = replace(TINY, envs=2, method=("coma",), gamma=0.9, gae_lambda=0.8)
    process = LearnerProcess(settings, "coma", 0, tmp_path, Queue())
    learner = process.learner
    learner.collector.collect(n_episode=4)
    buffer = learner.buffer
    batch, indices = buffer.sample(0)
    critic, policy = learner.algorithm.critic, learner.algorithm.policy
    torch.manual_seed(1)
    batch = learner.algorithm._preprocess_batch(batch, buffer, indices)

    columns = batch.info["episode_id"], batch.info["episode_step"], batch.obs.agent_id
    row_of = {tuple(map(int, key)): k for k, key in enumerate(zip(*columns, strict=True))}
    assert len(row_of) == len(batch) > 100
    q, scale = np.zeros(len(batch)), float(np.sqrt(1 + 1e-8))  # nothing was scaled yet
    for (episode, step, agent), k in row_of.items():
        mates = [row_of[episode, step, i] for i in (0, 1)]
        other = np.zeros((2, 6), np.float32)
        other[1 - agent, int(batch.act[mates[1 - agent]])] = 1
        read = np.concatenate([batch.obs.obs[mates].reshape(-1), other.reshape(-1), np.eye(2, dtype=np.float32)[agent]])
        with torch.no_grad():
            every = critic.net(torch.as_tensor(read)[None])[0].numpy()
        chances = chances_of(policy.actor.net, batch.obs.obs[k][None], batch.obs.mask[k][None])[0]
        q[k] = every[int(batch.act[k])]
        assert batch.adv[k].item() == pytest.approx(scale * (q[k] - chances @ every), abs=1e-5)
    ends = 0
    for (episode, step, agent), k in row_of.items():
        reward, following = batch.rew[k], row_of.get((episode, step + 1, agent))
        if following is not None:
            told = 0.2 * q[following] + 0.8 * batch.returns[following].item()
        elif batch.terminated[k]:
            told = 0.0
        else:  # time ran out, and what would have been done is drawn
            seen = batch.obs_next.obs[[row_of[episode, step, i] for i in (0, 1)]]
            joints = torch.tensor([[a, b] for a in range(6) for b in range(6)])
            read = critic.joint_of(np.repeat(seen[None], 36, axis=0), joints).reshape(36, 2, -1)[:, agent]
            with torch.no_grad():
                possible = critic.net(read).gather(1, joints[:, [agent]])[:, 0].numpy()
            told = possible[np.abs(reward + 0.9 * possible - batch.returns[k].item()).argmin()]
            ends += 1
        assert batch.returns[k].item() == pytest.approx(reward + 0.9 * told, abs=1e-4)
    assert ends
    process.store.close()


def test_a_row_without_its_mates_is_refused() -> None:
    info = Batch(episode_id=np.array([0, 0, 0, 1]), episode_step=np.array([0, 0, 1, 0]))
    batch = Batch(obs=Batch(agent_id=np.array([1, 0, 0, 1])), info=info)
    with pytest.raises(ValueError, match="all agents in every step"):
        teams_of(batch, 2)
    assert teams_of(batch[:2], 2).tolist() == [[1, 0]]


def test_an_agents_q_values_read_the_others_actions_and_not_its_own() -> None:
    critic = CentralQ(inputs=3, actions=4, n_agents=2, hidden=8)
    seen = np.random.default_rng(0).normal(size=(1, 2, 3)).astype(np.float32)
    one, other = (critic.joint_of(seen, torch.tensor([[0, last]])) for last in (1, 2))
    assert torch.equal(one[1], other[1])  # the second agent's
    assert not torch.equal(critic.net(one[:1]), critic.net(other[:1]))
    assert not torch.equal(critic.net(one[:1]), critic.net(one[1:]))


@pytest.mark.parametrize("method", ["coma", "coma-exact"])
def test_a_learner_trains_and_can_be_resumed(method: str, tmp_path: Path) -> None:
    settings = replace(TINY, steps=240, method=(method,))
    settings.write(tmp_path)
    first = play(settings, method, tmp_path, stop_after=1)
    assert not first.of("error")
    (result,) = play(settings, method, tmp_path).of("result")
    assert result["complete"]
    assert result["critic"]["calls"] == 0


@pytest.mark.parametrize("option", [["--algo", "ddqn"], ["--policy", "per-agent"]])
def test_other_learners_have_no_policy_of_the_kind_that_is_averaged(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--method", "coma", "coma-exact", *option])
    assert "needs --algo ppo and --policy shared" in capsys.readouterr().err
