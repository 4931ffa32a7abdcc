"""What is no data set, or half of one, is refused by name."""

from __future__ import annotations

import gzip
import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from credit_wrappers import Credit, dataset
from credit_wrappers.cli.main import main
from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset.published import published_file
from credit_wrappers.dataset.saving import CHECKSUMS, sha256_of
from tests.credit_wrappers.credit_fakes import corridor_episode
from tests.credit_wrappers.dataset_labels import CORRIDOR, odd_labels, played_labels


@pytest.fixture(scope="module")
def labels():
    return played_labels()


@pytest.fixture(params=["minari", "parquet"])
def path(tmp_path, labels, request) -> Path:
    return dataset.save(tmp_path / "d-v0", labels, CORRIDOR, form=request.param)


def right_checksums(path: Path) -> None:
    """Write the checksums of a folder again, as they are now."""
    (path / CHECKSUMS).unlink()
    (path / CHECKSUMS).write_text(
        "".join(f"{sha256_of(one)}  {one.relative_to(path)}\n" for one in path.rglob("*") if one.is_file()),
        encoding="utf-8",
    )


def test_an_unknown_name_is_answered_with_the_published_ones():
    known = ", ".join(dataset.published_names())
    assert "duet-claude, duet-claude-curve" in known
    with pytest.raises(FileNotFoundError, match=f"duet-cloud.*{known}"):
        dataset.load("duet-cloud")


def test_a_data_set_of_another_version_is_refused(path):
    head = json.loads((path / "dataset.json").read_text(encoding="utf-8"))
    (path / "dataset.json").write_text(json.dumps({**head, "version": 99, "package": "9.1"}), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"version 99 \(written by llm-credit-wrappers 9.1\).*reads version 1"):
        dataset.load(path)


