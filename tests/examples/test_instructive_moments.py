"""A monitored critic's statistics, the moments that are worth showing, and the report of both."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from credit_wrappers import BlendedCritic, CostPenaltyCritic, Credit, CreditEvent, Episode, SummedCritic
from tianshou_examples.experiment.critics import make_critic
from tianshou_examples.experiment.curves import draw_curves, steps_to
from tianshou_examples.experiment.instructive_moments import LESSONS, Moment, MonitoredCritic, lesson_of
from tianshou_examples.experiment.report import print_table, write_credits
from tianshou_examples.experiment.settings import Settings

AGENTS = ("robot_0", "robot_1", "robot_2")


class Namer:
    """A narrator of the test's episodes."""

    def action_name(self, agent: str, action: int) -> str:
        return f"act{action}"

    def frames(self, moments: Sequence[object], order: Sequence[int], names: Sequence[str]) -> list[str]:
        return [f"state {m}" for m in moments]


class FixedEvents:
    """A critic that always gives the same events."""

    label = "fixed"

    def __init__(self, *events: tuple[str, int, int, float]) -> None:
        self.events = tuple(CreditEvent(a, start, stop, amount, f"because {a}") for a, start, stop, amount in events)

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        credits = []
        for episode in episodes:
            values = np.zeros((episode.length, len(AGENTS)), np.float32)
            for e in self.events:
                values[e.start : e.stop, AGENTS.index(e.agent)] += e.amount / (e.stop - e.start)
            credits.append(Credit(values, self.events, source="scripted"))
        return credits


def episode(rewards: list[float], costs: dict[tuple[int, int], float] | None = None, done: bool = True) -> Episode:
    """One of as many steps as rewards; `costs` by (step, agent)."""
    n = len(rewards)
    cost = np.zeros((n, 3))
    for place, value in (costs or {}).items():
        cost[place] = value
    actions = np.arange(n * 3).reshape(n, 3) % 6
    return Episode(id=0, agents=AGENTS, actions=actions, team_reward=np.array(rewards), cost=cost, terminated=done,
                   truncated=not done, moments=tuple(range(n + 1)), narrator=Namer())  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "steps", "reward", "others", "cost", "lessons"),
    [
        (0.5, 1, 1.0, 0.5, 0.0, {"payoff": 0.5}),
        (0.5, 4, 0.0, 0.2, 0.0, {"on the way": 4.5}),
        (2.0, 4, 0.0, 0.2, 0.0, {"on the way": 5.0}),
        (0.5, 4, 0.0, 0.0, 0.0, {"on the way": 4.5, "who did it": 0.5}),
        (0.5, 4, 0.0, -0.2, 0.0, {"on the way": 4.5, "who did it": 0.1}),
        (0.5, 4, -0.1, -0.2, 0.0, {"who did it": 0.1}),  # somebody else caused a fault meanwhile
        (-0.3, 1, -0.05, 0.0, 1.0, {"at fault": 0.3}),
        (-0.3, 3, -0.05, 0.0, 1.0, {"at fault": 0.1}),
        (-0.3, 1, -0.05, 0.0, 0.0, {}),  # blamed while another one caused the fault
        (-0.3, 2, 0.0, 0.0, 0.0, {"undone": 0.3}),
        (-0.3, 2, 1.0, 0.0, 0.0, {}),
        (0.0, 2, 0.0, 0.0, 0.0, {}),
    ],
)
def test_what_a_credited_span_teaches(
    amount: float, steps: int, reward: float, others: float, cost: float, lessons: dict[str, float]
) -> None:
    found = dict(lesson_of(amount, steps, reward, others, cost))
    assert found == pytest.approx(lessons)
    assert set(found) <= set(LESSONS)


