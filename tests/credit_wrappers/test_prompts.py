"""The words of the question: golden text, numbering, definitions."""

from dataclasses import replace

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY, corridor_episode
from golden_prompt import GOLDEN

from credit_wrappers import CreditError
from credit_wrappers.llm.prompts.render import DEFINITIONS, agent_name, render_episode, render_reask, render_system
from credit_wrappers.testing.corridor import CorridorNarrator


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_whole_request_is_the_golden_one(path):
    assert GOLDEN[path]() == path.read_text(encoding="utf-8")


def test_agents_are_named_by_letters_and_go_on_after_z():
    assert [agent_name(k) for k in (0, 1, 25, 26, 27, 51, 52, 701, 702)] == [
        *(
            "agent_A",
            "agent_B",
            "agent_Z",
            "agent_AA",
            "agent_AB",
            "agent_AZ",
            "agent_BA",
            "agent_ZZ",
            "agent_AAA",
        )
    ]


def test_base_prompt_has_four_parts_and_an_example_for_each_definition():
    narrator = CorridorNarrator(2, 4)
    system = render_system(narrator, ["agent_A", "agent_B"], 10.0)
    parts = [line for line in system.splitlines() if line.startswith("# ")]
    assert [part[:4] for part in parts] == ["# 1.", "# 2.", "# 3.", "# 4."]
    assert narrator.describe() in system.split("# 2.")[0]
    assert narrator.notation() in system.split("# 2.")[1].split("# 3.")[0]
    for name in DEFINITIONS:
        assert f"Example: {narrator.examples()[name]}" in system.split("# 3.")[1].split("# 4.")[0]
    assert "sum to at most 10 in size" in system.split("# 4.")[1]
    assert "$" not in system


def test_bound_is_told_to_the_model():
    assert "sum to at most 2.5 in size" in render_system(CorridorNarrator(1, 4), ["agent_A"], 2.5)


def test_missing_example_is_an_error_that_names_it():
    class Silent(CorridorNarrator):
        def examples(self):
            return {name: "x" for name in DEFINITIONS if name != "agreement"}

    with pytest.raises(CreditError, match=r"Silent.*agreement"):
        render_system(Silent(2, 4), ["agent_A", "agent_B"], 10.0)


def _lines(episode, order, frames):
    narrator = episode.narrator
    names = [agent_name(k) for k in range(len(order))]
    return render_episode(3, episode, frames, order, names, narrator.action_name).splitlines()


def test_line_t_holds_action_and_reward_of_step_t_and_the_frame_after_it():
    episode = corridor_episode(
        [[FORWARD, STAY], [STAY, FORWARD]], reward=[0.25, 1.0], agents=["x", "y"], terminated=True
    )
    assert _lines(episode, (0, 1), ["f0", "f1", "f2"]) == [
        "## Episode 3",
        "steps: 2, ended: terminated",
        "start: f0",
        "0: agent_A forward; agent_B stay | reward 0.25 | f1",
        "1: agent_A stay; agent_B forward | reward 1 | f2",
    ]


def test_agents_are_listed_in_the_order_asked_for():
    episode = corridor_episode([[FORWARD, STAY, STAY]])
    assert _lines(episode, (2, 0, 1), ["", ""])[3] == "0: agent_A stay; agent_B forward; agent_C stay"


def test_action_names_are_asked_with_the_agents_own_name():
    episode = corridor_episode([[1, 2]], agents=["tug", "scout"])
    text = render_episode(1, episode, ["", ""], (1, 0), ["agent_A", "agent_B"], lambda agent, a: f"{agent}{a}")
    assert text.endswith("\n0: agent_A scout2; agent_B tug1")


def test_agent_that_has_left_is_not_listed():
    episode = corridor_episode([[FORWARD, STAY], [FORWARD, -1], [-1, -1]], reward=[0, 0, 2])
    assert _lines(episode, (0, 1), [""] * 4)[4:] == ["1: agent_A forward", "2: nobody acted | reward 2"]


def _line(frame):
    return _lines(corridor_episode([[FORWARD, STAY]], reward=[1]), (0, 1), ["", frame])[3]


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        ("", "0: agent_A forward; agent_B stay | reward 1"),
        ("agent_B: at 2", "0: agent_A forward; agent_B stay at 2 | reward 1"),
        ("agent_B: at 2; fog; agent_A: 3, wet", "0: agent_A forward 3, wet; agent_B stay at 2 | reward 1 | fog"),
        # no label of one agent, or not only of one: left as it is
        ("agent_A at 2; agent_A and agent_B: meet",
         "0: agent_A forward; agent_B stay | reward 1 | agent_A at 2; agent_A and agent_B: meet"),
        ("agent_A: at 2, agent_B: at 3", "0: agent_A forward; agent_B stay | reward 1 | agent_A: at 2, agent_B: at 3"),
        ("agent_A: at 2; agent_A: sleeps", "0: agent_A forward at 2; agent_B stay | reward 1 | agent_A: sleeps"),
        ("agent_AA: at 2", "0: agent_A forward; agent_B stay | reward 1 | agent_AA: at 2"),
    ],
)  # fmt: skip
def test_clause_about_one_agent_stands_behind_its_action(frame, line):
    assert _line(frame) == line


def test_what_changed_is_never_taken_for_the_reward():
    episode = corridor_episode([[STAY]])
    assert _lines(episode, (0,), ["", "reward 3 is hidden"])[3] == "0: agent_A stay | reward 0 | reward 3 is hidden"


def test_what_is_told_of_an_agent_that_did_not_act_is_not_lost():
    episode = corridor_episode([[FORWARD, -1]])
    assert _lines(episode, (0, 1), ["", "agent_B: comes back"])[3] == "0: agent_A forward | agent_B: comes back"


def test_vectors_are_named_row_by_row_and_a_row_without_numbers_is_an_agent_that_left():
    episode = replace(
        corridor_episode([[0, 0], [0, 0]]), actions=np.array([[[1, 2], [3, np.nan]], [[4, 5], [np.nan] * 2]])
    )
    text = render_episode(
        1, episode, ["", "", ""], (1, 0), ["agent_A", "agent_B"], lambda agent, row: str(row.tolist())
    )
    assert text.splitlines()[3:] == ["0: agent_A [3.0, nan]; agent_B [1.0, 2.0]", "1: agent_B [4.0, 5.0]"]


@pytest.mark.parametrize(
    ("reward", "written"),
    [
        (0.0, ""),
        (-0.0, ""),
        (-0.00001, ""),
        (1.0, " | reward 1"),
        (-0.05, " | reward -0.05"),
        (0.123456, " | reward 0.1235"),
        (12.0, " | reward 12"),
    ],
)
def test_rewards_are_short_and_not_written_when_they_are_zero(reward, written):
    episode = corridor_episode([[STAY]], reward=[reward])
    assert _lines(episode, (0,), ["", ""])[3] == f"0: agent_A stay{written}"


def test_wrong_number_of_frames_is_an_error():
    with pytest.raises(CreditError, match="returned 1 frames for an episode of 1 steps; 2 are needed"):
        _lines(corridor_episode([[STAY]]), (0,), ["only one"])


def test_reask_quotes_the_error_and_keeps_the_episodes():
    text = render_reask("## Episode 1\nprice: $5", "unknown agent 'agent_$Q'", 1)
    assert text.startswith("## Episode 1\nprice: $5\n")
    assert "unknown agent 'agent_$Q'" in text
    assert "all 1 episodes" in text
