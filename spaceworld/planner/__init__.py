"""Play that needs no learning: a scripted team that completes every preset without a collision."""

from spaceworld.planner.team import policy

__all__ = ["policy"]
