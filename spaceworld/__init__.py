"""Spaceworld: cooperative in-orbit assembly as a PettingZoo environment.

    from spaceworld import spaceworld_v0
    env = spaceworld_v0.parallel_env(scenario="pair")

Importing this package opens no window and registers nothing; `register_envs()` puts the presets into PettingZoo's
registry.
"""

from spaceworld.presets import PRESETS, get_scenario
from spaceworld.registry import register_envs
from spaceworld.scenario import Debris, Layout, Module, Robot, Scenario, Slot

__version__ = "0.1.0"

__all__ = ["PRESETS", "Debris", "Layout", "Module", "Robot", "Scenario", "Slot", "get_scenario", "register_envs"]
