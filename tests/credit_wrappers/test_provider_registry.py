"""Providers are found by name, also those of other packages."""

from importlib import metadata

import pytest
from credit_fakes import FakeClient

from credit_wrappers import AnthropicClient, CreditError, OpenAICompatibleClient
from credit_wrappers.llm.providers import provider_registry as registry
from credit_wrappers.llm.providers.anthropic import DEFAULT_MODEL
from credit_wrappers.llm.providers.provider_registry import make_client, provider_names

LOCAL = "http://127.0.0.1:1/v1"


def make_fake(model, base_url):
    return FakeClient("hello", name=f"{model} at {base_url}")


@pytest.fixture
def packages(monkeypatch):
    """Other packages bring a provider, one that cannot be imported, and one that claims a built-in name."""
    values = {"fake": f"{__name__}:make_fake", "broken": f"{__name__}:nothing", "anthropic": f"{__name__}:make_fake"}
    points = [metadata.EntryPoint(name, value, registry.GROUP) for name, value in values.items()]

    def entry_points(*, group):
        return metadata.EntryPoints(points).select(group=group)

    monkeypatch.setattr(registry, "entry_points", entry_points)


def test_built_in_providers_make_their_clients():
    assert provider_names()[:2] == ["anthropic", "openai"]
    claude, gpt = make_client("anthropic", base_url=LOCAL), make_client("openai", model="gemma", base_url=LOCAL)
    assert (type(claude), claude.name) == (AnthropicClient, f"{DEFAULT_MODEL}@127.0.0.1:1/v1")
    assert (type(gpt), gpt.name) == (OpenAICompatibleClient, "gemma@127.0.0.1:1/v1")
    assert make_client("anthropic", model="m", base_url=LOCAL).name == "m@127.0.0.1:1/v1"


def test_provider_of_another_package_gets_model_and_address(packages):
    assert provider_names() == ["anthropic", "openai", "folder", "broken", "fake"]
    assert make_client("fake", model="m", base_url=LOCAL).name == f"m at {LOCAL}"
    assert make_client("fake").name == "None at None"


def test_built_in_name_cannot_be_replaced(packages):
    assert type(make_client("anthropic", base_url=LOCAL)) is AnthropicClient


def test_unknown_name_is_refused_with_the_valid_ones(packages):
    with pytest.raises(ValueError, match="unknown provider 'fakes'; valid: anthropic, openai, folder, broken, fake"):
        make_client("fakes")


def test_provider_that_cannot_be_imported_is_named(packages):
    with pytest.raises(CreditError, match=r"provider 'broken' .*:nothing. cannot be imported"):
        make_client("broken")


def test_provider_without_a_default_needs_a_model():
    with pytest.raises(ValueError, match="'openai' needs the name of a model"):
        make_client("openai", base_url=LOCAL)
