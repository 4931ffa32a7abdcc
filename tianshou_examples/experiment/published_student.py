"""The students that come with the package: fitted to published judgements, so that a run need not fit them again.

`python -m tianshou_examples.experiment.fit_published spaceworld:duet` fits one again and replaces its files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from credit_wrappers import StudentCritic, StudentSettings
from credit_wrappers.dataset.published import published_file
from credit_wrappers.student.fitting import FIT_VERSION
from credit_wrappers.student.student_file import FORMATS

FOLDER = Path(str(files("tianshou_examples") / "experiment" / "students"))


def published_student(names: Sequence[str], settings: StudentSettings) -> StudentCritic | None:
    """Return the student that comes with the package for these data sets, or None.

    There is none where the data sets, or their contents, or the settings, or the version of the code that fits are
    others than those of its fit.

    Args:
        names: Of the data sets, in the order of the fit.
        settings: Of the fit.
    """
    for about in sorted(FOLDER.glob("*.json")):
        fitted = json.loads(about.read_text(encoding="utf-8"))
        if fitted == _made_of(names, settings, about.with_suffix(".npz")):
            return StudentCritic.load(about.with_suffix(".npz"))
    return None


def keep_student(student: Path, name: str, names: Sequence[str], settings: StudentSettings) -> Path:
    """Copy a student's file into the package, with what it was fitted to; return the copy."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.npz"
    path.write_bytes(student.read_bytes())
    made_of = _made_of(names, settings, path)
    path.with_suffix(".json").write_text(json.dumps(made_of, indent=1) + "\n", encoding="utf-8")
    return path


def _made_of(names: Sequence[str], settings: StudentSettings, student: Path) -> dict[str, object]:
    """Return what a fit is made of, as JSON: digests of data sets and result, settings, versions of the code."""
    published = {name: published_file(name) for name in names}
    return {
        "data_sets": [[name, _digest(path)] for name, path in published.items()],
        "settings": asdict(settings),
        "versions": {"fit": FIT_VERSION, "file": FORMATS["student"]},
        "student": _digest(student),
    }


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest() if path.exists() else "no such file"
