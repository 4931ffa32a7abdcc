"""Labels for the tests of reports: a Spaceworld episode that can be drawn, and a corridor episode that cannot."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers import Credit, CreditEvent, Episode, Usage
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.recording.replay import replay
from credit_wrappers.testing.corridor import CorridorNarrator
from spaceworld import spaceworld_v0

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \u2028"
PLAY = [[0, 0], [4, 0], [4, 4], [2, 1], [2, 1], [3, 3], [0, 0], [1, 4], [1, 4], [4, 2]]


def make_duet() -> Any:
    return spaceworld_v0.parallel_env(scenario="duet")


def played(seed: int = 5, *, snapshots: bool = False) -> Episode:
    """Return the first ten steps of an episode of `duet`."""
    return replay(make_duet(), seed, np.array(PLAY), snapshots=snapshots)


def credited(
    episode: Episode, amount: float = 0.2, why: str = "came nearer", source: Any = "model", **more: Any
) -> LabelledEpisode:
    """Return an episode with credit for the first agent in steps 2 and 3, and blame for the second in step 5."""
    values = np.zeros((episode.length, episode.n_agents), np.float32)
    values[2:4, 0] += amount / 2
    values[5, 1] -= amount
    first, second = episode.agents[:2]
    events = (
        CreditEvent(first, 2, 4, amount, why),
        CreditEvent(second, 5, 6, -amount, f"{second} went the wrong way"),
    )
    usage = Usage(1, 1000, 200, 0, 2.5)
    credit = Credit(values, events, None, f"What happened: {why}", source, usage)
    return LabelledEpisode(episode, credit, **{"question": "The question.", "answer": "{}", "model": "model-1", **more})


def duets(count: int = 3) -> list[LabelledEpisode]:
    """Return labels of different episodes, the second with exact credit and a hostile reason."""
    whys = {7: "-1 for a detour"}  # a spreadsheet would take it for a formula
    labels = [credited(played(seed), why=whys.get(seed, "came nearer"), query=1) for seed in range(5, 5 + count)]
    exact = np.zeros((len(PLAY), 2))
    exact[2:4, 0], exact[7, 1], exact[9, 0] = 1.0, 2.0, np.nan
    second = credited(labels[1].episode, why=HOSTILE, exact={"work difference": exact}, query=1)
    return [labels[0], second, *labels[2:]]


def corridor() -> LabelledEpisode:
    """Return a label of an episode whose narrator draws nothing."""
    steps = np.array([[2, 0]] * 6)
    moments = tuple((t, 0) for t in range(7))
    episode = Episode(
        0, ("walker_0", "walker_1"), steps, np.zeros(6), np.zeros((6, 2)), False, True, moments, CorridorNarrator(2, 20)
    )
    return credited(episode, source="scripted", model="")


def data_of(path: Path) -> dict[str, Any]:
    """Return the data in a report."""
    packed = re.search(r'id="data">([^<]*)<', path.read_text(encoding="utf-8"))
    assert packed
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed[1])))
    return found
