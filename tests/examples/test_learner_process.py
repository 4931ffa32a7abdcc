"""One learner of `tianshou_examples.train`: every algorithm, policy and method."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from credit_wrappers import CostPenaltyCritic, Ledger
from credit_wrappers.testing.server import MessagesServer, Reply
from tests.examples.one_learner import TINY, Queue, play, settings_of
from tianshou_examples.experiment import learner_process
from tianshou_examples.experiment.actors import load_actors
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.learner_process import LearnerProcess, run_learner
from tianshou_examples.experiment.learners import LEAST_LR, TAIL
from tianshou_examples.experiment.settings import ON_POLICY

KINDS = [("ppo", "shared", "mca"), ("ppo", "per-agent", "summed"), ("ddqn", "shared", "equal"),
         ("ddqn", "per-agent", "mca")]  # fmt: skip
torch.set_num_threads(1)


def rates(process: LearnerProcess) -> list[float]:
    return [s.get_last_lr()[0] for member in process.learner._members for s in member.lr_schedulers]


@pytest.mark.parametrize(("algo", "policy", "method"), KINDS)
def test_a_learner_trains_evaluates_saves_and_reports(algo: str, policy: str, method: str, tmp_path: Path) -> None:
    settings = settings_of(algo, policy)
    box = play(settings, method, tmp_path)
    assert [kind for kind, _, _ in box.messages if kind != "record"] == ["result"]
    assert {name for _, name, _ in box.messages} == {f"{method}-0"}
    (result,) = box.of("result")
    assert result["complete"] and settings.steps <= result["steps"] < settings.steps + 2 * 60 + 64
    assert min(result["times"].values()) >= 0 and set(result["times"]) == {
        "environment", "critic", "learning", "evaluation"}  # fmt: skip
    train, evaluations = box.records("train"), box.records("evaluation")
    assert [r["steps"] for r in train] == sorted({r["steps"] for r in train})
    assert train[-1]["steps"] == evaluations[-1]["steps"] == result["steps"]
    assert len(evaluations) == 2 and 200 <= evaluations[0]["steps"] < 400
    assert result["greedy"] == evaluations[-1]["greedy"] and result["greedy"]["episodes"] == 2
    assert evaluations[0]["sampled"]["episodes"] == 1
    scripted = method in ("mca", "summed")
    assert (result["critic"]["calls"] > 0) is scripted
    assert (tmp_path / f"ledger-{method}-0.sqlite").exists() is scripted
    assert result["label"] == {"mca": "scripted-4", "summed": "scripted-4, summed", "equal": "equal"}[method]
    # the table's numbers are those of the whole learner
    assert train[-1]["calls"] == result["critic"]["calls"] and train[-1]["tokens"] == result["critic"]["tokens"]


@pytest.mark.parametrize(("algo", "policy", "method"), KINDS)
def test_a_stopped_learner_goes_on_where_it_was(algo: str, policy: str, method: str, tmp_path: Path) -> None:
    settings = settings_of(algo, policy)
    first = play(settings, method, tmp_path, stop_after=1)
    (half,) = first.of("result")
    assert not half["complete"] and 0 < half["steps"] < settings.steps
    assert len(first.records("train")) == 1

    process = LearnerProcess(settings, method, 0, tmp_path, Queue())
    learner = process.learner
    assert learner.steps == half["steps"]
    assert learner.done == half["steps"] / settings.steps
    state = torch.load(process.checkpoint, weights_only=False)["learner"]
    for member, weights, scale in zip(learner._members, state["members"], state["scales"], strict=True):
        for name, value in weights.items():
            if name != "_optimizers":
                assert torch.equal(value, member.state_dict()[name]), name
        steps = {int(s["step"]) for s in member.state_dict()["_optimizers"][0]["state"].values()}
        assert steps == {int(s["step"]) for s in weights["_optimizers"][0]["state"].values()} != {0}
        if settings.on_policy:
            assert (member.ret_rms.mean, member.ret_rms.var, member.ret_rms.count) == (
                scale.mean, scale.var, scale.count)  # fmt: skip
    assert process.monitor.episodes > 0
    fresh = LearnerProcess(settings, "shared", 0, tmp_path / "fresh", Queue())
    layouts = [[env.unwrapped.describe_state() for env in a.learner.venv.envs] for a in (process, fresh)]
    assert not set(layouts[0]) & set(layouts[1])
    if process.inner is not None and process.inner.ledger is not None:
        process.inner.ledger.close()

    second = play(settings, method, tmp_path)
    (whole,) = second.of("result")
    assert whole["complete"] and whole["steps"] > half["steps"]
    assert second.records("train")[0]["steps"] > half["steps"]
    # the evaluation of an interrupted run comes after its checkpoint and is done again: its time is not kept
    for part in ("environment", "critic", "learning"):
        assert whole["times"][part] >= half["times"][part]
    assert whole["critic"]["cache_hits"] == 0  # new episodes, not those of the beginning again
    if method == "equal":
        assert whole["critic"]["calls"] == whole["critic"]["tokens"] == 0
        return
    assert second.records("train")[0]["calls"] > half["critic"]["calls"] > 0
    with Ledger(tmp_path / f"ledger-{method}-0.sqlite") as ledger:
        assert len(ledger) == whole["critic"]["calls"]
        assert ledger.usage().input_tokens + ledger.usage().output_tokens == whole["critic"]["tokens"]
        assert sum(len(entry.episodes) for entry in ledger.entries()) == whole["critic"]["episodes"]


@pytest.mark.parametrize(("algo", "policy", "method"), KINDS)
def test_a_learner_that_was_complete_is_not_trained_or_played_again(
    algo: str, policy: str, method: str, tmp_path: Path
) -> None:
    settings = settings_of(algo, policy)
    (done,) = play(settings, method, tmp_path).of("result")
    again = play(settings, method, tmp_path)
    assert again.messages == [("result", f"{method}-0", done)]


@pytest.mark.parametrize(("algo", "policy", "method"), [KINDS[0], KINDS[3]])
def test_the_same_seed_gives_the_same_run(algo: str, policy: str, method: str, tmp_path: Path) -> None:
    def records(folder: str) -> list[dict[str, Any]]:
        (tmp_path / folder).mkdir()
        found = play(settings_of(algo, policy), method, tmp_path / folder).of("record")
        return [{k: v for k, v in record.items() if k != "wall"} for record in found]

    assert records("a") == records("b")


@pytest.mark.parametrize("policy", ["shared", "per-agent"])
@pytest.mark.parametrize("algo", ON_POLICY)
def test_actors_of_a_checkpoint_are_the_networks_that_act(algo: str, policy: str, tmp_path: Path) -> None:
    settings = settings_of(algo, policy)
    play(settings, "shared", tmp_path)
    process = LearnerProcess(settings, "shared", 0, tmp_path, Queue())
    env = environment_maker(settings.env)()
    observations, infos = env.reset(seed=1)
    rows = torch.as_tensor(np.stack(list(observations.values())))
    actors = load_actors(settings, env, process.checkpoint)
    networks = actors.networks
    assert (actors.kind, actors.steps) == (process.learner.actors.kind, process.learner.steps)
    assert len(networks) == len(process.learner.actors.networks) == 2
    if policy == "per-agent":
        assert not torch.equal(networks[0](rows), networks[1](rows))
    for mine, live in zip(networks, process.learner.actors.networks, strict=True):
        assert torch.equal(mine(rows), live(rows))
    # and what learns is what Tianshou's own policy computes for the agent
    learning = process.learner._networks
    for i, (member, agent) in enumerate(zip(process.learner._members, env.possible_agents, strict=False)):
        from tianshou.data import Batch

        mask = np.stack([infos[agent]["action_mask"]]).astype(bool)
        head = member.policy.actor if settings.on_policy else member.policy.model
        logits, _ = head(Batch(obs=rows[i : i + 1].numpy(), mask=mask))
        assert torch.equal(logits[0][mask[0]], learning[i](rows[i : i + 1])[0][mask[0]])


@pytest.mark.parametrize("policy", ["shared", "per-agent"])
@pytest.mark.parametrize("algo", ON_POLICY)
def test_schedules_follow_the_steps_done(algo: str, policy: str, tmp_path: Path) -> None:
    settings = settings_of(algo, policy)
    process = LearnerProcess(settings, "shared", 0, tmp_path, Queue())
    learner, before = process.learner, 0.0
    rate = settings.lr if settings.on_policy else settings.q_lr
    assert rates(process) == [rate] * len(learner._members)
    while learner.steps < settings.steps:
        learner.train()
        done = learner.done
        assert done == min(1.0, learner.steps / settings.steps) > before
        # a shared policy's rate is set within the update, from the progress before it
        expected = {rate * max(LEAST_LR, (1 - x) ** 2) for x in (before, done)}
        assert set(rates(process)) <= expected
        for member in learner._members:
            assert member._optimizers[0]._optim.param_groups[0]["lr"] in expected
            if settings.on_policy:
                assert member.ent_coef == settings.entropy * max(-0.75, 1 - done / 0.35)
            else:
                epsilon = max(0.05 * (1 - done) ** 2, 1 - 0.95 * done / settings.exploration)
                assert member.policy.eps_training == member.policy.eps_inference == epsilon
        before = done
    assert max(rates(process)) < rate


@pytest.mark.parametrize("policy", ["shared", "per-agent"])
@pytest.mark.parametrize("algo", ON_POLICY)
def test_what_plays_is_the_average_of_the_last_networks(algo: str, policy: str, tmp_path: Path) -> None:
    settings = settings_of(algo, policy, steps=3000)
    process = LearnerProcess(settings, "shared", 0, tmp_path, Queue())
    learner = process.learner
    learner.steps = 2400
    late: list[list[torch.Tensor]] = []
    while learner.steps < settings.steps:
        learner.train()
        if learner.done <= 1 - TAIL:
            assert learner.actors.networks[0] is learner._networks[0]
            continue
        late.append([torch.cat([p.detach().flatten() for p in n.parameters()]) for n in learner._networks])
        if len(late) == 2:  # a stop and a resume within the tail
            process._save()
            again = LearnerProcess(settings, "shared", 0, tmp_path, Queue()).learner
            assert [int(tail.n_averaged) for tail in again._tails] == [2] * len(again._tails)
            for a, b in zip(again.actors.networks, learner.actors.networks, strict=True):
                assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert len(late) > 2 and not torch.equal(late[0][0], late[-1][0])
    means = [torch.stack(weights).mean(0) for weights in zip(*late, strict=True)] * 2
    for network, mean in zip(learner.actors.networks, means, strict=False):
        assert torch.allclose(torch.cat([p.flatten() for p in network.parameters()]), mean, atol=1e-6)


@pytest.mark.parametrize("policy", ["shared", "per-agent"])
def test_ddqn_explores_from_its_first_step_on(policy: str, tmp_path: Path) -> None:
    process = LearnerProcess(settings_of("ddqn", policy, envs=8, steps=100_000), "shared", 0, tmp_path, Queue())
    for network in process.learner.actors.networks:
        torch.nn.init.constant_(network[4].bias, -5.0)
        network[4].bias.data[4] = 5.0  # all would stay where they are: always allowed
    process.learner.train()
    rows = process.learner.buffer[:]
    for agent in (0, 1):
        acts = rows.act[rows.info.agent == agent]
        shares = np.bincount(acts, minlength=6) / len(acts)
        assert shares[:4].min() > 0.05, shares
        assert shares[4] < 0.5, shares
        assert rows.obs.mask[np.arange(len(rows)), rows.act].all()


@pytest.mark.parametrize("algo", ON_POLICY)
def test_all_steps_that_were_played_are_counted(algo: str, tmp_path: Path) -> None:
    process = LearnerProcess(settings_of(algo, "shared"), "shared", 0, tmp_path, Queue())
    played, teams = 0, process.learner.venv._teams
    step = teams.step

    def counted(chosen: Any, actions: Any, acting: Any) -> Any:
        nonlocal played
        played += len(chosen)
        return step(chosen, actions, acting)

    teams.step = counted
    process.learner.train()
    process.learner.train()
    assert process.learner.steps == played > 0


def test_intermediate_evaluations_are_spread_and_none_is_made_up_for(tmp_path: Path) -> None:
    box = play(replace(TINY, steps=1000, evaluations=4), "shared", tmp_path)
    steps = [r["steps"] for r in box.records("evaluation")]
    assert len(steps) == 5  # and the final one
    for k, s in enumerate(steps[:4], 1):
        assert 200 * k <= s < 200 * k + 120
    # some collections are longer than the distance between two: one evaluation then, not two in a row
    box = play(settings_of("ddqn", "shared", steps=1000, evaluations=19), "equal", tmp_path)
    steps = [r["steps"] for r in box.records("evaluation")]
    assert len({s // 50 for s in steps[:-1]}) == len(steps) - 1 > 10
    # collections as large as the whole run: nothing is due on the way
    box = play(replace(TINY, steps=1, evaluations=8), "mca", tmp_path)
    assert len(box.records("train")) == len(box.records("evaluation")) == 1


def test_a_learner_stopped_before_its_first_step_says_so(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    box = Queue()
    run_learner(TINY, "mca", 0, tmp_path, box, stop)
    assert box.records("train") == []
    (result,) = box.of("result")
    assert result["steps"] == 0 and not result["complete"] and result["times"]["evaluation"] > 0


def test_a_learner_whose_parent_is_gone_saves_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Queue()
    monkeypatch.setattr(learner_process, "_orphaned", lambda: len(box.messages) > 0)
    run_learner(TINY, "shared", 0, tmp_path, box, threading.Event())
    assert len(box.records("train")) == 1 and (tmp_path / "checkpoints" / "shared-0.pt").exists()


def test_a_damaged_ledger_is_one_line_and_stays_as_it_is(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger-mca-0.sqlite"
    ledger.write_bytes(b"no database" * 100)
    box = play(TINY, "mca", tmp_path)
    ((kind, name, message),) = box.messages
    assert (kind, name) == ("error", "mca-0")
    assert message.startswith("LedgerError: ") and "\n" not in message
    assert ledger.read_bytes() == b"no database" * 100


def test_an_error_that_is_ours_comes_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "shared-0.pt").write_bytes(b"no checkpoint")
    ((kind, _, message),) = play(TINY, "shared", tmp_path).messages
    assert kind == "error" and "Traceback" in message and "_restore" in message


def test_with_fallback_raise_the_learner_ends_and_the_answers_it_got_are_kept(tmp_path: Path) -> None:
    prose = Reply("I would rather not say.", headers={"connection": "close"})  # or the SDK leaves a socket open
    with MessagesServer(lambda body: prose) as server:
        settings = replace(TINY, critic="anthropic", base_url=server.url, model="m", fallback="raise")
        box = play(settings, "mca", tmp_path)
    ((kind, _, message),) = box.messages
    assert kind == "error" and message.startswith("AnswerError: ") and "Traceback" not in message
    assert not list(tmp_path.glob("*.sqlite-wal")), "the ledger is open still"
    with Ledger(tmp_path / "ledger-mca-0.sqlite") as ledger:
        assert len(ledger) == len(server.requests) >= 2  # every answer was paid for


def test_a_resumed_learner_keeps_the_kind_of_team_reward_that_was_decided(tmp_path: Path) -> None:
    settings = settings_of("ppo", "shared")
    box = play(settings, "mca", tmp_path, stop_after=1)
    assert box.records("train")[0]["team_reward"] in (None, "mean")  # Spaceworld pays all robots the same
    process = LearnerProcess(settings, "mca", 0, tmp_path, Queue())
    process.store.team_reward.agree("sum", "rewards differed")
    process._save()
    assert LearnerProcess(settings, "mca", 0, tmp_path, Queue()).store.team_reward.rule == "sum"


def test_harder_rewards_are_paid_in_the_training_and_not_in_the_evaluation(tmp_path: Path) -> None:
    settings = replace(settings_of("ppo", "shared"), reward="sparse")
    process = LearnerProcess(settings, "shared", 0, tmp_path, Queue())
    process.learner.train()
    rows = process.learner.buffer
    over = rows.terminated | rows.truncated
    assert over.any() and rows.rew[over].any() and not rows.rew[~over].any()
    assert process._evaluate(2, _Board())["sampled"]["episodes"] == 2
    assert not hasattr(process.make_env(), "_held")  # evaluated without the wrapper
    own = LearnerProcess(replace(settings, reward="own"), "shared", 0, tmp_path / "own", Queue())
    own.learner.train()
    before = own.learner.buffer
    paid = before.rew[~(before.terminated | before.truncated)]
    assert paid.any()  # the same play is paid in the middle of episodes
    assert np.allclose(before.rew.sum(), rows.rew.sum())


class _Board:
    def add_scalar(self, *_: Any) -> None:
        """Ignore it."""


def test_the_price_of_a_collision_grows_in_tianshous_loop_too(tmp_path: Path) -> None:
    settings = replace(settings_of("ppo", "shared"), cost_price=2.0, cost_growth=0.5)
    process = LearnerProcess(settings, "equal", 0, tmp_path, Queue())
    critic, prices = process.critic, []
    assert isinstance(critic, CostPenaltyCritic) and process.store.critic is critic
    while not process._complete:
        done = process.learner.steps / settings.steps
        process._train()
        prices.append(critic.price)
        assert critic.price == 2.0 * min(1.0, 2 * done)
    assert prices[0] == 0.0 and prices[-1] > 1.0
