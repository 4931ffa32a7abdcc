"""The lines of text of a data set: one JSON object for each label, and each shared text once, before its first use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.dataset.label_record import LabelRecord


class LabelLines:
    """Writes the lines.

    Args:
        out: Where to.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._known: dict[str, int] = {}  # texts that were written, by number

    def write(self, data: dict[str, Any]) -> None:
        """Write one line."""
        try:
            line = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except ValueError as error:
            raise DatasetError(f"a number of episode {data.get('id')} is not finite: {error}") from error
        self._out.write(line + "\n")

    def add(self, record: LabelRecord, **more: Any) -> None:
        """Write the facts and the texts of a label."""
        for text in record.texts.values():
            if text not in self._known:
                self._known[text] = len(self._known)
                self.write({"text": self._known[text], "is": text})
        texts = {name: self._known[text] for name, text in record.texts.items()}
        self.write({**record.facts, "texts": texts, **more})


def read_label_lines(
    lines: Iterable[dict[str, Any]], where: object, first: int = 1
) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield the facts and the texts of each label.

    Args:
        lines: The lines.
        where: The file.
        first: Number of the first line in the file.

    Raises:
        DatasetError: A text is missing or a line is no such; the message names the file and the line.
    """
    known: dict[int, str] = {}
    for number, line in enumerate(lines, first):
        try:
            if not isinstance(line, dict):
                raise TypeError(f"it is {line!r:.80}")
            if "text" in line:
                known[line["text"]] = line["is"]
                continue
            texts = {name: known[one] for name, one in line.pop("texts").items()}
        except KeyError as error:
            raise DatasetError(f"{where}, line {number}: there is no {error}") from error
        except (AttributeError, TypeError) as error:
            raise DatasetError(f"{where}, line {number} is no label and no text: {error}") from error
        yield line, texts


def parsed(file: Iterable[str], where: object) -> Iterator[dict[str, Any]]:
    """Yield the objects of the lines of a file; raise DatasetError, which names it, when it is damaged."""
    try:
        for line in file:
            yield json.loads(line)
    except (EOFError, OSError, ValueError) as error:
        raise DatasetError(f"{where} is damaged or was cut off: {error}") from error
