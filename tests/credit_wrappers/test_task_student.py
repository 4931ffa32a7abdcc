"""A task student gives each agent the task that its critic names in such a state, and is measured, saved and loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from credit_wrappers import (
    Credit,
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    Episode,
    StudentCritic,
    TaskStudent,
    TaskStudentSettings,
    fit_task_student,
)
from credit_wrappers.testing.corridor import CorridorEnv
from tests.credit_wrappers.task_fakes import END, WAIT, KnowingCritic, best, spans

TASKS = (END, WAIT)
Labels = list[tuple[Episode, Credit]]


def played(many: int, first: int = 0) -> Labels:
    """Labels of random play in corridors of four cells."""
    labels: Labels = []
    store = CreditStore(KnowingCritic(), workers=0, episodes_per_query=1)
    env = CreditWrapper(CorridorEnv(), Deferred(store), record_observations=True)
    env.add_listener(lambda episode, credit: labels.append((episode, credit)))
    store.ready()
    rng = np.random.default_rng(first)
    for seed in range(first, first + many):
        env.reset(seed=seed)
        while env.agents:
            env.step({agent: int(rng.choice(3, p=(0.2, 0.2, 0.6))) for agent in env.agents})
    return labels


@pytest.fixture(scope="module")
def labels() -> Labels:
    return played(24)


@pytest.fixture(scope="module")
def student(labels: Labels) -> TaskStudent:
    return fit_task_student(labels, TASKS, hidden=16, epochs=25)


def test_it_gives_every_agent_its_own_task_in_every_state(student: TaskStudent) -> None:
    cells = np.array([[a, b] for a in range(4) for b in range(4) if a + b < 6])  # no step begins at the end of both
    seen = np.stack([cells, cells[:, ::-1]], axis=1) / 3.0  # one's own position first
    told = [[TASKS[k] for k in row] for row in student.assign(seen)]
    assert told == [[best(a), best(b)] for a, b in cells]
    assert student.agreement.right == 1.0 and 0.5 <= student.agreement.usual < 1.0


def test_agreement_is_measured_on_episodes_that_it_did_not_learn_from(student: TaskStudent, labels: Labels) -> None:
    assert student.labels == 24 and 3 <= student.agreement.episodes <= 6
    held = student.agreement.count // 2
    assert held < sum(episode.length for episode, _ in labels) / 2
    wrong = [(e, replace(c, tasks=spans([[END, END]] * e.length))) for e, c in played(3, 100)]
    agreement = student.compare(wrong)
    assert (agreement.episodes, agreement.usual) == (3, 1.0) and agreement.right < 1.0
    shares = [np.mean(student.tasks_of(episode) == END) * episode.length for episode, _ in wrong]
    assert agreement.right == pytest.approx(sum(shares) / sum(episode.length for episode, _ in wrong))


def test_the_same_labels_give_the_same_student(student: TaskStudent, labels: Labels) -> None:
    again = fit_task_student(labels, TASKS, hidden=16, epochs=25)
    assert all(np.array_equal(again.parameters[name], array) for name, array in student.parameters.items())


def test_a_saved_student_assigns_the_same(student: TaskStudent, tmp_path: Path) -> None:
    student.save(tmp_path / "tasks.npz")
    again = TaskStudent.load(tmp_path / "tasks.npz")
    seen = np.random.default_rng(0).random((50, 2, 2))
    np.testing.assert_array_equal(again.assign(seen), student.assign(seen))
    assert (again.tasks, again.agreement, again.team) == (student.tasks, student.agreement, student.team)
    with pytest.raises(CreditError, match="is not a student"):
        StudentCritic.load(tmp_path / "tasks.npz")
    replace(student, tasks=(*TASKS, "dance")).save(tmp_path / "other.npz")
    with pytest.raises(CreditError, match="damaged task student"):
        TaskStudent.load(tmp_path / "other.npz")


def test_a_fit_goes_on_from_another_student(student: TaskStudent, labels: Labels) -> None:
    begun = fit_task_student(labels[:4], TASKS, hidden=16, epochs=1)
    more = fit_task_student(labels, TASKS, hidden=16, refit_epochs=15, start=begun)
    assert more.agreement.right > 0.95
    with pytest.raises(CreditError, match="hidden=16 to fit one with hidden=8"):
        fit_task_student(labels, TASKS, hidden=8, start=begun)
    with pytest.raises(CreditError, match="cannot start from a student of the tasks"):
        fit_task_student(labels, (*TASKS, "dance"), hidden=16, start=begun)


def test_the_order_of_the_agents_does_not_matter(student: TaskStudent) -> None:
    (episode, _), *_ = played(1, 7)
    assert episode.observations is not None
    turned = replace(
        episode, agents=episode.agents[::-1], actions=episode.actions[:, ::-1],
        observations=episode.observations[:, ::-1],
    )  # fmt: skip
    np.testing.assert_array_equal(student.tasks_of(turned), student.tasks_of(episode)[:, ::-1])


def leaving(labels: Labels) -> Labels:
    """The same play, where walker_1 leaves after two steps and nobody needs its task."""
    found = []
    for episode, credit in labels:
        assert episode.observations is not None
        seen = np.empty((episode.length + 1, 2), dtype=object)
        for t, i in np.ndindex(*seen.shape):
            seen[t, i] = episode.observations[t, i] if i == 0 or t <= 2 else None
        actions = episode.actions.copy()
        actions[2:, 1] = -1
        table = credit.tasks_by_step(episode.agents)
        table[2:, 1] = WAIT  # which would be learned from observations of zeros
        changed = replace(episode, observations=seen, actions=actions)
        found.append((changed, replace(credit, tasks=spans(table.tolist()))))
    return found


def test_an_agent_that_has_left_is_learned_from_only_while_it_was_there(labels: Labels) -> None:
    some = leaving(labels)
    student = fit_task_student(some, TASKS, hidden=16, epochs=15)
    held = sum(e.present.sum() for e, _ in some)
    assert student.agreement.count < held < 2 * sum(e.length for e, _ in some)
    assert student.agreement.right > 0.9
    assert student.assign(np.zeros((1, 2, 2)), [[True, False]]).shape == (1, 2)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda labels: labels[:1], CreditError, "at least 2 episodes whose credit names tasks, got 1 of 1"),
        (lambda labels: [(e, replace(c, tasks=None)) for e, c in labels], CreditError, "got 0 of 24"),
        (lambda labels: [(e, replace(c, source="fallback")) for e, c in labels], CreditError, "got 0 of 24"),
        (lambda labels: [(replace(e, observations=None), c) for e, c in labels], CreditError, "without observations"),
        (lambda labels: [(e, replace(c, tasks=spans([["fly", END]] * e.length))) for e, c in labels], CreditError,
         "has the task 'fly'; the student assigns walk to the end, wait"),
        (lambda labels: [1], TypeError, "fit_task_student"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_learned_from_are_named(labels: Labels, change: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        fit_task_student(change(labels), TASKS)


def test_an_environment_that_does_not_fit_is_named(student: TaskStudent) -> None:
    agents = student.team.agents
    student.check_env(agents, (2, 2), TASKS, "corridor_v0")
    with pytest.raises(CreditError, match="assigns walk to the end, wait, the environment has wait"):
        student.check_env(agents, (2, 2), ("wait",), "corridor_v0")
    with pytest.raises(CreditError, match="fitted for observations of 2 numbers"):
        student.check_env(agents, (2, 3), TASKS, "corridor_v0")
    with pytest.raises(CreditError, match="fitted for 'corridor_v0', this is 'other'"):
        student.check_env(agents, (2, 2), TASKS, "other")
    with pytest.raises(CreditError, match="must have shape"):
        student.assign(np.zeros((1, 2, 3)))


@pytest.mark.parametrize(
    ("options", "said"),
    [({"hidden": 0}, "hidden must be"), ({"held_out": 1.0}, "between 0 and 1"), ({"learning_rate": 0.0}, "above 0"),
     ({"weight_decay": -1.0}, "0 or more"), ({"seed": -1}, "from 0")],
)  # fmt: skip
def test_settings_that_are_not_possible_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TaskStudentSettings(**options)