def test_a_moment_holds_the_span_its_agent_and_what_the_others_got() -> None:
    # robot_1 is blamed for the fault of step 2 while robot_2 is paid; robot_0 caused one of its own in step 0
    critic = FixedEvents(("robot_1", 2, 3, -0.3), ("robot_2", 1, 3, 0.4))
    monitor = MonitoredCritic(critic)
    monitor.score([episode([0.0, 0.0, 0.0, 1.0])])
    given = monitor.score([episode([-0.1, 0.0, -0.05, 1.0], {(0, 0): 1.0, (2, 1): 1.0})])
    assert [e.agent for e in given[0].events] == ["robot_1", "robot_2"]
    clear, moment = monitor.best["at fault"]
    assert clear == pytest.approx(0.3 + 0.2)  # robot_2 got half of its 0.4 in that step
    assert moment.others == pytest.approx({"robot_0": 0.0, "robot_2": 0.2})
    assert replace(moment, others={}) == Moment(
        agent="robot_1", start=2, stop=3, amount=-0.3, why="because robot_1", others={}, team_reward=-0.05,
        source="scripted", episode=1, before="state 2",
        lines=["2: robot_0 act0, robot_1 act1, robot_2 act2 | state 3"],
    )  # fmt: skip
    assert monitor.best["on the way"][1].start == 1 and monitor.best["on the way"][1].episode == 0
    assert monitor.best["who did it"][0] == pytest.approx(0.4) and monitor.best["who did it"][1].agent == "robot_2"


def test_only_a_clearer_moment_replaces_another_one() -> None:
    monitor = MonitoredCritic(FixedEvents(("robot_0", 0, 1, 0.5)))
    monitor.score([episode([1.0])])
    monitor.critic = FixedEvents(("robot_1", 0, 1, 0.4))
    monitor.score([episode([1.0])])
    assert monitor.best["payoff"][1].agent == "robot_0"
    monitor.critic = FixedEvents(("robot_2", 0, 1, 0.6))
    monitor.score([episode([1.0])])
    assert monitor.best["payoff"][1].agent == "robot_2"


def test_of_a_long_span_only_the_first_steps_are_kept() -> None:
    monitor = MonitoredCritic(FixedEvents(("robot_0", 1, 20, 0.5)))
    monitor.score([episode([0.0] * 20)])
    moment = monitor.best["on the way"][1]
    assert (moment.start, moment.stop) == (1, 20)
    assert [line.split(":")[0] for line in moment.lines] == ["1", "2", "3", "4", "5", "6"]


def test_statistics_are_those_of_the_last_episodes() -> None:
    monitor = MonitoredCritic(FixedEvents(), window=2)
    assert monitor.means() == (0.0, 0.0, 0.0)
    monitor.score([episode([9.0, 9.0]), episode([0.5, 0.25], {(1, 2): 2.0}, done=False), episode([0.0, 1.0])])
    assert monitor.means() == (0.875, 1.0, 0.5)
    assert monitor.episodes == 3


def test_a_monitor_is_restored_from_its_json() -> None:
    monitor = MonitoredCritic(FixedEvents(("robot_0", 0, 2, 0.5), ("robot_1", 1, 2, -0.25)))
    monitor.score([episode([0.0, 0.0]), episode([0.5, 0.25])])
    other = MonitoredCritic(FixedEvents())
    other.restore(json.loads(json.dumps(monitor.state())))
    assert other.state() == monitor.state() and other.means() == monitor.means()
    assert other.best["undone"] == monitor.best["undone"]