@pytest.mark.parametrize("topic", ["info", "card"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figures": None}, "it has no figures"),
        ({"episodes": None}, "its figures have no 'episodes'"),
        ({"returns": 3}, "'returns' of its figures is 3"),
        ({"returns": {"mean": 1.0}}, "'returns' of its figures is"),
        ({"returns": {"mean": "x", "std": 1, "min": 1, "max": 1}}, "'returns' of its figures is"),
        ({"transitions": "many"}, "'transitions' of its figures is 'many'"),
        ({"agents": [1]}, r"'agents' of its figures is \[1\]"),
        ({"sources": {"model": None}}, "'sources' of its figures is"),
        ({"agreement": {"rank": []}}, "'agreement' of its figures is"),
        ({"episodes": -4}, "'episodes' of its figures is -4"),
        ({"reasons": "x"}, "'reasons' of its figures is 'x'"),
        ({"unique_state_actions": "x"}, "'unique_state_actions' of its figures is 'x'"),
    ],
)
def test_damaged_figures_are_named(tmp_path, labels, capsys, topic, change, message):
    path = dataset.save(tmp_path / "d-v0", labels, replace(CORRIDOR, command="credit-wrappers dataset make FOLDER"))
    head = json.loads((path / "dataset.json").read_text(encoding="utf-8"))
    known = {name: value for name, value in {**head["figures"], **change}.items() if value is not None}
    head["figures"] = None if "figures" in change else known
    (path / "dataset.json").write_text(json.dumps(head), encoding="utf-8")
    assert main(["dataset", topic, str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and re.search(f"{path / 'dataset.json'} is damaged: {message}", said)
    assert "make it again by the command on its card, credit-wrappers dataset make FOLDER" in said


@pytest.mark.parametrize("topic", ["info", "card"])
def test_a_description_of_a_damaged_folder_names_the_file(tmp_path, labels, capsys, topic):
    path = dataset.save(tmp_path / "d-v0", labels, CORRIDOR)
    (path / "README.md").write_text("my own card", encoding="utf-8")
    assert main(["dataset", topic, str(path)]) == 0
    head = path / "dataset.json"
    known = head.read_text(encoding="utf-8")
    head.write_text(re.sub('"episodes": 4', '"episodes": 5', known), encoding="utf-8")
    assert main(["dataset", topic, str(path)]) == 2 and f"{head} is damaged or was cut" in capsys.readouterr().err
    head.write_text(known, encoding="utf-8")
    os.truncate(path / "data" / "main_data.hdf5", 1000)
    assert main(["dataset", topic, str(path)]) == 2
    assert f"{path / 'data' / 'main_data.hdf5'} is damaged or was cut off" in capsys.readouterr().err
    (path / "SHA256SUMS").unlink()
    assert main(["dataset", topic, str(path)]) == 0


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("minari", "labels.jsonl"),
        ("minari", "data/main_data.hdf5"),
        ("parquet", "steps/train.parquet"),
        ("parquet", "episodes/train.parquet"),
    ],
)
def test_a_truncated_file_is_named(tmp_path, labels, form, name):
    path = dataset.save(tmp_path / "d-v0", labels, CORRIDOR, form=form)
    os.truncate(path / name, (path / name).stat().st_size * 2 // 3)
    with pytest.raises(DatasetError, match=f"{name} is damaged or was cut off"):
        dataset.load(path)
    (path / name).unlink()
    with pytest.raises(DatasetError, match=f"{name} is missing"):
        dataset.load(path)


@pytest.mark.parametrize("name", ["dataset.json", "SHA256SUMS"])
def test_a_folder_without_its_head_is_no_data_set(path, name):
    (path / name).unlink()
    with pytest.raises(DatasetError, match=f"has no {name}"):
        dataset.load(path)


def test_a_file_that_the_list_of_checksums_lacks_is_named(path):
    sums = path / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines(keepends=True)
    for k, line in enumerate(lines):
        name = line.split()[1]
        sums.write_text("".join(lines[:k] + lines[k + 1 :]), encoding="utf-8")
        if name in ("README.md", "returns.svg", "data/metadata.json"):  # load reads none of these
            assert len(dataset.load(path)) == 4
        else:
            with pytest.raises(DatasetError, match=f"SHA256SUMS was cut off: it does not list {name}"):
                dataset.load(path)


def test_arrays_that_are_damaged_behind_right_checksums_are_found(tmp_path, labels):
    import h5py

    path = dataset.save(tmp_path / "d-v0", labels, CORRIDOR)
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/infos/cost"]
        file["episode_1/infos/cost"] = np.zeros((1, 2))
    right_checksums(path)
    where = r"d-v0 \(labels.jsonl and data/main_data.hdf5\): episode 1 \(seed 1\)"
    with pytest.raises(DatasetError, match=rf"{where} cannot be put together: it has . steps.*'cost': 1"):
        dataset.load(path)


def test_a_table_and_a_compact_file_whose_parts_do_not_fit_are_named(tmp_path, labels):
    import pyarrow.parquet as pq

    path = dataset.save(tmp_path / "d", labels, CORRIDOR, form="parquet")
    rows = pq.read_table(path / "episodes" / "train.parquet")
    wrong = rows.set_column(rows.schema.get_field_index("source"), "source", [["somebody"] * len(rows)])
    pq.write_table(wrong, path / "episodes" / "train.parquet", row_group_size=1)
    right_checksums(path)
    where = r"d \(episodes/train.parquet and steps/train.parquet\): episode 0 \(seed 0\)"
    with pytest.raises(DatasetError, match=rf"{where} cannot be put together: its source is 'somebody'"):
        dataset.load(path)
    path = dataset.save(tmp_path / "d.jsonl.gz", labels, CORRIDOR, form="compact")
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace('"source":"model"', '"source":"somebody"').encode()))
    with pytest.raises(DatasetError, match=r"d\.jsonl\.gz: episode 0 \(seed 0\) cannot be put together: its source"):
        dataset.load(path, replay=False)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_compact_file_that_was_cut_off_is_refused(tmp_path, share):
    whole = published_file("duet-claude").read_bytes()
    (tmp_path / "d.jsonl.gz").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DatasetError, match=r"d\.jsonl\.gz is damaged or was cut off"):
        dataset.load(tmp_path / "d.jsonl.gz", replay=False)


