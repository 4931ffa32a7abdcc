"""The written report: one file that loads nothing, holds what the labels hold, and takes nothing for code."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from credit_wrappers import Credit, Episode
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.llm.budget import Prices
from credit_wrappers.report import ReportOptions, write_report
from credit_wrappers.report.episode_values import exact_scale, short
from credit_wrappers.report.replayed import with_exact
from credit_wrappers.report.report_file import SCRIPTS, report_values
from tests.report.labelled import HOSTILE, PLAY, corridor, credited, data_of, duets, make_duet, played


def test_a_report_is_one_file_that_names_no_address_but_the_one_of_svg(tmp_path):
    path = write_report(duets(), tmp_path / "report.html", ReportOptions(title="A <b>title</b>"))
    page = path.read_text(encoding="utf-8")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"<(?:link|img|iframe|script|style)[^>]+(?:src|href)=\"(?!data:,)", page)
    assert not re.findall(r"@import|url\((?!#)", page)
    assert "default-src &#x27;none&#x27;" in page
    assert "<title>A &lt;b&gt;title&lt;/b&gt;</title>" in page
    assert "${" in page and not re.search(r"\$(title|policy|style|guard|script|data|plain)\b", page)


def test_what_a_model_wrote_is_never_markup(tmp_path):
    page = write_report(duets(), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img" not in page and "alert(1)</script>" not in page
    assert page.count("<script") == page.count("</script>") == 3
    assert "&lt;/script&gt;" in page  # in the list for browsers without scripts
    assert data_of(tmp_path / "report.html")["episodes"][1]["judged"][0]["events"][0][4] == HOSTILE


def test_half_a_surrogate_pair_is_written_as_the_replacement_character(tmp_path):
    label = credited(played(), why="a \ud800\udc00 b \ud800 c \udfff", question="\udfffno\ud800", answer="\ud800")
    path = write_report([label], tmp_path / "report.html", ReportOptions(title="\ud800 title"))
    page, data = path.read_text(encoding="utf-8"), data_of(path)
    said = data["episodes"][0]["judged"][0]
    assert said["events"][0][4] == "a \U00010000 b \ufffd c \ufffd" and data["texts"] == ["\ufffdno\ufffd", "\ufffd"]
    assert "<title>\ufffd title</title>" in page and "a \U00010000 b \ufffd c \ufffd</li>" in page


def test_no_script_of_the_page_reads_text_as_markup_or_sends_anything():
    page = files("credit_wrappers.report") / "page"
    for name in (*SCRIPTS, "guard.js"):
        text = (page / name).read_text(encoding="utf-8")
        markup = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|</script", text)
        network = re.findall(r"fetch\(|XMLHttp|WebSocket|sendBeacon|import\(", text)
        assert not markup and not network, name


def test_a_report_holds_what_the_labels_hold():
    values = report_values(duets(2), ReportOptions(title="t", prices=Prices(1.0, 10.0)))
    first, second = values["episodes"]
    assert first["agents"] == ["robot_0", "robot_1"] and first["seed"] == 5 and first["length"] == len(PLAY)
    assert first["deeds"][1][0].startswith("east") and first["start"].startswith("core (")
    said = first["judged"][0]
    assert said["values"][2] == [0.1, 0] and said["values"][5] == [0, -0.2]
    assert said["events"][0] == [0, 2, 4, 0.2, "came nearer"] and said["source"] == "model"
    assert said["usage"] == {"calls": 1, "read": 1000, "written": 200, "cached": 0, "seconds": 2.5, "cost": 0.003}
    assert [values["texts"][said[name]] for name in ("question", "answer")] == ["The question.", "{}"]
    assert len(values["texts"]) == 2, "texts that episodes share are kept once"
    assert second["exact"]["work difference"][9] == [None, 0.0]
    scene = first["scene"]
    assert (scene["rows"], scene["columns"], len(scene["moments"])) == (6, 6, len(PLAY) + 1)
    shapes = [scene["shapes"][place]["id"] for place in (*scene["still"], *scene["moments"][0])]
    assert {"core_0", "module_0", "robot_0", "robot_1", "slot_0"} <= set(shapes) and len(set(shapes)) == len(shapes)


def test_twenty_episodes_of_a_team_stay_far_below_five_megabytes(tmp_path):
    labels = [credited(played(seed)) for seed in range(20)]
    assert write_report(labels, tmp_path / "report.html").stat().st_size < 500_000


def test_the_other_critic_stands_beside_the_first_and_gaps_are_told():
    labels = duets(3)
    others = [credited(label.episode, 0.5, "other", "scripted", model="") for label in labels[1:]]
    values = report_values(labels, ReportOptions(compare=others))
    assert values["critics"] == ["model-1", "scripted"]
    assert [episode["judged"][1] is None for episode in values["episodes"]] == [True, False, False]
    assert values["notes"] == ["The second critic has not judged 1 of 3 episodes."]
    assert values["scales"][1]["work difference"] == pytest.approx(0.5 / 2 / 1 * 2 / 6, abs=0.2)
    with pytest.raises(ValueError, match="no episode in common"):
        report_values(labels, ReportOptions(compare=[credited(played(99))]))


def test_no_labels_make_no_report_and_an_earlier_file_stays(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("before")
    with pytest.raises(ValueError, match="at least one episode"):
        write_report([], path)
    assert path.read_text() == "before"


def test_an_episode_without_a_drawing_or_without_a_narrator_is_told_as_text():
    label = corridor()
    told = report_values([label])["episodes"][0]
    assert told["scene"] is None and told["undrawn"] == "this environment has no drawing"
    assert told["deeds"][0] == ["forward", "stay"]
    bare = replace(label.episode, narrator=None, moments=(), actions=np.array([[2, -1]] * 6))
    assert report_values([credited(bare)])["episodes"][0]["deeds"][0] == ["action 2", ""]


class _Broken:
    """A narrator whose methods fail or return what no report can use."""

    def __init__(self, scene):
        self._scene = scene

    def scene(self, moment):
        if isinstance(self._scene, Exception):
            raise self._scene
        return self._scene

    def frames(self, moments, order, names):
        raise RuntimeError("no words")

    def action_name(self, agent, action):
        return str(action)


@pytest.mark.parametrize(
    "scene",
    [
        ZeroDivisionError("by zero"),
        7,
        {"rows": 0, "columns": 2, "shapes": []},
        {"rows": 2, "columns": 2},
        {"rows": 5.7, "columns": 2, "shapes": []},
        {"rows": 2, "columns": 2, "shapes": [{"id": "a", "kind": "agent"}]},
        {"rows": 2, "columns": 2, "shapes": [{"id": "a", "kind": "agent", "at": [0, float("nan")]}]},
    ],
)
def test_a_narrator_that_fails_leaves_a_report_with_the_reason(scene):
    label = corridor()
    told = report_values([credited(replace(label.episode, narrator=_Broken(scene)))])["episodes"][0]
    assert told["scene"] is None and "could not be drawn" in told["undrawn"]
    assert "the narrator failed (RuntimeError: no words)" in told["start"]


ODD = {
    "no cell": {"at": None},
    "three numbers": {"at": [1, 2, 3]},
    "a text": {"at": ["1", "2"]},
    "a link to nowhere": {"kind": "link"},
    "a heading": {"kind": "agent", "heading": "up"},
    "an agent": {"kind": "agent", "agent": -1},
    "half an agent": {"kind": "agent", "agent": 0.5},
    "no kind": {"kind": None},
    "no json": {"label": {1, 2}},
    "not finite": {"at": [0, float("inf")]},
    "another kind": {"kind": "cloud"},
    "off the grid": {"at": [1, 4000]},
    "a link off the grid": {"kind": "link", "to": [-9, 0]},
}


@pytest.mark.parametrize("odd", [7, None, {}, *({"kind": "box", "at": [0, 0], "id": k} | v for k, v in ODD.items())])
def test_an_odd_shape_alone_is_left_out_and_named(odd):
    whole = {"id": "a", "kind": "agent", "at": np.array([0, 1]), "agent": np.int64(1)}
    narrator = _Broken({"rows": 2, "columns": 2, "shapes": [whole, odd]})
    told = report_values([credited(replace(corridor().episode, narrator=narrator))])["episodes"][0]
    assert told["scene"]["shapes"] == [{"id": "a", "kind": "agent", "at": [0, 1], "agent": 1}]
    name = (odd or {}).get("id", "without an id") if isinstance(odd, dict) else "without an id"
    assert told["undrawn"].startswith(f"left out: the shape {name} (")


def test_of_two_shapes_with_one_id_in_one_moment_the_second_is_left_out_and_named():
    twins = [{"id": "a", "kind": "box", "at": [0, column]} for column in (0, 1)]
    narrator = _Broken({"rows": 2, "columns": 2, "shapes": twins})
    told = report_values([credited(replace(corridor().episode, narrator=narrator))])["episodes"][0]
    assert told["scene"]["still"] == [0] and not any(told["scene"]["moments"])
    assert told["undrawn"] == "left out: the shape a (ValueError: two shapes of one moment have this id)"


def test_shapes_that_are_left_out_are_counted_once():
    odd = [{"id": "a", "kind": "box", "at": [k, None]} for k in range(3)] + [{"id": "b"}, {"id": "c"}]
    narrator = _Broken({"rows": 2, "columns": 2, "shapes": [{"id": "d", "kind": "box", "at": [0, 0]}, *odd]})
    told = report_values([credited(replace(corridor().episode, narrator=narrator))])["episodes"][0]
    assert told["undrawn"] == (
        "left out: the shape a (ValueError: its 'at' is [0, None]; row and column are needed), and 2 others"
    )


def test_episodes_of_which_only_seed_and_actions_are_known_are_replayed_to_be_drawn():
    whole = played()
    bare = replace(whole, moments=(), narrator=None)
    label = credited(bare)
    assert report_values([label])["episodes"][0]["scene"] is None
    assert (
        report_values([label], ReportOptions(make_env=make_duet))["episodes"][0]["scene"]
        == (report_values([credited(whole)])["episodes"][0]["scene"])
    )
    other = credited(replace(bare, team_reward=bare.team_reward + 1))
    assert report_values([other], ReportOptions(make_env=make_duet))["episodes"][0]["scene"] is None, (
        "another episode is not drawn"
    )


def test_exact_credit_is_computed_from_a_replay_and_says_why_it_is_missing():
    label = credited(replace(played(), moments=(), narrator=None))
    [found], why = with_exact([label], make_duet)
    assert why == "" and set(found.exact) == {f"{v} {k}" for v in ("time", "work") for k in ("difference", "shapley")}
    assert found.exact["time difference"].shape == (len(PLAY), 2)
    [missing], why = with_exact([replace(label, episode=replace(label.episode, seed=None))], make_duet)
    assert not missing.exact and "cannot be replayed" in why


def test_exact_credit_is_drawn_at_the_critics_scale():
    exact = np.array([[1.0, 0.0], [2.0, np.nan]])
    assert exact_scale([(0.05 * exact, exact)]) == pytest.approx(0.05)
    assert exact_scale([(-0.5 * exact, exact)]) == pytest.approx(0.5)
    assert exact_scale([]) == exact_scale([(exact, 0 * exact)]) == 1.0


def test_exact_credit_that_is_not_finite_is_unknown(tmp_path):
    exact = np.full((len(PLAY), 2), np.inf)
    exact[0] = 1.0, -np.inf
    data = data_of(write_report([credited(played(), exact={"work difference": exact})], tmp_path / "r.html"))
    assert data["episodes"][0]["exact"]["work difference"][:2] == [[1, None], [None, None]]


def test_numbers_are_short_and_never_what_json_lacks():
    assert short(np.array([1.0, 0.123456789, np.nan, np.inf, -0.0])) == [1, 0.12346, None, None, 0]


def test_an_episode_of_vectors_and_absent_agents_is_told():
    actions = np.full((2, 2, 2), 0.25)
    actions[1, 1] = np.nan
    episode = Episode(0, ("a", "b"), actions, np.zeros(2), np.zeros((2, 2)), True, False)
    label = LabelledEpisode(episode, Credit(np.zeros((2, 2), np.float32)))
    assert report_values([label])["episodes"][0]["deeds"] == [["0.25 0.25", "0.25 0.25"], ["0.25 0.25", ""]]
