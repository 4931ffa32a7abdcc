"""The report in a real browser, opened from disk: it works, it is silent, and it asks for nothing."""

from __future__ import annotations

import csv
import re
from dataclasses import replace

import pytest

from credit_wrappers.report import ReportOptions, write_report
from credit_wrappers.report.report_file import report_values
from credit_wrappers.testing.corridor import CorridorNarrator
from tests.report.conftest import becomes
from tests.report.labelled import HOSTILE, PLAY, corridor, credited, duets, played

# What an action changes is drawn a frame later, or later still: `expect` waits for it, a read of a locator does not.
expect = pytest.importorskip("playwright.sync_api", reason="playwright, of the extra dev, is not installed").expect
STEPS = len(PLAY)
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the path of a report of three episodes of `duet`, with two critics, and one that is told as text."""
    labels = [*duets(3), corridor()]
    others = [credited(label.episode, 0.6, "another view", "scripted", model="") for label in labels]
    return write_report(
        labels, tmp_path_factory.mktemp("page") / "report.html", ReportOptions(title="Duets", compare=others)
    )


def shows(page, clock):
    expect(page.locator(".clock")).to_have_text(clock)


def shows_episode(page, number):
    expect(page.locator("h2", has_text=f"Episode {number}")).to_be_visible()


def focuses(page, label):
    expect(page.locator(":focus")).to_have_attribute("aria-label", re.compile("^" + re.escape(label)))


def test_it_opens_at_the_start_of_the_first_episode(opened, alone):
    page = opened(alone)
    expect(page).to_have_title("Duets")
    expect(page.locator("h1")).to_have_text("Duets")
    expect(page.locator(".episodes li")).to_have_count(3)
    shows_episode(page, 1)
    shows(page, "start")
    expect(page.locator(".world .agent")).to_have_count(2)
    expect(page.locator("#state")).to_be_hidden()
    expect(page.locator(".badge")).to_have_text(re.compile(r"^\s*◆\s*model\s*model-1\s*$"))
    used = "3,000 tokens read, 600 written, 7.5 s, for 3 of these episodes"
    expect(page.locator(".facts.small").first).to_contain_text(used)


def test_keys_step_play_and_change_the_episode(opened, alone):
    page = opened(alone)
    for key, shown in (("ArrowRight", "0 / 9"), ("ArrowRight", "1 / 9"), ("ArrowLeft", "0 / 9"), ("End", "9 / 9"),
                       ("ArrowRight", "9 / 9"), ("Home", "start"), ("ArrowLeft", "start"),
                       ("ArrowRight", "0 / 9")):  # fmt: skip
        page.keyboard.press(key)
        shows(page, shown)
    page.keyboard.press("PageDown")
    shows_episode(page, 2)
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    becomes(page, "/^[1-9] /.test(document.querySelector('.clock').textContent)")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    shows(page, "0 / 9")  # the slider's own keys do one step


def test_the_pointer_scrubs_and_everything_follows(opened, alone):
    page = opened(alone)
    box = page.locator(".charts").first.bounding_box()
    at = lambda step: box["x"] + (step + 0.5) * box["width"] / STEPS  # noqa: E731
    robot = page.locator(".world .agent").first
    before = robot.get_attribute("style")
    page.mouse.move(at(0), box["y"] + 20)
    page.mouse.down()
    for step in range(1, 5):
        page.mouse.move(at(step), box["y"] + 20)
        shows(page, f"{step} / 9")
    page.mouse.up()
    expect(page.locator(".now-panel h3")).to_have_text("Step 4")
    expect(robot).not_to_have_attribute("style", before)
    assert page.locator(".playhead").bounding_box()["x"] == pytest.approx(at(4), abs=1.5)
    expect(page).to_have_url(re.compile("#1/4/robot_0$"))
    expect(page.locator("[aria-live]")).to_contain_text("Step 4 of 10. robot_0: ")
    slider = page.get_by_role("slider", name="Step")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^Step 4 of 10"))


def test_a_bar_leads_to_its_reason_and_a_reason_to_its_steps(opened, alone):
    page = opened(alone)
    box = page.locator(".lane[data-agent='1'] .charts").bounding_box()
    page.mouse.click(box["x"] + 5.5 * box["width"] / STEPS, box["y"] + 50)
    expect(page.locator(".reason[aria-current]")).to_contain_text("robot_1 went the wrong way")
    shows(page, "5 / 9")
    expect(page.locator(".span")).to_be_visible()
    page.locator(".reason", has_text="came nearer").click()
    shows(page, "2 / 9")
    expect(page.locator(".reason.now")).to_have_count(1)
    expect(page.locator(".now-panel .why").first).to_have_text("came nearer")


def test_bars_with_a_reason_are_one_stop_of_the_tab_key_and_enter_opens_the_reason(opened, report):
    page = opened(report)
    expect(page.locator(".bar")).to_have_count(6)
    expect(page.locator(".bar[tabindex='0']")).to_have_count(1)
    page.get_by_role("combobox", name="exact credit").focus()
    page.keyboard.press("Tab")
    focuses(page, "robot_0 A, step 2, +0.10: came nearer")
    style = "getComputedStyle(document.activeElement)"
    becomes(page, f"{style}.outlineStyle + {style}.outlineWidth === 'solid2px'")
    for key, label in (("ArrowLeft", "robot_0 A, step 2"), ("ArrowRight", "robot_0 A, step 3"),
                       ("ArrowRight", "robot_0 A, step 3"), ("ArrowDown", "robot_0 B, step 3"),
                       ("Home", "robot_0 B, step 2"), ("End", "robot_0 B, step 3"), ("ArrowDown", "robot_1 A, step 5"),
                       ("ArrowUp", "robot_0 B, step 3"), ("ArrowDown", "robot_1 A, step 5")):  # fmt: skip
        page.keyboard.press(key)
        focuses(page, f"{label}, ")
    page.evaluate(TWO_FRAMES)
    shows(page, "start")  # the focus moves, not the step
    page.keyboard.press("Enter")
    shows(page, "5 / 9")
    expect(page.locator(".reason[aria-current]")).to_contain_text("robot_1 went the wrong way")
    focuses(page, "robot_1 A, step 5, \u22120.20: ")
    page.locator(".bar").evaluate_all("bars => bars.forEach((bar) => { bar.dataset.old = '' })")
    page.set_viewport_size({"width": 1300, "height": 900})
    expect(page.locator(".bar[data-old]")).to_have_count(0)
    focuses(page, "robot_1 A, step 5, ")  # a redrawn timeline keeps the focus
    page.keyboard.press("PageDown")
    focuses(page, "robot_0 A, step 2, ")  # the focus stays in the bars of the next episode
    page.keyboard.press("Shift+Tab")
    becomes(page, "document.activeElement.tagName === 'SELECT'")  # the bars are one stop


def test_a_link_opens_episode_step_and_agent(opened, alone):
    page = opened(alone, "#3/5/robot_1")
    shows_episode(page, 3)
    shows(page, "5 / 9")
    expect(page.locator(".reason[aria-current]")).to_contain_text("robot_1")
    page.evaluate("location.hash = '#2/start'")
    shows_episode(page, 2)
    shows(page, "start")
    for wrong in ("#9/1", "#x", "#1/99/nobody", "#episode", "#2/%"):
        followed = "addEventListener('hashchange', () => done(), { once: true })"
        page.evaluate(f"new Promise((done) => {{ {followed}; location.hash = '{wrong}' }})")
    expect(page.locator("#state")).to_be_hidden()


def test_filters_leave_the_reasons_that_are_asked_for(opened, alone):
    page = opened(alone, "#2")
    reasons = page.locator(".reason")
    expect(reasons).to_have_count(2)
    page.get_by_label("Agent").select_option("robot_1")
    expect(reasons).to_have_count(1)
    expect(page.locator(".count")).to_have_text("1 of 2 reasons")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Sign").select_option("credit")
    expect(page.locator(".reason.blame")).to_have_count(0)
    expect(reasons).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Search").fill("SCRIPT>")
    expect(reasons).to_have_count(1)
    expect(page.locator(".found")).to_have_text(["0", "1", "0"])
    page.get_by_label("Search").fill("nothing says this")
    expect(page.get_by_text("No reason of this episode passes")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(reasons).to_have_count(2)
    costs = played(6).cost
    page.get_by_label("Fault").select_option("faults")
    expect(reasons).to_have_count(int(costs[2:4, 0].any()) + int(costs[5, 1].any()))


def test_a_bar_whose_reason_is_hidden_clears_the_filters_that_hide_it(opened, alone):
    page = opened(alone)
    page.get_by_label("Agent").select_option("robot_1")
    page.get_by_label("Search").fill("went")
    page.get_by_label("Sign").select_option("credit")
    expect(page.locator(".reason")).to_have_count(0)
    box = page.locator(".lane[data-agent='1'] .charts").bounding_box()
    page.mouse.click(box["x"] + 5.5 * box["width"] / STEPS, box["y"] + 50)
    expect(page.locator(".reason[aria-current]")).to_contain_text("robot_1 went the wrong way")
    for label, left in (("Agent", "robot_1"), ("Search", "went"), ("Sign", "")):  # the others stay
        expect(page.get_by_label(label)).to_have_value(left)


def test_space_plays_also_where_a_bar_has_the_focus(opened, alone):
    page = opened(alone)
    page.locator(".bar[tabindex='0']").focus()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator(".reason[aria-current]")).to_have_count(0)
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.keyboard.press("Enter")
    shows(page, "2 / 9")
    expect(page.locator(".reason[aria-current]")).to_have_count(1)


def test_what_a_model_wrote_stays_text(opened, alone):
    page = opened(alone, "#2/2")
    assert page.locator(".reason .why").first.text_content() == HOSTILE  # `expect` would join its white space
    assert HOSTILE in page.locator(".summary").text_content()
    expect(page.locator("img")).to_have_count(0)


def test_exact_credit_is_a_line_and_the_largest_disagreement_comes_first(opened, alone):
    page = opened(alone, "#2")
    expect(page.locator(".exact-line")).to_have_count(2)
    first = page.locator(".apart-step").first
    expect(first).to_contain_text(re.compile("step 5.*exact"))
    first.click()
    shows(page, "5 / 9")
    page.get_by_role("combobox", name="exact credit").select_option("")
    expect(page.locator(".exact-line")).to_have_count(0)
    expect(page.locator(".apart")).to_be_hidden()
    page.evaluate("location.hash = '#1'")
    shows_episode(page, 1)


def test_exact_credit_names_its_unit_and_its_scale(opened, alone):
    page = opened(alone, "#2/2")
    expect(page.locator(".now-panel th.value").last).to_have_text("exact, actions")
    scale = report_values(duets(3))["scales"][0]["work difference"]
    expect(page.locator(".apart p")).to_contain_text(f"at the critic's scale: 1 action = {scale:.2g}")
    told = "actions to go saved by this agent's own action"
    expect(page.locator(".exact-choice")).to_have_attribute("title", told)
    expect(page.locator(".exact-choice option").first).to_have_attribute("title", told)
    page.get_by_role("combobox", name="exact credit").select_option("")
    expect(page.locator(".exact-choice")).to_have_attribute("title", "")


def test_exact_credit_of_the_warehouse_is_no_steps_to_go(opened, tmp_path):
    label = duets(2)[1]
    episode = replace(label.episode, env_id="rware-tiny-2ag-v2")
    label = replace(label, episode=episode, exact={"time difference": label.exact["work difference"]})
    page = opened(write_report([label], tmp_path / "r.html"), "#1/2")
    expect(page.locator(".now-panel th.value").last).to_have_text("exact, reward")
    expect(page.locator(".apart p")).to_contain_text("at the critic's scale: 1 reward =")
    told = "discounted reward gained, an estimate, by this agent's own action"
    expect(page.locator(".exact-choice")).to_have_attribute("title", told)


def test_a_credit_without_a_reason_says_so(opened, tmp_path):
    labels = duets(2)[:1]
    others = [credited(label.episode, why="") for label in labels]
    page = opened(write_report(labels, tmp_path / "r.html", ReportOptions(compare=others)), "#1/2")
    expect(page.locator(".now-panel .why").first).to_have_text("A: came nearer B: no reason given")


def test_a_note_is_read_without_scrolling(opened, tmp_path):
    path = write_report(duets(2), tmp_path / "r.html", ReportOptions(note="Its critic's reasons are elsewhere."))
    page = opened(path)
    expect(page.locator(".notes")).to_have_text("Its critic's reasons are elsewhere.")
    expect(page.locator(".notes")).to_be_in_viewport(ratio=1)


def test_two_critics_stand_side_by_side(opened, report):
    page = opened(report, "#1/2")
    for part, count in ((".lane[data-side]", 4), (".badge", 2), (".reason", 4)):
        expect(page.locator(part)).to_have_count(count)
    cells = page.locator(".now-panel tbody tr").first.locator("td.value")
    expect(cells.nth(0)).to_have_text("+0.10")
    expect(cells.nth(1)).to_have_text("+0.30")


def test_the_last_of_a_data_set_say_so_and_two_critics_of_one_name_have_their_sources(opened, tmp_path):
    labels = duets(2)
    path = write_report(
        labels, tmp_path / "r.html", ReportOptions(compare=labels, sources=("one", "two"), indices=(7, 8), total=9)
    )
    page = opened(path, "#2")
    expect(page.locator(".about")).to_have_text("2 of 9 episodes (the last), credited by A one, B two")
    expect(page.locator(".badges")).to_have_text([re.compile(r"^A\s*one"), re.compile(r"^B\s*two")])
    expect(page.locator(".facts.small").first).to_contain_text("index 8 of the data set")
    expect(page.locator(".episodes li").nth(1)).to_contain_text("index 8")


def test_an_environment_without_a_drawing_is_told_step_by_step(opened, report):
    page = opened(report, "#4/2")
    expect(page.get_by_text("Told as text: this environment has no drawing.")).to_be_visible()
    expect(page.locator(".lines-list .now")).to_have_text(re.compile(r"^\s*2\D"))
    page.locator(".lines-list button").nth(5).click()
    shows(page, "4 / 5")


def test_a_shape_that_is_left_out_is_named_below_the_drawing(opened, tmp_path):
    class Odd(CorridorNarrator):
        def scene(self, moment):
            box = {"kind": "box", "at": [0, 1]}
            return {"rows": 2, "columns": 2, "shapes": [box | {"id": "a"}, box | {"id": "b", "kind": "link"}]}

    label = credited(replace(corridor().episode, narrator=Odd(2, 20)))
    page = opened(write_report([label], tmp_path / "r.html"))
    expect(page.locator(".world .box")).to_have_count(1)
    expect(page.locator(".undrawn")).to_have_text("left out: the shape b (KeyError: 'to').")


def test_question_and_answer_unfold_and_steps_can_be_read(opened, alone):
    page = opened(alone)
    expect(page.get_by_text("The question.")).to_have_count(0)
    page.get_by_text("Question", exact=True).click()
    expect(page.get_by_text("The question.")).to_be_visible()
    page.get_by_text("Raw answer").click()
    page.get_by_text("All steps as text").click()
    expect(page.locator(".lines-list li")).to_have_count(STEPS + 1)


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
    expect(page.locator("body")).not_to_have_css("background-color", dark)
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
    expect(seed).to_have_text("seed 4123456789")
    assert (
        seed.evaluate("e => e.closest('.facts').getBoundingClientRect().right - e.getBoundingClientRect().right") >= 0
    )


def test_a_screen_reader_finds_landmarks_names_and_headings(opened, report):
    page = opened(report)
    for role in ("banner", "navigation", "main", "complementary", "search", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    nameless = """[...document.querySelectorAll("button, input, select, [role=region], [role=img]")].filter((e) =>
        !(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim())).length"""
    assert page.evaluate(nameless) == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the episode")


def test_without_scripts_there_is_a_list_of_what_was_said(browser, alone):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(alone.as_uri())
    text = page.locator("body").inner_text()
    assert "Episode 2" in text and HOSTILE[:30] in text and "robot_1 went the wrong way" in text
    context.close()
