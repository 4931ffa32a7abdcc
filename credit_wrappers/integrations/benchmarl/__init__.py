"""Environments with the parallel API as tasks of BenchMARL, with credit that `step` pays (extra `benchmarl`)."""

from credit_wrappers.integrations.benchmarl.team_task import TeamEvaluation, TeamTask

__all__ = ["TeamEvaluation", "TeamTask"]
