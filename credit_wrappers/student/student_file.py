"""A student as one npz file: its arrays, and JSON that says what they are. No pickle."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.agreement import Agreement, Match
from credit_wrappers.student.network import initial, statistics
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import Team

FORMAT = "credit_wrappers student"
VERSION = 4
_ABOUT = "student.json"


def save_student(student: StudentCritic, path: str | PathLike[str]) -> None:
    """Write a student; the file appears whole or not at all."""
    about = {
        "format": FORMAT,
        "version": VERSION,
        "settings": asdict(student.settings),
        "team": asdict(student.team),
        "scale": student.scale,
        "agreement": asdict(student.agreement),
        "labels": student.labels,
        "env_id": student.env_id,
    }
    target = Path(path)
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            np.savez(file, **{_ABOUT: np.array(json.dumps(about))}, **student.parameters)  # type: ignore[arg-type]
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def load_student(path: str | PathLike[str]) -> StudentCritic:
    """Return a student; see `StudentCritic.load`."""
    try:
        with Path(path).open("rb") as source, np.load(source, allow_pickle=False) as file:
            about = json.loads(str(file[_ABOUT]))
            arrays = {name: file[name] for name in file.files if name != _ABOUT}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, AttributeError, TypeError) as error:
        raise CreditError(f"{path} is not a student ({error})") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise CreditError(f"{path} is not a student")
    if about.get("version") != VERSION:
        raise CreditError(f"{path} has student format version {about.get('version')}, this package reads {VERSION}")
    try:
        student = _student(about, arrays)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CreditError(f"{path} is a damaged student ({type(error).__name__}: {error})") from error
    team, settings = student.team, student.settings
    expected = initial(team, settings, np.random.default_rng(0)) | statistics(
        team, np.zeros((1, len(team.agents), max(team.sizes)))
    )
    shapes = ({name: array.shape for name, array in table.items()} for table in (expected, arrays))
    if next(shapes) != next(shapes) or not all(
        array.dtype == np.float32 and np.isfinite(array).all() for array in arrays.values()
    ):
        raise CreditError(f"{path} is a damaged student: its weights are not those that its settings ask for")
    return student


def _student(about: dict[str, Any], arrays: dict[str, np.ndarray]) -> StudentCritic:
    agreement = about["agreement"]
    return StudentCritic(
        settings=StudentSettings(**about["settings"]),
        team=Team(**{name: tuple(values) for name, values in about["team"].items()}),
        parameters=arrays,
        scale=float(about["scale"]),
        agreement=Agreement(agreement["episodes"], Match(**agreement["steps"]), Match(**agreement["sums"])),
        labels=int(about["labels"]),
        env_id=str(about["env_id"]),
    )
