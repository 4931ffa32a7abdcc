"""A student as one npz file: its arrays, and JSON that describes them, without pickle."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers.core.errors import CreditError

FORMATS = {"student": 4, "task student": 1}  # what such a file holds, and the newest version of its form
_ABOUT = "student.json"


def write_student(
    path: str | PathLike[str], about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], kind: str = "student"
) -> None:
    """Write a description and arrays; the file appears whole or not at all."""
    text = json.dumps({"format": f"credit_wrappers {kind}", "version": FORMATS[kind], **about})
    target = Path(path)
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            np.savez(file, **{_ABOUT: np.array(text)}, **arrays)  # type: ignore[arg-type]
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def read_student(path: str | PathLike[str], kind: str = "student") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the description and the arrays; raise CreditError for another file, or another format version."""
    try:
        with Path(path).open("rb") as source, np.load(source, allow_pickle=False) as file:
            about = json.loads(str(file[_ABOUT]))
            arrays = {name: file[name] for name in file.files if name != _ABOUT}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, AttributeError, TypeError) as error:
        raise CreditError(f"{path} is not a {kind} ({error})") from error
    if not isinstance(about, dict) or about.get("format") != f"credit_wrappers {kind}":
        raise CreditError(f"{path} is not a {kind}")
    if about.get("version") != (newest := FORMATS[kind]):
        raise CreditError(f"{path} has {kind} format version {about.get('version')}, this package reads {newest}")
    return about, arrays
