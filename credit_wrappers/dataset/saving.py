"""Saving a data set: in one of its forms, a label at a time, and whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from glob import escape
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.core.optional import require
from credit_wrappers.core.whole_characters import whole_characters
from credit_wrappers.dataset.card_page import HISTOGRAM, card_page, histogram
from credit_wrappers.dataset.compact_form import SUFFIX, write_compact
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.dataset_figures import DatasetTotals
from credit_wrappers.dataset.format_header import header, package_version
from credit_wrappers.dataset.label_sources import as_label
from credit_wrappers.dataset.minari_form import write_minari
from credit_wrappers.dataset.parquet_form import write_parquet
from credit_wrappers.dataset.vault_form import write_vault

SaveForm = Literal["minari", "parquet", "compact", "vault"]
HEAD, CHECKSUMS = "dataset.json", "SHA256SUMS"
_FILES = (".jsonl", ".gz")  # endings of files, which no folder should have
_LIBRARIES = {  # each with its extra
    "minari": {"h5py": "dataset", "minari": "dataset"},
    "parquet": {"pyarrow": "dataset"},
    "compact": {},
    "vault": {"flashbax": "vault", "jax": "vault"},
}


def save(
    path: str | PathLike[str],
    labels: Iterable[LabelledEpisode | tuple[Episode, Credit]],
    card: DatasetCard | None = None,
    *,
    form: SaveForm = "minari",
    frames: bool = True,
) -> Path:
    """Write labels to a data set that does not exist yet, and return its path.

    Labels are taken one at a time, so a generator of any length can be saved. Until the last one is written, the data
    set has another name, which begins with a dot; a program that is killed leaves nothing under `path`, and the next
    one that saves there removes what is left.

    Args:
        path: A folder; for "compact" a file whose name ends with .jsonl.gz.
        labels: Labels, or pairs (episode, credit), of one team.
        card: What is to be told of the data set.
        form: "minari": HDF5 that Minari and TorchRL load; "parquet": tables that `datasets.load_dataset` loads;
            "compact": one small file of seeds, actions and credit, for a world that the card names; "vault": a Vault of
            OG-MARL, which `load` does not read.
        frames: Whether the narrated frames are kept; without them a data set is smaller.

    Raises:
        DatasetError: The labels do not belong in one data set, or cannot be held.
        FileExistsError: There is something at `path`; it is left as it is.
        ImportError: A library is missing; the message names the extra.
        TypeError: Something is no label, or `card` is no card or holds what JSON cannot hold.
        ValueError: There is no such form, or the name is that of another form.
    """
    path = Path(path)
    check_can_save(path, form)
    card = DatasetCard() if card is None else card
    _check_card(card)
    if not card.made_with:
        card = replace(card, made_with=f"llm-credit-wrappers {package_version()}")
    told: dict[str, Any] = {n: whole_characters(said) for n, said in vars(card).items() if isinstance(said, str)}
    card = replace(card, **told)
    each = (as_label(label, k) for k, label in enumerate(labels))
    with whole(path) as unfinished:
        if form == "compact":
            write_compact(unfinished, each, card)
            return path
        unfinished.mkdir()
        if form == "vault":
            write_vault(unfinished, each, card)
            return path
        totals = DatasetTotals()
        write = write_minari if form == "minari" else write_parquet
        spaces = write(unfinished, each, card, totals, path.name, frames)
        figures = totals.figures() | {"spaces": spaces}
        (unfinished / "README.md").write_text(card_page(path.name, form, card, figures), encoding="utf-8")
        (unfinished / HISTOGRAM).write_text(histogram(figures), encoding="utf-8")
        _finish(unfinished, header(form, card, figures=figures))
    return path


def check_can_save(path: Path, form: SaveForm) -> None:
    """Raise what `save` raises of a path and a form, before there are labels.

    Raises:
        FileExistsError: There is something at `path`.
        ImportError: The library of the form is missing; the message names the extra.
        ValueError: There is no such form, or the name is that of another form.
    """
    if form not in get_args(SaveForm):
        raise ValueError(f"unknown form {form!r}; valid: {', '.join(get_args(SaveForm))}")
    if form == "compact" and not path.name.endswith(SUFFIX):
        raise ValueError(f"{path}: the name of a data set of the form 'compact' ends with {SUFFIX}")
    if form != "compact" and path.name.endswith(_FILES):
        raise ValueError(
            f"{path}: a data set of the form {form!r} is a folder, and its name must not end with "
            f"{' or '.join(_FILES)}; the form 'compact' alone is a file, whose name ends with {SUFFIX}"
        )
    for module, extra in _LIBRARIES[form].items():
        require(module, extra)
    _check_free(path)


def _check_card(card: object) -> None:
    if not isinstance(card, DatasetCard):
        raise TypeError(
            f"card is a {type(card).__name__}; give a card, such as dataset.DatasetCard(world='spaceworld:duet')"
        )
    for name, value in card.as_json().items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name!r} of the card is {value!r}, and a data set holds JSON: {error}") from error


def _check_free(path: Path) -> None:
    if os.path.lexists(path):  # also a link that leads nowhere
        raise FileExistsError(f"{path} is there already; it was left as it is")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give another path beside `path`, and rename what is there when the block ends well; else remove it.

    Raises:
        FileExistsError: There is something at `path`, before or when the block has ended.
    """
    _check_free(path)
    remove_unfinished(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{_machine()}.unfinished")
    try:
        yield unfinished
        _check_free(path)  # another program may have been faster
        os.rename(unfinished, path)
    finally:
        _remove(unfinished)


def remove_unfinished(path: Path) -> None:
    """Remove what killed programs of this machine left of the data set at `path`; what runs keeps its own."""
    end = f"{_machine()}.unfinished"  # on a shared disk others save, too, whose processes are not seen from here
    for left in path.parent.glob(f".{escape(path.name)}.*{escape(end)}"):
        pid = left.name.removeprefix(f".{path.name}.").removesuffix(end)  # "b.7" is of another set, path.b
        if pid.isdecimal() and (int(pid) == os.getpid() or not _runs(int(pid))):  # ids are used again
            _remove(left)


def _machine() -> str:
    """Return this machine's name, as it stands behind the id of a process in the name of a file."""
    return "@" + re.sub(r"[^\w-]", "-", platform.node())[:64]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user; no id that this machine has
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _finish(folder: Path, head: dict[str, Any]) -> None:
    """Write the head and the checksums of all files, in the form that `sha256sum --check` reads."""
    (folder / HEAD).write_text(json.dumps(head, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / CHECKSUMS).write_text("".join(sums), encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
