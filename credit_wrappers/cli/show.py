"""`ledger show`: one entry, for a person to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from credit_wrappers.cli.reading import Reading, read
from credit_wrappers.llm.ledger.entry import LedgerEntry
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.llm.prompts.render import prompt_digest


def show(ledger: Ledger, which: str | None, *, episode: str | None = None, request: bool = False) -> Iterator[str]:
    """Yield the lines that describe one entry.

    Args:
        ledger: The ledger.
        which: The entry's number, from 1, or the beginning of its key; None: the newest.
        episode: Only questions about the episode with this key, and only that episode of them.
        request: Whether to print the whole question.

    Raises:
        ValueError: There is no such entry, or several questions match.
    """
    entry = _find(ledger, which, episode or "")
    yield from _head(entry, len(ledger))
    if request:
        yield from ("", "=== system ===", "", entry.request.system, "", "=== user ===", "", entry.request.prompt)
        yield from ("", "=== answer ===")
    readings = read(entry)
    for number, reading in enumerate(readings, 1):
        if episode in (None, reading.judged.key):
            yield ""
            yield from _episode(number, reading)
    # The answer is unusable, or of a form that this version does not read.
    if entry.completion is not None and not any(reading.summary or reading.events for reading in readings):
        yield from ("", "the answer as it came:", entry.completion.text)


def _find(ledger: Ledger, which: str | None, episode: str) -> LedgerEntry:
    about = f" about episode {episode}" if episode else ""
    if which is not None and which.isdecimal() and int(which) <= len(ledger):
        for entry in ledger.entries(number=int(which), episode=episode):
            return entry
    found: LedgerEntry | None = None
    others: list[str] = []
    for entry in ledger.entries(key=which or "", episode=episode, newest_first=True):
        found = found or entry
        if which is None:
            break
        if entry.key not in (found.key, *others):
            others.append(entry.key)
    if found is None:
        wanted = "entry" if which is None else f"entry number {which}, or one whose key begins so,"
        raise ValueError(f"ledger {ledger.path} has no {wanted}{about}; it has {len(ledger)} entries")
    if others:
        listed = ", ".join(key[:16] for key in [found.key, *others][:5])
        raise ValueError(f"{len(others) + 1} questions have keys that begin with {which!r}: {listed}, ...")
    return found


def _head(entry: LedgerEntry, count: int) -> Iterator[str]:
    when = datetime.fromtimestamp(entry.time).strftime("%Y-%m-%d %H:%M:%S")
    wording = prompt_digest(entry.request.system)
    yield f"entry {entry.number} of {count}, {when}, question {entry.key[:12]}, wording {wording}"
    yield f"client {entry.client}, model {entry.model or '(no answer)'}, source {entry.source}"
    usage = entry.usage
    if entry.answered:
        yield (
            f"{usage.seconds:.1f} s, ended by {entry.stop_reason}; tokens: {usage.input_tokens:,} read, "
            f"{usage.cached_tokens:,} from the provider's cache, {usage.cache_write_tokens:,} written to it, "
            f"{usage.output_tokens:,} answered"
        )
    if entry.failure:
        yield f"failure {entry.failure}: {entry.message}"


def _episode(number: int, reading: Reading) -> Iterator[str]:
    judged = reading.judged
    yield f"episode {number}: {judged.key}" + (f", {judged.length} steps" if judged.length else "")
    if judged.totals is not None:
        yield "  " + ", ".join(f"{agent} {total:+.3f}" for agent, total in judged.totals.items())
    elif judged.agents:
        yield f"  {', '.join(judged.agents)}: no credit"
    if reading.summary:
        yield f"  {reading.summary}"
    yield from _table((e.start, e.stop, e.agent, f"{e.amount:+.3f}", e.why) for e in reading.events)
    if reading.tasks:
        yield "  tasks that would have been best:"
        yield from _table((s.start, s.stop, s.agent, s.task, s.why) for s in reading.tasks)


def _table(rows: Iterable[tuple[int, int, str, str, str]]) -> Iterator[str]:
    """Yield a line for each first step, one past the last step, agent, word and reason."""
    told = [(f"{a}-{b - 1}" if b - a > 1 else f"{a}", *rest) for a, b, *rest in rows]
    width, agents, words = (max((len(row[k]) for row in told), default=0) for k in range(3))
    for steps, agent, word, why in told:
        yield f"  {steps:>{width}}  {agent:<{agents}}  {word:<{words}}  {why}".rstrip()
