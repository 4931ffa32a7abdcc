"""# Spaceworld

A team of robots assembles a station in orbit. The robots carry modules to their slots, together when a module is too heavy for
one, and must not collide.

| | |
|---|---|
| Import | `from spaceworld import spaceworld_v0` |
| Actions | Discrete |
| Parallel API | Yes |
| Manual control | Yes: `spaceworld`, or `python -m spaceworld` |
| Agents | `robot_0`, `robot_1`, ..., as many as the scenario has robots |
| Action shape | `()` |
| Action values | `Discrete(6)` |
| Observation shape | `(F,)`, F by scenario ([table](#arguments)); or planes, `(35, 2r+1, 2r+1)` |
| Observation values | `[-1, 1]`, float32 |
| State | `state()`, float32 in `[-1, 1]` |

## World

The world is a grid; a cell is (row, column), and row 0 is the top. **Structure** (the station's core) is solid. **Slots** are free
cells that take a module of their type, some only after other slots are filled. **Modules** have a type and a mass. **Robots** have a
thrust and a sensor range, and may be able to grip and to dock. **Debris** is solid and still or drifting. **Keep-out** cells may be
entered, at a cost.

## Actions

| number | name | effect |
|---|---|---|
| 0 | stay | |
| 1, 2, 3, 4 | north, south, west, east | moves the robot, or its assembly |
| 5 | interact | grips a loose module beside the robot (the one in the lowest cell); a robot that grips a module docks it on an open slot of its type, else releases it |

A module and the robots that grip it are an **assembly**. It moves only if all its robots choose the same direction and their
total thrust is at least the module's mass. `infos[agent]["action_mask"]` is 0 for actions that can have neither an effect nor a cost;
with `action_mask="safe"` also for flying into anything solid that the robot sees, except other robots.

## One step

1. Robots interact; all interactions are decided on the state before the step.
2. Units (free robots and assemblies) move; all moves are compared at once. A unit that would enter structure, debris or a loose
   module is blocked and collides. Two units that claim one cell, or each other's cells, are both blocked and both collide. Then,
   until nothing changes, a unit that would enter a cell of a unit that stays is blocked and collides. Cells that are vacated may be
   entered. A unit at the border stays without a collision. A unit's collision counts once for each of its robots. A gripped module
   is a part of its unit, for other units, too.
3. Debris drifts. If it would enter a cell of a unit, it stops, and each robot of the unit is charged a collision; from anything else
   it bounces.
4. Each robot in a keep-out cell commits a violation.

Nothing depends on the numbers of the robots.

## Reward, cost, end

All robots get the same reward: the share of the total mass that was docked in this step (a complete assembly sums to 1), minus
`collision_penalty` for each collision and violation of the team. `infos[agent]["cost"]` counts the robot's own collisions and
violations, and `infos[agent]["events"]` names what it did. An episode is terminated when all modules are docked (or, with
`on_collision="terminate"`, at the first collision), and truncated after `max_cycles` steps.

## Observation

The robot itself (18 features), then each other robot (11), module (10), slot (5), core cell and keep-out cell (3) and piece of
debris (5), with relative position and attributes; all are 0 beyond the sensor range. Modules and slots also have a one-hot type when
there are several types. `env.feature_names` names every entry.

With `observation="image"`, a robot observes egocentric planes, `(35, 2r+1, 2r+1)` in `[-1, 1]`, channels first, the robot in the
middle. The planes are the same for every scenario; `spaceworld.observations.image.plane_names(scenario)` names them: what is seen,
structure, keep-out, debris and its drift, modules, slots, robots, and the robot's own scalars as constant planes. r is the largest
sensor range, at most what the grid has and at most 5, unless `image_radius` is given. Beyond a robot's own sensor range, all planes
but the constant ones are 0. The two `own_goal` planes point to the nearest module worth fetching or, from a gripped module, to its
slot, also outside the picture.

## Arguments

```python
spaceworld_v0.parallel_env(scenario="pair", render_mode=None, max_cycles=None, observation="vector",
                           on_collision="block", collision_penalty=0.05, action_mask="possible",
                           image_radius=None, sight=None, roles_told="all")
```

`scenario`: a preset's name or a `spaceworld.Scenario`. `render_mode`: `human` (a window), `rgb_array` or `ansi`. `max_cycles`: steps until
truncation; None takes the scenario's own. `observation`: `vector` or `image`; `image_radius`: r of the planes.
`on_collision="terminate"` ends the episode at the first collision. `sight`: the sensor range of all robots, in cells; None takes the
scenario's own. `roles_told`: who is told what each robot can do. `all`: robots observe thrust, `can_grip` and `can_dock`, and the
narrator's text says them; `critic`: the text alone, and they are 0 in observations; `nobody`. `spaceworld_v0.env(...)` makes the AEC form.

| scenario | grid | robots | F | modules | about | horizon | steps to complete | random return |
|---|---|---|---|---|---|---|---|---|
| `solo` | 5x5 | 1 | 36 | 1 light | sanity | 40 | 6.7, at most 10 | -0.11 |
| `duet` | 6x6 | 2 | 47 | 1 heavy (mass 2) | the agreement problem alone | 60 | 8.9, at most 14 | -0.40 |
| `pair` | 6x6 | 2 | 70 | 2, one light, one heavy | when to act alone, when together | 100 | 14.2, at most 23; scripted 15.0 | -0.86 |
| `truss` | 9x9 | 3 | 138 | 5, each after the one before | temporal credit | 250 | scripted 30.0, at most 50 | -2.82 |
| `hazard` | 9x9 | 3 | 141 | 4 | drifting debris, keep-out cells | 250 | scripted 30.1, at most 67 | -6.35 |
| `crew` | 10x10 | 4 | 180 | 6 | roles: tugs lift but do not dock, assemblers are weak but dock | 250 | scripted 38.3, at most 54 | -3.79 |
| `station` | 16x16 | 8 | 402 | 16, four trusses | scale | 400 | scripted 63.3, at most 85 | -11.20 |
| `swarm` | 32x32 | 16 | 794 | 32, four trusses | scale, and robots that see 8 cells far | 800 | scripted 129.2, at most 178 | -23.15 |

`fleet-2` to `fleet-24` are scenarios, too: N equal robots that see the whole grid, 32 cells and two modules (one light, one heavy) for
each of them, four trusses, horizon 50 N, F = 49 N + 10. `spaceworld.fleet(8)` returns one.

The numbers are means over the layouts of seeds 0 to 999. Steps: for `solo`, `duet` and `pair` the shortest joint plans (`python -m
spaceworld.planner --exact --seeds 1000`), for the others the scripted team (`python -m spaceworld.planner --seeds 1000`), which
completed each of the layouts without a collision or violation, for a return of 1. Random return: all robots choose among the
possible actions at random.

Layouts are random and checked to be solvable. `get_state()` and `set_state()` take and restore snapshots, from which a rollout
continues bit for bit. `rewind(snapshot)` returns one with the clock set back, so that rollouts can go on past the time limit.

## Tasks

`env.narrator.tasks()` lists the tasks that a critic can give to a robot: `fetch module_k`, `help carry module_k` and `dock module_k` for
each module, and `hold clear`. `env.task_target(task, agent)` is the cell (row, column) that a task leads to now: the module's cell, or
for `dock` the cell of the open slot of its type that is nearest to the module. It is None for `hold clear`, for a docked module, and
when no slot of the module's type is open. `env.task_offset(task, agent)` is the way there from the robot, rows and columns divided by
the grid's, both in [-1, 1], or None without a target.

## Beside the environment

- `spaceworld.vector.SpaceworldVectorEnv(num_envs, scenario, threads=1)` steps many worlds by one call, as a gymnasium vector
  environment over (env, agent) arrays; each equals a single environment, bit for bit.
- `spaceworld.planner.policy(env)` is a scripted team that completes every preset without a collision, callable like any policy.
  `spaceworld.planner.shortest_plan(env)` is the shortest joint plan, for layouts as small as those of `solo`, `duet` and `pair`.
- `spaceworld.register_envs()` puts the presets into PettingZoo's registry; then
  `pettingzoo.make("parallel", "spaceworld/pair-v0")` works.
- `spaceworld.cost_wrapper.CostDictWrapper(env)` is for constrained problems: its `step` returns six dictionaries: observations,
  rewards, costs, terminations, truncations, infos.

## For people

```
spaceworld                              play pair: steer one robot by the keyboard, the planner steers the other
spaceworld play crew --robot 2          another preset, another robot; with --real-time the world does not wait
spaceworld watch planner                or: random, or the folder of a training run
spaceworld watch RUN --policy m:load    a run that `load` of module `m` loads; without --policy, by an installed package
spaceworld record out.gif hazard        a GIF or MP4, no screen needed; --team as for watch
spaceworld list                         the presets
```

Without installing, `python -m spaceworld` does the same. A package that trains teams registers a loader as an entry point of the
group `spaceworld.policies`, named after the extra that it needs: `load(folder)` returns the arguments of the environment and a
function that makes the policy of an environment, or raises a ValueError if the folder is not one of its runs.

`env.set_overlay(credits={agent: number}, tasks={agent: text}, text="...")` adds to the side panel. A `LLMCreditWrapper` around an
environment that renders does so with the last episode that was credited.

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
    """Return a Spaceworld ParallelEnv; the arguments are those of `SpaceworldEnv`."""
    return SpaceworldEnv(scenario, **kwargs)


def raw_env(scenario: str | Scenario = "pair", **kwargs: Any) -> AECEnv:
    """Return the environment in AEC form, without PettingZoo's checking wrappers."""
    return parallel_to_aec(parallel_env(scenario, **kwargs))


def env(scenario: str | Scenario = "pair", **kwargs: Any) -> AECEnv:
    """Return the environment in AEC form: the robots choose one after another, then all move at once."""
    return wrappers.OrderEnforcingWrapper(raw_env(scenario, **kwargs))
