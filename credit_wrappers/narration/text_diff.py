"""Texts that an environment writes about its state: with the prompt's names, and reduced to what changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

_SPLIT = re.compile(r"; |\n")
_LABEL = re.compile(r"[^:=]+[:=]")
_VALUE = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return `text` with whole words replaced, all at once; names of digits only are left alone.

    Args:
        text: Any text.
        names: The new name for each name. Longer names go first, so one name may begin with another.
    """
    found = sorted((name for name in names if name and not name.isdigit()), key=len, reverse=True)
    if not found:
        return text
    pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, found))})(?!\w)"
    return re.sub(pattern, lambda match: names[match[0]], text)


def mentions(text: str, name: str) -> bool:
    """Return whether a name of more than one character is a whole word of `text`."""
    return len(name) > 1 and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def clauses(text: str) -> list[str]:
    """Return the parts of a text that stand between "; " or line breaks."""
    return [part.strip() for part in _SPLIT.split(text) if part.strip()]


def listed(found: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the clauses, with those about agents sorted in the order of `names`, by the first that each mentions.

    Clauses about no agent keep their places.
    """
    rank = {name: k for k, name in reversed(list(enumerate(names)))}
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(rank, key=len, reverse=True)))})(?!\w)")
    first = [pattern.search(clause) for clause in found]
    about = iter(sorted(((rank[m[0]], k) for k, m in enumerate(first) if m), key=lambda entry: entry[0]))
    return [found[next(about)[1]] if m else clause for clause, m in zip(found, first, strict=True)]


def difference(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return the clauses that are new, then those that no longer hold, marked as such.

    A clause that went is not mentioned when a new one replaces it: one with the same label (the words up to a colon or
    an equals sign), if no other clause has it, or one that differs only in numbers.
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


def _label(clause: str) -> str:
    found = _LABEL.match(clause)
    return found[0] if found else ""
