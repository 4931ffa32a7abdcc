"""Answers in the form `arrays`: free text with one array of numbers for each agent, read by regular expression.

    ## Episode 1
    Explanation: agent_A carried the module, agent_B stood in its way.
    agent_A: [0, 0.1, 0.1, 1]
    agent_B: [0, 0, -0.2, 0]

This is the paper's own form: text, from which a parser takes an N x T matrix. An array is an agent's name, a colon
or equals sign, and numbers in square brackets, separated by commas (or by spaces alone); bold type, quotes and code
fences around them are ignored. Parts of the text without an array are commentary, but a second heading behind an
episode's arrays is not: another answer begins there. Numbers of an agent that are no array, a table of them, and a line
that announces another answer are no commentary either. The heading may be absent if one episode was asked for. The
episode's `summary` is its text without the arrays. If tasks are asked for, each agent also has lines such as
`agent_A task 0-7: load food_0`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from credit_wrappers.core.errors import AnswerError
from credit_wrappers.llm.answers.events import LARGEST_AMOUNT
from credit_wrappers.llm.answers.json_text import announces, goes_on
from credit_wrappers.llm.answers.placeholders import refuse_copied_form, refuse_placeholders
from credit_wrappers.llm.answers.problems import Problems, quoted
from credit_wrappers.llm.answers.schema import EpisodeAnswer, EventAnswer, TaskedEpisode
from credit_wrappers.llm.answers.task_answers import find_task_problems, read_task_lines

# Possessive (++, *+): nothing is tried twice, so the time is proportional to the length of the text.
_HEADING = re.compile(
    r"^[ \t]*+(?:#++[ \t]*+[*_]*+Episode[ \t]++([0-9]{1,9})\b.*+|[*_]*+Episode[ \t]++([0-9]{1,9})[*_ \t:.]*+)$",
    re.MULTILINE | re.IGNORECASE,
)
_ARRAY = re.compile(r"""(?<!\w)(\w++)[*`"']*+\s*+[:=]\s*+[*`"']*+\s*+\[([^\[\]]*+)(\]?)""")
# The start of a heading or of an array, at the end of the text.
_CUT = re.compile(
    r"""^[ \t]*+#++[ \t*_]*+(?:E(?:p(?:i(?:s(?:o(?:de?)?)?)?)?)?)?[ \t]*+\Z"""
    r"""|(?<!\w)(\w++)[*`"']*+\s*+[:=][*`"'\s]*+\Z""",
    re.MULTILINE | re.IGNORECASE,
)
_TAIL = 200  # characters in which it is looked for
_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_TABLE = re.compile(r"^[ \t]*+\|?[ \t]*+:?-{3,}+:?[ \t]*+\|", re.MULTILINE)  # the line under a table's heading
_CLOSING = "*`\"'}"  # directly behind the last array
_LINE_START = re.compile(r"[\s>*`\"'+{,-]*")
_LABEL = re.compile(r"\W*(?:Explanation|Summary)\W*:\W*|\W+", re.IGNORECASE)


def read_arrays(
    text: str,
    lengths: Sequence[int],
    names: Sequence[str],
    explain: bool,
    tasks: Sequence[str],
    placeholders: frozenset[str],
    cut: bool = False,
) -> list[EpisodeAnswer]:
    """Return the judgements in the order of the episodes; see `parse_answer`.

    Every run of equal numbers other than zero becomes one event with an empty `why`.
    """
    problems = Problems("content")
    row = _row(names)
    rest = ""  # the text behind the last array
    judged: dict[int, EpisodeAnswer] = {}
    for number, section in _sections(text, len(lengths) == 1):
        assigned, section = read_task_lines(section, names) if tasks else ([], section)
        arrays, words, rest = _arrays(section, names)
        if not arrays:
            if number in judged:
                problems.add(f"episode {number} is there twice")
            continue
        if number is None:
            problems.add(f'an array of {quoted(arrays[0][0])[1:-1]} stands before the first heading "## Episode 1"')
        elif not 1 <= number <= len(lengths):
            problems.add(f"unknown episode {number}: the episodes are 1 to {len(lengths)}")
        elif number in judged:
            problems.add(f"episode {number} is there twice")
        else:
            if announces(rest) or row.search(rest) or (_TABLE.search(rest) and any(name in rest for name in names)):
                problems.add(f"episode {number}: another answer begins behind complete arrays", "no_answer")
            if explain and not words:
                problems.add(f"episode {number}: the explanation is missing", "schema")
            events = _events(number, arrays, lengths[number - 1], names, problems)
            judged[number] = {"episode": number, "summary": words, "events": events}
            if tasks:
                find_task_problems(number, assigned, lengths[number - 1], names, tasks, problems)
                judged[number] = TaskedEpisode(**judged[number], tasks=assigned)
    refuse_placeholders(list(judged.values()), placeholders)
    if not judged and not problems.count:
        refuse_copied_form(text, placeholders)
        raise AnswerError(f'no array such as "{names[0]}: [0, 0.5]" in the answer', "no_answer")
    missing = [str(number) for number in range(1, len(lengths) + 1) if number not in judged]
    if missing:
        problems.add(f"missing episode {', '.join(missing)}")
    begun = _CUT.search(text.rstrip()[-_TAIL:])
    if begun is not None and (begun[1] is None or begun[1] in names):
        problems.add(f"the answer breaks off at {quoted(begun[0].strip())}", "schema")
    if cut and goes_on(rest.lstrip(_CLOSING)):
        problems.add("the text goes on behind the last array: give the final answer only", "no_answer")
    problems.refuse()
    return [judged[number] for number in sorted(judged)]


