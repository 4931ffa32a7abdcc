"""What lets a student be fitted again and again while labels are appended: nothing that was drawn is drawn anew."""

from __future__ import annotations

import numpy as np

from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.network import Parameters
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import Team


def held_out(rng: np.random.Generator, share: float, count: int) -> np.ndarray:
    """Return (count,) bool, which labels are only measured on: the second, and one drawn of each further 1 / share.

    That of a label depends on its position alone, not on how many follow.
    """
    held = np.zeros(count, bool)
    held[1:2] = True
    parts = np.arange(1, int(np.ceil(count * share)) + 1)
    places = ((parts + rng.random(len(parts))) / share).astype(int)
    held[places[(places > 1) & (places < count)]] = True
    return held


def recency(count: int, newest: float) -> np.ndarray:
    """Return (count,), how much each label weighs, 1 on average: the newest `newest` times as much as the oldest."""
    weight = newest ** np.linspace(0.0, 1.0, count)
    return weight / weight.mean()


def check_start(start: StudentCritic, team: Team, settings: StudentSettings) -> None:
    """Raise CreditError, naming both, unless a student of that team and those settings can begin with these weights."""
    for name in ("form", "networks", "hidden"):
        theirs, ours = getattr(start.settings, name), getattr(settings, name)
        if theirs != ours:
            raise CreditError(f"cannot start from a student with {name}={theirs!r} to fit one with {name}={ours!r}")
    if start.team != team:
        raise CreditError(f"cannot start from a student of {start.team} to fit one of {team}")


def moved(start: StudentCritic, fixed: Parameters, scale: float) -> Parameters:
    """Return weights that say the same with other statistics of observations and another scale of credits.

    But for observations that are cut off; a feature that did not vary before begins with weights of zero.
    """
    old = start.parameters
    weights = {name: array.copy() for name, array in old.items() if name not in fixed}
    for number in range(len(start.team.groups)):
        mean, inverse, encoder = f"{number}/mean", f"{number}/inverse", f"{number}/encoder."
        varied = old[inverse][:, None] * old[f"{encoder}weight"].astype(np.float64)  # (K, F, H)
        deviation = np.divide(1.0, fixed[inverse], out=np.zeros_like(fixed[inverse]), where=fixed[inverse] > 0.0)
        weights[f"{encoder}weight"] = (deviation[:, None] * varied).astype(np.float32)
        weights[f"{encoder}bias"] += ((fixed[mean] - old[mean]) @ varied)[:, None].astype(np.float32)
    for name, array in weights.items():
        if name.rpartition(".")[0].endswith(("/potential", "/credit")) and name.rpartition(".")[2] in (
            "out",
            "out_bias",
        ):
            array *= start.scale / scale
    return weights
