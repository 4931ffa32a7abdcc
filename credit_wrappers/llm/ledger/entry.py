"""What the ledger holds of one question: the request, the answer, and the credit that was read from it."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from credit_wrappers.core.credit import Usage
from credit_wrappers.llm.client import Completion, Request

# zlib's levels. Texts are many and long: level 1 takes a third of the time of level 6, for a fifth more bytes. Credits
# are short and repeat themselves from step to step.
_TEXT_LEVEL, _CREDIT_LEVEL = 1, 6


@dataclass(frozen=True, eq=False)
class JudgedEpisode:
    """What an answer says about one episode."""

    key: str  # `Episode.key`
    agents: tuple[str, ...]  # the N agents by their own names, in the order in which the prompt listed them
    # (T, N) float32, the events before any shaping; column k belongs to `agents[k]`. None without a usable answer.
    values: np.ndarray | None
    length: int  # number of steps, T

    @property
    def totals(self) -> dict[str, float] | None:
        """Each agent's summed credit, or None without a usable answer."""
        if self.values is None:
            return None
        return dict(zip(self.agents, self.values.sum(axis=0, dtype=np.float64).tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class LedgerEntry:
    """One question and its answer, as recorded. Texts and credits are unpacked on demand."""

    number: int  # 1 for the oldest entry of the file
    key: str  # `Request.key()`
    time: float  # in seconds since 1970
    source: str  # `model`, `scripted` or `cache` (replayed from another ledger)
    client: str  # `Request.model`
    model: str  # the one that answered, as the provider names it; "" without an answer
    stop_reason: str  # "" without an answer
    usage: Usage  # what the answer cost; nothing without an answer
    failure: str  # why the answer is unusable (`errors.ModelFailure`, `errors.AnswerFailure`); "" for a good one
    message: str  # the error's text
    _system: str
    _schema: str
    _prompt: bytes
    _max_tokens: int
    _temperature: float | None
    _answer: bytes | None
    _keys: str
    _credits: bytes | None

    @property
    def answered(self) -> bool:
        """Whether there is an answer, usable or not."""
        return self._answer is not None

    @cached_property
    def request(self) -> Request:
        """The whole question."""
        prompt, schema = unpack_text(self._prompt), json.loads(self._schema)
        return Request(self._system, prompt, schema, self.client, self._max_tokens, self._temperature)

    @cached_property
    def completion(self) -> Completion | None:
        """The answer; None when the model gave none."""
        if self._answer is None:
            return None
        return Completion(unpack_text(self._answer), self.usage, self.model, self.stop_reason)

    @cached_property
    def episodes(self) -> tuple[JudgedEpisode, ...]:
        """The episodes asked about, in the order of the prompt."""
        return unpack_episodes(self._keys, self._credits)


def pack_row(
    request: Request,
    completion: Completion | None,
    key: str,
    source: str,
    failure: str,
    message: str,
    episodes: Sequence[JudgedEpisode],
) -> tuple[tuple[object, ...], dict[str, str]]:
    """Return a row of the table `answers`, without its id, and the texts that rows share, by hash."""
    shared = [request.system, json.dumps(request.schema, sort_keys=True)]
    system, schema = (sha256(text.encode()).hexdigest() for text in shared)
    given = completion or Completion("", Usage(), "", "")
    keys, credits = pack_episodes(episodes)
    row = (
        key,
        time.time(),
        source,
        request.model,
        given.model,
        system,
        schema,
        zlib.compress(request.prompt.encode(), _TEXT_LEVEL),
        request.max_tokens,
        request.temperature,
        None if completion is None else zlib.compress(completion.text.encode(), _TEXT_LEVEL),
        given.stop_reason,
        given.usage.input_tokens,
        given.usage.output_tokens,
        given.usage.cached_tokens,
        given.usage.seconds,
        failure,
        message,
        keys,
        given.usage.cache_write_tokens,
        credits,
    )
    return row, dict(zip((system, schema), shared, strict=True))


def unpack_text(data: bytes) -> str:
    """Return a text of the file."""
    return zlib.decompress(data).decode()


def pack_episodes(episodes: Sequence[JudgedEpisode]) -> tuple[str, bytes | None]:
    """Return the two columns `episodes` (JSON list of the keys) and `credits`.

    `credits` is compressed with zlib: one line of JSON, for each episode [length, whether it has values, names
    of its agents]; then the values, float32 little-endian, step by step, one episode after the other.

    Raises:
        ValueError: Values are not of shape (length, number of agents).
    """
    keys = json.dumps([episode.key for episode in episodes])
    if not episodes:
        return keys, None
    head, tables = [], []
    for episode in episodes:
        head.append([episode.length, int(episode.values is not None), episode.agents])
        if episode.values is not None:
            found, expected = episode.values.shape, (episode.length, len(episode.agents))
            if found != expected:
                raise ValueError(f"episode {episode.key}: values have shape {found}, expected {expected}")
            tables.append(episode.values.astype("<f4").tobytes())
    line = json.dumps(head, separators=(",", ":")) + "\n"
    return keys, zlib.compress(line.encode() + b"".join(tables), _CREDIT_LEVEL)


def unpack_episodes(keys: str, credits: bytes | None) -> tuple[JudgedEpisode, ...]:
    """Return the episodes of the two columns."""
    if credits is None:
        return ()
    line, _, data = zlib.decompress(credits).partition(b"\n")
    episodes, at = [], 0
    for key, (length, judged, agents) in zip(json.loads(keys), json.loads(line), strict=True):
        values = None
        if judged:
            count = length * len(agents)
            values = np.frombuffer(data, "<f4", count, at).reshape(length, len(agents))
            at += 4 * count
        episodes.append(JudgedEpisode(key, tuple(agents), values, length))
    return tuple(episodes)
