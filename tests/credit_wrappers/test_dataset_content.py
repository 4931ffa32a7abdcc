"""What a label says must fit its episode, when it is made, saved and loaded; every text can be written to a file."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from credit_wrappers import CreditEvent, SharedCritic, TaskSpan, annotate, dataset, mirrored_labels
from credit_wrappers.core.errors import DatasetError
from credit_wrappers.recording.replay import replay
from credit_wrappers.testing.corridor import CorridorEnv
from tests.credit_wrappers.dataset_labels import CORRIDOR, corridor, played_labels

EVENT = CreditEvent("walker_0", 0, 2, 0.5, "went")


@pytest.fixture(scope="module")
def labels():
    return played_labels()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agent": "zz"}, "its agent is 'zz', and the agents are walker_0, walker_1"),
        ({"stop": 999}, "it covers the steps from 0 up to 999, and the episode has 6"),
        ({"start": -5}, "it covers the steps from -5 up to 2"),
        ({"start": 2}, "it covers the steps from 2 up to 2"),
        ({"start": 0.0}, "it covers the steps from 0.0 up to 2"),
        ({"stop": "2"}, "it covers the steps from 0 up to '2'"),
        ({"start": False}, "it covers the steps from False up to 2"),
        ({"amount": np.inf}, "its amount is inf"),
        ({"amount": None}, "its amount is None"),
        ({"why": 5}, "its reason is 5"),
        ({"why": None}, "its reason is None"),
    ],
)
def test_an_event_that_does_not_fit_its_episode_is_named(tmp_path, labels, change, message):
    episode, credit = labels[3].episode, labels[3].credit
    told = replace(credit, events=(EVENT, replace(EVENT, **change)))
    match = rf"event 1 of episode 3 \(seed 3\) does not fit it: {re.escape(message)}"
    with pytest.raises(ValueError, match=match):
        replace(labels[3], credit=told)
    with pytest.raises(DatasetError, match=match):
        dataset.save(tmp_path / "d-v0", [(episode, told)])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_event_and_tasks_that_are_none_are_named(labels):
    with pytest.raises(ValueError, match=r"event 0 of episode 0 .* is 'went', no CreditEvent"):
        replace(labels[0], credit=replace(labels[0].credit, events=("went",)))
    length = labels[0].episode.length
    whole = [TaskSpan(agent, 0, length, "go") for agent in labels[0].episode.agents]
    late = replace(whole[0], start=1)
    for tasks in (
        ("go",), (1, 2), "go", whole[:1], [*whole, whole[0]], [whole[0], late, whole[1]], [late, whole[1]],
        [replace(whole[0], stop=length + 1), whole[1]], [replace(whole[0], agent="zz"), whole[1]],
        [replace(whole[0], task=1), whole[1]], [replace(whole[0], why=None), whole[1]],
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"tasks of episode 0 \(seed 0\) are .*, but they must be TaskSpans that"):
            replace(labels[0], credit=replace(labels[0].credit, tasks=tasks))


@pytest.mark.parametrize("form", ["minari", "parquet", "compact"])
def test_tasks_come_back_with_their_steps_and_reasons(tmp_path, labels, form):
    length = labels[0].episode.length
    tasks = (
        TaskSpan("walker_0", 0, 1, "wait", "was first"),
        TaskSpan("walker_0", 1, length, "go"),
        TaskSpan("walker_1", np.int64(0), length, "go", "was last"),
    )
    label = replace(labels[0], credit=replace(labels[0].credit, tasks=tasks))
    path = dataset.save(tmp_path / ("d.jsonl.gz" if form == "compact" else "d-v0"), [label], CORRIDOR, form=form)
    [again] = dataset.load(path)
    assert again.credit.tasks == tasks
    table = again.credit.tasks_by_step(("walker_1", "walker_0"))
    assert table.tolist() == [["go", "wait"], *[["go", "go"]] * (length - 1)]


def test_the_next_episodes_tasks_of_an_earlier_data_set_are_left_out(tmp_path, labels):
    path = dataset.save(tmp_path / "d.jsonl.gz", labels[:1], CORRIDOR, form="compact")
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    for line in lines:
        if "tasks" in line:
            line["tasks"] = ["go", "wait"]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    [again] = dataset.load(path, replay=False)
    assert again.credit.tasks is None


def test_numbers_of_numpy_in_an_event_are_numbers(tmp_path, labels):
    event = CreditEvent("walker_1", np.int64(1), np.int32(2), np.float32(0.5), "")
    label = replace(labels[0], credit=replace(labels[0].credit, events=(event,)))
    [again] = dataset.load(dataset.save(tmp_path / "d-v0", [label]))
    assert again.credit.events == (event,)


def test_an_unknown_source_is_not_saved(tmp_path, labels):
    label = replace(labels[0], credit=replace(labels[0].credit, source="nonsense"))
    with pytest.raises(DatasetError, match=r"episode 0 \(seed 0\): its source is 'nonsense'; valid: model, cache"):
        dataset.save(tmp_path / "d-v0", [label])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "nonsense"}, "its source is 'nonsense'; valid: model, cache"),
        ({"tasks": [1, 2]}, "tasks of episode 0"),
        ({"id": True}, "its id is True"),
        ({"query": False}, "its query is False"),
        ({"agents": ["walker_0", 1]}, r"its agents is \['walker_0', 1\]"),
        ({"events": [["zz", 0, 1, 0.5, "why"]]}, "event 0 of episode 0 .* its agent is 'zz'"),
        ({"arrays": {"actions": {"type": "<i8", "shape": [1], "values": [1e308]}}}, "cannot be read: .* too large"),
        ({"events": [["walker_0", 0, 1, 10**400, "why"]]}, "cannot be put together: .* too large"),
        ({"texts": {"question": 0}}, "its texts are question, and must be question and answer"),
        ({"texts": {"question": 0, "answer": 1, "third": 0}}, "its texts are question, answer, third"),
    ],
)
def test_a_compact_file_with_facts_that_cannot_be_is_refused(tmp_path, labels, change, message):
    path = dataset.save(tmp_path / "d.jsonl.gz", labels, CORRIDOR, form="compact")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    at = next(k for k, line in enumerate(lines) if '"texts"' in line)
    lines[at] = json.dumps({**json.loads(lines[at]), **change})
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(DatasetError, match=message):
        dataset.load(path, replay=False)


@pytest.mark.parametrize("form", ["minari", "parquet", "compact"])
def test_half_a_surrogate_pair_is_written_as_the_replacement_character(tmp_path, labels, form):
    event = replace(EVENT, why="a \ud800\udc00 b \ud800")
    length = labels[0].episode.length
    tasks = (TaskSpan("walker_0", 0, length, "\ud800", "go"), TaskSpan("walker_1", 0, length, "go", "\ud800"))
    credit = replace(labels[0].credit, events=(event,), summary="\udfff", tasks=tasks)
    label = replace(labels[0], credit=credit, question="\udfffno", answer="\ud800", note="\ud800", model="\ud800")
    path = tmp_path / ("d.jsonl.gz" if form == "compact" else "d-v0")
    dataset.save(path, [label], replace(CORRIDOR, title="\ud800 title"), form=form)
    [again] = dataset.load(path)
    assert again.credit.events[0].why == "a \U00010000 b \ufffd" and [(s.task, s.why) for s in again.credit.tasks] == [
        ("\ufffd", "go"),
        ("go", "\ufffd"),
    ]
    assert (again.credit.summary, again.question, again.answer) == ("\ufffd", "\ufffdno", "\ufffd")
    assert (again.note, again.model, dataset.load_card(path).title) == ("\ufffd", "\ufffd", "\ufffd title")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("text", r"d\.jsonl\.gz, line 4 is no label and no text: it is 'text'"),
        ({"texts": {"question": 0, "answer": 77}}, r"d\.jsonl\.gz, line 4: there is no 77"),
        ({"texts": None}, r"d\.jsonl\.gz, line 4 is no label and no text: 'NoneType'"),
        ({"replay": None}, r"d\.jsonl\.gz: episode 0 cannot be read: there is no 'replay'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, labels, change, message):
    path = dataset.save(tmp_path / "d.jsonl.gz", labels, CORRIDOR, form="compact")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    told = json.loads(lines[3])
    assert "texts" in told
    if isinstance(change, dict):
        change = {**told, **change}
        if change["replay"] is None:
            del change["replay"]
    lines[3] = json.dumps(change)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(DatasetError, match=message):
        dataset.load(path)


def test_masks_of_some_episodes_alone_are_refused_with_a_way_out(tmp_path, labels):
    masks = np.ones((labels[0].episode.length + 1, 2, 3), bool)
    with pytest.raises(DatasetError, match="whether they have action_masks: give them to all episodes, or to none"):
        dataset.save(tmp_path / "d-v0", [replace(labels[0], action_masks=masks), labels[1]])


def test_labels_of_a_data_set_where_pairs_are_needed_are_answered_with_the_way(labels):
    with pytest.raises(TypeError, match=r"is a LabelledEpisode: give \[\(x.episode, x.credit\) for x in labels\]$"):
        mirrored_labels(labels, corridor)


class Radio(CorridorEnv):
    """A corridor whose agents observe a Dict, with a text in it."""

    def observation_space(self, agent):
        return spaces.Dict({"place": super().observation_space(agent), "said": spaces.Text(4)})

    def _hearing(self, observations):
        return {agent: {"place": place, "said": "go"} for agent, place in observations.items()}

    def reset(self, seed=None, options=None):
        observations, infos = super().reset(seed, options)
        return self._hearing(observations), infos

    def step(self, actions):
        observations, *rest = super().step(actions)
        return self._hearing(observations), *rest


@pytest.mark.filterwarnings("ignore")
def test_what_is_no_number_in_a_dict_is_named_with_its_key_and_the_wrapper_that_helps(tmp_path):
    supersuit = pytest.importorskip("supersuit")

    def saved(env):
        episode = replay(env, 0, np.zeros((3, 2), int), observations=True)
        return dataset.save(tmp_path / "d-v0", zip([episode], annotate([episode], SharedCritic()), strict=True))

    with pytest.raises(DatasetError) as refused:
        saved(Radio(horizon=6))
    assert "the observations of agent 'walker_0' of episode 0 (dict, whose 'said' is str) are not" in str(refused.value)
    assert "by supersuit.observation_lambda_v0 with gymnasium.spaces.flatten" in str(refused.value)
    flat = supersuit.observation_lambda_v0(
        Radio(horizon=6), lambda seen, space: spaces.flatten(space, seen), spaces.flatten_space
    )
    [label] = dataset.load(saved(flat))
    assert label.episode.observations.shape[:2] == (4, 2)


def test_keys_of_dicts_of_numbers_that_nobody_flattened_are_named(tmp_path, labels):
    seen = np.array([[{"place": np.zeros(2), "mode": 1}, None]] * (labels[0].episode.length + 1), dtype=object)
    given = replace(labels[0], episode=replace(labels[0].episode, observations=seen))
    with pytest.raises(DatasetError, match=r"agent 'walker_0' of episode 0 \(dict of 'place', 'mode'\) are not"):
        dataset.save(tmp_path / "d-v0", [given])
