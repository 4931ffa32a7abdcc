"""What a robot did in one step: the kernel's event code, read into words."""

from __future__ import annotations

from functools import lru_cache

from spaceworld.packing import (
    B_DEBRIS, B_MODULE, B_ROBOT, B_STRUCTURE, E_BLOCKER_SHIFT, E_CARRIED, E_DISAGREED, E_DOCKED, E_EDGE,
    E_GRIPPED, E_KEEP_OUT, E_KIND_SHIFT, E_MODULE_SHIFT, E_MOVED, E_RELEASED, E_SLOT_SHIFT, E_STRUCK, E_WEAK,
)  # fmt: skip

_KINDS = {B_STRUCTURE: "structure", B_MODULE: "module_{}", B_DEBRIS: "debris_{}", B_ROBOT: "robot_{}"}


def module_of(code: int) -> int:
    """The module an event code speaks of, or -1."""
    return (code >> E_MODULE_SHIFT & 4095) - 1


def slot_of(code: int) -> int:
    """The slot an event code speaks of, or -1."""
    return (code >> E_SLOT_SHIFT & 4095) - 1


def blocker_of(code: int) -> tuple[int, int] | None:
    """What blocked the robot, as (kind, index), or None."""
    kind = code >> E_KIND_SHIFT & 15
    return (kind, (code >> E_BLOCKER_SHIFT & 4095) - 1) if kind else None


@lru_cache(maxsize=65536)
def event_names(code: int) -> tuple[str, ...]:
    """The events of one robot in one step, for `infos[agent]["events"]`."""
    module, names = f"module_{module_of(code)}", []
    for flag, text in (
        (E_MOVED, "moved"),
        (E_CARRIED, f"carried {module}"),
        (E_GRIPPED, f"gripped {module}"),
        (E_RELEASED, f"released {module}"),
        (E_DOCKED, f"docked {module} in slot_{slot_of(code)}"),
        (E_DISAGREED, f"disagreed on {module}"),
        (E_WEAK, f"too weak for {module}"),
        (E_EDGE, "stayed at the edge"),
        (E_STRUCK, "struck by debris"),
        (E_KEEP_OUT, "in keep-out"),
    ):
        if code & flag:
            names.append(text)
    blocked = blocker_of(code)
    if blocked:
        names.append("blocked_by " + _KINDS[blocked[0]].format(blocked[1]))
    return tuple(names)
