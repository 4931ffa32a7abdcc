"""Labels for the tests of data sets: a real team's, and made-up ones with everything that an episode can have."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from credit_wrappers import Credit, CreditEvent, Episode, TaskSpan, Usage
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset import DatasetCard, replayed
from credit_wrappers.testing.corridor import CorridorEnv
from tests.credit_wrappers.credit_fakes import corridor_episode

CORRIDOR = DatasetCard(title="walkers", world="corridor", max_cycles=6, play="chance", licence="CC0-1.0")


def corridor() -> CorridorEnv:
    return CorridorEnv(horizon=6)


def played_labels(count: int = 4) -> list[LabelledEpisode]:
    """Return labels of episodes that the corridor makes again, with observations, frames and masks."""
    rng = np.random.default_rng(0)
    env = corridor()
    labels = []
    for k in range(count):
        env.reset(seed=k)
        joints = []
        while env.agents:
            joints.append(rng.integers(0, 3, 2).tolist())
            env.step(dict(zip(env.agents, joints[-1], strict=True)))
        bare = replace(corridor_episode(joints, id=k), seed=k)
        labels.append(_credited(bare, k))
    return [_as_played(label) for label in labels]


def _as_played(label: LabelledEpisode) -> LabelledEpisode:
    """Return a label whose rewards and ends are the corridor's."""
    from credit_wrappers.recording.replay import replay

    episode = replay(corridor(), label.episode.seed or 0, label.episode.actions, observations=True)
    episode = replace(episode, id=label.episode.id)
    [again] = replayed([replace(label, episode=episode)], corridor)
    return again


def _credited(episode: Episode, k: int) -> LabelledEpisode:
    rng = np.random.default_rng(k)
    shape = episode.length, episode.n_agents
    credit = Credit(
        rng.normal(size=shape).astype(np.float32),
        (CreditEvent(episode.agents[0], 0, 2, 0.1 + k, "went “on” \U0001f680"),) * (k % 2),
        _tasks(episode) if k % 2 else None,
        f"episode {k}\nwith a second line",
        "model",
        Usage(1, 2, 3, 4, 0.1, 6) if k == 0 else Usage(),
    )
    exact = {"time difference": rng.normal(size=shape), "work shapley": np.full(shape, np.nan)}
    question = f"question {k // 2}"
    return LabelledEpisode(episode, credit, exact, question, f"answer {k // 2}", "a model", k // 2, note="noted")


def _tasks(episode: Episode) -> tuple[TaskSpan, ...]:
    """The first agent waits in step 0; from then on, and the others always, they are to go."""
    first, *others = episode.agents
    rest = [TaskSpan(agent, 0, episode.length, "go", "“it” had to") for agent in others]
    return TaskSpan(first, 0, 1, "wait"), TaskSpan(first, 1, episode.length, "go"), *rest


def odd_labels() -> list[LabelledEpisode]:
    """Return labels of episodes as they can be, all of one team."""
    agents = ("a/b", "c d", "100%")
    seen = np.empty((4, 3), dtype=object)  # one agent sees a vector, one a number, one comes and goes
    for t in range(4):
        seen[t, 0] = np.arange(5, dtype=np.float32) + t
        seen[t, 1] = t
        seen[t, 2] = np.array([[t, -t]], np.int16) if t in (1, 2) else None
    absent = np.array([[0, 2, -1], [1, 0, 3], [2, 2, -1]])
    rng = np.random.default_rng(1)
    first = Episode(
        id=7, agents=agents, actions=absent, team_reward=np.array([0.1, -0.0, 1e-300]), cost=rng.normal(size=(3, 3)),
        terminated=False, truncated=False, observations=seen, env_id="odd_v0", seed=2**70, start=12,
    )  # fmt: skip
    gone = seen.copy()
    gone[:, 2] = None
    second = replace(first, id=8, seed=None, observations=gone, terminated=True, truncated=True, start=0)
    return [_credited(first, 0), _credited(second, 1)]


def vector_labels() -> list[LabelledEpisode]:
    """Return labels with vectors as actions, and pictures as observations."""
    rng = np.random.default_rng(2)
    actions = rng.normal(size=(2, 2, 3))
    actions[1, 1] = np.nan
    actions[:, 0, 2] = np.nan
    episode = Episode(
        id=0, agents=("x", "y"), actions=actions, team_reward=np.zeros(2), cost=np.zeros((2, 2)), terminated=True,
        truncated=False, observations=rng.integers(0, 256, (3, 2, 4, 4, 3)).astype(np.uint8), env_id="vectors_v0",
    )  # fmt: skip
    return [_credited(episode, 0)]


def assert_same(before: LabelledEpisode, after: LabelledEpisode) -> None:
    """Assert that two labels are the same bit for bit, but for moments, narrator and snapshots."""
    for field in fields(Episode):
        if field.name not in ("moments", "narrator", "snapshots"):
            _assert_equal(getattr(before.episode, field.name), getattr(after.episode, field.name), field.name)
    assert before.episode.key == after.episode.key
    assert before.episode.frames == after.episode.frames
    for field in fields(Credit):
        _assert_equal(getattr(before.credit, field.name), getattr(after.credit, field.name), field.name)
    for field in fields(LabelledEpisode):
        if field.name not in ("episode", "credit", "exact"):
            _assert_equal(getattr(before, field.name), getattr(after, field.name), field.name)
    assert list(before.exact) == sorted(after.exact)
    for name, values in before.exact.items():
        _assert_equal(values, after.exact[name], name)


def _assert_equal(before: object, after: object, name: str) -> None:
    assert type(before) is type(after), name
    if not isinstance(before, np.ndarray):
        assert before == after, name
        return
    assert isinstance(after, np.ndarray)
    assert (before.shape, before.dtype) == (after.shape, after.dtype), name
    if before.dtype == object:
        for own, other in zip(before.ravel(), after.ravel(), strict=True):
            _assert_equal(own, other, name)
    else:
        assert np.ascontiguousarray(before).tobytes() == np.ascontiguousarray(after).tobytes(), name
