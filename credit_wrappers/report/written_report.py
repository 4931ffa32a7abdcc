"""What a written report holds, read back: where nothing else was kept of a run, its report can be made again."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

from credit_wrappers.report.page_values import checked_values
from credit_wrappers.report.report_file import VERSION

_MARK = b'<meta name="generator" content="llm-credit-wrappers">'  # in the head of every report
_HEAD = 16_384  # bytes in which it stands
_DATA = re.compile(r'<script type="text/plain" id="data">([^<]*)</script>')


def is_report(path: Path) -> bool:
    """Return whether a file is a report, be it whole or cut off."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _MARK in file.read(_HEAD)


def read_report(path: Path) -> dict[str, Any]:
    """Return what a report shows, as `report_values` does.

    Raises:
        ValueError: It is no report, a damaged one, or one of another version.
        OSError: There is no such file.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    found = _DATA.search(text)
    try:
        if found is None:
            raise ValueError("it has no data")
        values = json.loads(zlib.decompress(base64.b64decode(found[1])), parse_constant=_refused)
        if type(values) is dict and values.get("version") != VERSION:
            raise ValueError(f"its version is {values.get('version')!r}, not {VERSION}")
        return checked_values(values)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} is no report of this package, or damaged, or of another version: {error}") from None


def _refused(word: str) -> float:
    raise ValueError(f"{word} is no number that a report has")
