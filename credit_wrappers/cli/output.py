"""What a program prints, whatever the terminal can show and whoever reads on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper


@contextmanager
def printing() -> Iterator[None]:
    r"""Print as `\u2212` what the output cannot encode, and end quietly when nobody reads on, as behind `| head`."""
    output = sys.stdout
    if isinstance(output, TextIOWrapper) and output.errors in ("strict", "surrogateescape"):  # not chosen by the user
        output.reconfigure(errors="backslashreplace")
    try:
        with suppress(BrokenPipeError):
            yield
    finally:
        try:
            if output is not None:
                output.flush()
        except BrokenPipeError:  # nothing more may be written, not even at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
