"""The report in a real browser, opened from disk: it works, it is silent, and it asks for nothing."""

from __future__ import annotations

import csv
import time
from dataclasses import replace

import pytest

from credit_wrappers.report import ReportOptions, write_report
from credit_wrappers.report.report_file import report_values
from credit_wrappers.testing.corridor import CorridorNarrator
from tests.report.labelled import HOSTILE, PLAY, corridor, credited, duets, played

STEPS = len(PLAY)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the path of a report of three episodes of `duet`, with two critics, and one that is told as text."""
    labels = [*duets(3), corridor()]
    others = [credited(label.episode, 0.6, "another view", "scripted", model="") for label in labels]
    return write_report(
        labels, tmp_path_factory.mktemp("page") / "report.html", ReportOptions(title="Duets", compare=others)
    )


def clock(page):
    page.wait_for_timeout(50)  # drawing happens once a frame
    return page.locator(".clock").inner_text()


def becomes(page, condition):
    """Wait until a condition holds; the page's policy forbids Playwright's own way, which evaluates a text in it."""
    until = time.monotonic() + 5
    while not page.evaluate(condition):
        assert time.monotonic() < until, condition
        page.wait_for_timeout(20)


def test_it_opens_at_the_start_of_the_first_episode(opened, alone):
    page = opened(alone)
    assert page.title() == "Duets" and page.locator("h1").inner_text() == "Duets"
    assert page.locator(".episodes li").count() == 3
    assert page.locator("h2", has_text="Episode 1").is_visible() and clock(page) == "start"
    assert page.locator(".world .agent").count() == 2
    assert page.locator("#state").is_hidden()
    assert page.locator(".badge").inner_text().split() == ["◆", "model", "model-1"]
    assert (
        "3,000 tokens read, 600 written, 7.5 s, for 3 of these episodes"
        in page.locator(".facts.small").first.inner_text()
    )


def test_keys_step_play_and_change_the_episode(opened, alone):
    page = opened(alone)
    for key, shown in (("ArrowRight", "0 / 9"), ("ArrowRight", "1 / 9"), ("ArrowLeft", "0 / 9"), ("End", "9 / 9"),
                       ("ArrowRight", "9 / 9"), ("Home", "start"), ("ArrowLeft", "start")):  # fmt: skip
        page.keyboard.press(key)
        assert clock(page) == shown, key
    page.keyboard.press("PageDown")
    assert page.locator("h2", has_text="Episode 2").is_visible()
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Pause").is_visible()
    becomes(page, "document.querySelector('.clock').textContent.startsWith('1 /')")
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Play").is_visible()
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert clock(page) == "0 / 9", "the slider's own keys do one step"


def test_the_pointer_scrubs_and_everything_follows(opened, alone):
    page = opened(alone)
    box = page.locator(".charts").first.bounding_box()
    at = lambda step: box["x"] + (step + 0.5) * box["width"] / STEPS  # noqa: E731
    before = page.locator(".world .agent").first.get_attribute("style")
    page.mouse.move(at(0), box["y"] + 20)
    page.mouse.down()
    for step in range(1, 5):
        page.mouse.move(at(step), box["y"] + 20)
        assert clock(page) == f"{step} / 9"
    page.mouse.up()
    assert page.locator(".now-panel h3").inner_text() == "Step 4"
    assert page.locator(".world .agent").first.get_attribute("style") != before
    assert page.locator(".playhead").bounding_box()["x"] == pytest.approx(at(4), abs=1.5)
    becomes(page, "location.hash === '#1/4/robot_0'")
    assert "Step 4 of 10. robot_0: " in page.locator("[aria-live]").inner_text()
    assert page.get_by_role("slider", name="Step").get_attribute("aria-valuetext").startswith("Step 4 of 10")


def test_a_bar_leads_to_its_reason_and_a_reason_to_its_steps(opened, alone):
    page = opened(alone)
    box = page.locator(".lane[data-agent='1'] .charts").bounding_box()
    page.mouse.click(box["x"] + 5.5 * box["width"] / STEPS, box["y"] + 50)
    reason = page.locator(".reason[aria-current]")
    assert "robot_1 went the wrong way" in reason.inner_text() and clock(page) == "5 / 9"
    assert page.locator(".span").is_visible()
    page.locator(".reason", has_text="came nearer").click()
    assert clock(page) == "2 / 9"
    becomes(page, "document.querySelectorAll('.reason.now').length === 1")
    assert page.locator(".now-panel .why").first.inner_text() == "came nearer"


def test_bars_with_a_reason_are_one_stop_of_the_tab_key_and_enter_opens_the_reason(opened, report):
    page = opened(report)
    name = "document.activeElement.getAttribute('aria-label')"
    assert page.locator(".bar").count() == 6 and page.locator(".bar[tabindex='0']").count() == 1
    page.get_by_role("combobox", name="exact credit").focus()
    page.keyboard.press("Tab")
    assert page.evaluate(name) == "robot_0 A, step 2, +0.10: came nearer"
    style = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"{style}.outlineStyle + {style}.outlineWidth") == "solid2px"
    for key, label in (("ArrowLeft", "robot_0 A, step 2"), ("ArrowRight", "robot_0 A, step 3"),
                       ("ArrowRight", "robot_0 A, step 3"), ("ArrowDown", "robot_0 B, step 3"),
                       ("Home", "robot_0 B, step 2"), ("End", "robot_0 B, step 3"), ("ArrowDown", "robot_1 A, step 5"),
                       ("ArrowUp", "robot_0 B, step 3"), ("ArrowDown", "robot_1 A, step 5")):  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate(name).startswith(f"{label}, "), key
        assert clock(page) == "start", "the focus moves, not the step"
    page.keyboard.press("Enter")
    assert clock(page) == "5 / 9" and "robot_1 went the wrong way" in page.locator(".reason[aria-current]").inner_text()
    assert page.evaluate(name).startswith("robot_1 A, step 5, \u22120.20: ")
    page.set_viewport_size({"width": 1300, "height": 900})
    page.wait_for_timeout(100)
    assert page.evaluate(name).startswith("robot_1 A, step 5, "), "a redrawn timeline keeps the focus"
    page.keyboard.press("PageDown")
    assert page.evaluate(name).startswith("robot_0 A, step 2, "), "the focus stays in the bars of the next episode"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.tagName") == "SELECT", "the bars are one stop"


def test_a_link_opens_episode_step_and_agent(opened, alone):
    page = opened(alone, "#3/5/robot_1")
    assert page.locator("h2", has_text="Episode 3").is_visible() and clock(page) == "5 / 9"
    assert "robot_1" in page.locator(".reason[aria-current]").inner_text()
    page.evaluate("location.hash = '#2/start'")
    page.wait_for_selector("h2:has-text('Episode 2')")
    assert clock(page) == "start"
    for wrong in ("#9/1", "#x", "#1/99/nobody", "#episode", "#2/%"):
        page.evaluate(f"location.hash = '{wrong}'")
    page.wait_for_timeout(100)
    assert page.locator("#state").is_hidden()


def test_filters_leave_the_reasons_that_are_asked_for(opened, alone):
    page = opened(alone, "#2")
    assert page.locator(".reason").count() == 2
    page.get_by_label("Agent").select_option("robot_1")
    assert page.locator(".reason").count() == 1 and page.locator(".count").inner_text() == "1 of 2 reasons"
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Sign").select_option("credit")
    assert page.locator(".reason.blame").count() == 0 and page.locator(".reason").count() == 1
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Search").fill("SCRIPT>")
    assert page.locator(".reason").count() == 1
    assert [found.inner_text() for found in page.locator(".found").all()] == ["0", "1", "0"]
    page.get_by_label("Search").fill("nothing says this")
    assert page.get_by_text("No reason of this episode passes").is_visible()
    page.get_by_role("button", name="Clear").click()
    costs = played(6).cost
    page.get_by_label("Fault").select_option("faults")
    assert page.locator(".reason").count() == int(costs[2:4, 0].any()) + int(costs[5, 1].any())


def test_a_bar_whose_reason_is_hidden_clears_the_filters_that_hide_it(opened, alone):
    page = opened(alone)
    page.get_by_label("Agent").select_option("robot_1")
    page.get_by_label("Search").fill("went")
    page.get_by_label("Sign").select_option("credit")
    assert page.locator(".reason").count() == 0
    box = page.locator(".lane[data-agent='1'] .charts").bounding_box()
    page.mouse.click(box["x"] + 5.5 * box["width"] / STEPS, box["y"] + 50)
    assert "robot_1 went the wrong way" in page.locator(".reason[aria-current]").inner_text()
    left = [page.get_by_label(label).input_value() for label in ("Agent", "Search", "Sign")]
    assert left == ["robot_1", "went", ""], "the others stay"


def test_space_plays_also_where_a_bar_has_the_focus(opened, alone):
    page = opened(alone)
    page.locator(".bar[tabindex='0']").focus()
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Pause").is_visible()
    assert page.locator(".reason[aria-current]").count() == 0
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Play").is_visible()
    page.keyboard.press("Enter")
    assert clock(page) == "2 / 9" and page.locator(".reason[aria-current]").count() == 1


def test_what_a_model_wrote_stays_text(opened, alone):
    page = opened(alone, "#2/2")
    # not inner_text(), which is empty until what it stands in was laid out
    assert page.locator(".reason .why").first.text_content() == HOSTILE
    assert page.locator("img").count() == 0 and HOSTILE in page.locator(".summary").text_content()


def test_exact_credit_is_a_line_and_the_largest_disagreement_comes_first(opened, alone):
    page = opened(alone, "#2")
    assert page.locator(".exact-line").count() == 2
    first = page.locator(".apart-step").first
    assert "step 5" in first.inner_text() and "exact" in first.inner_text()
    first.click()
    assert clock(page) == "5 / 9"
    page.get_by_role("combobox", name="exact credit").select_option("")
    assert page.locator(".exact-line").count() == 0 and page.locator(".apart").is_hidden()
    page.evaluate("location.hash = '#1'")
    page.wait_for_selector("h2:has-text('Episode 1')")


def test_exact_credit_names_its_unit_and_its_scale(opened, alone):
    page = opened(alone, "#2/2")
    assert page.locator(".now-panel th.value").last.inner_text() == "exact, actions"
    scale = report_values(duets(3))["scales"][0]["work difference"]
    assert f"at the critic's scale: 1 action = {scale:.2g}" in page.locator(".apart p").inner_text()
    told = "actions to go saved by this agent's own action"
    assert page.locator(".exact-choice").get_attribute("title") == told
    assert page.locator(".exact-choice option").first.get_attribute("title") == told
    page.get_by_role("combobox", name="exact credit").select_option("")
    assert page.locator(".exact-choice").get_attribute("title") == ""


def test_a_credit_without_a_reason_says_so(opened, tmp_path):
    labels = duets(2)[:1]
    others = [credited(label.episode, why="") for label in labels]
    page = opened(write_report(labels, tmp_path / "r.html", ReportOptions(compare=others)), "#1/2")
    page.wait_for_timeout(50)
    assert page.locator(".now-panel .why").first.inner_text() == "A: came nearer B: no reason given"


def test_two_critics_stand_side_by_side(opened, report):
    page = opened(report, "#1/2")
    assert page.locator(".lane[data-side]").count() == 4 and page.locator(".badge").count() == 2
    assert page.locator(".reason").count() == 4
    cells = page.locator(".now-panel tbody tr").first.locator("td.value").all_inner_texts()
    assert cells[:2] == ["+0.10", "+0.30"]


def test_the_last_of_a_data_set_say_so_and_two_critics_of_one_name_have_their_sources(opened, tmp_path):
    labels = duets(2)
    path = write_report(
        labels, tmp_path / "r.html", ReportOptions(compare=labels, sources=("one", "two"), indices=(7, 8), total=9)
    )
    page = opened(path, "#2")
    about = page.locator(".about").inner_text()
    assert about == "2 of 9 episodes (the last), credited by A one, B two"
    assert [" ".join(each.split()[:2]) for each in page.locator(".badges").all_inner_texts()] == ["A one", "B two"]
    assert "index 8 of the data set" in page.locator(".facts.small").first.inner_text()
    assert "index 8" in page.locator(".episodes li").nth(1).inner_text()


def test_an_environment_without_a_drawing_is_told_step_by_step(opened, report):
    page = opened(report, "#4/2")
    assert page.get_by_text("Told as text: this environment has no drawing.").is_visible()
    assert page.locator(".lines-list .now").inner_text().split()[0] == "2"
    page.locator(".lines-list button").nth(5).click()
    assert clock(page) == "4 / 5"


def test_a_shape_that_is_left_out_is_named_below_the_drawing(opened, tmp_path):
    class Odd(CorridorNarrator):
        def scene(self, moment):
            box = {"kind": "box", "at": [0, 1]}
            return {"rows": 2, "columns": 2, "shapes": [box | {"id": "a"}, box | {"id": "b", "kind": "link"}]}

    label = credited(replace(corridor().episode, narrator=Odd(2, 20)))
    page = opened(write_report([label], tmp_path / "r.html"))
    assert page.locator(".world .box").count() == 1
    assert page.locator(".undrawn").inner_text() == "left out: the shape b (KeyError: 'to')."


def test_question_and_answer_unfold_and_steps_can_be_read(opened, alone):
    page = opened(alone)
    assert page.get_by_text("The question.").count() == 0
    page.get_by_text("Question", exact=True).click()
    page.get_by_text("The question.").wait_for()
    page.get_by_text("Raw answer").click()
    page.get_by_text("All steps as text").click()
    page.locator(".lines-list").wait_for()
    assert page.locator(".lines-list li").count() == STEPS + 1


def test_the_table_can_be_downloaded(opened, report, tmp_path):
    page = opened(report)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "credit.csv")
    with (tmp_path / "credit.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * STEPS * 2 + 6 * 2
    row = next(r for r in rows if (r["episode"], r["step"], r["agent"]) == ("2", "2", "robot_0"))
    assert float(row["credit A model-1"]) == 0.1 and row["reasons A model-1"] == HOSTILE
    assert float(row["exact work difference"]) == 1.0
    row = next(r for r in rows if (r["episode"], r["step"], r["agent"]) == ("3", "2", "robot_0"))
    assert row["reasons A model-1"] == "'-1 for a detour", "no formula for a spreadsheet"


def test_it_is_readable_on_a_phone_in_dark_colours_and_without_motion(opened, report):
    page = opened(
        report,
        "#1/3",
        viewport={"width": 390, "height": 844},
        color_scheme="dark",
        reduced_motion="reduce",
        has_touch=True,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.evaluate("getComputedStyle(document.querySelector('.shape')).transitionDuration") == "0s"
    page.get_by_role("button", name="Light colours").tap()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    small = "[...document.querySelectorAll('.control')].filter((b) => b.getBoundingClientRect().height < 44).length"
    assert page.evaluate(small) == 0


def test_on_a_phone_names_keep_their_distance_and_half_an_episode_shows_that_there_are_more(opened, report):
    page = opened(report, "#1/3", viewport={"width": 390, "height": 844})
    lane = page.locator(".lane[data-agent='0']").first
    name, side = (lane.locator(each).first.bounding_box() for each in (".who", ".side"))
    assert side["x"] - name["x"] - name["width"] >= 6
    strip, third = page.locator(".episodes").bounding_box(), page.locator(".episodes li").nth(2).bounding_box()
    seen = (strip["x"] + strip["width"] - third["x"]) / third["width"]
    assert 0.25 < seen < 0.75


@pytest.mark.parametrize("width", [390, 1440])
def test_a_long_seed_is_read_to_its_last_digit(opened, tmp_path, width):
    labels = [credited(replace(label.episode, seed=4123456789)) for label in duets(3)]
    page = opened(write_report(labels, tmp_path / "r.html"), viewport={"width": width, "height": 844})
    seed = page.locator(".episodes li").first.locator("span", has_text="seed").last
    assert seed.inner_text() == "seed 4123456789"
    assert (
        seed.evaluate("e => e.closest('.facts').getBoundingClientRect().right - e.getBoundingClientRect().right") >= 0
    )


def test_a_screen_reader_finds_landmarks_names_and_headings(opened, report):
    page = opened(report)
    for role in ("banner", "navigation", "main", "complementary", "search", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    nameless = """[...document.querySelectorAll("button, input, select, [role=region], [role=img]")].filter((e) =>
        !(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim())).length"""
    assert page.evaluate(nameless) == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the episode"


def test_without_scripts_there_is_a_list_of_what_was_said(browser, alone):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(alone.as_uri())
    text = page.locator("body").inner_text()
    assert "Episode 2" in text and HOSTILE[:30] in text and "robot_1 went the wrong way" in text
    context.close()
