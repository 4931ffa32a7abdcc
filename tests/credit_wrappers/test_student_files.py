"""A student on disk: the same when it is back, and nothing else passes for one."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from student_labels import labelled, progress

from credit_wrappers import CreditError, StudentCritic, fit_student


@pytest.fixture(scope="module")
def student() -> StudentCritic:
    roles = {"walker_0": "../left", "walker_1": "right"}
    return fit_student(labelled(progress, 4), roles=roles, gamma=0.97, n_actions=5, epochs=2, hidden=8)


def rewritten(path, other, **about) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    arrays["student.json"] = np.array(json.dumps({**json.loads(str(arrays["student.json"])), **about}))
    np.savez(other, **arrays)


@pytest.mark.parametrize("form", ["potential", "free"])
def test_a_student_comes_back_bit_for_bit(form, tmp_path):
    student = fit_student(labelled(progress, 4), form=form, gamma=0.9, epochs=2)
    path = tmp_path / "walker.student"
    student.save(path)
    back = StudentCritic.load(path)
    assert (back.settings, back.team, back.scale) == (student.settings, student.team, student.scale)
    assert (back.agreement, back.labels) == (student.agreement, 4)
    episodes = [episode for episode, _ in labelled(progress, 3)]
    for mine, its in zip(student.score(episodes), back.score(episodes), strict=True):
        np.testing.assert_array_equal(mine.values, its.values)
    assert [file.name for file in tmp_path.iterdir()] == ["walker.student"]


def test_it_is_used_without_pytorch_and_without_a_model_or_ledger(student, tmp_path):
    student.save(tmp_path / "walker.npz")
    program = (
        "import sys; from credit_wrappers import StudentCritic; import numpy as np\n"
        "s = StudentCritic.load('walker.npz'); z = np.zeros\n"
        "s.step(z((2, 2, 2)), z((2, 2), int), z((2, 2, 2)), z(2), z(2, bool))\n"
        "print([m for m in ('torch', 'tianshou', 'sqlite3', 'anthropic', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_nothing_in_the_file_is_pickled(student, tmp_path):
    student.save(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} == {"f", "U"}
        about = json.loads(str(file["student.json"]))
    assert about["team"]["roles"] == ["../left", "right"] and about["team"]["actions"] == [5, 5]
    assert (about["version"], about["labels"], about["settings"]["gamma"]) == (4, 4, 0.97)
    assert about["agreement"]["sums"]["count"] == 2


def test_copies_and_pickles_pay_the_same(student):
    (episode, _), *_ = labelled(progress, 1)
    (credit,) = student.score([episode])
    for other in (copy.deepcopy(student), pickle.loads(pickle.dumps(student))):
        np.testing.assert_array_equal(other.score([episode])[0].values, credit.values)


def test_another_version_is_refused_with_both_named(student, tmp_path):
    student.save(tmp_path / "s.npz")
    rewritten(tmp_path / "s.npz", tmp_path / "new.npz", version=5)
    with pytest.raises(CreditError, match=r"new.npz has student format version 5, this package reads 4"):
        StudentCritic.load(tmp_path / "new.npz")


def test_files_that_are_no_student_are_refused_by_name(student, tmp_path):
    path = tmp_path / "s.npz"
    student.save(path)
    whole = path.read_bytes()
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(student))
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))
    np.save(tmp_path / "array.npy", np.ones(3))
    rewritten(path, tmp_path / "other.npz", format="something else")
    for name in ("text.npz", "empty.npz", "half.npz", "pickle.npz", "arrays.npz", "array.npy", "other.npz"):
        with pytest.raises(CreditError, match=f"{name} is not a student"):
            StudentCritic.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        StudentCritic.load(tmp_path / "nowhere.npz")


def test_a_file_whose_parts_do_not_fit_is_damaged(student, tmp_path):
    path = tmp_path / "s.npz"
    student.save(path)
    broken = ({"team": None}, {"settings": {"form": "x"}}, {"settings": {"hidden": 9}}, {"labels": "many"})
    for k, wrong in enumerate(broken):
        rewritten(path, tmp_path / f"{k}.npz", **wrong)
        with pytest.raises(CreditError, match=f"{k}.npz is a damaged student"):
            StudentCritic.load(tmp_path / f"{k}.npz")
    with np.load(path) as file:
        arrays = dict(file)
    arrays["0/encoder.weight"][0, 0, 0] = np.nan
    np.savez(path, **arrays)
    with pytest.raises(CreditError, match="damaged"):
        StudentCritic.load(path)
