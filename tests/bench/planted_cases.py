"""Faults that are planted in the play of a scripted team, so that one agent and some steps are known to be the cause.

A fault is an action, or a few, that one agent takes instead of its own. It is taken where it fits: where the agent had
something better to do and where what happens shows that it, and nobody else, did wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.teams import MOVES

OPPOSITE = (0, 2, 1, 4, 3)
LONG = 8  # steps of an agent that does nothing
KEPT = ("never comes", "idle", "to and fro", "grips again", "turns to and fro")  # they must make the episode longer


@dataclass(frozen=True)
class Fault:
    """What one agent does instead."""

    kind: str
    actions: tuple[int, ...]
    text: str  # what the agent, whose name comes before, does


def tried(env: Any, joint: list[int], agent: int, action: int) -> dict[str, dict[str, Any]]:
    """Return the infos of a joint action with another action of one agent; the environment is as before."""
    state = env.get_state()
    changed = [action if i == agent else a for i, a in enumerate(joint)]
    infos = env.step(dict(zip(env.possible_agents, changed, strict=True)))[4]
    env.set_state(state)
    return infos


def faults_in_spaceworld(env: Any, joint: list[int], agent: int) -> Iterator[Fault]:
    """Yield the faults that fit the present state, in which the team would do `joint`."""
    name, own = env.possible_agents[agent], joint[agent]
    if own == 0:
        return
    plain = tried(env, joint, agent, own)
    did = " ".join(plain[name]["events"])
    others = [a for a in env.possible_agents if a != name]
    carrying = any("carried" in " ".join(plain[a]["events"]) for a in others)
    if own <= 4:
        for action in range(1, 5):
            infos = tried(env, joint, agent, action)
            events = " ".join(infos[name]["events"])
            alone = infos[name]["cost"] == 1 and not any(infos[a]["cost"] for a in others)
            if alone and "blocked_by structure" in events and "carried" not in did:
                yield Fault("crash", (action,), "flies into the structure instead of on its way")
            if alone and ("blocked_by robot" in events or "blocked_by module" in events) and carrying:
                yield Fault("helper too many", (action,), "flies into a partner that carries a module by itself")
        back = OPPOSITE[own]
        if "carried" in did:
            if "disagreed" in " ".join(tried(env, joint, agent, back)[name]["events"]):
                yield Fault("against", (back,), "pulls the module back while its partner pulls it on")
            if "released" in " ".join(tried(env, joint, agent, 5)[name]["events"]):
                yield Fault("let go", (5,), "lets go of the module on the way")
                told = "lets go of the module and grips it again, twice, and gets nowhere"
                yield Fault("grips again", (5,) * 4, told)
        elif did == "moved":
            moved = tried(env, joint, agent, back)[name]
            if moved["events"] == ("moved",) and not moved["cost"]:
                yield Fault("wrong way", (back,), "goes away from where it is needed")
                yield Fault("to and fro", (back, own) * 3, "goes back and forth three times and gets nowhere")
    if carrying:
        yield Fault("idle", (0,) * LONG, "stays while its partner works")
    elif own <= 4 and did == "moved":
        yield Fault("never comes", (0,) * LONG, "stays where it is and does not come to the module")


def faults_in_foraging(env: Any, joint: list[int], agent: int) -> Iterator[Fault]:
    """Yield the faults that fit the present state of Level-Based Foraging."""
    own = joint[agent]
    place = env.library.players[agent].position
    free = []
    for action in range(1, 5):
        before = env.get_state()
        changed = [action if i == agent else 0 for i in range(len(joint))]
        env.step(dict(zip(env.possible_agents, changed, strict=True)))
        there = env.library.players[agent].position
        env.set_state(before)
        if (there[0] - place[0], there[1] - place[1]) == MOVES[action]:
            free.append(action)
    if joint == [5] * len(joint):
        if free:
            yield Fault("walks away", (free[0],), "walks away from the food while its partner loads")
    elif 1 <= own <= 4 and own in free:
        back = OPPOSITE[own]
        if back in free:
            yield Fault("wrong way", (back,), "walks away from the food")
            yield Fault("to and fro", (back, own) * 3, "walks back and forth three times and gets nowhere")
        if 0 in [a for i, a in enumerate(joint) if i != agent]:
            yield Fault("never comes", (0,) * LONG, "stays where it is while its partner waits beside the food")
        else:
            yield Fault("idle", (0,) * LONG, "stays while its partner walks to the food")
    elif own == 0 and free:
        yield Fault("leaves", (free[0],), "walks away from the food beside which it should wait")


def faults_in_warehouse(env: Any, joint: list[int], agent: int) -> Iterator[Fault]:
    """Yield the faults that fit the present state of Robotic Warehouse."""
    own = joint[agent]
    if own == 0:
        return
    state = env.get_state()
    robot = env.library.agents[agent]
    loaded, wanted = robot.carrying_shelf is not None, robot.carrying_shelf in env.library.request_queue
    env.step(dict(zip(env.possible_agents, [4 if i == agent else a for i, a in enumerate(joint)], strict=True)))
    lifted = env.library.agents[agent].carrying_shelf is not None
    env.set_state(state)
    if own != 4 and loaded and wanted and not lifted:
        yield Fault("puts down", (4,), "puts the shelf down that it should bring")
    if own != 4 and not loaded and lifted:
        yield Fault("wrong shelf", (4,), "lifts a shelf that nobody asked for")
    if own == 1:
        yield Fault("turns aside", (2,), "turns aside instead of going on")
        yield Fault("turns to and fro", (2, 3) * 3, "turns left and right three times and gets nowhere")
    if any(a for i, a in enumerate(joint) if i != agent):
        yield Fault("idle", (0,) * LONG, "stays while its partner works")
