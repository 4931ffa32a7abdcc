"""The kernel's event code of a robot's step, in words."""

from __future__ import annotations

from spaceworld.rules import packing as pk

MOST_KEPT = 65536
_KINDS = {pk.B_STRUCTURE: "structure", pk.B_MODULE: "module_{}", pk.B_DEBRIS: "debris_{}", pk.B_ROBOT: "robot_{}"}


def module_of(code: int) -> int:
    """Return the module in an event code, or -1."""
    return (code >> pk.E_MODULE_SHIFT & 4095) - 1


def slot_of(code: int) -> int:
    """Return the slot in an event code, or -1."""
    return (code >> pk.E_SLOT_SHIFT & 4095) - 1


def blocker_of(code: int) -> tuple[int, int] | None:
    """Return what blocked the robot, as (kind, index), or None."""
    kind = code >> pk.E_KIND_SHIFT & 15
    return (kind, (code >> pk.E_BLOCKER_SHIFT & 4095) - 1) if kind else None


def event_names(code: int) -> tuple[str, ...]:
    """Return the events of one robot in one step, for `infos[agent]["events"]`."""
    module, names = f"module_{module_of(code)}", []
    for flag, text in (
        (pk.E_MOVED, "moved"),
        (pk.E_CARRIED, f"carried {module}"),
        (pk.E_GRIPPED, f"gripped {module}"),
        (pk.E_RELEASED, f"released {module}"),
        (pk.E_DOCKED, f"docked {module} in slot_{slot_of(code)}"),
        (pk.E_DISAGREED, f"disagreed on {module}"),
        (pk.E_WEAK, f"too weak for {module}"),
        (pk.E_EDGE, "stayed at the edge"),
        (pk.E_STRUCK, "struck by debris"),
        (pk.E_KEEP_OUT, "in keep-out"),
    ):
        if code & flag:
            names.append(text)
    blocked = blocker_of(code)
    if blocked:
        names.append("blocked_by " + _KINDS[blocked[0]].format(blocked[1]))
    return tuple(names)


class _Events(dict[int, tuple[str, ...]]):
    """A cache of `event_names`, because every step asks for each robot."""

    def __missing__(self, code: int) -> tuple[str, ...]:
        if len(self) >= MOST_KEPT:
            self.clear()
        names = self[code] = event_names(code)
        return names


EVENTS = _Events()
