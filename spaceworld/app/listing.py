"""The presets as text: facts and a picture of each."""

from __future__ import annotations

from collections import Counter

from spaceworld.env import SpaceworldEnv
from spaceworld.render.ansi import grid_lines


def listing(scenario: str, seed: int) -> str:
    """Return a line of facts about a scenario and one of its layouts."""
    env = SpaceworldEnv(scenario)
    env.reset(seed=seed)
    world = env.scenario
    robots = Counter(f"{r.role} (thrust {r.thrust})" for r in world.robots)
    modules = Counter(f"{m.type} (mass {m.mass})" for m in world.modules)
    parts = [
        f"{world.name}: {world.height}x{world.width}, {world.horizon} steps",
        _counted("robot", robots),
        _counted("module", modules),
    ]
    scene = env.scene()
    if scene.debris:
        parts.append(f"{len(scene.debris)} debris")
    if scene.keep_out:
        parts.append(f"{len(scene.keep_out)} keep-out cells")
    return "\n".join(["; ".join(parts), *(line.rstrip() for line in grid_lines(scene)), ""])


def _counted(what: str, kinds: Counter[str]) -> str:
    total = sum(kinds.values())
    names = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{total} {what}{'s' if total > 1 else ''}: {names}"
