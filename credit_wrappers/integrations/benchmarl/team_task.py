"""A task of BenchMARL for any environment with the parallel API, and evaluations on its own reward."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarl.environments.common import TaskClass
from benchmarl.experiment.callback import Callback
from pettingzoo import ParallelEnv
from torchrl.data import Composite

from credit_wrappers.bench.environments import make_environment
from credit_wrappers.integrations.torchrl.team_torch_env import GROUP, TeamTorchEnv


class TeamTask(TaskClass):
    """A task of BenchMARL: a team in environments with the parallel API, such as Spaceworld's.

    Args:
        env: A name, as `credit_wrappers` knows them (`spaceworld:duet`, `lbf:Foraging-8x8-2p-2f-coop-v3`,
            `rware:rware-tiny-2ag-v2`), or a function that makes an environment, such as
            `spaceworld_v0.parallel_env`. BenchMARL pickles it with its checkpoints, so a lambda does not do.
        wrap: Puts a credit wrapper around an environment, whose `step` then pays each agent its credit. Give all
            environments one source or one `Distillation`. A task that was pickled has none.
        name: Of the task in logs and folders; None: made from the environment's.
        max_steps: Of BenchMARL's own evaluation episodes; None: the environment's time limit.
        state: Whether critics and mixers read `env.state()`, where there is one; else all observations.
        arguments: Of the environment, such as `action_mask="safe"`.

    Raises:
        ValueError: In `get_env_fun`'s function: there is no such environment, or as `TeamTorchEnv`.

    Examples:
        >>> from credit_wrappers.integrations.benchmarl import TeamTask
        >>> task = TeamTask("spaceworld:duet")
        >>> env = task.get_env_fun(num_envs=4, continuous_actions=False, seed=0, device="cpu")()
        >>> task.name, task.max_steps(env), task.group_map(env)
        ('spaceworld_duet', 60, {'agents': ['robot_0', 'robot_1']})
    """

    def __init__(
        self,
        env: str | Callable[..., ParallelEnv],
        wrap: Callable[[ParallelEnv], ParallelEnv] | None = None,
        *,
        name: str | None = None,
        max_steps: int | None = None,
        state: bool = True,
        **arguments: Any,
    ) -> None:
        if not isinstance(env, str) and not callable(env):
            raise TypeError(f"env is a name or a function that makes an environment, not {type(env).__name__}")
        self.env, self.wrap, self.arguments = env, wrap, arguments
        self._given = {"name": name, "max_steps": max_steps, "state": state, **arguments}
        told: str = name or (env if isinstance(env, str) else str(getattr(env, "__name__", "team")))
        super().__init__(re.sub(r"\W+", "_", told), {"max_steps": max_steps, "state": state, **arguments})

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(TeamTask, self.env, **self._given), ()  # a critic stays in its process

    def bare(self) -> TeamTask:
        """Return the same task without credit: the environment pays its own reward."""
        return TeamTask(self.env, **self._given)

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], TeamTorchEnv]:
        """Return a maker of `num_envs` environments in one."""
        state = self.config["state"]
        return lambda: TeamTorchEnv([self._made] * num_envs, seed=seed, state=state, device=device)

    def _made(self) -> ParallelEnv:
        make = partial(make_environment, self.env) if isinstance(self.env, str) else self.env
        env = make(**self.arguments)
        return env if self.wrap is None else self.wrap(env)

    def supports_continuous_actions(self) -> bool:
        """Return False."""
        return False

    def supports_discrete_actions(self) -> bool:
        """Return True."""
        return True

    def has_render(self, env: Any) -> bool:
        """Return False: no video is made."""
        return False

    def max_steps(self, env: Any) -> int:
        """Return the most steps of an evaluation episode.

        Raises:
            ValueError: The environment has no time limit that is known.
        """
        if self.config["max_steps"] is not None:
            return int(self.config["max_steps"])
        bare = env.envs[0].unwrapped
        library = getattr(bare, "library", None)  # each library calls it something else
        limits = (bare, "max_cycles"), (library, "_max_episode_steps"), (library, "max_steps")
        found = next((limit for x, name in limits if (limit := getattr(x, name, None))), None)
        if found is None:
            raise ValueError(f"the time limit of {type(bare).__name__} is not known: TeamTask(..., max_steps=...)")
        return int(found)

    def group_map(self, env: Any) -> dict[str, list[str]]:
        """Return one group with all agents."""
        return {GROUP: list(env.agents)}

    def observation_spec(self, env: Any) -> Composite:
        """Return what the agents observe."""
        return self._spec(env, "observation")

    def action_mask_spec(self, env: Any) -> Composite:
        """Return the masks of legal actions."""
        return self._spec(env, "action_mask")

    def state_spec(self, env: Any) -> Composite | None:
        """Return the global state, or None."""
        spec = env.full_observation_spec_unbatched
        return Composite({"state": spec["state"].clone()}) if "state" in spec.keys() else None  # noqa: SIM118

    def info_spec(self, env: Any) -> None:
        """Return None."""
        return None

    def action_spec(self, env: Any) -> Composite:
        """Return the numbers of actions."""
        return env.full_action_spec_unbatched

    @staticmethod
    def env_name() -> str:
        """Return what BenchMARL calls this family of tasks in logs."""
        return "credit_wrappers"

    @staticmethod
    def _spec(env: Any, name: str) -> Composite:
        group = env.full_observation_spec_unbatched[GROUP]
        return Composite({GROUP: Composite({name: group[name].clone()}, shape=group.shape)})


class TeamEvaluation(Callback):
    """Has BenchMARL evaluate on the environment's own reward a team that learns from credit.

    Without it BenchMARL evaluates in environments that are made like those of the training, whose rewards are credits.

    Examples:
        >>> callbacks = [TeamEvaluation()]  # Experiment(..., callbacks=callbacks)
    """

    def on_setup(self) -> None:
        """Exchange the experiment's evaluation environment."""
        experiment: Any = self.experiment
        make = experiment.task.bare().get_env_fun(
            num_envs=experiment.config.evaluation_episodes,
            continuous_actions=False,
            seed=experiment.seed,
            device=experiment.config.sampling_device,
        )
        experiment.test_env = experiment.algorithm.process_env_fun(make)()
