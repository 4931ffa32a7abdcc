"""Spaceworld: cooperative in-orbit assembly as a PettingZoo environment.

    from spaceworld import spaceworld_v0
    env = spaceworld_v0.parallel_env(scenario="pair")

Importing this package opens no window and registers nothing; `register_envs()` puts the presets into PettingZoo's
registry.
"""

from spaceworld.presets import PRESETS, fleet, get_scenario
from spaceworld.registry import register_envs
from spaceworld.scenario import Debris, Layout, Module, Robot, Scenario, Slot

__all__ = [
    "PRESETS",
    "Debris",
    "Layout",
    "Module",
    "Robot",
    "Scenario",
    "Slot",
    "fleet",
    "get_scenario",
    "register_envs",
]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("llm-credit-wrappers")
    except PackageNotFoundError:  # a source checkout that is not installed
        return "0+source"
