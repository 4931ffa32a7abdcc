"""Play without learning: a scripted team that completes every preset, and exact shortest plans."""

from spaceworld.planner.exact import shortest_plan
from spaceworld.planner.scripted_policy import policy

__all__ = ["policy", "shortest_plan"]
