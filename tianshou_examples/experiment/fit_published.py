"""Fit the student of an environment's published judgements again, and keep it in the package.

    python -m tianshou_examples.experiment.fit_published spaceworld:duet

Do this when judgements are published or the settings of the fit change. Otherwise each run fits the student itself.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tianshou_examples.experiment.published_student import keep_student
from tianshou_examples.experiment.recorded_answers import MIRRORED, STUDENT, data_sets, fit_run_student
from tianshou_examples.experiment.settings import ANSWERS, PUBLISHED, Settings


def main(env: str) -> None:
    """Fit, with a bar, and print what the student learned and where it is."""
    settings = Settings(env=env, critic=ANSWERS + PUBLISHED, refit=True)
    with tempfile.TemporaryDirectory() as folder:
        print(fit_run_student(settings, Path(folder), progress=True))
        name = f"{PUBLISHED}-{env.replace(':', '-')}"
        print(keep_student(Path(folder) / STUDENT, name, data_sets(settings), MIRRORED))


if __name__ == "__main__":
    main(sys.argv[1])
