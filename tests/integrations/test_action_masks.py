"""Masks that are missing, come late or change their shape: every action is legal, or an error names the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from known_credit import KnownCreditEnv

from credit_wrappers.integrations.gymnasium import ParallelVecEnv
from credit_wrappers.integrations.numeric_infos import NumericInfos
from credit_wrappers.integrations.tianshou import AgentVectorEnv


class ToldMasks(KnownCreditEnv):
    """Its infos hold `told[t]` at time t: one mask for each agent, or "nothing"."""

    def __init__(self, told: Mapping[int, list[Any]], **more: Any) -> None:
        super().__init__(0, 2, {}, lengths=(5,), **more)
        self.told = told

    def _view(self, agents: Any) -> tuple[dict, dict]:
        observations, infos = super()._view(agents)
        for agent, info in infos.items():
            mask = self.told[self.t][self.possible_agents.index(agent)]
            if not isinstance(mask, str):
                info["action_mask"] = mask
        return observations, infos


ONE, OTHER, ALL = [1, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]
NOTHING = "nothing"

Play = Callable[[list[ToldMasks], int], list[Any]]


def of_tianshou(envs: list[ToldMasks], steps: int, **more: Any) -> list[Any]:
    venv = AgentVectorEnv([lambda env=env: env for env in envs], **more)
    try:
        seen = [venv.reset()[0]]
        seen += [venv.step(np.zeros(len(venv), int))[0] for _ in range(steps)]
    finally:
        venv.close()
    return [observation.mask.astype(int).tolist() for observation in seen]


def of_workers(envs: list[ToldMasks], steps: int) -> list[Any]:
    return of_tianshou(envs, steps, worker="subprocess")


def of_gymnasium(envs: list[ToldMasks], steps: int) -> list[Any]:
    venv = ParallelVecEnv([lambda env=env: env for env in envs])
    seen = [venv.reset()[1]]
    seen += [venv.step(np.zeros(venv.num_envs, int))[4] for _ in range(steps)]
    return [infos["action_mask"].astype(int).tolist() for infos in seen]


def of_numeric_infos(envs: list[ToldMasks], steps: int) -> list[Any]:
    numeric = [NumericInfos(env) for env in envs]
    told = [[env.reset()[1] for env in numeric]]
    for _ in range(steps):
        told.append([env.step(dict.fromkeys(env.agents, 0))[4] for env in numeric])
    return [[np.asarray(info["action_mask"]).tolist() for infos in row for info in infos.values()] for row in told]


every_path = pytest.mark.parametrize("play", [of_tianshou, of_workers, of_gymnasium, of_numeric_infos])


@every_path
@pytest.mark.parametrize("nothing", [NOTHING, None])
def test_without_a_mask_every_action_is_legal(play: Play, nothing: Any) -> None:
    env = ToldMasks({0: [ONE, OTHER], 1: [nothing, ONE], 2: [nothing, nothing], 3: [OTHER, nothing]})
    assert play([env], 3) == [[ONE, OTHER], [ALL, ONE], [ALL, ALL], [OTHER, ALL]]


@every_path
def test_masks_may_be_arrays_of_any_kind_of_number(play: Play) -> None:
    told = [[np.array(mask, kind) for mask in (ONE, OTHER)] for kind in (np.int8, bool, np.float32)]
    assert play([ToldMasks(dict(enumerate(told)))], 2) == [[ONE, OTHER]] * 3


@every_path
def test_a_mask_that_was_not_there_at_reset_is_refused(play: Play) -> None:
    env = ToldMasks({0: [NOTHING, NOTHING], 1: [NOTHING, NOTHING], 2: [NOTHING, ONE]})
    with pytest.raises(ValueError, match=r"'walker_1'.*action_mask.*at reset"):
        play([env], 2)


@every_path
@pytest.mark.parametrize("later", [[1, 0, 1], [1, 0, 1, 1, 1], 1, [[1, 0, 1, 1]]])
@pytest.mark.parametrize("both", [True, False])
def test_a_mask_of_another_shape_is_refused_by_the_agents_name(play: Play, later: Any, both: bool) -> None:
    env = ToldMasks({0: [ONE, OTHER], 1: [later if both else ONE, later]})
    with pytest.raises(ValueError, match=rf"'walker_{0 if both else 1}'.*action_mask.*\(4,\)"):
        play([env], 1)


def test_one_learner_per_agent_has_masks_in_any_case() -> None:
    env = ToldMasks({0: [NOTHING, NOTHING], 1: [ONE, NOTHING]})
    assert of_tianshou([env], 1, learners="per-agent") == [[ALL, ALL], [ONE, ALL]]
    short = ToldMasks({0: [[1, 1, 0], [1, 1, 0]]})
    with pytest.raises(ValueError, match=r"'walker_0'.*action_mask.*\(3,\).*\(4,\)"):
        of_tianshou([short], 0, learners="per-agent")


@pytest.mark.parametrize("play", [of_tianshou, of_workers, of_gymnasium])
def test_of_several_envs_the_first_says_whether_there_are_masks(play: Play) -> None:
    with_masks, without = {0: [ONE, OTHER], 1: [ONE, ONE]}, {0: [NOTHING] * 2, 1: [NOTHING] * 2}
    assert play([ToldMasks(with_masks), ToldMasks(without)], 1) == [[ONE, OTHER, ALL, ALL], [ONE, ONE, ALL, ALL]]
    with pytest.raises(ValueError, match=r"('walker_0'|env 1) has an action_mask"):
        play([ToldMasks(without), ToldMasks(with_masks)], 1)


@every_path
def test_an_agent_that_left_needs_no_mask(play: Play) -> None:
    env = ToldMasks({t: [ONE, OTHER] for t in range(4)}, leaves={0: (1, "terminated")})
    left = [[OTHER]] if play is of_numeric_infos else [[ALL, OTHER]]
    assert play([env], 3) == [[ONE, OTHER]] * 3 + left
