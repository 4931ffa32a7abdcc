"""# Spaceworld

A team of robots assembles a station in orbit: carry modules to their slots, together where a module is too heavy for one,
without running into each other.

| | |
|---|---|
| Import | `from spaceworld import spaceworld_v0` |
| Actions | Discrete |
| Parallel API | Yes |
| Manual control | Yes: `python -m spaceworld` |
| Agents | `robot_0`, `robot_1`, ... (solo 1, duet 2, pair 2, truss 3, hazard 3, crew 4, station 8, swarm 16) |
| Action shape | `()` |
| Action values | `Discrete(6)` |
| Observation shape | `(F,)`: solo 36, duet 47, pair 70, truss 138, hazard 141, crew 180, station 402, swarm 794; or planes, `(35, 2r+1, 2r+1)` |
| Observation values | `[-1, 1]`, float32 |
| State | `state()`, float32 in `[-1, 1]` |

## World

A grid; a cell is (row, column), row 0 on top. **Structure** (the station's core) is solid. **Slots** are free cells that take
a module of their type, some only after other slots are filled. **Modules** have a type and a mass. **Robots** have
thrust, may grip and dock, and see as far as their sensor range. **Debris** is solid, still or drifting. **Keep-out** cells
may be entered but cost.

## Actions

| number | name | effect |
|---|---|---|
| 0 | stay | |
| 1, 2, 3, 4 | north, south, west, east | moves the robot, or its assembly |
| 5 | interact | grips a loose module beside it (the one in the lowest cell), docks the module it grips if that lies on an open slot of its type, or releases it |

A module and the robots that grip it are an **assembly**: it moves only if all of them choose the same direction and
their thrust adds up to its mass. `infos[agent]["action_mask"]` marks actions that can have neither effect nor cost;
`action_mask="safe"` also masks flying into what is solid and seen.

## One step

1. Interacts, all decided on the state before the step.
2. Moves, compared all at once. Into structure, debris or a loose module: blocked, a collision. Two units (free robots or
   assemblies) that claim one cell, or each other's cells: both blocked, a collision for both. Then, to the fixed point:
   who would enter a cell of a unit that stays is blocked, a collision for the mover. Cells that are really vacated may be
   entered. Leaving the grid is no collision. A unit's collision counts once for each robot in it. A module that is gripped
   counts as a part of its unit, not as a loose module, also for others.
3. Debris drifts; into a robot or an assembly it stops, and costs each robot of it; elsewhere it bounces.
4. Each robot in a keep-out cell: a violation.

Nothing depends on how the robots are numbered.

## Reward, cost, end

Everyone gets the same reward: the share of the total mass docked in this step (a complete assembly sums to 1), minus
`collision_penalty` for each collision or violation of anyone. `infos[agent]["cost"]` counts the robot's own, and
`infos[agent]["events"]` names what it did. Terminated when all is docked (or, with `on_collision="terminate"`, at the first
collision), truncated after `max_cycles` steps.

## Observation

The robot itself (18 features), then each other robot (11), module (10), slot (5), core cell and keep-out cell (3) and piece
of debris (5): relative position and attributes, zero beyond the sensor range. Modules and slots have their type one-hot
in addition, where there are several types. `spaceworld.observations.feature_vector.feature_names(scenario)` names every entry.

`observation="image"`: egocentric planes, `(35, 2r+1, 2r+1)` in `[-1, 1]`, channels first, the robot in the middle; the same planes for
every scenario. `spaceworld.observations.image.plane_names(scenario)` names them: what is seen, structure, keep-out, debris and its
drift, modules, slots, robots, and the robot's own scalars as constant planes. r is the largest sensor range, at most what
the grid has and at most 5; `image_radius` asks for another. Beyond a robot's own sensor range all is zero but the constants;
the two `own_goal` planes point to the nearest module worth fetching or, from a gripped one, to its slot, also outside the picture.

## Arguments

```python
spaceworld_v0.parallel_env(scenario="pair", render_mode=None, max_cycles=None, observation="vector",
                           on_collision="block", collision_penalty=0.05, action_mask="possible",
                           image_radius=None)
```

`scenario`: a preset's name or a `spaceworld.Scenario`. `render_mode`: `human` (a window), `rgb_array` or `ansi`. `max_cycles`: steps until
truncation; None is the scenario's own. `observation`: `vector` or `image`; `image_radius` sets the size of the picture.
`on_collision="terminate"` ends the episode at the first collision. `spaceworld_v0.env(...)` is the AEC form.

| scenario | grid | robots | modules | about | horizon | steps to complete | random return |
|---|---|---|---|---|---|---|---|
| `solo` | 5x5 | 1 | 1 light | sanity | 40 | 6.7, at most 10 | -0.11 |
| `duet` | 6x6 | 2 | 1 heavy (mass 2) | the agreement problem alone | 60 | 8.9, at most 14 | -0.40 |
| `pair` | 6x6 | 2 | 2, one light, one heavy | when to act alone, when together | 100 | 14.2, at most 23; scripted 15.0 | -0.86 |
| `truss` | 9x9 | 3 | 5, each after the one before | temporal credit | 250 | scripted 30.0, at most 50 | -2.82 |
| `hazard` | 9x9 | 3 | 4 | drifting debris, keep-out cells | 250 | scripted 30.1, at most 67 | -6.35 |
| `crew` | 10x10 | 4 | 6 | roles: tugs lift but do not dock, assemblers are weak but dock | 250 | scripted 38.3, at most 54 | -3.79 |
| `station` | 16x16 | 8 | 16, four trusses | scale | 400 | scripted 63.3, at most 85 | -11.20 |
| `swarm` | 32x32 | 16 | 32, four trusses | scale, and robots that see 8 cells far | 800 | scripted 129.2, at most 178 | -23.15 |

Means over the layouts of seeds 0 to 999. Steps: the shortest joint plans (`solo`, `duet`, `pair`; `python -m spaceworld.planner --exact
--seeds 1000`) and the scripted team (`python -m spaceworld.planner --seeds 1000`), which completed every one of these 8,000 layouts
without a collision or violation, for a return of 1. Random return: robots that choose among the possible actions at random.

Layouts are random and checked to be solvable. `get_state()` and `set_state()` take and restore snapshots from which a
rollout continues bit-identically.

## Tasks

`env.narrator.tasks()` are what a critic can tell a robot to do: `fetch module_k`, `help carry module_k`, `dock module_k` for each
module, and `hold clear`. `env.task_target(task, agent)` is the cell (row, column) that a task leads to now: the module's; for `dock` that
of the open slot of its type that is nearest to the module. None for `hold clear`, for a module that is docked, and where no slot of
its type is open. `env.task_offset(task, agent)` is the way there from the robot, rows and columns divided by the grid's, both in
[-1, 1]; None where there is no target.

## Beside the environment

- `spaceworld.vector.SpaceworldVectorEnv(num_envs, scenario, threads=1)`: many worlds in one call, as a gymnasium vector
  environment over (env, agent) arrays; bit for bit the same as single environments.
- `spaceworld.planner.policy(env)`: a scripted team that completes every preset without a collision; usable wherever a policy
  is. `spaceworld.planner.shortest_plan(env)`: the shortest joint plan, for layouts as small as those of `solo`, `duet`, `pair`.
- `spaceworld.register_envs()` puts the presets into PettingZoo's registry; then
  `pettingzoo.make("parallel", "spaceworld/pair-v0")` works.
- `spaceworld.cost_wrapper.CostDictWrapper(env)`: for constrained problems; `step` returns six dictionaries: observations, rewards,
  costs, terminations, truncations, infos.

## For people

```
python -m spaceworld                                  play pair: one robot from the keyboard, the planner steers the other
python -m spaceworld play --scenario crew --robot 2   another preset, another robot; --real-time: the world does not wait
python -m spaceworld watch planner                    or: random, or the folder of a training run
python -m spaceworld record out.gif --scenario hazard a GIF or MP4, no screen needed
python -m spaceworld list                             the presets
```

`env.set_overlay(credits={agent: number}, tasks={agent: text}, text="...")` adds to the side panel; a `LLMCreditWrapper` around an
environment that renders does so with the newest episode that was credited.

## Version history

v0: the first release. The paper (arXiv 2502.16863) names the benchmark but publishes no rules; these are ours.
"""

from __future__ import annotations

from typing import Any

from pettingzoo.utils import AECEnv, parallel_to_aec, wrappers

from spaceworld.env import SpaceworldEnv
from spaceworld.scenario import Scenario

__all__ = ["env", "parallel_env", "raw_env"]


def parallel_env(scenario: str | Scenario = "pair", **kwargs: Any) -> SpaceworldEnv:
    """A Spaceworld ParallelEnv; arguments as `SpaceworldEnv`."""
    return SpaceworldEnv(scenario, **kwargs)


def raw_env(scenario: str | Scenario = "pair", **kwargs: Any) -> AECEnv:
    """The same game as an AEC environment, without PettingZoo's checking wrappers."""
    return parallel_to_aec(parallel_env(scenario, **kwargs))


def env(scenario: str | Scenario = "pair", **kwargs: Any) -> AECEnv:
    """The same game as an AEC environment: the robots choose one after another, then all move at once."""
    return wrappers.OrderEnforcingWrapper(raw_env(scenario, **kwargs))