def test_a_compact_file_with_a_line_fewer_or_more_is_refused(tmp_path, labels):
    path = dataset.save(tmp_path / "d.jsonl.gz", labels, CORRIDOR, form="compact")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert json.loads(lines[-1]) == {"labels": 4}
    label = lines[-2]
    for changed, message in (
        (lines[:-1], "was cut off: its last line, the number of labels, is missing"),
        ([*lines[:-2], lines[-1]], "has 3 labels, and 4 were written"),
        ([*lines[:-1], label, lines[-1]], "has 5 labels, and 4 were written"),
        ([*lines, label], "goes on after its last line"),
    ):
        path.write_bytes(gzip.compress("\n".join(changed).encode()))
        with pytest.raises(DatasetError, match=rf"d\.jsonl\.gz {message}"):
            dataset.load(path, replay=False)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n'))
    with pytest.raises(DatasetError, match="is no data set of this package"):
        dataset.load(tmp_path / "x.jsonl.gz")
    (tmp_path / "y").write_text("hello", encoding="utf-8")
    with pytest.raises(DatasetError, match="y is damaged or was cut off"):
        dataset.load(tmp_path / "y")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (None, "has no card"),
        ([1], "has no card"),
        ({"world": 3}, "'world' of the card is 3"),
        ({"max_cycles": "x"}, "'max_cycles' of the card is 'x'"),
        ({"max_cycles": True}, "'max_cycles' of the card is True"),
        ({"arguments": []}, r"'arguments' of the card is \[\]"),
        ({"licence": None}, "'licence' of the card is None"),
        ({"world": "nowhere:x"}, "unknown world 'nowhere:x'"),
        ({"arguments": {"colour": 1}}, "world 'corridor' .*cannot be made.*colour"),
    ],
)
def test_a_bad_card_is_refused(tmp_path, labels, card, message):
    path = dataset.save(tmp_path / "d.jsonl.gz", labels, CORRIDOR, form="compact")
    head, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    known = json.loads(head)
    known["card"] = {**known["card"], **card} if isinstance(card, dict) else card
    path.write_bytes(gzip.compress("\n".join([json.dumps(known), *lines]).encode()))
    with pytest.raises(DatasetError, match=message):
        dataset.load(path)


def test_the_line_of_a_label_that_holds_something_else_is_refused(tmp_path, labels):
    path = dataset.save(tmp_path / "d.jsonl.gz", labels, CORRIDOR, form="compact")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    at = next(k for k, line in enumerate(lines) if '"texts"' in line)
    for name in json.loads(lines[at]):
        for value in (None, "x", 3, [], {}, [[]], -1):
            changed = [*lines[:at], json.dumps({**json.loads(lines[at]), name: value}), *lines[at + 1 :]]
            path.write_bytes(gzip.compress("\n".join(changed).encode()))
            with suppress(DatasetError):
                dataset.load(path)


def test_an_environment_that_has_changed_is_found_out(tmp_path, labels):
    path = dataset.save(tmp_path / "d.jsonl.gz", labels, CORRIDOR, form="compact")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    for before, after, message in (
        ('"max_cycles":6', '"max_cycles":5', "makes another episode of seed .* than the one that was recorded"),
        ('"replay":"', '"replay":"0', "shows other observations or action masks of the episode of seed 0"),
    ):
        changed = [line.replace(before, after) for line in lines]
        path.write_bytes(gzip.compress("\n".join(changed).encode()))
        with pytest.raises(DatasetError, match=message):
            dataset.load(path)


