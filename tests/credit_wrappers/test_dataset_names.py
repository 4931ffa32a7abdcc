"""Names of agents, and the card: what no file could hold is refused before anything is written."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import yaml

from credit_wrappers import Credit, Episode, dataset
from credit_wrappers.cli.main import main
from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode

FORMS = {"minari": "d-v0", "parquet": "d"}


def of(agents: tuple[str, ...]) -> LabelledEpisode:
    n = len(agents)
    episode = Episode(
        id=0, agents=agents, actions=np.zeros((3, n), np.int64), team_reward=np.zeros(3), cost=np.zeros((3, n)),
        terminated=True, truncated=False, observations=np.arange(8 * n, dtype=np.float32).reshape(4, n, 2), seed=1,
    )  # fmt: skip
    return LabelledEpisode(episode, Credit(np.zeros((3, n), np.float32)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["", ".", "a\0", "a\ud800"])
def test_a_name_of_an_agent_that_no_file_holds_is_refused(tmp_path, form, name):
    with pytest.raises(DatasetError, match="the name of an agent"):
        dataset.save(tmp_path / FORMS[form], [of((name, "b"))], form=form)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_two_agents_of_one_name_are_refused(tmp_path, form):
    with pytest.raises(DatasetError, match=r"two agents of episode 0 .* have one name"):
        dataset.save(tmp_path / FORMS[form], [of(("a", "a"))], form=form)


@pytest.mark.parametrize("form", FORMS)
def test_any_other_name_of_an_agent_comes_back(tmp_path, form):
    label = of(("a/b %2F", "...", "é\n"))
    [found] = dataset.load(dataset.save(tmp_path / FORMS[form], [label], form=form))
    assert found.episode.agents == label.episode.agents
    assert np.array_equal(found.episode.observations, label.episode.observations)


@pytest.mark.parametrize("card", [{"world": "spaceworld:duet"}, "spaceworld:duet"])
def test_what_is_no_card_is_refused_with_the_way_to_make_one(tmp_path, card):
    with pytest.raises(TypeError, match=r"card is a .*DatasetCard\(world='spaceworld:duet'\)"):
        dataset.save(tmp_path / "d-v0", [of(("a", "b"))], card)


def test_an_entry_of_a_card_that_json_does_not_have_is_named_before_any_work(tmp_path):
    taken = []

    def labels():
        taken.append(1)
        yield of(("a", "b"))

    with pytest.raises(TypeError, match="'arguments' of the card"):
        dataset.save(tmp_path / "d-v0", labels(), dataset.DatasetCard(arguments={"size": np.int64(3)}))
    assert not taken


def test_the_head_of_a_card_stays_yaml_whatever_the_licence_says(tmp_path):
    card = replace(dataset.DatasetCard(), licence="CC0-1.0: a 'dedication'\ntags: none")
    path = dataset.save(tmp_path / "d", [of(("a", "b"))], card, form="parquet")
    head = yaml.safe_load((path / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert head["license"] == "cc0-1.0: a 'dedication' tags: none" and "multi-agent" in head["tags"]


def test_the_card_of_a_single_file_has_spaces_and_a_histogram_that_need_no_other_file(capsys):
    assert main(["dataset", "card", "duet-claude"]) == 0
    page = capsys.readouterr().out
    assert "| space of what robot_0 observes | `(" in page and "| space of joint actions | `Box(" in page
    assert "returns.svg" not in page
    [told] = re.findall(r"^Histogram of the returns, -1.15 to 1: `([_▁▂▃▄▅▆▇█]+)`", page, re.MULTILINE)
    assert len(told) == 20 and "█" in told
