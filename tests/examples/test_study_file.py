"""Studies: what their files may say, what is kept of them on disk, and what finished cells become."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.examples.made_study import TEXT, finish, finish_all, made_study, written
from tianshou_examples.comparison.scores import load_scores, marl_eval_data
from tianshou_examples.comparison.study_file import STUDIES, find_studies, read_study
from tianshou_examples.comparison.study_folder import StudyFolder, at_planned_steps, planned_steps
from tianshou_examples.experiment.methods import METHODS

LEVELS = {"mca": 0.8, "shared": 0.5, "equal": 0.2}


# -- the file -------------------------------------------------------------------------------------------------------


def test_a_method_decides_before_a_task_before_the_common_settings_before_the_family(tmp_path: Path) -> None:
    text = """
    seeds = 10
    [settings]
    lr = 0.001
    hidden = 64
    evaluations = 3
    [tasks.small]
    env = "lbf:Foraging-5x5-2p-1f-coop-v3"
    hidden = 32
    gamma = 0.9
    reward = "sparse"
    [tasks.large]
    env = "spaceworld:duet"
    seeds = 5
    [methods.claude]
    method = "mca"
    critic = "answers:claude"
    gamma = 0.5
    [methods.shared]
    """
    study = read_study(written(tmp_path, text))
    runs = {(run.task.name, run.method): run for run in study.runs}
    claude = runs["small", "claude"]
    assert (claude.kind, claude.settings.critic, claude.settings.seeds) == ("mca", "answers:claude", 10)
    assert (claude.settings.gamma, claude.settings.hidden, claude.settings.lr) == (0.5, 32, 0.001)
    assert (claude.settings.envs, claude.settings.steps, claude.settings.reward) == (16, 60_000, "sparse")
    assert runs["small", "shared"].settings.gamma == 0.9 and runs["large", "shared"].settings.gamma == 0.97
    assert runs["large", "claude"].settings.seeds == 5 and runs["large", "claude"].settings.reward == "own"
    assert all(run.settings.absolute == 10 * 20 for run in study.runs)  # 100 in the last evaluation, before it 20
    assert len(set(study.colours().values())) == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("about =", "abuot =", "unknown 'abuot'; did you mean about?"),
        ("eval_episodes", "eval_episode", "settings: unknown 'eval_episode'; did you mean eval_episodes?"),
        ("steps = 3_000", "step = 3_000", "tasks.duet: unknown 'step'; did you mean steps?"),
        ("[methods.mca]", "[methods.mca]\nlearning = 1", "methods.mca: unknown 'learning'"),
        ("[methods.mca]", "[methods.mac]", "methods.mac: unknown method 'mac'; did you mean mca?"),
        ("[methods.mca]", "[methods.mca]\nseeds = 3", "methods.mca: unknown 'seeds'"),
        ("[methods.mca]", '["methods"."a,b"]\nmethod = "mca"', "methods: 'a,b' is no name"),
        ("spaceworld:duet", "spaceworld:duett", "tasks.duet with methods.mca: unknown env 'spaceworld:duett'; did you"),
        ('env = "spaceworld:duet"\n', "", "tasks.duet: env is missing"),
        ("steps = 3_000", 'steps = "many"', "argument --steps: invalid int value: 'many'"),
        ("steps = 3_000", "steps = true", "steps is True, and must be no truth value"),
        ("steps = 3_000", "agent_id = 1", "agent_id is 1, and must be true or false"),
        ("steps = 3_000", "gamma = 2", "gamma=2: it is 2, and must be at least 0 and at most 1"),
        ("steps = 3_000", "evaluations = 4", "give all the same number, in [settings]"),
        ("steps = 3_000", "low = 2", "tasks.duet: high is 1, and must be more than low, 2"),
        ("seeds = 4", "seeds = 0", "seeds is 0, and must be a whole number above 0"),
        ("seeds = 4", "seeds = ", "Invalid value"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_what_is_valid(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    assert old in TEXT
    with pytest.raises(ValueError) as error:
        read_study(written(tmp_path, TEXT.replace(old, new, 1)))
    assert said in str(error.value) and str(error.value).startswith(str(tmp_path / "made.toml"))


@pytest.mark.parametrize("path", sorted(STUDIES.rglob("*.toml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_study_of_the_package_is_valid_and_says_what_it_is_about(path: Path) -> None:
    study = read_study(path)
    assert study.about and (len(study.methods) > 1 or study.measures)
    assert (study.name, path) in [
        (name.rpartition("/")[2], p)
        for name, p in find_studies(path.stem if path.parent == STUDIES else path.parent.name)
    ]


def test_a_study_is_found_by_its_name_or_its_path(tmp_path: Path) -> None:
    assert find_studies("tiny") == [("tiny", STUDIES / "tiny.toml")]
    assert find_studies(str(written(tmp_path))) == [("made", tmp_path / "made.toml")]
    small = find_studies("small")
    assert [name for name, _ in small] == sorted(f"small/{path.stem}" for path in STUDIES.glob("small/*.toml"))
    assert find_studies(small[0][0]) == small[:1]
    assert find_studies(str(tmp_path)) == [(f"{tmp_path.name}/made", tmp_path / "made.toml")]
    with pytest.raises(ValueError, match=r"no file teeny; studies that come with the package: .*tiny"):
        find_studies("teeny")


def test_first_seeds_come_before_second_ones_and_a_part_can_be_asked_for(tmp_path: Path) -> None:
    study, _ = made_study(tmp_path)
    cells = list(study.cells())
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells) and len(cells) == 24
    assert len({cell.name for cell in cells}) == 24
    part = study.only(["lbf"], ["mca", "equal"], 2)
    assert [cell.name for cell in part.cells()] == ["lbf/mca/0", "lbf/equal/0", "lbf/mca/1", "lbf/equal/1"]
    with pytest.raises(ValueError, match="--tasks: unknown 'lbff'; did you mean lbf"):
        study.only(["lbff"], [], None)


def test_a_method_may_be_for_some_tasks_only_and_is_then_not_compared_over_all(tmp_path: Path) -> None:
    text = TEXT.replace("[methods.equal]", '[methods.equal]\ntasks = ["lbf"]')
    study, place = made_study(tmp_path, text)
    assert [(run.task.name, run.method) for run in study.runs if run.method == "equal"] == [("lbf", "equal")]
    finish_all(study, place, LEVELS)
    scores = load_scores(study, place)
    assert scores.methods == ["mca", "shared"] and list(scores.of_task(study.tasks[0], "greedy")) == scores.methods
    assert list(scores.of_task(study.tasks[1], "greedy")) == ["mca", "shared", "equal"]
    with pytest.raises(ValueError, match="the study has none of these in --tasks duet"):
        study.only(["duet"], ["equal"], None)
    for wrong, said in (('["moon"]', "unknown task 'moon'"), ('"lbf"', "must be a list of names"), ("[]", "a list")):
        with pytest.raises(ValueError, match=said):
            read_study(written(tmp_path, text.replace('["lbf"]', wrong)))


def test_benchmarls_algorithms_stand_beside_the_methods_with_the_settings_that_hold_for_them(tmp_path: Path) -> None:
    qmix, vdn = '[methods.qmix]\nbenchmarl = "qmix"\nbenchmarl_settings = "ours"', '[methods.vdn]\nbenchmarl = "vdn"'
    own = f"[methods.equal]\n{qmix}\n{vdn}"
    text = TEXT.replace("[methods.equal]", own).replace(
        "steps = 3_000", 'steps = 3_000\nloop = "fast"\nreward = "sparse"'
    )
    study = read_study(written(tmp_path, text))
    runs = {(run.task.name, run.method): run for run in study.runs}
    settings = runs["duet", "qmix"].settings
    assert (settings.benchmarl, settings.steps, settings.reward, settings.loop) == (
        "qmix ours", 3000, "sparse", "tianshou"
    )  # fmt: skip
    assert settings.method == ("shared",) and settings.absolute == 20
    assert runs["lbf", "vdn"].settings.benchmarl == "vdn published" and not runs["lbf", "equal"].settings.benchmarl
    colours = study.colours()
    assert colours["shared"] == METHODS["shared"].colour and len(set(colours.values())) == 5
    for old, new, said in (
        ('benchmarl = "qmix"', 'benchmarl = "qmx"', "did you mean qmix"),
        ('"ours"', '"mine"', "unknown 'mine'"),
        ('benchmarl = "qmix"\n', "", "benchmarl_settings belongs to benchmarl"),
        ('benchmarl = "qmix"', 'benchmarl = "qmix"\nmethod = "mca"', "learn from the team reward"),
    ):
        with pytest.raises(ValueError, match=said):
            read_study(written(tmp_path, text.replace(old, new, 1)))


# -- the folder -----------------------------------------------------------------------------------------------------


def test_a_study_goes_on_with_more_seeds_and_not_with_other_settings(tmp_path: Path) -> None:
    study, place = made_study(tmp_path)
    more = read_study(written(tmp_path, TEXT.replace("seeds = 4", "seeds = 6")))
    assert [place.settings(run).seeds for run in more.runs] == [6] * 6
    place.open(more)
    place.open(study.only([], [], 1))  # a part does not make the runs shorter for `evaluate`
    config = json.loads((place.path / "duet" / "mca" / "config.json").read_text(encoding="utf-8"))
    assert config["seeds"] == 6
    other = read_study(written(tmp_path, TEXT.replace("steps = 3_000", "steps = 3_001")))
    with pytest.raises(ValueError, match=r"duet/mca was begun with steps = 3000, and the study says 3001: remove"):
        for run in other.runs:
            place.settings(run)


def test_a_second_program_is_refused_in_the_same_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    place = StudyFolder(tmp_path / "made")
    with place.held(), pytest.raises(ValueError, match="another program runs a study in"), place.held():
        pass
    with place.held():
        pass


def test_what_was_half_written_when_the_program_was_killed_is_not_finished(tmp_path: Path) -> None:
    study, place = made_study(tmp_path)
    cell = next(study.cells())
    (place.of(cell.run) / "result-mca-0.part").write_text("{", encoding="utf-8")
    assert place.result(cell) is None
    metrics = place.of(cell.run) / "metrics.jsonl"
    metrics.write_text('{"kind": "evaluation", "met', encoding="utf-8")
    finish(cell, place, 0.6)
    assert [record["steps"] for record in place.evaluations(cell)] == [1007, 2007, 3007]


def test_an_evaluation_that_was_done_again_counts_once_and_a_skipped_one_has_the_next_ones_values(
    tmp_path: Path,
) -> None:
    study, place = made_study(tmp_path)
    cell = next(study.cells())
    finish(cell, place, 0.3)
    finish(cell, place, 0.9)  # as a killed learner that went on from its beginning
    found = place.evaluations(cell)
    assert [record["steps"] for record in found] == [1007, 2007, 3007]
    assert np.mean(found[-1]["each"]["greedy"]["team_return"]) == pytest.approx(0.9, abs=1e-5)
    settings = cell.run.settings
    assert planned_steps(settings) == [1000, 2000, 3000]
    assert [r["steps"] for r in at_planned_steps(settings, found[1:])] == [2007, 2007, 3007]
    with pytest.raises(ValueError, match="no evaluation after 3,000 steps"):
        at_planned_steps(settings, found[:-1])


# -- scores ---------------------------------------------------------------------------------------------------------


def test_scores_have_a_row_for_each_seed_and_a_column_for_each_task(tmp_path: Path) -> None:
    study, place = made_study(tmp_path, TEXT.replace('env = "spaceworld:duet"', 'env = "spaceworld:duet"\nlow = -1'))
    finish_all(study, place, LEVELS)
    scores = load_scores(study, place)
    expected = [[(level + 1) / 2, level] for level in (0.65, 0.75, 0.85, 0.95)]  # low is -1 in duet, and 0 in lbf
    assert np.allclose(scores.absolute("greedy")["mca"], expected, atol=1e-5)
    curves = scores.curves("sampled")["shared"]
    assert curves.shape == (4, 2, 3)
    assert np.allclose(curves[:, 1], np.outer([0.35, 0.45, 0.55, 0.65], [1 / 3, 2 / 3, 1]), atol=0.08)


def test_only_methods_with_a_cell_in_each_task_and_equally_many_seeds_are_compared(tmp_path: Path) -> None:
    study, place = made_study(tmp_path)
    missing = {("lbf", "equal", seed) for seed in range(4)} | {("lbf", "mca", 1)}
    for cell in study.cells():
        if (cell.run.task.name, cell.run.method, cell.seed) not in missing:
            finish(cell, place, 0.5)
    scores = load_scores(study, place)
    assert scores.methods == ["mca", "shared"] and scores.seeds == 3
    assert [c.cell.seed for c in scores.compared(study.tasks[1], "mca")] == [0, 2, 3]
    assert {name: matrix.shape for name, matrix in scores.absolute("greedy").items()} == dict.fromkeys(
        ("mca", "shared"), (3, 2)
    )


def test_without_a_known_maximum_the_best_team_of_the_study_scores_one(tmp_path: Path) -> None:
    study, place = made_study(tmp_path)
    study = replace(study, runs=tuple(replace(run, task=replace(run.task, high=None)) for run in study.runs))
    for cell in study.cells():
        finish(cell, place, 4.0 if (cell.run.method, cell.seed) == ("mca", 3) else 2.0)
    matrices = load_scores(study, place).absolute("greedy")
    assert matrices["mca"][3].tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert matrices["shared"][3].tolist() == pytest.approx([0.5, 0.5], abs=1e-5)


# -- marl-eval's JSON -----------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    study, place = made_study(tmp_path)
    finish_all(study, place, LEVELS)
    return json.loads(json.dumps(marl_eval_data(load_scores(study, place), "greedy"), allow_nan=False))


def test_marl_evals_json_has_equal_runs_and_steps_and_ten_times_the_episodes_in_the_absolute_metric(
    data: dict[str, Any],
) -> None:
    assert list(data) == ["spaceworld", "lbf"]
    for tasks in data.values():
        for algorithms in tasks.values():
            assert list(algorithms) == ["mca", "shared", "equal"]
            for runs in algorithms.values():
                assert list(runs) == ["seed_0", "seed_1", "seed_2", "seed_3"]
                for steps in runs.values():
                    assert list(steps) == ["step_1", "step_2", "step_3", "absolute_metrics"]
                    for name, values in steps.items():
                        count = 20 if name == "absolute_metrics" else 2
                        assert {len(v) for k, v in values.items() if k != "step_count"} == {count}
                        assert set(values) - {"step_count"} == {"return", "success", "collisions", "length"}
    steps = data["spaceworld"]["duet"]["mca"]["seed_0"]
    assert [steps[f"step_{k}"]["step_count"] for k in (1, 2, 3)] == [1000, 2000, 3000]
    assert "step_count" not in steps["absolute_metrics"]
    assert np.mean(steps["absolute_metrics"]["return"]) == pytest.approx(0.65, abs=1e-5)


def test_marl_evals_own_loader_reads_it(data: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    processing = pytest.importorskip("marl_eval.utils.data_processing_utils", reason="marl-eval is not installed")
    from marl_eval.utils.diagnose_data_errors import DiagnoseData

    for checks in DiagnoseData(data).check_data().values():
        assert all(checks.values()), checks
    for env, task in (("spaceworld", "duet"), ("lbf", "lbf")):
        processed = processing.data_process_pipeline(data, ["return"])
        absolute, curves = processing.create_matrices_for_rliable(processed, env, ["return"])
        assert absolute["mean_norm_return"]["mca"].shape == (4, 1)
        assert curves["mean_norm_return"]["mca"].shape == (4, 1, 3)
        best = processed[env][task]["mca"]["seed_3"]["absolute_metrics"]["mean_return"]
        assert best == pytest.approx(0.95, abs=1e-5)
    assert "issue" not in capsys.readouterr().out