def test_credit_that_does_not_fit_its_episode_is_refused(tmp_path):
    pair = corridor_episode([[2, 2], [0, 1]]), Credit(np.ones((3, 2), np.float32))
    with pytest.raises(DatasetError, match=r"has shape \(3, 2\).*2 steps and 2 agents"):
        dataset.save(tmp_path / "d-v0", [pair])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actions": np.zeros((2, 2), int)}, r"actions has shape \(2, 2\).*3 steps and 2 agents"),
        ({"actions": np.zeros((3, 1), int)}, r"actions has shape \(3, 1\)"),
        ({"cost": np.zeros((4, 2))}, r"cost has shape \(4, 2\)"),
        ({"cost": np.zeros(3)}, r"cost has shape \(3,\)"),
        ({"observations": np.zeros((3, 2, 1))}, r"observations has shape \(3, 2, 1\).*4 states"),
        ({"observations": np.zeros((4, 3, 1))}, r"observations has shape \(4, 3, 1\)"),
        ({"masks": np.ones((3, 2, 5), bool)}, r"action_masks has shape \(3, 2, 5\)"),
        ({"masks": np.ones((4, 1, 5), bool)}, r"action_masks has shape \(4, 1, 5\)"),
        ({"frames": ["one"]}, r"1 frames.*4 states"),
    ],
)
@pytest.mark.parametrize("form", ["minari", "parquet"])
def test_parts_of_other_lengths_are_refused_when_they_are_saved(tmp_path, change, message, form):
    change = dict(change)
    masks, frames = change.pop("masks", None), change.pop("frames", ())
    episode = corridor_episode([[2, 2], [0, 1], [0, 0]])
    episode = replace(episode, **change).as_recorded("key", frames)
    label = LabelledEpisode(episode, Credit(np.ones((3, 2), np.float32)), action_masks=masks)
    with pytest.raises(DatasetError, match=f"episode {episode.id}.*{message}"):
        dataset.save(tmp_path / "d-v0", [label], form=form)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["team_reward", "cost", "credit"])
def test_numbers_that_are_not_finite_are_refused_by_episode_and_step(tmp_path, part, value):
    episode = replace(corridor_episode([[2, 2], [0, 1]]), id=7, cost=np.zeros((2, 2)))
    arrays = {"team_reward": episode.team_reward, "cost": episode.cost, "credit": np.ones((2, 2), np.float32)}
    arrays[part] = arrays[part].copy()
    arrays[part][1] = value
    told = replace(episode, team_reward=arrays["team_reward"], cost=arrays["cost"])
    with pytest.raises(DatasetError, match=rf"episode 7 .*{part} of step 1 is not finite"):
        dataset.save(tmp_path / "d-v0", [(told, Credit(arrays["credit"]))])


@pytest.mark.parametrize("form", ["minari", "parquet", "compact"])
def test_an_episode_without_steps_is_refused(tmp_path, form):
    episode = replace(
        corridor_episode([[2, 2]]),
        seed=1,
        actions=np.zeros((0, 2), int),
        team_reward=np.zeros(0),
        cost=np.zeros((0, 2)),
    )
    path = tmp_path / ("d.jsonl.gz" if form == "compact" else "d-v0")
    with pytest.raises(DatasetError, match=f"episode {episode.id} .*has no steps"):
        dataset.save(path, [(episode, Credit(np.ones((0, 2), np.float32)))], CORRIDOR, form=form)