def test_threads_may_score_while_the_numbers_are_read() -> None:
    monitor = MonitoredCritic(FixedEvents(("robot_0", 0, 1, 0.1)), window=4)
    threads = [threading.Thread(target=lambda: [monitor.score([episode([1.0])]) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        monitor.means()
        monitor.state()
    assert monitor.episodes == 800


def test_summed_credit_is_monitored_before_it_is_summed(tmp_path: Path) -> None:
    critic, monitor, inner = make_critic(Settings(), "summed", tmp_path / "ledger.sqlite")
    assert isinstance(critic, SummedCritic) and critic.critic is monitor and monitor.critic is inner
    assert inner is not None and inner.ledger is not None
    inner.ledger.close()
    for method in ("shared", "equal"):
        priced, *_ = make_critic(Settings(cost_price=0.5), method, tmp_path / "none")
        assert isinstance(priced, CostPenaltyCritic) and priced.price == 0.5
        mixed, *_ = make_critic(Settings(cost_price=0.5, blend=0.25), method, tmp_path / "none")
        assert isinstance(mixed.critic, BlendedCritic) and mixed.critic.blend == 0.25  # the price is paid on top
        critic, monitor, inner = make_critic(Settings(), method, tmp_path / "none")
        assert critic is monitor and inner is None and critic.label == method
    assert not (tmp_path / "none").exists()


# -- the report ---------------------------------------------------------------------------------------------------


def result(method: str, seed: int, greedy: float = 0.5, **changes: Any) -> dict[str, Any]:
    def means(x: float) -> dict[str, float]:
        return {"team_return": x, "success": x / 2, "collisions": 3.0, "steps": 40.0, "episodes": 7}

    times = {"environment": 1.0, "critic": 0.5, "learning": 2.0, "evaluation": 0.5}
    critic = {"calls": 1200, "tokens": 3_400_000, "fallbacks": 16}
    return {"method": method, "seed": seed, "steps": 10_000, "greedy": means(greedy), "sampled": means(0.25),
            "times": times, "critic": critic, "moments": {},
            "steps_to_80": 4_000 if seed else None} | changes  # fmt: skip


def table(settings: Settings, results: list[dict[str, Any]], width: int) -> str:
    text = StringIO()
    print_table(settings, results, Console(file=text, width=width))
    return text.getvalue()


def test_the_table_has_a_row_for_each_credit_with_mean_and_deviation_over_seeds() -> None:
    settings = Settings(method=("mca", "shared"), seeds=2)
    results = [result("mca", 0, 0.9), result("mca", 1, 1.0), result("shared", 0, -0.125)]
    text = table(settings, results, 80)
    assert "…" not in text  # nothing is cut off in a small window
    assert "scripted stand-in" in text.replace("\n", " ") and "not an LLM" in text
    cells = [[c.strip() for c in line.replace("┃", "│").split("│")[1:-1]] for line in text.splitlines()]
    assert ["mca", "greedy", "0.950 ±0.050", "0.475 ±0.025", "3.000 ±0.000", "40.0 ±0.0"] in cells
    assert ["shared", "greedy", "-0.125", "-0.062", "3.000", "40.0"] in cells
    assert ["", "sampled", "0.250", "0.125", "3.000", "40.0"] in cells
    for row in (
        ["seeds", "2", "1"],
        ["env steps", "10,000", "10,000"],
        ["steps to 80 % of the maximum", "4,000 (1 of 2)", "never"],
        ["to 90 %", "never", "never"],
        ["env steps / s, collect and learn", "2,857", "2,857"],
        ["wall time, s", "4.0", "4.0"],
        ["environment", "25%", "25%"],
        ["critic", "12%", "12%"],
        ["learning", "50%", "50%"],
        ["evaluation", "12%", "12%"],
        ["critic calls", "1,200", "1,200"],
        ["per million steps, last fifth", "0", "0"],
        ["tokens", "3,400,000", "3,400,000"],
        ["fallbacks, episodes", "16", "16"],
    ):
        assert row in cells


def test_the_table_of_a_run_that_was_stopped_at_once_divides_by_no_zero() -> None:
    times = dict.fromkeys(("environment", "critic", "learning", "evaluation"), 0.0)
    assert "0%" in table(Settings(), [result("mca", 0, times=times, steps=0)], 80)


def test_a_model_is_named_in_the_table() -> None:
    settings = Settings(critic="anthropic", model="some-model", base_url="http://127.0.0.1:1")
    text = " ".join(table(settings, [result("mca", 0)], 150).split())
    assert "critic: some-model at http://127.0.0.1:1" in text and "scripted" not in text


def moment(lesson: str) -> dict[str, Any]:
    return asdict(Moment(lesson, 3, 5, 0.25, "why " * 60, {"robot_1": -0.5}, 0.0, "scripted", 9, "before", ["3: x"]))


def test_the_clearest_moment_of_each_lesson_is_written_with_its_reason(tmp_path: Path) -> None:
    results = [
        result("mca", 0, moments={"payoff": [0.1, moment("dull")], "undone": [0.2, moment("u")]}),
        result("mca", 1, moments={"payoff": [0.3, moment("clear")], "on the way": [9.0, moment("w")]}),
    ]
    write_credits(Settings(), results, tmp_path / "credits.txt")
    text = (tmp_path / "credits.txt").read_text(encoding="utf-8")
    assert "scripted stand-in" in text and "not an LLM" in text
    assert [line for line in text.splitlines() if line[:1].isdigit()] == [
        f"1. {LESSONS['payoff']}", f"2. {LESSONS['on the way']}", f"3. {LESSONS['undone']}"]  # fmt: skip
    assert "clear +0.25 for steps 3 to 4 (source: scripted)" in text and "dull" not in text
    assert "credited beside: robot_1 -0.50" in text and "training episode 9" in text and "3: x" in text
    assert max(len(line) for line in text.splitlines()) <= 110
    write_credits(Settings(), [result("shared", 0)], tmp_path / "credits.txt")
    assert "No critic gave reasons" in (tmp_path / "credits.txt").read_text(encoding="utf-8")


def point(seed: int, steps: int, kind: str = "train") -> dict[str, Any]:
    base = {"kind": kind, "method": "mca", "seed": seed, "steps": steps}
    if kind == "train":
        return {**base, "return": steps / 100, "collisions": 1.0, "success": 0.0}
    return {**base, "greedy": {"team_return": 0.5, "collisions": 0.1}, "sampled": {}}


@pytest.mark.parametrize(
    "records",
    [
        [],
        [point(0, 0, "evaluation")],  # stopped before the first step
        [point(0, 10)],
        [point(0, 10), point(0, 20), point(0, 15, "evaluation"), point(1, 30), point(1, 40)],  # no common steps
        [point(0, 10), point(0, 30), point(0, 20), point(0, 40)],  # killed, and gone on from a checkpoint
    ],
)
def test_a_curve_is_drawn_from_whatever_there_is(records: list[dict[str, Any]], tmp_path: Path) -> None:
    draw_curves(Settings(seeds=2), records, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_curve_is_the_mean_over_seeds_with_their_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    records = [point(0, 100), point(0, 400), point(0, 200), point(0, 300), point(1, 100), point(1, 500)]
    records += [{**point(1, s), "return": 0.0} for s in (100, 300)]  # seed 1 was killed and went on twice
    draw_curves(Settings(seeds=2), records, tmp_path / "curve.png")
    (figure,) = figures
    (line,) = [x for x in figure.axes[0].lines if len(x.get_xdata()) == 200]
    steps, values = line.get_xdata(), line.get_ydata()
    assert (steps[0], steps[-1]) == (100, 300)
    # seed 0 at 100, 200, 300 steps: 1, 2, 3; seed 1: always 0
    np.testing.assert_allclose(values, steps / 100 / 2)
    (band,) = figure.axes[0].collections
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    assert (low, high) == (0.0, 3.0)


def test_the_first_record_with_80_percent_of_the_maximum_counts_of_each_learner() -> None:
    def curve(seed: int, *values: float) -> list[dict[str, Any]]:
        return [{**point(seed, 100 * k), "return": v} for k, v in enumerate(values, 1)]

    records = curve(0, 0.1, 0.79, 0.8, 0.5, 0.9) + curve(1, 0.5, 0.79) + [point(1, 900, "evaluation")]
    assert steps_to(records, "mca", 0, 1.0) == 300
    assert steps_to(records, "mca", 0, 0.5) == 200 and steps_to(records, "mca", 0, 1.0, share=0.9) == 500
    assert steps_to(records, "mca", 1, 1.0) is None and steps_to(records, "shared", 0, 1.0) is None
    # killed after 500 steps and gone on from step 200: what it had reached in between is forgotten
    assert steps_to(records + [{**point(0, s), "return": v} for s, v in ((250, 0.2), (700, 0.8))], "mca", 0, 1.0) == 700
