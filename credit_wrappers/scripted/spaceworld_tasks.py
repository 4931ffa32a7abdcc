"""Which tasks the scripted critic gives the robots of a Spaceworld in the present state.

A robot that holds a module and is needed is to dock it; one that grips in vain is to hold clear. Free robots are sent
to modules that lack thrust, as many as the mass needs and no more, one of them able to dock; first to the module that
would be in its slot soonest. No more modules are fetched than there are open slots for, or robots would wait with them
in their grip and be missed elsewhere. When all open slots are provided for, the slots that open next count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from credit_wrappers.scripted.spaceworld_potential import Judgement
from credit_wrappers.scripted.spaceworld_text import ToldWorld, row_col

CLEAR = "hold clear"
_REASONS = {
    "fetch": "lacks thrust, and this robot is the one to have it docked soonest",
    "help carry": "needs more thrust, and this robot is one of the nearest that are enough",
    "dock": "is in its grip, and needs it to come to the slot",
}


def reason_for(task: str) -> str:
    """Return why a robot gets a task."""
    verb, _, module = task.rpartition(" ")
    return f"{module} {_REASONS[verb]}" if verb in _REASONS else "is needed nowhere, and must be in nobody's way"


def tasks_for(view: Judgement) -> dict[str, str]:
    """Return the task of each robot."""
    world = view.world
    tasks = dict.fromkeys(world.agents, CLEAR)
    crews: dict[str, list[str]] = {}  # of each module, who holds it, in the order in which they took hold
    for agent, module in world.grips.items():
        crews.setdefault(module, []).append(agent)
    carriers = view.needed()
    for module, holders in crews.items():
        needed = [a for a in holders if a in carriers]
        docker = [a for a in holders if "dock" not in world.cannot[a]][:1]
        tasks.update(dict.fromkeys(needed if _can_dock(world, needed) else needed + docker, f"dock {module}"))

    free = [a for a in world.agents if a not in world.grips and "grip" not in world.cannot[a]]
    room = _room(view, set(crews))
    lacking = [m for m in world.left if not _enough(world, m, crews.get(m, []))]
    ways = {m: view.ways_to([m]) for m in lacking if m in crews or room[world.kind[m]]}
    while True:
        plans: list[tuple[int, tuple[int, int], str, list[str]]] = []
        for module, way in ways.items():
            near = {a: way.get(world.agents[a], sum(view.size)) for a in free}
            crew = _crew(world, module, crews.get(module, []), near)
            if crew and (module in crews or room[world.kind[module]] > 0):
                soon = max(near[a] for a in crew) + view.plain_way(module)
                plans.append((soon, row_col(world.modules[module]), module, crew))
        if not plans:
            return tasks
        _, _, module, crew = min(plans, key=lambda plan: plan[:2])
        verb = "fetch" if len(crew) == 1 and module not in crews else "help carry"
        tasks.update(dict.fromkeys(crew, f"{verb} {module}"))
        free = [a for a in free if a not in crew]
        room[world.kind[module]] -= module not in crews
        del ways[module]


def _crew(world: ToldWorld, module: str, holders: Sequence[str], near: dict[str, int]) -> list[str]:
    """Return who is to join the holders: the nearest whose thrust suffices, no more; [] if all together do not."""
    crew: list[str] = []
    for agent in sorted(near, key=lambda a: (near[a], row_col(world.agents[a]))):
        crew.append(agent)
        if _enough(world, module, [*holders, *crew]):
            break
    else:
        return []
    for agent in crew[-2::-1]:  # the farthest first; without the last one it was not enough
        fewer = [a for a in crew if a != agent]
        if _enough(world, module, [*holders, *fewer]):
            crew = fewer
    return crew


def _enough(world: ToldWorld, module: str, crew: Sequence[str]) -> bool:
    return sum(world.thrust[a] for a in crew) >= world.mass[module] and _can_dock(world, crew)


def _can_dock(world: ToldWorld, crew: Sequence[str]) -> bool:
    return any("dock" not in world.cannot[a] for a in crew)


def _room(view: Judgement, held: set[str]) -> Counter[str]:
    """Return how many more modules of each type there is an open slot for, else a slot that opens next."""
    world = view.world
    coming = Counter(world.kind[m] for m in held)
    loose = {world.kind[m] for m in world.left if m not in held}
    room: Counter[str] = Counter()
    done = set(world.filled)  # and then those for which a module is coming
    for _ in range(2):
        reachable = [s for s in world.slots if s not in done and view.needs.get(s, frozenset()) <= done]
        for slot in reachable:
            kind = world.kind[slot]
            if coming[kind]:
                coming[kind] -= 1
                done.add(slot)
            else:
                room[kind] += kind in loose
        if room.total():
            break
    return room