@pytest.mark.parametrize("form", ["minari", "parquet", "compact"])
@pytest.mark.parametrize(
    ("part", "kind", "message"),
    [
        ("observations", complex, r"observations of episode 0 \(complex128\) are not arrays of numbers"),
        ("observations", str, r"observations of episode 0 \(<U\d+\) are not arrays of numbers"),
        ("observations", object, r"observations of episode 0 \(object\) are not arrays of numbers"),
        (
            "observations",
            np.longdouble,
            "observation/walker_0 of episode 0 has the type float(96|128); .* at most 64 bits",
        ),
        ("observations", ">f4", "observation/walker_0 of episode 0 has the type >f4; .* order of bytes"),
        ("actions", str, "actions of episode 0 has the type <U21"),
        ("cost", object, "cost of episode 0 has the type object"),
        ("team_reward", complex, "team_reward of episode 0 has the type complex128"),
    ],
)
def test_types_that_no_data_set_holds_are_named(tmp_path, labels, form, part, kind, message):
    if kind is np.longdouble and np.dtype(kind).itemsize == 8:
        pytest.skip("a machine without longer floats")
    converted = getattr(labels[0].episode, part).astype(kind)
    given = replace(labels[0], episode=replace(labels[0].episode, **{part: converted}))
    path = tmp_path / ("d.jsonl.gz" if form == "compact" else "d-v0")
    with pytest.raises(DatasetError, match=message):
        dataset.save(path, [given], CORRIDOR, form=form)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_belong_together_is_refused(tmp_path, labels):
    with pytest.raises(DatasetError, match="a data set is of one team"):
        dataset.save(tmp_path / "d-v0", [*labels, *odd_labels()])
    with pytest.raises(DatasetError, match="differ in whether they have exact/time difference: give NaN"):
        dataset.save(tmp_path / "d-v0", [labels[0], replace(labels[1], exact={})])
    with pytest.raises(DatasetError, match="there is no label to save"):
        dataset.save(tmp_path / "d-v0", [])
    with pytest.raises(TypeError, match="number 1 is 'label'"):
        dataset.save(tmp_path / "d-v0", [labels[0], "label"])
    with pytest.raises(ValueError, match="unknown form 'hdf5'; valid: minari, parquet, compact, vault"):
        dataset.save(tmp_path / "d-v0", labels, form="hdf5")
    with pytest.raises(ValueError, match="is a folder, and its name must not end with"):
        dataset.save(tmp_path / "d.jsonl", labels)
    with pytest.raises(DatasetError, match="names no world"):
        dataset.save(tmp_path / "d.jsonl.gz", labels, form="compact")
    texts = np.array([[{"a": "text"}, None]] * (labels[0].episode.length + 1), dtype=object)
    told = replace(labels[0], episode=replace(labels[0].episode, observations=texts))
    with pytest.raises(DatasetError, match="agent 'walker_0' of episode 0"):
        dataset.save(tmp_path / "d-v0", [told])
    assert list(tmp_path.iterdir()) == []


def test_the_empty_name_is_no_data_set_also_where_the_present_folder_is_one(path, monkeypatch):
    monkeypatch.chdir(path)
    with pytest.raises(FileNotFoundError, match="there is no data set ''"):
        dataset.load("")
    assert len(dataset.load(".")) == 4


def test_a_number_that_parquet_cannot_hold_is_refused_by_name(tmp_path, labels):
    label = replace(labels[0], episode=replace(labels[0].episode, id=2**63))
    with pytest.raises(DatasetError, match=r"label 0: its id is 9223372036854775808.*below 2\*\*63.*another form"):
        dataset.save(tmp_path / "d-v0", [label], form="parquet")
    assert list(tmp_path.iterdir()) == []
    assert dataset.load(dataset.save(tmp_path / "d-v0", [label], CORRIDOR))[0].episode.id == 2**63


@pytest.mark.parametrize(("name", "form"), [("d-v0", "minari"), ("d.jsonl.gz", "compact")])
def test_a_link_that_leads_nowhere_is_not_overwritten(tmp_path, labels, name, form):
    (tmp_path / name).symlink_to(tmp_path / "gone")
    with pytest.raises(FileExistsError, match="is there already"):
        dataset.save(tmp_path / name, labels, CORRIDOR, form=form)
    assert (tmp_path / name).is_symlink()


def test_what_is_there_is_not_overwritten(path, labels):
    with pytest.raises(FileExistsError, match="is there already"):
        dataset.save(path, labels)
    assert len(dataset.load(path)) == 4


def test_an_episode_without_a_seed_cannot_be_compact(tmp_path):
    pair = corridor_episode([[2, 2], [0, 1]]), Credit(np.ones((2, 2), np.float32))
    with pytest.raises(DatasetError, match="cannot be played again: it has no seed"):
        dataset.save(tmp_path / "d.jsonl.gz", [pair], CORRIDOR, form="compact")
