"""Snapshots: a small picklable value from which a rollout continues bit-identically."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

VERSION = 0  # of the dynamics: a change of rules is a new environment version


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The whole state of one environment, random stream included."""

    scenario: str
    version: int
    fingerprint: str  # of the scenario and of every argument that changes dynamics
    row: np.ndarray  # (rowsize,) int64


def fingerprint(spec: np.ndarray) -> str:
    """A short hash of the packed scenario."""
    return hashlib.sha256(spec.tobytes()).hexdigest()[:12]


def check(snapshot: object, scenario: str, own: str) -> np.ndarray:
    """The snapshot's row; `scenario` and `own` are the name and the fingerprint of the environment that takes it.

    Raises:
        TypeError: when it is no snapshot.
        ValueError: when it belongs to another scenario, other arguments or another version; named in the message.
    """
    if not isinstance(snapshot, Snapshot):
        raise TypeError(f"set_state takes what get_state returned, not {type(snapshot).__name__}")
    if snapshot.version != VERSION:
        raise ValueError(f"the snapshot is of spaceworld_v{snapshot.version}, this environment is v{VERSION}")
    if snapshot.scenario != scenario:
        raise ValueError(f"the snapshot is of scenario {snapshot.scenario!r}, this environment is {scenario!r}")
    if snapshot.fingerprint != own:
        raise ValueError(
            f"the snapshot is of another variant of scenario {scenario!r}: its scenario value, max_cycles, "
            "on_collision or action_mask differ"
        )
    return snapshot.row
