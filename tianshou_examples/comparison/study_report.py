"""What a study leaves for a person and for other tools: study.md, figures, and marl-eval's JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tianshou_examples.comparison import estimates
from tianshou_examples.comparison.figures import draw_figures
from tianshou_examples.comparison.measures import measures_section
from tianshou_examples.comparison.overhead import overhead_table
from tianshou_examples.comparison.scores import METRICS, StudyScores, marl_eval_data
from tianshou_examples.comparison.study_file import ABSOLUTE, Run, Task
from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.evaluation import PLAY

PAGE = "study.md"


def write_study_report(scores: StudyScores, folder: Path) -> list[str]:
    """Write the report of the cells that are finished, at least one; return the names of what was written."""
    written = [PAGE]
    captions: dict[str, str] = {}
    if scores.methods:
        for how in PLAY:
            name = f"marl-eval-{how}.json"
            (folder / name).write_text(json.dumps(marl_eval_data(scores, how)), encoding="utf-8")
            written.append(name)
            captions |= draw_figures(scores, how, folder / "figures")
        written.append("figures/")
    page = study_page(scores, captions, measures_section(scores.study.measures, folder))
    (folder / PAGE).write_text(page, encoding="utf-8")
    return written


def study_page(scores: StudyScores, captions: dict[str, str], measured: Sequence[str] = ()) -> str:
    """Return the page of a study: what was compared, tables, figures, what it took, and what else was measured."""
    study = scores.study
    lines = [f"# {study.name}", "", *([study.about, ""] if study.about else [])]
    return "\n".join([*lines, *(_learned(scores, captions) if study.runs else ()), *measured])


def _learned(scores: StudyScores, captions: dict[str, str]) -> list[str]:
    """Return the lines about learners."""
    study, lines = scores.study, []
    total, there = sum(run.settings.seeds for run in study.runs), sum(map(len, scores.cells.values()))
    lines += [
        f"{there} of {total} learners are finished." if there < total else f"All {total} learners are finished.",
        "",
    ]
    lines += [
        *table(
            [
                ["task", "environment", "reward of the training", "steps", "seeds"],
                *map(_facts, _one_run_each(study.runs)),
            ]
        ),
        "",
    ]
    evaluations = sorted({run.settings.short_evaluation for run in study.runs})
    counts = " or ".join(f"{n} episodes ({ABSOLUTE * n} for the absolute metric)" for n in evaluations)
    lines += [
        f"Each learner is evaluated {study.runs[0].settings.evaluations + 1} times, on {counts}, by the environment's "
        "own reward. The absolute metric is that of the best team of all evaluations, on other layouts. Brackets are "
        "95 % stratified bootstrap intervals over the seeds.",
        "",
    ]
    if scores.methods:
        lines += ["## All tasks", "", *table(_aggregate_rows(scores)), "", _score_note(scores), ""]
        if left_out := [m for m in study.methods if m not in scores.methods]:
            lines += [f"Not compared, since a task is missing: {', '.join(left_out)}.", ""]
    for task in study.tasks:
        if any(scores.cells[task.name, method] for method in study.methods):
            lines += [f"## {task.name}", "", *table(_task_rows(scores, task)), ""]
    lines += ["## What it took", "", "One learner, mean over the seeds.", "", *table(overhead_table(scores)), ""]
    if any(run.settings.prices for run in study.runs):
        lines += [
            "Money is that of the critic's tokens at the prices of the study. A scripted critic costs nothing: its "
            "money is what as many tokens of a model would cost.",
            "",
        ]
    for name, caption in captions.items():
        lines += [f"![{caption}](figures/{name})", ""]
    return lines


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, of a heading and rows."""
    heading, *others = rows
    return [f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *others)]


def _one_run_each(runs: Sequence[Run]) -> list[Run]:
    """Return a run of each task."""
    return list({run.task: run for run in reversed(runs)}.values())[::-1]


def _facts(run: Run) -> list[str]:
    s = run.settings
    return [run.task.name, f"`{s.env}`", s.reward, f"{s.steps:,}", str(s.seeds)]


def _aggregate_rows(scores: StudyScores) -> list[list[str]]:
    names = list(estimates.AGGREGATES)
    rows = [["method", *(f"{name}, {how}" for how in PLAY for name in names)]]
    found = {(how, name): estimates.aggregate(scores.absolute(how), name) for how in PLAY for name in names}
    for method in scores.methods:
        rows.append([f"`{method}`", *(str(found[how, name][method]) for how in PLAY for name in names)])
    return rows


def _score_note(scores: StudyScores) -> str:
    unknown = [task.name for task in scores.study.tasks if task.high is None]
    seeds = f"{scores.seeds} seed{'s' * (scores.seeds != 1)}"
    note = f"Scores of {seeds} of each task: 1 is the best that a team can reach, 0 nothing."
    return note + (f" In {', '.join(unknown)} 1 is the best team of this study." if unknown else "")


def _task_rows(scores: StudyScores, task: Task) -> list[list[str]]:
    family = family_of(task.env)
    others = [
        name for name in METRICS
        if name != "return" and (name != "success" or family.success) and (name != "collisions" or family.collisions)
    ]  # fmt: skip
    rows = [
        [
            "method",
            "seeds",
            *(f"return, {how} (IQM)" for how in PLAY),
            *(f"{name}, greedy / sampled" for name in others),
        ]
    ]
    returns = {how: estimates.aggregate(scores.of_task(task, how), "IQM") for how in PLAY}
    for method in returns[PLAY[0]]:
        row = [f"`{method}`", str(len(scores.cells[task.name, method])), *(str(returns[how][method]) for how in PLAY)]
        for name in others:
            digits = 1 if name == "length" else 2
            means = (float(scores.of_task(task, how, METRICS[name])[method].mean()) for how in PLAY)
            row.append(" / ".join(f"{mean:.{digits}f}" for mean in means))
        rows.append(row)
    return rows
