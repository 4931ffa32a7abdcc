"""Providers by name: the built-in ones, and those that other packages bring.

A package brings one as an entry point:

    [project.entry-points."credit_wrappers.providers"]
    example = "my_package:make_client"

It is a callable `(model=..., base_url=...) -> ModelClient`; either argument may be None.
"""

from __future__ import annotations

import math
from importlib.metadata import entry_points

from credit_wrappers.core.errors import CreditError
from credit_wrappers.llm.client import ModelClient
from credit_wrappers.llm.providers.anthropic import DEFAULT_MODEL, AnthropicClient
from credit_wrappers.llm.providers.folder import DEFAULT_NAME, FolderClient
from credit_wrappers.llm.providers.openai_compatible import OpenAICompatibleClient

GROUP = "credit_wrappers.providers"
_BUILT_IN = ("anthropic", "openai", "folder")


def provider_names() -> list[str]:
    """Return the names of all providers: the built-in ones first, then those of other packages, sorted."""
    return [*_BUILT_IN, *sorted(entry_points(group=GROUP).names - set(_BUILT_IN))]


def make_client(name: str, *, model: str | None = None, base_url: str | None = None) -> ModelClient:
    """Return a client of the provider `name`.

    Args:
        name: One of `provider_names()`; no package can replace a built-in one.
        model: Model name; None: the provider's default, if it has one.
        base_url: Address of another server than the provider's own; for "folder", the folder with the questions
            (default `questions`), whose answers are waited for.

    Raises:
        ValueError: There is no provider of that name, or it needs a model and none was given.
        CreditError: The provider cannot be used: its package cannot be imported, or there is no key.
    """
    if name == "anthropic":
        return AnthropicClient(model or DEFAULT_MODEL, base_url=base_url)
    if name == "openai":
        if model is None:
            raise ValueError("provider 'openai' needs the name of a model")
        return OpenAICompatibleClient(model, base_url=base_url)
    if name == "folder":
        return FolderClient(base_url or "questions", name=model or DEFAULT_NAME, wait=math.inf)
    found = next(iter(entry_points(group=GROUP).select(name=name)), None)
    if found is None:
        raise ValueError(f"unknown provider {name!r}; valid: {', '.join(provider_names())}")
    try:
        make = found.load()
    except (ImportError, AttributeError) as error:
        raise CreditError(f"provider {name!r} ({found.value}) cannot be imported: {error}") from error
    client: ModelClient = make(model=model, base_url=base_url)
    return client
