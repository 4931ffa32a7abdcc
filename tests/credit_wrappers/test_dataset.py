"""What is saved in a data set is loaded again, bit for bit; other libraries load it, too."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from credit_wrappers import Credit, dataset
from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset import dataset_figures
from credit_wrappers.dataset.judged_folders import publish_judged
from credit_wrappers.dataset.loading import described
from credit_wrappers.dataset.published import published_file
from tests.credit_wrappers.credit_fakes import corridor_episode
from tests.credit_wrappers.dataset_labels import (
    CORRIDOR,
    assert_same,
    corridor,
    odd_labels,
    played_labels,
    vector_labels,
)

FOLDERS = ("minari", "parquet")


@pytest.fixture(scope="module")
def labels() -> list[LabelledEpisode]:
    return played_labels()


@pytest.mark.parametrize("form", FOLDERS)
@pytest.mark.parametrize("make", [played_labels, odd_labels, vector_labels])
def test_a_label_is_the_same_after_a_round_trip(tmp_path, form, make):
    given = make()
    path = dataset.save(tmp_path / "d-v0", given, CORRIDOR, form=form)
    found = dataset.load(path)
    assert len(found) == len(given)
    for before, after in zip(given, found, strict=True):
        assert_same(before, after)
    assert (found[0].episode.moments, found[0].episode.narrator) == ((), None)
    again = dataset.load(dataset.save(tmp_path / "again-v0", found, CORRIDOR, form=form))
    assert_same(given[0], again[0])


@pytest.mark.parametrize("form", FOLDERS)
@pytest.mark.parametrize("away", [[(0, 1, 2), (), (2,)], [(2,), (0, 1), (1, 2), ()], [(1,), (1,)]])
def test_agents_may_be_away_in_any_episode_also_in_the_first(tmp_path, form, away):
    whole = odd_labels()[0]
    given = []
    for k, agents in enumerate(away):
        seen = whole.episode.observations.copy()
        seen[:, agents] = None
        given.append(replace(whole, episode=replace(whole.episode, id=k, observations=seen)))
    path = dataset.save(tmp_path / "d-v0", given, form=form)
    for before, after in zip(given, dataset.load(path), strict=True):
        assert_same(before, after)
    assert not list(path.rglob("*.narrow"))


@pytest.mark.parametrize("form", FOLDERS)
def test_halves_numbers_of_numpy_and_arrays_without_dimensions_stay_what_they_are(tmp_path, labels, form):
    states = labels[0].episode.length + 1
    halves = np.linspace(0, 1, states * 2 * 3).reshape(states, 2, 3).astype(np.float16)
    table = np.empty((states, 2), dtype=object)
    for t in range(states):
        table[t, 0], table[t, 1] = np.float32(t / 3), np.array(t / 7)
    for k, observations in enumerate((halves, table)):
        given = replace(labels[0], episode=replace(labels[0].episode, observations=observations))
        [found] = dataset.load(dataset.save(tmp_path / f"d-v{k}", [given], form=form))
        assert_same(given, found)


@pytest.mark.parametrize("observed", [True, False])
def test_the_compact_form_makes_everything_again_moments_too(tmp_path, labels, observed):
    given = labels
    if not observed:
        given = [replace(x, episode=replace(x.episode, observations=None), action_masks=None) for x in labels]
    path = dataset.save(tmp_path / "d.jsonl.gz", given, CORRIDOR, form="compact")
    for before, after in zip(given, dataset.load(path), strict=True):
        assert_same(before, after)
        assert before.episode.moments == after.episode.moments
    bare = dataset.load(path, replay=False)
    assert bare[0].episode.observations is None and bare[0].episode.frames == ()
    assert bare[0].credit.values.tobytes() == given[0].credit.values.tobytes()
    assert bare[0].episode.key == given[0].episode.key


def test_the_compact_form_has_the_same_bytes_every_time(tmp_path, labels):
    paths = [dataset.save(tmp_path / f"{k}.jsonl.gz", labels, CORRIDOR, form="compact") for k in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_pairs_and_a_generator_are_saved_and_labels_can_do_without_frames(tmp_path):
    episode = corridor_episode([[2, 2], [0, 1]])
    pair = episode, Credit(np.ones((2, 2), np.float32))
    [found] = dataset.load(dataset.save(tmp_path / "d-v0", (pair for _ in range(1)), frames=False))
    assert found.episode.frames == () and found.episode.key == episode.key
    assert (found.model, found.question, dict(found.exact)) == ("", "", {})


def test_pairs_are_numbered_as_queries_of_their_own(tmp_path, labels):
    pairs = [(label.episode, label.credit) for label in labels]
    path = dataset.save(tmp_path / "d-v0", pairs, CORRIDOR)
    assert [label.query for label in dataset.load(path)] == [0, 1, 2, 3]


def test_replayed_gives_moments_narrator_and_states_back(tmp_path, labels):
    path = dataset.save(tmp_path / "d-v0", labels, CORRIDOR)
    make_env = dataset.load_card(path).make_env
    [again, *_] = dataset.replayed(dataset.load(path), make_env)
    assert again.episode.moments == labels[0].episode.moments
    assert again.episode.key == labels[0].episode.key
    assert len(again.episode.snapshots) == 0


def test_a_text_that_episodes_share_is_written_once(tmp_path, labels):
    path = dataset.save(tmp_path / "d-v0", labels, CORRIDOR)
    assert (path / "labels.jsonl").read_text(encoding="utf-8").count('"question 0"') == 1


@pytest.mark.filterwarnings("ignore")
def test_minari_loads_it(tmp_path, monkeypatch, labels):
    minari = pytest.importorskip("minari")
    dataset.save(tmp_path / "walkers-v0", labels, CORRIDOR)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    loaded = minari.load_dataset("walkers-v0")
    assert (loaded.total_episodes, loaded.total_steps) == (4, sum(x.episode.length for x in labels))
    episode, label = loaded[1], labels[1]
    assert np.array_equal(episode.observations["walker_0"], label.episode.observations[:, 0])
    assert np.array_equal(episode.actions, label.episode.actions)
    assert np.array_equal(episode.rewards, label.credit.values)
    assert np.array_equal(episode.infos["team_reward"], label.episode.team_reward)
    assert np.array_equal(episode.infos["exact time difference"], label.exact["time difference"])
    assert episode.terminations.any() == label.episode.terminated
    assert loaded.action_space.contains(episode.actions[0])
    assert next(iter(loaded.storage.get_episode_metadata([1])))["seed"] == 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [1, -1])
def test_minari_finds_every_agent_in_every_episode_also_where_one_was_away(tmp_path, monkeypatch, order):
    minari = pytest.importorskip("minari")
    given = odd_labels()[::order]  # in the second, an agent is away for the whole episode
    path = dataset.save(tmp_path / "odd-v0", given)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    loaded = minari.load_dataset("odd-v0")
    for episode in loaded.iterate_episodes():
        assert set(episode.observations) == set(loaded.observation_space)
        one = {agent: seen[0] for agent, seen in episode.observations.items()}
        assert loaded.observation_space.contains({name: np.asarray(value) for name, value in one.items()})
    away = loaded[1 if order == 1 else 0]
    assert not away.observations["100%25"].any() and not away.infos["seen 100%25"].any()
    for before, after in zip(given, dataset.load(path), strict=True):
        assert_same(before, after)


@pytest.mark.parametrize(("bare", "message"), [
    (0, r"episode 1 \(seed 1\) has observations, and the first one has none: record them of all episodes, or"),
    (3, r"episode 3 \(seed 3\) has no observations, and the first one has: record them of all episodes, or"),
])  # fmt: skip
def test_an_episode_without_observations_among_others_is_named(tmp_path, labels, bare, message):
    given = list(labels)
    given[bare] = replace(given[bare], episode=replace(given[bare].episode, observations=None))
    with pytest.raises(DatasetError, match=message):
        dataset.save(tmp_path / "d-v0", given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")
def test_torchrl_loads_it(tmp_path, monkeypatch, labels):
    pytest.importorskip("torchrl")
    from tensordict import TensorDictBase
    from torchrl.data.datasets.minari_data import MinariExperienceReplay

    # TorchRL 0.14.1 forgets to copy what it has read: without this line every local Minari data set is all zeros.
    monkeypatch.setattr(TensorDictBase, "memmap_like", lambda self, prefix=None, **_: self.memmap(prefix=prefix))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset.save(tmp_path / "walkers-v0", labels, CORRIDOR)
    options = {"root": tmp_path / "cache", "load_from_local_minari": True, "download": False}
    batch = MinariExperienceReplay("walkers-v0", batch_size=8, **options)[:]
    credit = np.concatenate([label.credit.values for label in labels])
    assert np.array_equal(batch["next", "reward"].numpy(), credit[..., None])
    assert np.array_equal(batch["action"].numpy(), np.concatenate([label.episode.actions for label in labels]))
    seen = [(label.episode.observations[:-1, 1], label.episode.observations[1:, 1]) for label in labels]
    assert np.array_equal(batch["observation", "walker_1"].numpy(), np.concatenate([before for before, _ in seen]))
    assert np.array_equal(
        batch["next", "observation", "walker_1"].numpy(), np.concatenate([after for _, after in seen])
    )
    paid = np.concatenate([label.episode.team_reward for label in labels])
    assert np.array_equal(batch["next", "info", "team_reward"].numpy().ravel(), paid)
    assert int(batch["next", "done"].sum()) == len(labels)


@pytest.mark.filterwarnings("ignore")
def test_hugging_face_datasets_loads_the_folder_offline(tmp_path, monkeypatch, labels):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    path = str(dataset.save(tmp_path / "walkers", labels, CORRIDOR, form="parquet"))
    steps, episodes = (
        datasets.load_dataset(path, name, cache_dir=str(tmp_path / "cache"))["train"] for name in (None, "episodes")
    )
    assert (len(steps), len(episodes)) == (sum(label.episode.length + 1 for label in labels), 4)
    first = labels[0]
    assert steps[0]["actions"] == first.episode.actions[0].tolist()
    assert steps[0]["credit"] == first.credit.values[0].tolist()
    assert steps[first.episode.length]["actions"] is None and steps[first.episode.length]["is_last"]
    assert episodes[1]["summary"].startswith("episode 1\n") and episodes[1]["question"] == "question 0"
    assert episodes[1]["return"] == labels[1].episode.team_reward.sum()


def test_a_vault_holds_the_steps_one_after_another(tmp_path, labels, capsys):
    pytest.importorskip("flashbax", reason="flashbax (JAX) is large, and only the extra vault installs it")
    from flashbax.vault import Vault

    path = dataset.save(tmp_path / "walkers", labels, CORRIDOR, form="vault")
    read = Vault(path.name, rel_dir=str(tmp_path), vault_uid="labels").read().experience
    steps = sum(label.episode.length for label in labels)
    assert read["rewards"].shape == (1, steps, 2)
    joined = np.concatenate([label.credit.values for label in labels])
    assert np.array_equal(read["rewards"][0], joined)
    seen = np.concatenate([label.episode.observations[:-1] for label in labels]).astype(np.float32)
    assert np.array_equal(read["observations"][0], seen)


@pytest.mark.parametrize("form", FOLDERS)
def test_the_card_says_what_was_counted(tmp_path, labels, form):
    path = dataset.save(tmp_path / "walkers-v0", labels, CORRIDOR, form=form)
    page = (path / "README.md").read_text(encoding="utf-8")
    assert page.startswith("---\nlicense: cc0-1.0\npretty_name: 'walkers'\n")
    steps = sum(label.episode.length for label in labels)
    assert f"4 episodes, {steps} transitions of a team of 2" in page
    assert "| environment | corridor_v0 (corridor, max_cycles=6) |" in page
    assert "| sign time difference |" in page and "| rank work shapley | not known |" in page
    assert ("config_name: steps" in page) == (form == "parquet")
    assert (path / "returns.svg").read_text(encoding="utf-8").count("<rect") == 20
    name, kind, card, figures = described(path)
    assert (name, kind, card.title, figures["returns"]["max"]) == (
        "walkers-v0", form, "walkers", max(label.episode.team_reward.sum() for label in labels),
    )  # fmt: skip
    sums = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=path, capture_output=True, text=True)
    assert sums.returncode == 0, sums.stderr


def test_unique_state_actions_are_estimated_where_there_are_many(monkeypatch, labels):
    def share(most: int) -> float:
        monkeypatch.setattr(dataset_figures, "_MOST_SEEN", most)
        totals = dataset_figures.DatasetTotals()
        for seed in range(20):
            for label in labels:
                seen = label.episode.observations + np.float32(seed)
                totals.add(replace(label, episode=replace(label.episode, observations=seen)))
        return float(totals.figures()["unique_state_actions"])

    assert share(10**9) == pytest.approx(share(100), abs=0.25)
    assert share(10**9) == share(10**6) < 1


PUBLISHED = {
    "duet-claude": (96, 4345), "duet-claude-curve": (96, 4345), "duet-claude-teams": (96, None),
    "duet-claude-trained": (128, 3738), "duet-claude-stuck": (112, 4368),
    "pair-claude": (96, None), "truss-claude": (18, None),
    "lbf-claude": (40, None),
}  # fmt: skip
JUDGED = Path(__file__).parents[1] / "bench" / "judged" / "duet-curve-mixed"


def test_the_published_data_sets_are_these():
    assert set(dataset.published_names()) == set(PUBLISHED)
    for name in PUBLISHED:
        assert published_file(name).stat().st_size < 200_000


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_data_set_loads_and_its_environment_makes_its_episodes_again(name):
    if name.startswith("lbf"):
        pytest.importorskip("lbforaging")
    episodes, steps = PUBLISHED[name]
    labels = dataset.load(name)
    assert len(labels) == episodes
    assert steps is None or sum(label.episode.length for label in labels) == steps
    for label in labels:
        assert label.model == "Claude, asked through files" and label.credit.source == "model"
        assert len(label.episode.frames) == label.episode.length + 1
        assert label.episode.observations is not None and label.action_masks is not None
        total = np.zeros(label.credit.values.shape)
        for event in label.credit.events:
            spread = event.amount / (event.stop - event.start)
            total[event.start : event.stop, label.episode.agents.index(event.agent)] += spread
        assert np.allclose(total, label.credit.values, atol=1e-5)
    card = dataset.load_card(name)
    assert card.credited_by == "Claude, asked through files, November 2026"
    assert ("digest" if name.endswith(("curve", "teams", "trained", "stuck")) else "a498dcc") in card.wording


def test_labels_in_steps_saved_are_those_of_their_answers_and_keep_questions_and_answers(tmp_path):
    labels, before = (dataset.load(name, replay=False) for name in ("duet-claude-curve", "duet-claude"))
    assert [label.episode.seed for label in labels] == [label.episode.seed for label in before]
    answers = {path.read_text(encoding="utf-8") for path in JUDGED.glob("*.answer.txt")}
    assert {label.answer for label in labels} == answers and len(answers) == 12
    assert all("## Episode 8" in label.question for label in labels)
    steps = np.concatenate([label.credit.values.ravel() for label in labels]) / 0.05
    assert np.abs(steps * 6 - np.round(steps * 6)).max() < 1e-3  # whole, halves and thirds of steps
    [said] = publish_judged(JUDGED, tmp_path)
    made, kept = tmp_path / "duet-claude-curve.jsonl.gz", published_file("duet-claude-curve")
    assert said.startswith("duet-claude-curve.jsonl.gz: 96 episodes") and made.read_bytes() == kept.read_bytes()


def test_the_questions_of_pair_that_had_one_sentence_more_are_marked():
    labels = dataset.load("pair-claude", replay=False)
    marked = {label.query for label in labels if "one sentence more" in label.note}
    assert marked == set(range(6, 24)) and {label.query for label in labels} == set(range(24))


def test_a_name_on_disk_comes_before_a_published_one(tmp_path, monkeypatch, labels):
    monkeypatch.chdir(tmp_path)
    dataset.save("duet-claude", labels, CORRIDOR)
    assert dataset.load("duet-claude")[0].episode.env_id == "corridor_v0"
    assert corridor().possible_agents == list(dataset.load("duet-claude")[0].episode.agents)
