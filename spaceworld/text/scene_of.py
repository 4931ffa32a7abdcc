"""A scene made from a packed state."""

from __future__ import annotations

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.rules.packing import blocks
from spaceworld.scenario import Cell, Scenario
from spaceworld.text.scene import DebrisView, ModuleView, RobotView, Scene, SlotView


def scene_of(scenario: Scenario, spec: np.ndarray, row: np.ndarray, horizon: int, collision_penalty: float) -> Scene:
    """Return the scene of one packed state, (rowsize,) int64."""
    views, width, step = blocks(spec, row), scenario.width, int(row[pk.S_STEP])
    robots, total = views["robots"], scenario.total_mass
    docked_now = sum(m.mass for m, at in zip(scenario.modules, views["modules"], strict=True) if at[pk.M_WHEN] == step)
    faults_now = int(robots[:, pk.R_HITS].sum() + robots[:, pk.R_VIOLATION].sum())

    def cell(value: int) -> Cell:
        return int(value) // width, int(value) % width

    filled = {k for k, s in enumerate(views["slots"]) if s[pk.T_FILLED]}
    return Scene(
        scenario=scenario.name,
        height=scenario.height,
        width=width,
        step=step,
        horizon=horizon,
        structure=tuple(cell(c) for c in views["core"]),
        keep_out=tuple(cell(c) for c in views["keep_out"]),
        robots=tuple(
            RobotView(
                name=f"robot_{k}",
                cell=cell(r[pk.R_CELL]),
                role=scenario.robots[k].role,
                thrust=scenario.robots[k].thrust,
                grips=int(r[pk.R_GRIPS]) if r[pk.R_GRIPS] >= 0 else None,
                action=int(r[pk.R_ACTION]) if r[pk.R_ACTION] >= 0 else None,
                collisions=int(r[pk.R_HITS]),
                violations=int(r[pk.R_VIOLATION]),
                cost=float(r[pk.R_COST]),
            )
            for k, r in enumerate(views["robots"])
        ),
        modules=tuple(
            ModuleView(
                name=f"module_{k}",
                cell=cell(m[pk.M_CELL]),
                type=scenario.modules[k].type,
                mass=scenario.modules[k].mass,
                docked=bool(m[pk.M_SLOT] >= 0),
                just_docked=bool(m[pk.M_WHEN] == step and m[pk.M_SLOT] >= 0),
            )
            for k, m in enumerate(views["modules"])
        ),
        slots=tuple(
            SlotView(
                name=f"slot_{k}",
                cell=cell(t[pk.T_CELL]),
                type=scenario.slots[k].type,
                filled=k in filled,
                open=k not in filled and set(scenario.slots[k].needs) <= filled,
            )
            for k, t in enumerate(views["slots"])
        ),
        debris=tuple(DebrisView(cell(d[pk.D_CELL]), int(d[pk.D_DIR])) for d in views["debris"]),
        team_reward=docked_now / total - collision_penalty * faults_now,
        team_return=int(row[pk.S_DOCKED]) / total - collision_penalty * int(row[pk.S_FAULTS]),
        terminated=bool(row[pk.S_STATUS] == pk.TERMINATED),
        truncated=bool(row[pk.S_STATUS] == pk.TRUNCATED),
    )
