"""The templates of the questions: the package's own files (*.md), or a user's in their place.

| File | What it is |
|---|---|
| `system.md` | the base prompt, with the environment's own texts in it |
| `names_neutral.md`, `names_own.md` | the agents' names in it |
| `query.md` | its last part, the task: the principles of judging |
| `form_events.md`, `form_curve.md`, `form_arrays.md` | the end of the task: the form of the answer |
| `form_events_brief.md`, `form_curve_brief.md`, `form_arrays_brief.md` | the same without explanations |
| `tasks_events.md`, `tasks_curve.md`, `tasks_arrays.md` | an addition that asks for the agents' tasks (LLM-TACA) |
| `reask_events.md`, `reask_curve.md`, `reask_arrays.md` | the corrective question |

Placeholders are written `$name`; a dollar sign is written `$$`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from string import Template

_FILES = files(__package__)
NAMES = sorted(file.name.removesuffix(".md") for file in _FILES.iterdir() if file.name.endswith(".md"))


class Templates:
    """A set of templates. Two sets are equal if their texts are.

    Args:
        folder: Folder of files that replace the package's own of the same name; None: the package's own.

    Raises:
        ValueError: There is no such folder, it holds a *.md file of another name, or one of its files is empty,
            is no UTF-8, lacks a placeholder or has one too many.
    """

    def __init__(self, folder: str | PathLike[str] | None = None) -> None:
        if folder is not None and not Path(folder).is_dir():
            raise ValueError(f"there is no folder {str(folder)!r} with templates")
        paths = [] if folder is None else sorted(Path(folder).glob("*.md"))
        unknown = [path.name for path in paths if path.stem not in NAMES]
        if unknown:
            valid = ", ".join(f"{name}.md" for name in NAMES)
            raise ValueError(f"{folder}: there are no templates with the names {', '.join(unknown)}; valid: {valid}")
        self._own = {path.stem: _read(path) for path in paths}

    def fill(self, name: str, **values: object) -> str:
        """Return a template with its placeholders replaced."""
        return Template(self._text(name)).substitute(values)

    @staticmethod
    def copy_to(folder: str | PathLike[str]) -> None:
        """Write the package's own templates into a folder, for editing; unchanged ones can be deleted.

        Raises:
            FileExistsError: One of the files is there already; nothing is written.
        """
        paths = {name: Path(folder) / f"{name}.md" for name in NAMES}
        there = [path.name for path in paths.values() if path.exists()]
        if there:
            raise FileExistsError(f"{folder} already holds {', '.join(there)}; templates are not overwritten")
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, path in paths.items():
            path.write_text(_packaged(name), encoding="utf-8")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Templates) and all(self._text(name) == other._text(name) for name in NAMES)

    def __hash__(self) -> int:
        return hash(tuple(map(self._text, NAMES)))

    def __repr__(self) -> str:
        return f"Templates(own: {', '.join(self._own) or 'none'})"

    def _text(self, name: str) -> str:
        return self._own.get(name) or _packaged(name)


PACKAGED = Templates()


@cache
def _packaged(name: str) -> str:
    return _FILES.joinpath(f"{name}.md").read_text(encoding="utf-8")


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a byte order mark in front
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text") from None
    if not text.strip():
        raise ValueError(f"{path} is empty")
    if not Template(text).is_valid():
        raise ValueError(f"{path}: a $ stands before no name; write $$ for a dollar sign")
    needed, there = _placeholders(_packaged(path.stem)), _placeholders(text)
    for wrong, names in (("lacks", needed - there), ("has unknown placeholders", there - needed)):
        if names:
            valid = ", ".join(sorted(needed)) or "none"
            raise ValueError(f"{path} {wrong} {', '.join(sorted(names))}; its placeholders: {valid}")
    return text


def _placeholders(text: str) -> set[str]:
    return {f"${name}" for name in Template(text).get_identifiers()}
