"""The fast loop: each robot's row holds its own credit at its own step, and episodes end as they should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spaceworld.batch import BatchStep
from spaceworld.env import SpaceworldEnv
from tests.examples.one_learner import TINY
from tianshou_examples.experiment.actors import load_actors
from tianshou_examples.experiment.fast_learner import FastLearner, advantages_of
from tianshou_examples.experiment.paid_worlds import PaidWorlds, SummedPay, payer_of
from tianshou_examples.train import main

SETTINGS = replace(
    TINY, env="spaceworld:duet", method=("mca",), loop="fast", hidden=16, gamma=0.0, rollout=90, batch=64
)


class NumberedPay:
    """Pays world, robot, action and the clock of the world's episode, in one number."""

    def __init__(self) -> None:
        self.clock = np.zeros(3, np.int64)

    def begin(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        self.clock[chosen] = 0

    def pay(self, actions: np.ndarray, step: BatchStep) -> np.ndarray:
        self.clock += 1
        worlds, robots = np.indices(actions.shape)
        return 1000.0 * worlds + 100.0 * robots + 10.0 * actions + 0.01 * self.clock[:, None]


def learner_of(pay, settings=SETTINGS, worlds=3, **options) -> tuple[FastLearner, list]:
    ended: list = []
    env = SpaceworldEnv("duet", **options)
    learner = FastLearner(settings, PaidWorlds(env, worlds, pay), 0, ended.append)
    learner.begin(5)
    return learner, ended


def test_each_row_holds_its_own_robots_credit_for_its_own_action_and_observation() -> None:
    learner, ended = learner_of(lambda memory: NumberedPay(), max_cycles=40)
    rows = learner._collect(90)
    paid = (rows["return"] * learner._var**0.5).reshape(90, 3, 2).numpy()  # gamma is 0: the credit itself
    actions = rows["action"].reshape(90, 3, 2).numpy()
    clock = np.tile(np.concatenate([np.arange(1, 41), np.arange(1, 41), np.arange(1, 11)])[:, None, None], (1, 3, 2))
    worlds, robots = np.indices((3, 2))
    np.testing.assert_allclose(paid, 1000.0 * worlds + 100.0 * robots + 10.0 * actions + 0.01 * clock, atol=2e-3)
    assert len(ended) == 6 and all(success == 0 for _, _, success in ended)
    # the observation of a row is the one that its action was chosen for: replay the worlds one by one
    read = rows["read"].reshape(90, 3, 2, -1).numpy()
    for k in range(3):
        env = SpaceworldEnv("duet", max_cycles=40)
        seen, _ = env.reset(seed=5 + k)
        for t in range(90):
            np.testing.assert_array_equal(read[t, k], np.stack(list(seen.values())))
            seen, *_ = env.step(dict(zip(env.agents, actions[t, k].tolist(), strict=True)))
            if not env.agents:
                seen, _ = env.reset()


def test_advantages_stop_at_ends_and_follow_values_where_time_ran_out() -> None:
    rng = np.random.default_rng(0)
    steps, gamma, trace = 12, 0.9, 0.8
    rewards, values = rng.normal(size=(steps, 1)).astype(np.float32), rng.normal(size=(steps + 1, 1)).astype(np.float32)
    over, beyond = np.zeros((2, steps, 1), np.float32)
    over[4] = 1  # terminated
    over[8], beyond[8] = 1, 3.0  # cut short, where the last observation is worth 3
    got = advantages_of(rewards, values, over, beyond, gamma, trace)
    for first, last in ((0, 4), (5, 8), (9, 11)):
        for t in range(first, last + 1):
            expected = 0.0
            for k in range(t, last + 1):
                follow = values[k + 1, 0] if k < last or last == 11 else beyond[k, 0]
                expected += (gamma * trace) ** (k - t) * (rewards[k, 0] + gamma * follow - values[k, 0])
            assert got[t, 0] == pytest.approx(expected, abs=1e-4), t


def test_a_dock_that_completes_the_world_is_a_termination_and_lost_time_is_none() -> None:
    env = SpaceworldEnv("solo", max_idle=7)
    worlds = PaidWorlds(env, 4, payer_of("shared", None, env.possible_agents, 4))
    rng, cut, done = np.random.default_rng(0), 0, 0
    _, masks = worlds.reset(0)
    for _ in range(3000):
        weights = masks * rng.random(masks.shape)
        step = worlds.step(weights.argmax(-1))
        masks = step.masks
        assert (step.terminated <= step.over).all()
        assert (step.ended[:, 2] == step.terminated[step.over]).all()
        # the team reward of the completing dock is 1, whoever is paid, less what collisions cost in that step
        assert (step.credit[step.terminated] > 0.8).all()
        done += int(step.terminated.sum())
        cut += int((step.over & ~step.terminated).sum())
    assert done > 3 and cut > 100


def test_methods_are_paid_as_they_say() -> None:
    env = SpaceworldEnv("pair")
    actions = np.random.default_rng(1).integers(0, 6, (200, 2, 2))
    paid = {}
    for method in ("mca", "summed", "shared", "equal"):
        worlds = PaidWorlds(env, 2, payer_of(method, None, env.possible_agents, 2))
        worlds.reset(3)
        paid[method] = np.array([worlds.step(a).credit for a in actions])
    assert np.ptp(paid["mca"], axis=2).any()
    np.testing.assert_allclose(paid["summed"], np.repeat(paid["mca"].sum(2, keepdims=True), 2, axis=2))
    np.testing.assert_allclose(paid["equal"] * 2, paid["shared"])
    assert (np.ptp(paid["shared"], axis=2) == 0).all() and paid["shared"].any()
    assert isinstance(payer_of("summed", None, env.possible_agents, 2)(worlds._batch.memory), SummedPay)


@pytest.mark.parametrize("method", ["mca", "summed", "shared"])
def test_each_robot_pays_for_its_own_collisions_alone(method: str) -> None:
    env = SpaceworldEnv("pair")
    actions = np.random.default_rng(1).integers(0, 6, (60, 1, 2))
    plain, priced = (PaidWorlds(env, 1, payer_of(method, None, env.possible_agents, 1)) for _ in range(2))
    priced.cost_price = 0.7
    plain.reset(3), priced.reset(3)
    alone, cost = SpaceworldEnv("pair"), []
    alone.reset(seed=3)
    for joint in actions[:, 0]:
        infos = alone.step(dict(zip(alone.agents, joint, strict=True)))[4]
        cost.append([infos[agent]["cost"] for agent in alone.possible_agents])
    lost = np.array([(plain.step(a).credit - priced.step(a).credit)[0] for a in actions])
    np.testing.assert_allclose(lost, 0.7 * np.array(cost), atol=1e-12)
    assert (np.array(cost).sum(axis=0) > 0).all() and np.ptp(cost, axis=1).any()


@pytest.mark.parametrize("method", ["mca", "equal"])
def test_a_blend_adds_the_team_reward_to_each_robots_own_credit(method: str) -> None:
    env = SpaceworldEnv("pair")
    actions = np.random.default_rng(1).integers(0, 6, (60, 1, 2))
    plain, mixed = (PaidWorlds(env, 1, payer_of(method, None, env.possible_agents, 1)) for _ in range(2))
    mixed.blend, mixed.cost_price = 0.75, 0.5
    plain.reset(3), mixed.reset(3)
    alone, rewards = SpaceworldEnv("pair"), []
    alone.reset(seed=3)
    for joint in actions[:, 0]:
        _, reward, _, _, infos = alone.step(dict(zip(alone.agents, joint, strict=True)))
        credit, paid = plain.step(joint[None]).credit[0], mixed.step(joint[None]).credit[0]
        cost = np.array([infos[agent]["cost"] for agent in alone.possible_agents])
        np.testing.assert_allclose(paid, 0.25 * credit + 0.75 * reward["robot_0"] - 0.5 * cost, atol=1e-12)
        rewards.append(reward["robot_0"])
    assert min(rewards) < 0
    learner, _ = learner_of(lambda memory: NumberedPay(), replace(SETTINGS, blend=0.5))
    assert learner.worlds.blend == 0.5


def test_the_price_of_a_collision_grows_with_the_training() -> None:
    learner, _ = learner_of(lambda memory: NumberedPay(), replace(SETTINGS, cost_price=2.0, cost_growth=0.5))
    prices = []
    for done in (0.0, 0.25, 0.5, 1.0):
        learner.set_progress(done)
        prices.append(learner.worlds.cost_price)
    assert prices == [0.0, 1.0, 2.0, 2.0]
    learner, _ = learner_of(lambda memory: NumberedPay(), replace(SETTINGS, cost_price=2.0))
    assert learner.worlds.cost_price == 2.0


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("network", ["flat", "entities", "egocentric"])
def test_a_learner_goes_on_from_its_checkpoint_and_its_team_is_loaded(network: str, numbered: bool, tmp_path) -> None:
    settings = replace(SETTINGS, network=network, steps=3 * 90 * 5, gamma=0.9, agent_id=numbered)
    pay = payer_of("mca", None, ["robot_0", "robot_1"], 3)
    learner, _ = learner_of(pay, settings)
    for _ in range(4):
        learner.train()
    assert learner._tail.n_averaged == 0 and learner.steps == 3 * 90 * 4
    learner.train()
    assert learner._tail.n_averaged == 1
    other, _ = learner_of(pay, settings)
    other.restore(learner.state())
    assert other.steps == learner.steps and other._gamma == learner._gamma == 0.9
    for own, its in zip(learner.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(own, its)
    torch.save({"learner": learner.state()}, tmp_path / "one.pt")
    loaded = load_actors(settings, SpaceworldEnv("duet"), tmp_path / "one.pt")
    seen = torch.rand(20, 2, len(SpaceworldEnv("duet").feature_names))
    numbers = [torch.eye(2).expand(20, 2, 2)] if numbered else []  # robot_0 is told 1, 0
    full = learner._tail.module(torch.cat([seen, *numbers], dim=2).reshape(40, -1)).reshape(20, 2, -1)[..., :6]
    torch.testing.assert_close(loaded.scores(seen.numpy()), full, rtol=0, atol=1e-5)
    torch.testing.assert_close(learner.actors.scores(seen.numpy()), full, rtol=0, atol=1e-5)


def test_a_truncated_episode_is_worth_what_its_last_observation_is_and_a_terminated_one_nothing(monkeypatch) -> None:
    """With a value that names world, robot and column of the observation, every return is checked by hand."""
    settings = replace(SETTINGS, gamma=0.5, gae_lambda=1.0, env="spaceworld:solo")
    env = SpaceworldEnv("solo", max_cycles=6)
    learner = FastLearner(settings, PaidWorlds(env, 3, payer_of("shared", None, env.possible_agents, 3)), 0, list)
    learner.begin(11)
    heads = learner._heads

    def with_known_values(read, mirror, masks, sharp):
        logs, _ = heads(read, mirror, masks, sharp)
        return logs, read[:, 0] + 10 * read[:, 1] + 100 * read[:, 17]  # row, column, time left

    monkeypatch.setattr(learner, "_heads", with_known_values)
    learner._var = 4.0  # values are in units of the returns' deviation, 2
    seen = {"over": [], "terminated": [], "last": []}
    step = learner.worlds.step

    def watched(actions):
        found = step(actions)
        seen["over"].append(found.over.copy())
        seen["terminated"].append(found.terminated.copy())
        last = np.zeros((3, env.observation_space("robot_0").shape[0]), np.float32)
        last[found.over] = found.last[:, 0]
        seen["last"].append(last)
        return found

    monkeypatch.setattr(learner.worlds, "step", watched)
    monkeypatch.setattr(learner, "_scale_by", lambda returns: None)
    rows = learner._collect(60)
    credit_free = rows["return"].reshape(60, 3).numpy() * 2.0
    value = lambda o: 2.0 * (o[..., 0] + 10 * o[..., 1] + 100 * o[..., 17])  # noqa: E731
    over, terminated = np.array(seen["over"]), np.array(seen["terminated"])
    cut = over & ~terminated
    assert cut.sum() > 10
    at = np.argwhere(cut)
    last = np.array(seen["last"])
    for t, k in at:  # the step that was cut: its own reward and half the value of its own world's last observation
        reward = credit_free[t, k] - 0.5 * value(last[t, k])
        assert abs(reward) < 1.1, (t, k)
        assert abs(value(last[t, k])) > 0


def test_saving_changes_nothing_that_is_learned_and_going_on_is_the_same(tmp_path) -> None:
    settings = replace(SETTINGS, steps=3 * 90 * 40, gamma=0.9)
    pay = payer_of("mca", None, ["robot_0", "robot_1"], 3)
    one, _ = learner_of(pay, settings)
    two, _ = learner_of(pay, settings)
    ends = []
    for learner in (one, two):
        torch.manual_seed(3)
        for _ in range(40):
            learner.train()
            if learner is two:
                learner.state()
        ends.append(torch.cat([p.flatten() for p in learner.network.parameters()]).detach())
    assert torch.equal(*ends)
    assert one._tail.n_averaged >= 4
    playing = one._tail.module.state_dict()
    assert any(not torch.equal(playing[k], v) for k, v in one.network.state_dict().items())
    torch.save(one.state(), tmp_path / "state.pt")
    other, _ = learner_of(pay, settings)
    other.restore(torch.load(tmp_path / "state.pt", weights_only=False))
    for learner in (one, other):
        torch.manual_seed(4)
        learner.begin(9)
        learner.train()
    for own, its in zip(one.state()["fast"][1].values(), other.state()["fast"][1].values(), strict=True):
        assert torch.equal(own, its)  # the averaged network, after another update from the same optimiser
    assert one._var == other._var


def test_sharp_worlds_play_by_sharper_chances_and_learn_by_the_same() -> None:
    learner, _ = learner_of(lambda memory: NumberedPay(), replace(SETTINGS, sharp=0.34), max_cycles=40)
    with torch.no_grad():
        learner.network[-1].weight.mul_(30.0)  # or the chances hardly differ
    rows = learner._collect(90)
    plain = learner.network(rows["read"])[:, :6].masked_fill(~rows["mask"], -1e9)
    world = torch.arange(3).repeat_interleave(2).repeat(90)
    sharper = torch.where((world < 2)[:, None], 4.0, 1.0)  # 34 % of three worlds are two
    expected = (plain * sharper).log_softmax(-1)
    torch.testing.assert_close(rows["log"], expected.gather(1, rows["action"]), rtol=1e-4, atol=1e-4)
    surest = expected.exp().amax(1)
    assert surest[world < 2].mean() > surest[world == 2].mean() + 0.05
    # the first gradient step starts from a ratio of 1 in all rows
    logs, _ = learner._heads(rows["read"], rows["mirror"], rows["mask"], rows["sharp"])
    torch.testing.assert_close(logs.gather(1, rows["action"]), rows["log"], rtol=1e-4, atol=1e-4)


def test_what_is_told_of_an_episode_are_its_rewards_and_costs() -> None:
    env = SpaceworldEnv("pair", max_cycles=30)
    worlds = PaidWorlds(env, 2, payer_of("shared", None, env.possible_agents, 2))
    worlds.reset(4)
    rng = np.random.default_rng(2)
    alone = [SpaceworldEnv("pair", max_cycles=30) for _ in range(2)]
    for k, one in enumerate(alone):
        one.reset(seed=4 + k)
    sums, told = np.zeros((2, 2)), 0
    for _ in range(95):
        actions = rng.integers(0, 6, (2, 2))
        step = worlds.step(actions)
        for k, one in enumerate(alone):
            _, rewards, *_, infos = one.step(dict(zip(one.agents, actions[k].tolist(), strict=True)))
            sums[k] += next(iter(rewards.values())), sum(info["cost"] for info in infos.values())
            if step.over[k]:
                place = int(step.over[:k].sum())
                np.testing.assert_allclose(step.ended[place, :2], sums[k], atol=1e-9)
                sums[k], told = 0, told + 1
                one.reset()
    assert told == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--env", "lbf:Foraging-5x5-2p-1f-coop-v3"], "--env lbf:Foraging-5x5-2p-1f-coop-v3"),
        (["--env", "spaceworld:duet", "--algo", "ddqn"], "--algo ddqn"),
        (["--env", "spaceworld:duet", "--policy", "per-agent"], "--policy per-agent"),
        (["--env", "spaceworld:duet", "--method", "mca", "exact"], "--method exact"),
        (["--env", "spaceworld:duet", "--critic", "random"], "--critic random"),
        (["--env", "spaceworld:crew", "--roles-told", "nobody"], "--roles-told nobody"),
        (["--env", "spaceworld:duet", "--set", "batch=1"], "--set batch=1"),
    ],
)
def test_what_the_fast_loop_cannot_do_is_refused_at_once(words, said, tmp_path, capsys) -> None:
    assert main([*words, "--loop", "fast", "--out", str(tmp_path / "run")]) == 2
    assert f"--loop fast does not know {said}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_training_is_paid_the_harder_reward_and_what_is_told_of_an_episode_is_its_own(monkeypatch) -> None:
    from tests.examples.one_learner import Queue
    from tianshou_examples.experiment.learner_process import LearnerProcess

    settings = replace(SETTINGS, method=("shared",), reward="delayed:5", envs=2)
    worlds = LearnerProcess(settings, "shared", 0, Path("unused"), Queue()).learner.worlds
    monkeypatch.setattr(worlds._batch, "penalty", 0.0)
    step = worlds._batch.step
    monkeypatch.setattr(worlds._batch, "step", lambda *a: replace(step(*a), rewards=np.array([1.0, 2.0])))
    worlds.reset(0)
    paid = [worlds.step(np.zeros((2, 2), int)).credit[:, 0].tolist() for _ in range(7)]
    assert paid == [[0, 0]] * 5 + [[1, 2]] * 2
