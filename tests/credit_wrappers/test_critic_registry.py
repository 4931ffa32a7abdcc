"""Critics by name: built in, or from an entry point of another package."""

from __future__ import annotations

import importlib.metadata
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY, corridor_episode

from credit_wrappers import Credit, EqualSplitCritic, RandomCritic, SharedCritic
from credit_wrappers.critics import critic_registry as registry
from credit_wrappers.critics.critic_registry import critic_names, make_critic

EPISODE = corridor_episode([[FORWARD, STAY]] * 3)


class ConstantCritic:
    """Pays every agent the same amount."""

    label = "constant"

    def __init__(self, amount: float = 1.0) -> None:
        self.amount = amount

    def score(self, episodes):
        return [Credit(np.full((e.length, e.n_agents), self.amount, np.float32)) for e in episodes]


@pytest.fixture
def registered(monkeypatch):
    """Entry points as an installed package would bring them."""
    found = EntryPoints(
        EntryPoint(name, target, registry.GROUP)
        for name, target in (
            ("constant", f"{__name__}:ConstantCritic"),
            ("shared", f"{__name__}:ConstantCritic"),
            ("broken", "builtins:dict"),
        )
    )
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: found.select(**wanted))


def test_built_in_critics_have_names():
    assert critic_names() == ["equal", "random", "shared"]
    assert isinstance(make_critic("equal"), EqualSplitCritic)
    assert isinstance(make_critic("shared"), SharedCritic)
    assert isinstance(make_critic("random", seed=3), RandomCritic)
    assert registry.entry_points is importlib.metadata.entry_points


def test_a_critic_of_another_package_is_made_with_its_options(registered):
    assert critic_names() == ["broken", "constant", "equal", "random", "shared"]
    [credit] = make_critic("constant", amount=2.5).score([EPISODE])
    assert (credit.values == 2.5).all()


def test_a_built_in_critic_goes_before_one_of_the_same_name(registered):
    assert isinstance(make_critic("shared"), SharedCritic)


def test_an_unknown_name_gives_the_valid_ones(registered):
    with pytest.raises(ValueError, match=r"unknown critic 'equl'; valid: broken, constant, equal, random, shared"):
        make_critic("equl")


def test_options_that_a_critic_does_not_take_are_refused(registered):
    with pytest.raises(TypeError, match="amnt"):
        make_critic("constant", amnt=1.0)
    with pytest.raises(TypeError):
        make_critic("equal", amount=1.0)


def test_something_that_is_no_critic_is_refused(registered):
    with pytest.raises(TypeError, match="critic 'broken': dict is no critic; it needs a score method and a label"):
        make_critic("broken")


def test_random_credit_depends_on_the_episode_and_the_seed_and_not_on_the_query():
    other = corridor_episode([[STAY, FORWARD]] * 3)
    alone, second = RandomCritic(1).score([EPISODE])[0].values, RandomCritic(1).score([other, EPISODE])[1].values
    assert (alone == second).all() and alone.shape == (3, 2) and len(set(alone.flat)) == 6
    assert (RandomCritic(2).score([EPISODE])[0].values != alone).all()
    assert (RandomCritic(1).score([other])[0].values != alone).all()
    with pytest.raises(ValueError, match="seed must be 0 or more, got -1"):
        RandomCritic(-1)
