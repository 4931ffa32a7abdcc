"""Environments with the parallel API as tasks of BenchMARL, with credit that `step` pays (extra `benchmarl`).

    task = TeamTask("spaceworld:duet")
    Experiment(task, MappoConfig.get_from_yaml(), MlpConfig.get_from_yaml(), seed=0, config=config).run()
"""

from credit_wrappers.integrations.benchmarl.team_task import TeamEvaluation, TeamTask

__all__ = ["TeamEvaluation", "TeamTask"]
