"""Play that needs no learning: exact shortest joint plans for small layouts."""

from spaceworld.planner.exact import shortest_plan

__all__ = ["shortest_plan"]
