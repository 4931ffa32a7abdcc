"""What a recording cannot hold is refused when it is seen, and the episodes around it are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from credit_wrappers import CreditError, RecordEpisodes
from credit_wrappers.dataset import recorded
from credit_wrappers.testing.corridor import CorridorEnv


class Unwell(CorridorEnv):
    """A corridor whose rewards are no numbers while it is unwell."""

    unwell = False

    def step(self, actions: Any) -> Any:
        observations, rewards, *rest = super().step(actions)
        return observations, dict.fromkeys(rewards, np.nan) if self.unwell else rewards, *rest


@pytest.mark.parametrize("keep", ["actions", "everything"])
def test_a_reward_that_is_no_number_loses_its_episode_and_says_so(tmp_path, keep):
    corridor = Unwell(length=2)
    env = RecordEpisodes(corridor, tmp_path / "play", keep=keep)
    for seed, corridor.unwell in ((0, False), (1, True), (2, False)):
        env.reset(seed=seed)
        if corridor.unwell:
            with pytest.raises(CreditError, match=r"reward.* nan"):
                while env.agents:
                    env.step(dict.fromkeys(env.agents, 2))
        while env.agents:
            env.step(dict.fromkeys(env.agents, 2))
    assert [episode.seed for episode in recorded(tmp_path / "play", lambda: CorridorEnv(length=2))] == [0, 2]


def test_a_path_that_is_a_file_is_refused_at_once(tmp_path):
    (tmp_path / "play").write_text("notes")
    with pytest.raises(NotADirectoryError, match="play is a file, and a recording is a folder"):
        RecordEpisodes(CorridorEnv(), tmp_path / "play")
