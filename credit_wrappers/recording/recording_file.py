"""Files of recorded episodes: they grow by whole records, so a program that is killed loses the running episode only.

A recording is a folder; each environment that records has a file of its own in it. A file begins with `MAGIC`, then
records follow: length and CRC-32 of the content, the CRC-32 of these two, and the content: a line of JSON, and the
bytes of the arrays that it lists. A record that the end of the file cuts off is left out; other damage is an error.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import weakref
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from credit_wrappers.core.errors import DatasetError

MAGIC = b"LCW recording 2\n"  # the number is the version of the format
SUFFIX = ".episodes"
_PREFIX = struct.Struct("<QI")  # length and CRC-32 of a record's content
_CHECK = struct.Struct("<I")  # CRC-32 of the prefix: a wrong length would look like a record that was cut off
# What pickles of moments and states may name beside the packages that the reader trusts.
_PLAIN = {
    "builtins": frozenset(("set", "frozenset", "bytearray", "complex", "range", "slice")),
    "collections": frozenset(("OrderedDict", "deque", "defaultdict")),
    "numpy": frozenset(("ndarray", "dtype")),
    "numpy._core.multiarray": frozenset(("_reconstruct", "scalar")),
    "numpy._core.numeric": frozenset(("_frombuffer",)),
    "numpy.core.multiarray": frozenset(("_reconstruct", "scalar")),
    "numpy.core.numeric": frozenset(("_frombuffer",)),
}


@dataclass(frozen=True, eq=False)
class EpisodeBlock:
    """One record: facts, arrays and pickled values, each by name."""

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]
    pickled: dict[str, bytes]


class RecordingFile:
    """A file that records are appended to. It is made at once, under a name that no other file has.

    Args:
        folder: The recording; it is made if it does not exist.
        head: Facts about the environment, the first record.

    Attributes:
        path: The file.
        close: Closes the file.
    """

    def __init__(self, folder: Path, head: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob(f"*{SUFFIX}")))
        while True:
            self.path = folder / f"play-{number:04d}{SUFFIX}"
            try:
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                break
            except FileExistsError:  # another process was faster
                number += 1
        self.close = weakref.finalize(self, os.close, self._file)  # also when it is forgotten
        self._size = os.write(self._file, MAGIC)
        self.append(head, {}, {})

    def append(self, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray], values: Mapping[str, object]) -> None:
        """Append a record, in one call to the system.

        Args:
            facts: What JSON can say.
            arrays: By name.
            values: By name, what is pickled.
        """
        parts = [pickle.dumps(value, 5) for value in values.values()]
        listed: list[list[Any]] = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
        listed += [[name, "pickle", len(part)] for name, part in zip(values, parts, strict=True)]
        self.append_bytes(json.dumps([facts, listed]).encode(), *(array.tobytes() for array in arrays.values()), *parts)

    def append_bytes(self, line: bytes, *parts: bytes) -> None:
        """Append a record whose line of JSON, and whose arrays' and pickles' bytes, are given.

        Raises:
            OSError: It could not be written, for instance because the disk is full. The file is as it was before.
        """
        content = b"\n".join((line, b"".join(parts)))
        prefix = _PREFIX.pack(len(content), crc32(content))
        data = prefix + _CHECK.pack(crc32(prefix)) + content
        try:
            written = os.write(self._file, data)
            while written < len(data):  # a signal cut a long write short
                written += os.write(self._file, data[written:])
        except BaseException:  # half a record would hide all that follow
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise
        self._size += len(data)


def recording_files(folder: Path) -> list[Path]:
    """Return the files of a recording, oldest first.

    Raises:
        FileNotFoundError: There are none.
    """
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if not found:
        raise FileNotFoundError(f"{folder} is no recording: it has no files *{SUFFIX}")
    return found


def read_blocks(path: Path) -> Iterator[EpisodeBlock]:
    """Yield the whole records of a file, the head first.

    Raises:
        DatasetError: It is no recording, of another version, or damaged before its end.
    """
    size = os.path.getsize(path)
    with path.open("rb") as file:
        if (magic := file.read(len(MAGIC))) != MAGIC:
            if MAGIC.startswith(magic):
                return  # killed before anything was recorded
            what = "of another version" if magic.startswith(MAGIC[:13]) else "no recording"
            raise DatasetError(f"{path} is {what}; this program reads {MAGIC.decode().strip()!r}")
        while len(start := file.read(_PREFIX.size + _CHECK.size)) == _PREFIX.size + _CHECK.size:
            prefix, check = start[: _PREFIX.size], start[_PREFIX.size :]
            if _CHECK.pack(crc32(prefix)) != check:
                raise DatasetError(f"{path} is damaged at byte {file.tell() - len(start)}")
            length, checksum = _PREFIX.unpack(prefix)
            if file.tell() + length > size:
                return  # killed while it was written
            content = file.read(length)
            if crc32(content) != checksum:
                raise DatasetError(f"{path} is damaged at byte {file.tell() - length}")
            yield _block(content)


def unpickled(data: bytes, trusted: Collection[str]) -> Any:
    """Return a pickled value, whose classes are of trusted packages, of numpy, or plain Python's.

    Args:
        data: The pickle.
        trusted: Names of top-level packages.

    Raises:
        DatasetError: It names something else.
    """
    return _Unpickler(data, trusted).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, trusted: Collection[str]) -> None:
        super().__init__(io.BytesIO(data))
        self._trusted = trusted

    def find_class(self, module: str, name: str) -> Any:
        kind = super().find_class(module, name) if self._trusts(module) else None
        # A module of ours also leads to classes of others, which it imported.
        if (isinstance(kind, type) and self._trusts(kind.__module__)) or name in _PLAIN.get(module, ()):
            return kind or super().find_class(module, name)
        raise DatasetError(
            f"the recording holds a {module}.{name}, which is no class of {', '.join(sorted(self._trusted))}: read it "
            "with the function that makes its environment, make_env=..."
        )

    def _trusts(self, module: str) -> bool:
        return module.partition(".")[0] in self._trusted


def _block(content: bytes) -> EpisodeBlock:
    line, _, data = content.partition(b"\n")
    facts, listed = json.loads(line)
    arrays, pickled, at = {}, {}, 0
    for name, kind, shape in listed:
        if kind == "pickle":
            pickled[name], at = data[at : at + shape], at + shape
            continue
        array = np.frombuffer(data, kind, int(np.prod(shape)), at).reshape(shape)
        arrays[name], at = array, at + array.nbytes
    return EpisodeBlock(facts, arrays, pickled)
