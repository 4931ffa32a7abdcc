"""Which rows a `CreditReplayBuffer` gives out, and when: scores late, in disorder, missing or wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_credit import PLACEHOLDER, KnownCritic, ManualStore, check_rows, keys_of, known_venv, true_rows
from tianshou.data import Batch, Collector, VectorReplayBuffer

from credit_wrappers import Credit, CreditError, CreditStore
from credit_wrappers.integrations.tianshou import AgentVectorEnv, CreditReplayBuffer


class Play:
    """Steps a venv into a buffer as a Collector does, one step at a time."""

    def __init__(self, *, n_envs: int = 2, slot_size: int = 20, **options: Any) -> None:
        self.store = ManualStore()
        options = {"n_agents": 2, "store": self.store} | options
        self.venv, self.log = known_venv(n_envs, **options)
        self.buffer = CreditReplayBuffer(slot_size * len(self.venv), self.venv)
        self.rng = np.random.default_rng(0)
        self.lengths: list[int] = []  # of the episodes that ended, as the buffer reports them
        self.reset()

    def reset(self) -> None:
        self.obs, _ = self.venv.reset()

    def steps(self, n: int, slots: list[int] | None = None) -> None:
        slots = list(range(len(self.venv))) if slots is None else slots
        for _ in range(n):
            act = self.rng.integers(0, 4, len(slots))
            obs = self.obs[np.array(slots)]
            obs_next, rew, terminated, truncated, info = self.venv.step(act, slots)
            _, _, lengths, _ = self.buffer.add(
                Batch(obs=obs, act=act, rew=rew, terminated=terminated, truncated=truncated,
                      obs_next=obs_next, info=info, policy=Batch()), slots)  # fmt: skip
            self.lengths += lengths[lengths > 0].tolist()
            self.obs[np.array(slots)] = obs_next
            done = np.array(slots)[terminated | truncated]
            if len(done):
                self.obs[done], _ = self.venv.reset(done)

    def exact(self, batch: Batch) -> set:
        """Assert that all rows are exact, and return which they are."""
        check_rows(batch, true_rows(self.log, self.venv.n_agents), self.venv.n_agents)
        return set(keys_of(batch))

    def all_of(self, env: int, episode: int) -> set:
        return {key for key in true_rows(self.log, self.venv.n_agents) if key[:2] == (env, episode)}


# Env 0 plays episodes of 5, 3, 7, 4, 5, .. steps, env 1 of 3, 7, 4, 5, ..: ids 0, 2, .. and 1, 3, .. or so.


def test_only_scored_rows_are_sampled() -> None:
    play = Play()
    play.steps(6)  # env 0: episode 0 (id 0) is over; env 1: episode 0 (id 1)
    play.store.score(1)
    batch, _ = play.buffer.sample(200)
    assert play.exact(batch) == play.all_of(1, 0)
    play.store.score(0)
    batch, _ = play.buffer.sample(200)
    assert play.exact(batch) == play.all_of(1, 0) | play.all_of(0, 0)


def test_off_policy_sampling_waits_only_when_nothing_has_a_score() -> None:
    play = Play()
    play.steps(6)
    play.buffer.sample(8)
    assert play.store.waited_for == [{0, 1}]
    play.steps(6)
    play.buffer.sample(8)
    assert len(play.store.waited_for) == 1


def test_on_policy_sampling_waits_for_the_finished_episodes_in_the_buffer_and_takes_them_whole() -> None:
    play = Play()
    play.steps(9)
    finished = {key for key, played in play.log.items() if played.over}
    batch, indices = play.buffer.sample(0)
    assert play.exact(batch) == set().union(*[play.all_of(*key) for key in finished])
    assert len(play.store.waited_for) == 1
    # Rows are in order: slot by slot, and t counts up until an end.
    keys = keys_of(batch)
    ends = batch.terminated | batch.truncated
    for k in range(1, len(keys)):
        env, episode, agent, t = keys[k]
        assert t == 0 if ends[k - 1] else keys[k - 1] == (env, episode, agent, t - 1)
    assert ends[-1]
    np.testing.assert_array_equal(play.buffer.rew[indices], batch.rew)


def test_on_policy_sampling_waits_for_the_rest_when_some_have_their_score() -> None:
    play = Play()
    play.steps(6)
    play.store.score(0)
    play.buffer.sample(8)
    assert play.exact(play.buffer.sample(0)[0]) == play.all_of(0, 0) | play.all_of(1, 0)


def test_rows_for_separate_learners_hold_the_credits_of_the_whole_team() -> None:
    play = Play(learners="per-agent", n_agents=3)
    play.steps(9)
    batch, _ = play.buffer.sample(0)
    assert batch.rew.shape == (len(batch), 3)
    assert play.exact(batch) == set(true_rows(play.log, 3))


def test_scores_may_come_in_any_order() -> None:
    play = Play(n_envs=3)
    play.steps(17)
    ids = list(play.store.submitted)
    for id in reversed(ids):
        play.store.score(id)
        play.exact(play.buffer.sample(30)[0])
    assert play.exact(play.buffer.sample(0)[0]) == set(true_rows(play.log, 2))
    assert len(ids) >= 8


@pytest.mark.parametrize("late_by", range(1, 16))
def test_a_late_score_does_not_hit_rows_that_were_overwritten(late_by: int) -> None:
    play = Play(slot_size=7, lengths=(5, 3, 7, 4))
    play.steps(5)  # env 0: episode 0 (id 0, 5 rows) is over; its 7 rows are full two steps later
    play.steps(late_by)
    before = play.buffer.rew.copy()
    hit = np.isin(np.arange(play.buffer.maxsize), play.buffer.stored_rows())
    hit &= play.buffer.info.episode_id == 0
    play.store.score(0)
    play.buffer._receive(play.store.ready())
    changed = play.buffer.rew != before
    np.testing.assert_array_equal(changed, hit)
    assert (before[hit] == PLACEHOLDER).all()
    left = max(0, 5 - max(0, late_by - 2))
    assert hit.sum() == 2 * left  # of both agents
    assert (play.buffer.counts.credited, play.buffer.counts.late) == (2 * left, 2 * (5 - left))
    if left:
        batch, _ = play.buffer.sample(100)
        assert play.exact(batch) == {key for key in play.all_of(0, 0) if key[3] >= 5 - left}
    # The episode is closed: it is neither waited for nor credited a second time.
    assert 0 not in play.buffer._unscored


def test_overwriting_takes_rows_out_of_the_sample() -> None:
    play = Play(n_envs=1, slot_size=7, lengths=(5, 3, 7, 4))
    play.steps(5)
    play.store.score(0)
    assert play.exact(play.buffer.sample(100)[0]) == play.all_of(0, 0)
    play.steps(4)
    assert play.exact(play.buffer.sample(100)[0]) == {k for k in play.all_of(0, 0) if k[3] >= 2}


def test_rows_of_an_episode_that_a_reset_cut_off_are_never_sampled() -> None:
    play = Play()
    play.steps(2)
    play.reset()
    play.steps(8)
    assert play.buffer.counts.abandoned == 2 * 4
    ended = [len(played.actions) for played in play.log.values() if played.over]
    assert sorted(play.lengths) == sorted(ended * 2)
    for size in (100, 0):
        learned = play.exact(play.buffer.sample(size)[0])
        assert learned == {key for key in true_rows(play.log, 2) if key[1] > 0}


def test_running_episodes_survive_the_clearing_after_an_update() -> None:
    play = Play(slot_size=9)
    learned: list[set] = []
    for _ in range(6):
        play.steps(4)
        if any(e.id in play.store.submitted for e in list(play.store.submitted.values())):
            learned.append(play.exact(play.buffer.sample(0)[0]))
        play.buffer.reset(keep_statistics=True)
    everything = set().union(*learned)
    assert sum(map(len, learned)) == len(everything)
    assert everything == set(true_rows(play.log, 2))
    assert play.buffer.counts.late == play.buffer.counts.abandoned == 0
    running = sum(len(p.actions) for p in play.log.values() if not p.over)
    assert len(play.buffer) == 2 * running


def test_a_carried_episode_reports_its_whole_length_and_return() -> None:
    play = Play(n_envs=1, lengths=(5,))
    play.steps(3)
    play.buffer.reset(keep_statistics=True)
    assert play.buffer.unfinished_index().tolist() == [2, 22]
    assert play.buffer.next(np.array([0, 1, 2, 20, 22])).tolist() == [1, 2, 2, 21, 22]
    assert play.buffer.prev(np.array([0, 1, 2, 20, 22])).tolist() == [0, 0, 1, 20, 21]
    play.steps(1)
    act = np.zeros(2, dtype=np.int64)
    obs_next, rew, terminated, truncated, info = play.venv.step(act)
    batch = Batch(obs=play.obs, act=act, rew=rew, terminated=terminated, truncated=truncated,
                  obs_next=obs_next, info=info, policy=Batch())  # fmt: skip
    index, returns, lengths, first = play.buffer.add(batch)
    assert lengths.tolist() == [5, 5]
    assert returns.tolist() == [5 * PLACEHOLDER] * 2
    assert [play.buffer.get_buffer_indices(a, b + 1).tolist() for a, b in zip(first, index, strict=True)] == [
        [0, 1, 2, 3, 4],
        [20, 21, 22, 23, 24],
    ]


def test_after_clearing_everything_in_mid_episode_the_rest_of_it_gets_its_own_steps_credit() -> None:
    play = Play(n_envs=1, lengths=(5,))
    play.steps(3)
    play.buffer.reset()
    assert play.buffer.counts.abandoned == 2 * 3
    play.steps(2)
    assert play.exact(play.buffer.sample(0)[0]) == {key for key in play.all_of(0, 0) if key[3] >= 3}


def test_scores_of_rows_that_were_cleared_go_nowhere() -> None:
    play = Play(n_envs=1, lengths=(5,))
    play.steps(5)
    play.buffer.reset()
    assert play.buffer.counts.late == 2 * 5
    play.steps(4)
    play.store.score(0)
    with pytest.raises(CreditError, match="nothing to learn from"):
        play.buffer.sample(4)
    assert (play.buffer.rew[play.buffer.stored_rows()] == PLACEHOLDER).all()


def test_a_collector_reset_in_mid_episode_leaves_exact_rows_only() -> None:
    venv, log = known_venv(3, 2)
    buffer = CreditReplayBuffer(30 * len(venv), venv)
    collector = Collector(_random_policy(venv), venv, buffer)
    collector.reset()
    collector.collect(n_step=4 * len(venv), random=True)
    collector.reset(reset_buffer=False)
    stats = collector.collect(n_step=9 * len(venv), random=True)
    ended = [len(played.actions) for (_, episode), played in log.items() if played.over and episode > 0]
    assert sorted(stats.lens) == sorted(ended * 2)
    assert sorted(stats.returns) == sorted(length * PLACEHOLDER for length in ended * 2)
    batch, _ = buffer.sample(0)
    rows = true_rows(log, 2)
    check_rows(batch, rows, 2)
    assert set(keys_of(batch)) == set(rows)
    assert buffer.counts.abandoned > 0


def test_an_evaluation_that_shares_the_store_does_not_disturb() -> None:
    play = Play()
    evaluation, _ = known_venv(2, 2, store=play.store)
    evaluation.reset()
    for _ in range(3):
        evaluation.step(np.zeros(4, dtype=np.int64))
    play.steps(6)
    play.store.score(*list(play.store.submitted))
    assert play.exact(play.buffer.sample(0)[0]) == play.all_of(0, 0) | play.all_of(1, 0)


def test_before_the_first_episode_has_ended_there_is_nothing_to_learn_from() -> None:
    play = Play()
    play.steps(2)
    for size in (4, 0, None):
        with pytest.raises(CreditError, match=r"nothing to learn from.*multiple of the 2 agents"):
            play.buffer.sample(size)


def test_an_episode_longer_than_a_slot_is_refused_before_it_overwrites_itself() -> None:
    play = Play(slot_size=6, n_envs=1, lengths=(7,))
    play.steps(6)
    with pytest.raises(ValueError, match=r"more than 6 steps.*total_size at least 2 agent columns"):
        play.steps(1)


def test_an_episode_as_long_as_a_slot_fits() -> None:
    play = Play(slot_size=7, n_envs=1, lengths=(7,))
    play.steps(3)
    play.buffer.reset(keep_statistics=True)
    play.steps(4)
    assert play.exact(play.buffer.sample(0)[0]) == play.all_of(0, 0)
    play.buffer.reset(keep_statistics=True)
    play.steps(7)
    assert play.exact(play.buffer.sample(0)[0]) == play.all_of(0, 1)


def test_on_policy_sampling_warns_when_finished_episodes_were_overwritten_unlearned() -> None:
    play = Play(n_envs=1, slot_size=7, lengths=(5,))
    play.steps(9)
    with pytest.warns(RuntimeWarning, match=r"4 rows of finished episodes .* 2 agent columns, and has 7 rows"):
        batch, _ = play.buffer.sample(0)
    assert play.exact(batch) == {key for key in play.all_of(0, 0) if key[3] >= 2}


@pytest.mark.parametrize(
    "values",
    [np.zeros((4, 2)), np.zeros((6, 2)), np.zeros((5, 3)), np.zeros(5), np.full((5, 2), np.nan)],
    ids=["too short", "too long", "too many agents", "one number a step", "NaN"],
)
def test_credit_that_does_not_fit_its_episode_is_refused(values: np.ndarray) -> None:
    play = Play(n_envs=1, lengths=(5,))
    play.steps(5)
    play.store.scored.append((0, Credit(values.astype(np.float32))))
    wrong = r"must be finite numbers of shape \(T, 2\)|for [46] steps, but the buffer saw 5"
    with pytest.raises(CreditError, match=f"episode 0: credit ({wrong})"):
        play.buffer.sample(4)


def test_a_score_that_does_not_come_in_time_raises() -> None:
    play = Play(n_envs=1, lengths=(5,))
    play.buffer.timeout = 0.5
    play.steps(5)
    play.store.submitted.clear()
    with pytest.raises(CreditError, match=r"1 finished episodes in the buffer have no score after 0.5 s"):
        play.buffer.sample(0)


def test_the_critics_own_error_reaches_the_learner_and_nothing_is_lost() -> None:
    class Broken(KnownCritic):
        fails = True

        def score(self, episodes: Any) -> Any:
            if self.fails:
                raise CreditError("the critic is down")
            return super().score(episodes)

    critic = Broken()
    venv, log = known_venv(1, 2, lengths=(3,), store=CreditStore(critic, workers=0))
    buffer = CreditReplayBuffer(60, venv)
    collector = Collector(_random_policy(venv), venv, buffer)
    collector.reset()
    collector.collect(n_episode=4, random=True)
    with pytest.raises(CreditError, match="the critic is down"):
        buffer.sample(0)
    critic.fails = False
    batch, _ = buffer.sample(0)
    assert set(keys_of(batch)) == set(true_rows(log, 2))


def test_envs_without_a_store_are_refused() -> None:
    from known_credit import KnownCreditEnv

    venv = AgentVectorEnv([lambda: KnownCreditEnv(0, 2, {})])
    with pytest.raises(ValueError, match="CreditWrapper"):
        CreditReplayBuffer(10, venv)


def test_rows_of_another_vector_env_are_refused() -> None:
    play = Play()
    obs, no = np.zeros((1, 5)), np.zeros(1, dtype=bool)
    row = Batch(obs=obs, act=np.zeros(1), rew=np.zeros(1), terminated=no, truncated=no, obs_next=obs,
                info=Batch(env_id=np.zeros(1)))  # fmt: skip
    with pytest.raises(CreditError, match="AgentVectorEnv only"):
        play.buffer.add(row, [0])


def test_the_buffer_tells_the_store_that_its_credits_are_collected() -> None:
    store = CreditStore(KnownCritic(), workers=0)
    venv, _ = known_venv(1, 2, store=store)
    CreditReplayBuffer(20, venv)
    assert store._drained


def test_the_whole_buffer_shows_rows_with_and_without_credit() -> None:
    play = Play(n_envs=1, lengths=(5, 3))
    play.steps(6)
    play.buffer.sample(0)
    assert len(play.buffer[:]) == 12
    assert (play.buffer[:].rew == PLACEHOLDER).sum() == 2


def test_a_copy_or_a_saved_file_keeps_the_scored_rows_and_forgets_the_store(tmp_path: Path) -> None:
    play = Play(n_envs=1)
    play.steps(6)
    play.buffer.sample(0)
    play.buffer.save_hdf5(str(tmp_path / "buffer.h5"))
    for restored in (copy.deepcopy(play.buffer), CreditReplayBuffer.load_hdf5(str(tmp_path / "buffer.h5"))):
        assert restored.store is None
        assert play.exact(restored.sample(0)[0]) == play.all_of(0, 0)
        restored.store = play.store
    play.exact(play.buffer.sample(0)[0])


def _random_policy(venv: AgentVectorEnv) -> Any:
    from tianshou.algorithm.random import MARLRandomDiscreteMaskedOffPolicyAlgorithm as Random

    return Random(action_space=venv.action_space[0])


def test_the_default_collector_buffer_works_for_evaluation() -> None:
    venv, _ = known_venv(1, 2, lengths=(3,))
    collector = Collector(_random_policy(venv), venv, VectorReplayBuffer(40, len(venv)))
    collector.reset()
    stats = collector.collect(n_episode=2, random=True)
    assert stats.returns.tolist() == [3 * PLACEHOLDER] * 2
