"""Critics by name: those of this package that need no model, and those that other packages register.

A package registers a critic, or a function that makes one, in its own pyproject.toml:

    [project.entry-points."credit_wrappers.critics"]
    potential = "my_package.critics:PotentialCritic"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from credit_wrappers.core.critic import Critic
from credit_wrappers.critics.baselines import EqualSplitCritic, RandomCritic, SharedCritic

GROUP = "credit_wrappers.critics"

_BUILT_IN: dict[str, Callable[..., Critic]] = {
    "equal": EqualSplitCritic,
    "random": RandomCritic,
    "shared": SharedCritic,
}


def critic_names() -> list[str]:
    """Return the names that `make_critic` takes, sorted."""
    return sorted({*_BUILT_IN, *entry_points(group=GROUP).names})


def make_critic(name: str, **options: Any) -> Critic:
    """Return a new critic.

    Args:
        name: One of `critic_names()`; a built-in critic goes before a registered one of the same name.
        options: Passed to the critic.

    Raises:
        ValueError: There is no such critic; the message lists the valid names.
        TypeError: The critic does not take these options, or what was registered makes no critic.
    """
    make = _BUILT_IN.get(name)
    if make is None:
        found = entry_points(group=GROUP, name=name)
        if not found:
            raise ValueError(f"unknown critic {name!r}; valid: {', '.join(critic_names())}")
        make = next(iter(found)).load()
    critic = make(**options)
    if not callable(getattr(critic, "score", None)) or not hasattr(critic, "label"):
        raise TypeError(f"critic {name!r}: {type(critic).__name__} is no critic; it needs a score method and a label")
    return critic
