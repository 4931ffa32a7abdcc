"""Many ParallelEnvs with the same team as one vectorised environment of TorchRL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from pettingzoo import ParallelEnv
from tensordict import TensorDict, TensorDictBase
from torchrl.data import Categorical, Composite, Unbounded
from torchrl.envs import EnvBase

from credit_wrappers.integrations.batched_env_group import make_env_group
from credit_wrappers.integrations.env_group import Gathered
from credit_wrappers.integrations.group_checks import check_discrete, check_equal, check_team, common_store, make_envs

GROUP = "agents"


class TeamTorchEnv(EnvBase):
    """E ParallelEnvs with the same N agents as a TorchRL environment of batch size E.

    All agents are one group, `agents`:

    - `("agents", "observation")`: (E, N, ...) float32.
    - `("agents", "action_mask")`: (E, N, A) bool, legal actions. Random actions are legal, too.
    - `("agents", "action")`: (E, N) int64, numbers of actions.
    - `("agents", "reward")`: (E, N, 1) float32, as the environments pay it: the team reward, or each agent's credit.
    - `"state"`: (E, S) float32, `env.state()`.
    - `"terminated"`, `"truncated"`, `"done"`: (E, 1) bool. An episode is terminated when its world ended it, and
      truncated, with a value of what would have come, when time ran out.

    Spaceworlds take their step together, in one call, when nothing but a `CreditWrapper` is around each.

    Args:
        env_fns: One factory for each environment. The agents need the same observations and Discrete actions.
        seed: Of the layouts; environment k gets the k-th seed that is drawn from it. None: as the environments like.
        state: Whether to return the global state, where environments have a flat one.
        device: Of the tensors.

    Attributes:
        envs: The environments.
        agents: Their agents, in the order of columns.
        group_map: `{"agents": agents}`.

    Raises:
        TypeError: An environment is not a ParallelEnv, or `env_fns` holds other things than factories.
        ValueError: The environments have different agents, or agents with different spaces; actions are not Discrete;
            credit is deferred, so `step` does not pay it. In `step`: an agent left before its episode's end.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], ParallelEnv]],
        *,
        seed: int | None = None,
        state: bool = True,
        device: Any = "cpu",
    ) -> None:
        self.envs = make_envs(env_fns)
        agents = check_team(self.envs)
        seen, _ = check_equal(self.envs, agents)
        actions = check_discrete(self.envs[0], agents)
        if common_store(self.envs) is not None:
            raise ValueError(
                "credit is deferred, and no learner of TorchRL or BenchMARL has a place for it: pay it in step, with "
                'LLMCreditWrapper(env, delivery="immediate", ...) or another source that pays'
            )
        super().__init__(device=torch.device(device), batch_size=torch.Size([len(self.envs)]))
        self.agents, self.group_map = agents, {GROUP: agents}
        self._teams = make_env_group(self.envs, agents)
        self._teams.require_masks(actions)
        self._legal = torch.ones(len(self.envs), len(agents), actions, dtype=torch.bool)
        space = getattr(self.envs[0].unwrapped, "state_space", None)
        self._has_state = state and isinstance(space, Box) and len(space.shape) == 1
        self._seeds: list[int | None] = [None] * len(self.envs)
        self._make_specs(seen.shape or (), actions, space.shape if isinstance(space, Box) else ())
        if seed is not None:
            self.set_seed(seed)

    def _make_specs(self, seen: tuple[int, ...], actions: int, state: tuple[int, ...]) -> None:
        each, team, device = tuple(self.batch_size), (*self.batch_size, len(self.agents)), self.device
        group = Composite(
            observation=Unbounded((*team, *seen), device=device),
            action_mask=Categorical(2, (*team, actions), device=device, dtype=torch.bool),
            shape=team,
        )
        whole = {"state": Unbounded((*each, *state), device=device)} if self._has_state else {}
        self.observation_spec = Composite({GROUP: group, **whole}, shape=each)
        chosen = Composite(action=Categorical(actions, team, device=device), shape=team)
        self.action_spec = Composite({GROUP: chosen}, shape=each)
        paid = Composite(reward=Unbounded((*team, 1), device=device), shape=team)
        self.reward_spec = Composite({GROUP: paid}, shape=each)
        flag = Categorical(2, (*each, 1), device=device, dtype=torch.bool)
        self.done_spec = Composite(done=flag, terminated=flag.clone(), truncated=flag.clone(), shape=each)

    def _set_seed(self, seed: int | None) -> None:
        if seed is not None:
            drawn = np.random.SeedSequence(seed).generate_state(len(self.envs))
            self._seeds = [int(number % 9_000_000) for number in drawn]

    def _reset(self, tensordict: TensorDictBase | None = None, **kwargs: Any) -> TensorDictBase:
        wanted = None if tensordict is None else tensordict.get("_reset", None)
        chosen = np.arange(len(self.envs)) if wanted is None else np.flatnonzero(wanted.reshape(-1).cpu().numpy())
        got, _ = self._teams.reset(chosen, [self._seeds[k] for k in chosen], None)
        for k in chosen:
            self._seeds[k] = None  # later episodes continue the random stream
        values = self._seen(got, chosen)
        if len(chosen) == len(self.envs):
            return values
        # what is not reset is not read, see `torchrl.envs.utils._update_during_reset`
        whole = self.observation_spec.zero()
        whole[torch.as_tensor(chosen, device=self.device)] = values
        return whole

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        actions = tensordict.get((GROUP, "action")).cpu().numpy()
        everybody = np.ones(actions.shape, dtype=bool)
        got = self._teams.step(np.arange(len(self.envs)), actions.reshape(-1), everybody)
        over = got.over
        gone = ~got.there & ~over[:, None]
        if gone.any():
            k, i = np.argwhere(gone)[0]
            raise ValueError(f"{self.agents[i]} left env {k} before its episode ended: here all agents stay to the end")
        terminated = np.asarray(got.terminated.all(axis=1))
        values = self._seen(got, np.arange(len(self.envs)))
        rewards = torch.as_tensor(got.rewards.reshape(*actions.shape, 1), dtype=torch.float32, device=self.device)
        values[GROUP, "reward"] = rewards
        for name, flags in (("terminated", terminated), ("truncated", over & ~terminated), ("done", over)):
            values[name] = torch.as_tensor(flags[:, None].copy(), device=self.device)
        return values

    def _seen(self, got: Gathered, chosen: np.ndarray) -> TensorDict:
        """Return observations, masks and states of some environments, and let random actions follow the masks."""
        team = (len(chosen), len(self.agents))
        assert got.masks is not None
        masks = torch.as_tensor(got.masks.reshape(*team, -1))
        self._legal[torch.as_tensor(chosen)] = masks
        self.full_action_spec[GROUP, "action"].update_mask(self._legal.to(self.device, copy=True))
        seen = torch.as_tensor(got.observations.reshape(*team, *got.observations.shape[1:]), dtype=torch.float32)
        values = TensorDict({GROUP: TensorDict({"observation": seen, "action_mask": masks}, team)}, team[:1])
        if self._has_state:
            states = np.stack([self.envs[k].unwrapped.state() for k in chosen])
            values["state"] = torch.as_tensor(states, dtype=torch.float32)
        return values.to(self.device)

    def close(self, *, raise_if_closed: bool = True) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()
        super().close(raise_if_closed=raise_if_closed)
