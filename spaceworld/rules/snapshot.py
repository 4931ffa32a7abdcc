"""Snapshots: small picklable values from which a rollout continues bit for bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from math import lcm

import numpy as np

from spaceworld.rules import packing as pk

VERSION = 0  # of the dynamics: a change of rules is a new environment version


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The whole state of one environment, random stream included."""

    scenario: str
    version: int
    fingerprint: str  # of the scenario and every argument that changes the dynamics
    row: np.ndarray  # (rowsize,) int64

    def __getstate__(self) -> tuple[str, int, str, bytes]:
        # Bytes are pickled four times as fast as an array, and whoever records episodes pickles many snapshots.
        return self.scenario, self.version, self.fingerprint, self.row.tobytes()

    def __setstate__(self, state: tuple[str, int, str, bytes]) -> None:
        for name, value in zip(("scenario", "version", "fingerprint"), state, strict=False):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "row", np.frombuffer(state[3], np.int64).copy())


def fingerprint(spec: np.ndarray) -> str:
    """Return a short hash of the packed scenario."""
    return hashlib.sha256(spec.tobytes()).hexdigest()[:12]


def check(snapshot: object, scenario: str, own: str) -> np.ndarray:
    """Return the row of a snapshot that fits the environment with this scenario and this fingerprint.

    Raises:
        TypeError: When it is no snapshot.
        ValueError: When it belongs to another scenario, other arguments or another version; the message says which.
    """
    if not isinstance(snapshot, Snapshot):
        raise TypeError(f"set_state takes what get_state returned, not {type(snapshot).__name__}")
    if snapshot.version != VERSION:
        raise ValueError(f"the snapshot is of spaceworld_v{snapshot.version}, this environment is v{VERSION}")
    if snapshot.scenario != scenario:
        raise ValueError(f"the snapshot is of scenario {snapshot.scenario!r}, this environment is {scenario!r}")
    if snapshot.fingerprint != own:
        raise ValueError(
            f"the snapshot is of another variant of scenario {scenario!r}: its scenario value, max_cycles, max_idle, "
            "on_collision, action_mask, sight or roles_told differ"
        )
    return snapshot.row


def rewound(snapshot: Snapshot, spec: np.ndarray) -> Snapshot:
    """Return a snapshot with the clock set back and no faults, costs or events of the past; time has not run out.

    Drifting debris moves by the clock, so with it the clock keeps its place in the debris' common period.
    """
    row = snapshot.row.copy()
    debris = spec[spec[pk.H_DEBRIS0] :][: spec[pk.H_DEBRIS] * pk.D_STATIC].reshape(-1, pk.D_STATIC)
    row[pk.S_STEP] %= lcm(*debris[debris[:, pk.D_FIRST] > 0, pk.D_PERIOD].tolist())
    if row[pk.S_STATUS] == pk.TRUNCATED:
        row[pk.S_STATUS] = pk.RUNNING
    row[pk.S_FAULTS] = 0
    views = pk.blocks(spec, row)
    views["robots"][:, pk.R_ACTION] = -1
    views["robots"][:, pk.R_HITS :] = 0
    views["modules"][:, pk.M_WHEN] = np.minimum(views["modules"][:, pk.M_WHEN], 0)
    return replace(snapshot, row=row)
