"""How the teams of the suites play: by chance, by rules for each world, and by a mixture of both."""

from __future__ import annotations

from typing import Any

from credit_wrappers.dataset.team_play import Team, scripted_team
from credit_wrappers.dataset.team_play import chance_team as chance
from spaceworld.planner.scripted_policy import ScriptedPolicy

MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # of Spaceworld and Level-Based Foraging, by action

__all__ = ["MOVES", "chance", "scripted"]


def scripted(world: str, env: Any) -> Team:
    """Return a team that does what is best, or nearly."""
    if world.partition(":")[0] != "spaceworld":
        return scripted_team(world, env)
    policy = ScriptedPolicy(env)  # compares many plans
    return lambda: list(policy().values())
