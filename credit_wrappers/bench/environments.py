"""Environments by name, `family:scenario`, such as `spaceworld:duet`, `lbf:Foraging-8x8-2p-2f-coop-v3`, `corridor`.

A package registers a family in its own pyproject.toml:

    [project.entry-points."credit_wrappers.environments"]
    rescue = "my_package.rescue:parallel_env"    # called as parallel_env(scenario, max_cycles=..., ...)

Without a scenario (`corridor`) the function is called without one, so it needs a default.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.errors import CreditError

GROUP = "credit_wrappers.environments"
# What families call their time limit, where it is not `max_cycles` as in PettingZoo.
_TIME_LIMIT = {"lbf": "max_episode_steps", "rware": "max_steps", "corridor": "horizon"}


def environment_families() -> list[str]:
    """Return the families that `make_environment` takes, sorted."""
    return sorted(entry_points(group=GROUP).names)


def check_world(world: str) -> None:
    """Raise ValueError, which lists the families, if a world is of none of them."""
    _family(world)


def make_environment(world: str, max_cycles: int | None = None, **arguments: Any) -> ParallelEnv:
    """Return a new PettingZoo parallel environment.

    Args:
        world: `family:scenario`, or a family alone.
        max_cycles: Steps until truncation; None: the world's own number.
        arguments: Passed on.

    Raises:
        ValueError: There is no such family, and the message lists them; or, from the family, no such scenario.
        CreditError: The family cannot be imported.
        ImportError: From the family: its library is not installed; the message says how to get it.
    """
    found = _family(world)
    family, _, scenario = world.partition(":")
    try:
        make = found.load()
    except (ImportError, AttributeError) as error:
        raise CreditError(f"family {family!r} ({found.value}) cannot be imported: {error}") from error
    if max_cycles is not None:
        arguments = {_TIME_LIMIT.get(family, "max_cycles"): max_cycles, **arguments}
    env: ParallelEnv = make(scenario, **arguments) if scenario else make(**arguments)
    return env


def _family(world: str) -> EntryPoint:
    family = world.partition(":")[0]
    found = next(iter(entry_points(group=GROUP).select(name=family)), None)
    if found is None:
        families = environment_families()
        meant = next(iter(get_close_matches(family, families, n=1)), "")
        raise ValueError(
            f"unknown world {world!r}: there is no family {family!r}; {f'did you mean {meant}? ' if meant else ''}"
            f"valid families are {', '.join(families) or '(none: install the package)'}, as in spaceworld:duet"
        )
    return found