def _sections(text: str, single: bool) -> list[tuple[int | None, str]]:
    """Return the episodes' numbers and texts; the text before the first heading has no number."""
    number: int | None = None
    sections, begin = [], 0
    for heading in _HEADING.finditer(text):
        sections.append((number, text[begin : heading.start()]))
        number, begin = int(heading[1] or heading[2]), heading.end()
    if single and not sections:
        number = 1
    return [*sections, (number, text[begin:])]


def _arrays(section: str, names: Sequence[str]) -> tuple[list[tuple[str, str, bool]], str, str]:
    """Return (label, inside, whether it is closed) of each array, the other words, and the text behind the last one.

    An array whose label is no agent's name counts only if it begins a line and holds numbers only: then it is meant
    for an agent that does not exist, or for one by another name.
    """
    arrays, words = [], []
    end = last = 0  # of the last array that counts, and of the last one
    for found in _ARRAY.finditer(section):
        label, inside, bracket = found.groups()
        before = section[last : found.start()]
        last = found.end()
        if label not in names:
            begins = _LINE_START.fullmatch(before[before.rfind("\n") + 1 :])
            if not (begins and bracket and inside.strip() and all(map(_NUMBER.fullmatch, _items(inside)))):
                continue
        arrays.append((label, inside, bool(bracket)))
        words.append(section[end : found.start()])
        end = found.end()
    words.append(section[end:])
    return arrays, _tidy(words), section[end:]


def _row(names: Sequence[str]) -> re.Pattern[str]:
    """Return what finds an agent's numbers that are no array: `agent_A = (1, 0)`, `| agent_A | 1 | 0 |`."""
    number = r"[0-9][0-9.eE]*+"
    agents = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(rf"(?<!\w)(?:{agents})(?!\w)[^\w\n]{{1,40}}+{number}[ \t,;|:]{{1,10}}+[-+.]{{0,2}}+{number}")


def _tidy(parts: Sequence[str]) -> str:
    """Return pieces of text as one line, without the markup that stood around the arrays."""
    texts = []
    for part in parts:
        part = " ".join(part.replace("```", " ").split())
        opening = _LABEL.match(part)
        part = part[opening.end() :] if opening else part
        texts.append(part.rstrip("*`\"'{-# "))
    return " ".join(filter(None, texts))


def _items(inside: str) -> list[str]:
    return [item.strip() for item in inside.split(",")] if "," in inside else inside.split()


def _events(
    number: int, arrays: Sequence[tuple[str, str, bool]], length: int, names: Sequence[str], problems: Problems
) -> list[EventAnswer]:
    events: list[EventAnswer] = []
    seen: set[str] = set()
    for label, inside, closed in arrays:
        place = f"episode {number}, {quoted(label)[1:-1]}"
        items = _items(inside)
        strange = next((item for item in items if not _NUMBER.fullmatch(item)), None)
        values = [float(item) for item in items] if strange is None else []
        wrong = next((t for t, value in enumerate(values) if abs(value) > LARGEST_AMOUNT), None)
        if label not in names:
            problems.add(f"episode {number}: unknown agent {quoted(label)}: the agents are {', '.join(names)}")
        elif label in seen:
            problems.add(f"{place}: there are two arrays")
        elif not closed:
            problems.add(f"{place}: the array does not end, or holds brackets", "schema")
        elif strange is not None:
            problems.add(f"{place}: {quoted(strange)} is no number", "schema")
        elif len(items) != length:
            problems.add(f"{place}: {len(items)} numbers, but the episode has {length} steps")
        elif wrong is not None:
            problems.add(f"{place}, step {wrong}: {values[wrong]:g} is out of all bounds")
        else:
            events += _runs(label, values)
        seen.add(label)
    missing = [name for name in names if name not in seen]
    if missing:
        problems.add(f"episode {number}: no array for {', '.join(missing)}")
    return events


def _runs(agent: str, values: Sequence[float]) -> list[EventAnswer]:
    """Return events whose amounts, spread evenly over their steps, are the values again, bit for bit."""
    events: list[EventAnswer] = []
    start = 0
    for value, run in groupby(values):
        stop = start + sum(1 for _ in run)
        steps = stop - start
        if value:
            # Where the sum of a run, divided by its steps, is rounded to another number: step by step.
            pieces = [(start, stop)] if value * steps / steps == value else [(t, t + 1) for t in range(start, stop)]
            events += [{"agent": agent, "start": a, "stop": b, "amount": value * (b - a), "why": ""} for a, b in pieces]
        start = stop
    return events
