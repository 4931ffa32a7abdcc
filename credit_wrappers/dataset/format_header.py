"""The head of every data set: its form, the version of the format, and what may be read."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, get_args

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.dataset.dataset_card import DatasetCard

FORMAT = "llm-credit-wrappers data set"
VERSION = 1  # of the format; another one is another version of this number
Form = Literal["minari", "parquet", "compact"]


def header(form: Form, card: DatasetCard, **more: Any) -> dict[str, Any]:
    """Return the head of a data set that is written now."""
    return {"format": FORMAT, "version": VERSION, "form": form, "package": package_version(), **more} | {
        "card": card.as_json()
    }


def check_header(head: object, where: str) -> dict[str, Any]:
    """Return the head of a data set that is read.

    Raises:
        DatasetError: It is none, of another version, or without a card.
    """
    if not isinstance(head, Mapping) or head.get("format") != FORMAT:
        raise DatasetError(f"{where} is no data set of this package")
    if head.get("version") != VERSION:
        raise DatasetError(
            f"{where} is a data set of format version {head.get('version')} (written by llm-credit-wrappers "
            f"{head.get('package')}); this program, {package_version()}, reads version {VERSION}"
        )
    if head.get("form") not in get_args(Form):
        raise DatasetError(f"{where} is a data set of the unknown form {head.get('form')!r}")
    if not isinstance(head.get("card"), Mapping):
        raise DatasetError(f"{where} has no card")
    return dict(head)


def package_version() -> str:
    """Return the version of this package; "unknown" where it is not installed."""
    try:
        return version("llm-credit-wrappers")
    except PackageNotFoundError:
        return "unknown"
