"""Loading a data set: by its path, or by the name of one that comes with the package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset.compact_form import SUFFIX, compact_card, read_compact
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.dataset_figures import DatasetTotals, check_figures
from credit_wrappers.dataset.dataset_spaces import TeamSpaces
from credit_wrappers.dataset.format_header import check_header
from credit_wrappers.dataset.minari_form import read_minari
from credit_wrappers.dataset.parquet_form import read_parquet
from credit_wrappers.dataset.published import published_file, published_names
from credit_wrappers.dataset.saving import CHECKSUMS, HEAD, sha256_of

# Files that are read, of any form.
_READ = (HEAD, "data/main_data.hdf5", "labels.jsonl", "steps/train.parquet", "episodes/train.parquet")


def load(path: str | PathLike[str], *, replay: bool = True) -> list[LabelledEpisode]:
    """Return the labels of a data set.

    Args:
        path: A folder or file that `save` wrote, or the name of a published data set, such as "duet-claude".
        replay: Whether a data set of the form "compact", as the published ones, has its episodes played again, which
            gives them observations, action masks, moments and a narrator; else they have none.

    Raises:
        DatasetError: It is damaged, cut off, of another version, or no data set; or the environment of this program
            makes other episodes.
        FileNotFoundError: There is nothing at the path, and no published data set of that name.
        ImportError: The library of the environment, or of the form, is not installed.
    """
    return list(iterate(path, replay=replay))


def iterate(path: str | PathLike[str], *, replay: bool = True) -> Iterator[LabelledEpisode]:
    """Yield the labels of a data set, one at a time; see `load`."""
    found = located(path)
    if found.is_file():
        yield from read_compact(found, replay=replay)
        return
    form = read_head(found)["form"]
    check_files(found)
    yield from (read_parquet if form == "parquet" else read_minari)(found)


def load_card(path: str | PathLike[str]) -> DatasetCard:
    """Return the card of a data set, whose `make_env` makes its environment; see `load`."""
    found = located(path)
    return compact_card(found) if found.is_file() else DatasetCard.from_json(read_head(found)["card"])


def described(path: str | PathLike[str]) -> tuple[str, str, DatasetCard, dict[str, Any]]:
    """Return name, form, card and figures of a data set; see `DatasetTotals.figures`.

    Raises:
        DatasetError: As `load`; or the figures of a folder, or a file of it, are damaged.
    """
    found = located(path)
    if found.is_dir():
        head = read_head(found)
        card = DatasetCard.from_json(head["card"])
        try:
            figures = check_figures(head.get("figures"))
        except ValueError as error:
            again = f"by the command on its card, {card.command}" if card.command else "by dataset.save from its labels"
            raise DatasetError(
                f"{found / HEAD} is damaged: {error}; get the data set again from where it came, or make it again "
                f"{again}"
            ) from error
        if (found / CHECKSUMS).exists():
            check_files(found)
        return found.name, head["form"], card, figures
    totals, spaces = DatasetTotals(), TeamSpaces()
    for label in read_compact(found):
        totals.add(label)
        spaces.add(label)
    figures = totals.figures() | {"spaces": spaces.told()}
    return found.name.removesuffix(SUFFIX), "compact", compact_card(found), figures


def located(path: str | PathLike[str]) -> Path:
    """Return where a data set is.

    Raises:
        FileNotFoundError: There is nothing; the message lists the published names.
    """
    found = Path(path)
    if found.exists() and str(path):  # "" would be the present folder
        return found
    if found.name == str(path) and published_file(str(path)).exists():
        return published_file(str(path))
    published = ", ".join(published_names())
    name = str(path) or "''"
    raise FileNotFoundError(
        f"there is no data set {name}: no such folder or file, and the published ones are {published}"
    )


def read_head(folder: Path) -> dict[str, Any]:
    """Return the head of a data set that is a folder; raise DatasetError where there is none of this version."""
    try:
        head = json.loads((folder / HEAD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{folder} is no data set of this package, or not a whole one: it has no {HEAD}") from None
    except ValueError as error:
        raise DatasetError(f"{folder / HEAD} is damaged: {error}") from error
    return check_header(head, str(folder))


def check_files(folder: Path) -> None:
    """Raise DatasetError unless all files have the checksums of the list."""
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DatasetError(f"{folder} is not a whole data set: it has no {CHECKSUMS}") from None
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in _READ:
        if name not in listed and (folder / name).is_file():
            raise DatasetError(f"{folder / CHECKSUMS} was cut off: it does not list {name}")
    for name, digest in listed.items():
        if not (folder / name).is_file():
            raise DatasetError(f"{folder} is not a whole data set: {name} is missing")
        if name != "README.md" and sha256_of(folder / name) != digest:  # people edit the card
            raise DatasetError(f"{folder / name} is damaged or was cut off: its SHA-256 is not the one in {CHECKSUMS}")
