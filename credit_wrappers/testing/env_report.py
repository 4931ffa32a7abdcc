"""What a check of an environment finds, and the page that tells it."""

from __future__ import annotations

import os
import re
import sysconfig
import textwrap
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_WIDTH, _TOPIC, _MOST = 120, 15, 370  # columns of the page, and of its topics; letters of one text
_LONG = re.compile(r"-?\d+\.\d{5,}")  # a number with more decimals than a reader needs


@dataclass(frozen=True, slots=True)
class EnvFinding:
    """One thing that was found.

    Attributes:
        level: "works"; "note": it works, and there is something to know or to choose; "problem": it does not work.
        topic: What it is about: a word for `EnvReport.about`.
        text: What was found, and why.
        way_out: What to do about a problem; "" where there is nothing to do.
    """

    level: Literal["works", "note", "problem"]
    topic: str
    text: str
    way_out: str = ""


def failed(topic: str, error: Exception, way_out: str, where: str = "") -> EnvFinding:
    """Return the problem that an exception is, with the line of the user's code that raised it, if one did.

    Args:
        topic: What was tried.
        error: The exception.
        way_out: What to do about it, where no line of the user's code raised it.
        where: What its text begins with.
    """
    text = f"{where}{type(error).__name__}: {error}"
    if line := _line_of_user(error):
        return EnvFinding("problem", topic, f"{text} ({line})", "repair it there")
    return EnvFinding("problem", topic, text, way_out)


def _line_of_user(error: Exception) -> str:
    """Return "file:line" of the innermost frame that is in no installed package and not in this one; "" for none."""
    installed = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    ours = (str(Path(__file__).parent.parent), *installed, "<")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(ours):
            near = os.path.relpath(frame.filename)
            return f"{frame.filename if near.startswith('..') else near}:{frame.lineno}"
    return ""


@dataclass(frozen=True)
class EnvReport:
    """What of an environment works with this package; `print` it.

    Attributes:
        env_id: The environment's name.
        steps: Steps that were played.
        episodes: Episodes that ended in them.
        findings: What was found, by topic.
    """

    env_id: str
    steps: int
    episodes: int
    findings: tuple[EnvFinding, ...]

    @property
    def problems(self) -> tuple[EnvFinding, ...]:
        """What does not work."""
        return tuple(finding for finding in self.findings if finding.level == "problem")

    def about(self, topic: str) -> tuple[EnvFinding, ...]:
        """Return what was found about a topic."""
        return tuple(finding for finding in self.findings if finding.topic == topic)

    def __str__(self) -> str:
        count = Counter(finding.level for finding in self.findings)
        lines = [
            f"{self.env_id}: {self.steps} steps, {self.episodes} episodes; {count['works']} work, {count['note']} "
            f"notes, {count['problem']} problems"
        ]
        for finding in self.findings:
            text = _LONG.sub(lambda match: f"{float(match[0]):.4g}", finding.text)
            told = textwrap.shorten(text, _MOST, placeholder=" ...")
            told += f". WAY OUT: {finding.way_out}" if finding.way_out else ""
            mark = {"works": "ok", "note": "note", "problem": "PROBLEM"}[finding.level]
            first = f"{mark:<8}{finding.topic:<{_TOPIC}} "
            lines += textwrap.wrap(told, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
        return "\n".join(lines)
