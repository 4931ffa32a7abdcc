"""Texts in which an environment describes its state: give agents other names, and find what changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

_SPLIT = re.compile(r"; |\n")
_LABEL = re.compile(r"[^:=]+[:=]")
_VALUE = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")
_CLEAR = re.compile(r"(?=.*[^\W\d_]{2})(?=.*[\d_])\w(?:\S*\w)?")


def is_clear(name: str) -> bool:
    """Return whether a word of a text that is an agent's name can mean nothing else.

    `robot_1`, `adversary_0` and `tug-2` are clear: they have two letters in a row, and a digit or an underscore. `a`,
    `1`, `x1` and `robot` may be other words, numbers or places.
    """
    return _CLEAR.fullmatch(name) is not None


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return `text` with whole words replaced, all at once, by the new name of each name that is clear."""
    words = list(filter(is_clear, names))
    return _any_of(words).sub(lambda match: names[match[0]], text) if words else text


def mentions(text: str, name: str) -> bool:
    """Return whether a name is a whole word of `text`."""
    return name != "" and _any_of([name]).search(text) is not None


def clauses(text: str) -> list[str]:
    """Return the parts of a text that stand between "; " or line breaks."""
    return [part.strip() for part in _SPLIT.split(text) if part.strip()]


def listed(found: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the clauses, with those about agents sorted in the order of `names`, by the first that each mentions.

    Clauses about no agent keep their places.
    """
    if not names:
        return list(found)
    pattern = _any_of(names)
    first = [pattern.search(clause) for clause in found]
    about = iter(sorted((names.index(m[0]), k) for k, m in enumerate(first) if m))
    return [found[next(about)[1]] if m else clause for clause, m in zip(found, first, strict=True)]


def difference(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return the clauses that are new, then those that no longer hold, marked as such.

    A clause that a new one replaces is not mentioned. A new clause replaces one with the same label (the words up to a
    colon or an equals sign), if no other clause has that label, or one that differs only in numbers.
    """
    labels = [Counter(filter(None, map(_label, told))) for told in (before, now)]

    def subject(clause: str) -> str:
        label = _label(clause)
        alone = label and max(count[label] for count in labels) == 1
        return label if alone else _VALUE.sub("#", clause)

    new = Counter(now) - Counter(before)
    replaced = Counter(map(subject, new.elements()))
    told = []
    for clause in now:
        if new[clause] > 0:
            new[clause] -= 1
            told.append(clause)
    for clause in (Counter(before) - Counter(now)).elements():
        if replaced[subject(clause)] > 0:
            replaced[subject(clause)] -= 1
        else:
            told.append(f"no longer {clause}")
    return told


def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern of a whole word, the longest first, so that one word may begin with another."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})(?!\w)")


def _label(clause: str) -> str:
    found = _LABEL.match(clause)
    return found[0] if found else ""
