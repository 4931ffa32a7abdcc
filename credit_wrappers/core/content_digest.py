"""A digest of values by what they hold, the same in every process and for every numeric type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import Any

import numpy as np


def content_digest(*values: object) -> bytes:
    """Return 8 bytes that differ when the values differ.

    Numbers count by their value: 1, 1.0 and True are alike, in arrays of any type. Lists, tuples and arrays are alike,
    and so are mappings in any order.

    Args:
        values: None, texts, bytes, numbers and arrays; lists, tuples, mappings and dataclasses of such values.

    Raises:
        TypeError: There is a value of another kind.
    """
    digest = blake2b(digest_size=8)
    _add(digest, values)
    return digest.digest()


def _add(digest: Any, value: Any) -> None:
    # A tag and a length stand before all content, or ("ab", "c") and ("a", "bc") would be alike.
    if value is None:
        digest.update(b"none;")
    elif isinstance(value, str | bytes):
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        digest.update(b"%s%d;" % (type(value).__name__[:1].encode(), len(data)))
        digest.update(data)
    elif (numbers := _numbers(value)) is not None:
        digest.update(f"n{numbers.shape};".encode())
        digest.update(numbers.tobytes())
    elif isinstance(value, np.ndarray):
        _add(digest, value.tolist())
    elif isinstance(value, list | tuple):
        digest.update(b"l%d;" % len(value))
        for item in value:
            _add(digest, item)
    elif isinstance(value, Mapping):
        _add(digest, sorted(([key, item] for key, item in value.items()), key=lambda pair: repr(pair[0])))
    elif isinstance(value, int):  # larger than any number of an array
        _add(digest, str(value))
    elif is_dataclass(value) and not isinstance(value, type):
        _add(digest, [type(value).__name__, *(getattr(value, field.name) for field in fields(value))])
    else:
        raise TypeError(f"no digest of a {type(value).__name__}")


def _numbers(value: Any) -> np.ndarray | None:
    """Return numbers as float64, with zeros for minus zeros; None for anything else."""
    try:
        array = np.asarray(value)
        if array.dtype == object and isinstance(value, np.ndarray) and array.size:
            array = np.asarray(array.tolist())  # arrays in an array, or numbers
    except (ValueError, TypeError, RuntimeError):  # parts of unlike shapes, or what is no array
        return None
    return np.asarray(array, np.float64) + 0.0 if array.dtype.kind in "biuf" else None
