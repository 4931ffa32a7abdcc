"""A scripted team that completes every preset, shortest plans, and how far a state is from a complete assembly."""

from spaceworld.planner.exact import shortest_plan
from spaceworld.planner.scripted_policy import policy
from spaceworld.planner.to_go import value_function

__all__ = ["policy", "shortest_plan", "value_function"]
