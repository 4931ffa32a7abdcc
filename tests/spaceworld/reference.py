"""The rules once more, in plain Python with sets and dictionaries: the oracle that the kernel is tested against.

Written from the rules, not from the kernel; slow and meant to be read. State goes in as plain values, state comes
out as plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from spaceworld.scenario import Cell, Scenario

MOVES: dict[int, Cell] = {1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}
OPPOSITE = {1: 2, 2: 1, 3: 4, 4: 3}
INTERACT = 5


@dataclass(frozen=True)
class World:
    """One state; indices as in the scenario."""

    robots: tuple[Cell, ...]
    grips: tuple[int | None, ...]
    modules: tuple[Cell, ...]
    docked: tuple[int | None, ...]  # slot of each module
    slots: tuple[Cell, ...]
    core: frozenset[Cell]
    keep_out: frozenset[Cell] = frozenset()
    debris: tuple[Cell, ...] = ()
    drift: tuple[int, ...] = ()
    step: int = 0
    terminated: bool = False
    truncated: bool = False


@dataclass
class Outcome:
    """What one step did."""

    world: World
    mass: int = 0  # docked in this step
    hits: dict[int, int] = field(default_factory=dict)  # collisions of each robot
    violations: set[int] = field(default_factory=set)  # robots in a keep-out cell


def shift(cell: Cell, direction: int) -> Cell:
    """Return the neighbouring cell."""
    dr, dc = MOVES[direction]
    return cell[0] + dr, cell[1] + dc


def advance(s: Scenario, w: World, actions: tuple[int, ...], horizon: int, terminate: bool) -> Outcome:
    """Return one step of the rules: interacts, moves, debris, keep-out, end."""
    outcome = Outcome(_interacts(s, w, actions))
    outcome.mass = sum(
        m.mass for m, old, new in zip(s.modules, w.docked, outcome.world.docked, strict=True) if old != new
    )
    outcome.hits = dict.fromkeys(range(len(w.robots)), 0)
    outcome.world = _moves(s, outcome.world, actions, outcome.hits)
    outcome.world = _drifts(s, outcome.world, outcome.hits)
    outcome.violations = {i for i, cell in enumerate(outcome.world.robots) if cell in w.keep_out}
    done = all(slot is not None for slot in outcome.world.docked)
    done = done or (terminate and any(outcome.hits.values()))
    step = w.step + 1
    outcome.world = replace(outcome.world, step=step, terminated=done, truncated=not done and step >= horizon)
    return outcome


def _matching_slot(s: Scenario, w: World, module: int) -> int | None:
    filled = {slot for slot in w.docked if slot is not None}
    for k, slot in enumerate(s.slots):
        here = w.slots[k] == w.modules[module] and k not in filled
        if here and slot.type == s.modules[module].type and set(slot.needs) <= filled:
            return k
    return None


def _interacts(s: Scenario, w: World, actions: tuple[int, ...]) -> World:
    grips, docked = list(w.grips), list(w.docked)
    gripped: dict[int, int] = {}
    for i, action in enumerate(actions):
        if action != INTERACT:
            continue
        held = w.grips[i]
        if held is None:
            beside = {shift(w.robots[i], d) for d in MOVES}
            loose = [(w.modules[m], m) for m in range(len(w.modules)) if w.docked[m] is None]
            near = sorted(x for x in loose if x[0] in beside)
            if near and s.robots[i].can_grip:
                gripped[i] = near[0][1]
            continue
        slot = _matching_slot(s, w, held) if s.robots[i].can_dock else None
        if slot is None:
            grips[i] = None
        else:
            docked[held] = slot
    for i, module in gripped.items():
        grips[i] = module
    for i, grip in enumerate(grips):
        if grip is not None and docked[grip] is not None:
            grips[i] = None
    return replace(w, grips=tuple(grips), docked=tuple(docked))


def _units(w: World) -> dict[str, tuple[frozenset[int], frozenset[Cell]]]:
    """Units by name: their robots and their cells."""
    units = {f"r{i}": (frozenset({i}), frozenset({w.robots[i]})) for i, g in enumerate(w.grips) if g is None}
    for m, cell in enumerate(w.modules):
        crew = frozenset(i for i, g in enumerate(w.grips) if g == m)
        if crew:
            units[f"m{m}"] = (crew, frozenset({cell} | {w.robots[i] for i in crew}))
    return units


def _proposals(s: Scenario, w: World, actions: tuple[int, ...]) -> dict[str, int]:
    found = {}
    for name, (crew, cells) in _units(w).items():
        choices = {actions[i] for i in crew}
        if len(choices) != 1 or not choices <= set(MOVES):
            continue
        direction = choices.pop()
        if name[0] == "m" and sum(s.robots[i].thrust for i in crew) < s.modules[int(name[1:])].mass:
            continue
        if all(0 <= r < s.height and 0 <= c < s.width for r, c in (shift(x, direction) for x in cells)):
            found[name] = direction
    return found


def _moves(s: Scenario, w: World, actions: tuple[int, ...], hits: dict[int, int]) -> World:
    units, proposals = _units(w), _proposals(s, w, actions)
    gripped = {g for g in w.grips if g is not None}
    solid = w.core | set(w.debris) | {cell for m, cell in enumerate(w.modules) if m not in gripped}  # loose, docked
    claims = {name: {shift(x, d) for x in units[name][1]} for name, d in proposals.items()}
    blocked = {name for name, cells in claims.items() if cells & solid}
    for a in claims:
        for b in claims:
            swap = claims[a] & units[b][1] and claims[b] & units[a][1]
            if a != b and (claims[a] & claims[b] or swap):
                blocked |= {a, b}
    while True:
        staying = {name for name in units if name not in claims or name in blocked}
        more = {a for a in claims if a not in blocked and any(b != a and claims[a] & units[b][1] for b in staying)}
        if not more:
            break
        blocked |= more
    robots, modules = list(w.robots), list(w.modules)
    for name, direction in proposals.items():
        for i in units[name][0]:
            if name in blocked:
                hits[i] += 1
            else:
                robots[i] = shift(robots[i], direction)
        if name[0] == "m" and name not in blocked:
            modules[int(name[1:])] = shift(modules[int(name[1:])], direction)
    return replace(w, robots=tuple(robots), modules=tuple(modules))


def _drifts(s: Scenario, w: World, hits: dict[int, int]) -> World:
    units = _units(w)
    bodies = {cell for _, cells in units.values() for cell in cells}
    solid = w.core | set(w.debris) | (set(w.modules) - bodies)
    moving = [d for d, sheet in enumerate(s.debris) if w.drift[d] and (w.step + 1) % sheet.period == 0]
    target = {d: shift(w.debris[d], w.drift[d]) for d in moving}
    debris, drift = list(w.debris), list(w.drift)
    for d, cell in target.items():
        struck = [crew for crew, cells in units.values() if cell in cells]
        inside = 0 <= cell[0] < s.height and 0 <= cell[1] < s.width
        if struck:
            for i in struck[0]:
                hits[i] += 1
        elif not inside or cell in solid or list(target.values()).count(cell) > 1:
            drift[d] = OPPOSITE[drift[d]]
        else:
            debris[d] = cell
    return replace(w, debris=tuple(debris), drift=tuple(drift))
