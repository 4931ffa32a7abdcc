"""`relabel_rewards` writes every credit once, at its own step and slot, however late it comes; nothing else changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from cleanrl_loop import Loop, known_envs
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from known_credit import (
    PLACEHOLDER,
    KnownCreditEnv,
    KnownCritic,
    ManualStore,
    credit,
    true_advantages,
    true_rows,
    value,
)

from credit_wrappers import Credit, CreditError, CreditStore, Episode
from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards, relabelling

LEAVES = {0: (1, "terminated"), 2: (2, "truncated")}
ROLLOUTS = 6


@pytest.mark.parametrize("each_step", [False, True])
@pytest.mark.parametrize("num_steps", [1, 2, 5, 16])
@pytest.mark.parametrize(("n_envs", "n_agents", "leaves"), [(1, 1, {}), (3, 2, {}), (4, 3, LEAVES)])
def test_every_row_of_a_finished_episode_holds_its_own_credit(
    n_envs: int, n_agents: int, leaves: Any, num_steps: int, each_step: bool
) -> None:
    loop = Loop(*known_envs(n_envs, n_agents, leaves=leaves), num_steps)
    ends = 0
    for _ in range(ROLLOUTS):
        loop.check(loop.play(each_step))
        ends += int(loop.done.sum())
    assert ends or num_steps == 1


class Slow(KnownCritic):
    """Answers after a while of its own, so that later episodes are often scored first."""

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        time.sleep(0.004 * (episodes[0].id % 3))
        return super().score(episodes)


@pytest.mark.parametrize("each_step", [False, True])
@pytest.mark.parametrize("per_query", [1, 3])
def test_answers_from_slow_threads_are_waited_for_at_the_rollouts_end(per_query: int, each_step: bool) -> None:
    with CreditStore(Slow(), episodes_per_query=per_query, workers=3) as store:
        loop = Loop(*known_envs(4, 3, store, leaves=LEAVES), 8)
        for _ in range(ROLLOUTS):
            loop.check(loop.play(each_step))
        assert store.pending == 0


def test_a_torch_rollout_gets_the_same_credits_as_one_of_numpy() -> None:
    for dtype in (torch.float32, torch.float64):
        loop = Loop(*known_envs(3, 2), 9, lambda shape, dtype=dtype: torch.zeros(shape, dtype=dtype))
        for _ in range(2):
            loop.check(loop.play())
        assert loop.rewards.dtype == dtype


def test_the_rows_of_a_wrapped_vector_env_are_found_too() -> None:
    envs, log = known_envs(3, 2)
    loop = Loop(RecordEpisodeStatistics(envs), log, 9)
    loop.envs = envs
    loop.next_obs, loop.infos = envs.reset()
    for _ in range(2):
        loop.check(loop.play())


def test_a_credit_is_written_once() -> None:
    loop = Loop(*known_envs(2, 2), 9)
    loop.play()
    loop.rewards *= 0.5
    kept = loop.rewards.copy()
    relabel_rewards(loop.rewards, 8, loop.infos)
    np.testing.assert_array_equal(loop.rewards, kept)


def test_a_late_credit_changes_no_row_of_another_rollout() -> None:
    """Without waiting, whatever comes when: a row holds its own credit or its placeholder, and is told so."""
    for seed in range(20):
        store, rng = ManualStore(), np.random.default_rng(seed)
        loop = Loop(*known_envs(2, 2, store, leaves={0: (1, "truncated")}), 6)
        loop.relabel = lambda *args: relabel_rewards(*args, wait=False)
        written = 0
        for _ in range(6):
            known = loop.play()
            waiting = list(store.submitted)
            store.score(*rng.permutation(waiting)[: rng.integers(0, len(waiting) + 1)].tolist())
            before = loop.rewards.copy()
            known = relabel_rewards(loop.rewards, 5, loop.infos, wait=False)
            for row, slot in np.argwhere(loop.alive):
                key = loop.key(row, slot)
                scored = loop.log[key[:2]].over and loop.rewards[row, slot] != PLACEHOLDER
                assert loop.rewards[row, slot] == (credit(*key) if scored else PLACEHOLDER)
                assert scored or not known[row, slot]
                if before[row, slot] != PLACEHOLDER:
                    assert before[row, slot] == loop.rewards[row, slot]
                written += int(scored)
            assert (loop.rewards[~loop.alive] == 0).all()
        assert written


def test_a_late_credit_reaches_the_rows_that_are_still_there() -> None:
    store = ManualStore()
    loop = Loop(*known_envs(1, 1, store, lengths=(5,)), 4)
    loop.relabel = lambda *args: relabel_rewards(*args, wait=False)
    loop.play()  # t = 0 .. 3
    loop.play()  # t = 4, then 0 .. 2 of the next
    store.score(0)
    known = relabel_rewards(loop.rewards, 3, loop.infos, wait=False)
    assert loop.rewards[:, 0].tolist() == [credit(0, 0, 0, 4), PLACEHOLDER, PLACEHOLDER, PLACEHOLDER]
    assert known[:, 0].tolist() == [True, False, False, False]


def test_a_reset_in_mid_episode_leaves_its_rows_with_the_placeholder() -> None:
    store = ManualStore()
    loop = Loop(*known_envs(1, 2, store, lengths=(3, 5)), 8)
    loop.play(steps=2)
    loop.envs.reset()
    known = relabel_rewards(loop.rewards, 1, loop.infos, wait=True)
    assert (loop.rewards[:2] == PLACEHOLDER).all() and not store.submitted
    loop.next_obs, loop.infos = loop.envs.reset()
    for _ in range(3):
        known = loop.play()
        loop.check(known)


def test_mid_rollout_it_writes_what_is_there_and_the_last_row_waits() -> None:
    store = ManualStore()
    loop = Loop(*known_envs(1, 1, store, lengths=(2,)), 6)
    known = loop.play(each_step=True, steps=5)
    assert store.waited_for == [] and not known.any()
    assert (loop.rewards[:5] == PLACEHOLDER).all()
    loop.relabel(loop.rewards, 4, loop.infos, wait=True)
    assert store.waited_for == [{0, 1}]
    assert loop.rewards[:, 0].tolist() == [credit(0, e, 0, t) for e in (0, 1) for t in (0, 1)] + [PLACEHOLDER, 0]


def test_cleanrls_advantages_are_those_of_the_definition() -> None:
    gamma, lam = 0.9, 0.8
    loop = Loop(*known_envs(4, 3, leaves=LEAVES), 40)
    known = loop.play()
    rows = true_rows(loop.log, 3)
    expected = true_advantages(rows, gamma, lam)

    def values(obs: np.ndarray) -> np.ndarray:
        env, episode, agent, t, last = np.moveaxis(obs, -1, 0)
        return 11.0 * agent + 3.0 * t + 0.5 * env + 0.25 * (episode % 8) + 2.0 * last

    now, after = values(loop.obs), values(loop.after) * ~loop.terminated
    advantages = np.zeros(now.shape)
    running = np.zeros(now.shape[1])
    for row in reversed(range(40)):
        delta = loop.rewards[row] + gamma * after[row] - now[row]
        running = delta + gamma * lam * ~loop.done[row] * running
        advantages[row] = running
    checked = 0
    for row, slot in np.argwhere(known & loop.alive):
        key = loop.key(row, slot)
        assert now[row, slot] == value(*key, int(loop.obs[row, slot, 4]))
        assert advantages[row, slot] == pytest.approx(expected[key], rel=1e-6)
        assert loop.done[row, slot] == (rows[key].terminated or rows[key].truncated)
        checked += 1
    assert checked > 200


def test_the_critics_error_is_passed_on_and_nothing_is_lost() -> None:
    class Broken(KnownCritic):
        fails = True

        def score(self, episodes: Any) -> Any:
            if self.fails:
                raise CreditError("the critic is down")
            return super().score(episodes)

    critic = Broken()
    loop = Loop(*known_envs(2, 2, CreditStore(critic, workers=0)), 9)
    with pytest.raises(CreditError, match="the critic is down"):
        loop.play()
    critic.fails = False
    loop.check(relabel_rewards(loop.rewards, 8, loop.infos))


def test_an_episode_without_a_score_is_not_learned_from_silently() -> None:
    store = ManualStore()
    loop = Loop(*known_envs(1, 1, store, lengths=(3,)), 4)
    loop.relabel = lambda *args: np.ones(())
    loop.play()
    store.submitted.clear()
    with pytest.raises(CreditError, match=r"1 finished episodes have no score after 0.5 s .*\[0\].*somebody else"):
        relabel_rewards(loop.rewards, 3, loop.infos, timeout=0.5)
    store.scored.append((0, Credit(np.zeros((4, 1), dtype=np.float32))))
    with pytest.raises(CreditError, match=r"shape \(4, 1\), but \(3, 1\) was played"):
        relabel_rewards(loop.rewards, 3, loop.infos)


def test_an_evaluation_that_shares_the_store_does_not_disturb() -> None:
    store = ManualStore()
    loop = Loop(*known_envs(2, 2, store), 9)
    evaluation, _ = known_envs(1, 2, store, lengths=(2,))
    evaluation.reset()
    for _ in range(3):
        evaluation.step(np.zeros(2, dtype=int))
    store.score(*store.submitted)
    loop.check(loop.play())


def test_what_does_not_belong_together_is_refused() -> None:
    loop = Loop(*known_envs(2, 2), 4)
    old = loop.infos
    loop.play()
    for rewards in (np.zeros((4, 3)), np.zeros((4, 2, 2)), np.zeros(4), torch.zeros(2, 4, 2)):
        with pytest.raises(ValueError, match=r"shape \(num_steps, 4\)"):
            relabel_rewards(rewards, 3, loop.infos)
    for rewards in (np.zeros((4, 4), dtype=int), torch.zeros(4, 4, dtype=torch.long)):
        with pytest.raises(ValueError, match="int64; credits need floating numbers"):
            relabel_rewards(rewards, 3, loop.infos)
    for step in (4, -1):
        with pytest.raises(ValueError, match=f"step {step} is not a row"):
            relabel_rewards(loop.rewards, step, loop.infos)
    with pytest.raises(ValueError, match="4 steps old"):
        relabel_rewards(loop.rewards, 3, old)
    envs = ParallelVecEnv([lambda: KnownCreditEnv(0, 2, {})])
    _, infos = envs.reset()
    with pytest.raises(CreditError, match="CreditWrapper"):
        relabel_rewards(np.zeros((4, 2)), 0, infos)


def test_a_learner_that_never_writes_credits_is_warned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relabelling, "_FORGOTTEN_STEPS", 20)
    loop = Loop(*known_envs(1, 1, lengths=(1,)), 19)
    loop.relabel = lambda *args: np.ones(())
    loop.play()
    with pytest.warns(RuntimeWarning, match="no credit was written") as told:
        loop.play()
        loop.play()
    assert len(told) == 1 and told[0].filename.endswith("cleanrl_loop.py")
    late = Loop(*known_envs(1, 1, lengths=(1,)), 19)
    for _ in range(3):
        late.check(late.play())
