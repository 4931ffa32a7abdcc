"""What a world's robots observe, as vectors or as planes, whichever the array has room for; and a whole step."""

from __future__ import annotations

from spaceworld.observations.feature_vector import observe
from spaceworld.observations.image import observe_image
from spaceworld.rules.jit import lean_kernel
from spaceworld.rules.kernel import advance
from spaceworld.rules.lookup import parts_of


@lean_kernel
def look_around(spec, row, work, observations, masks):  # type: ignore[no-untyped-def]  # compiled
    """Fill one world's observations, (N, F) or planes (N, C, 2r+1, 2r+1) float32, and masks, (N, 6) int8."""
    if observations.ndim == 2:  # decided when it is compiled
        observe(spec, row, work, observations, masks)
    else:
        observe_image(spec, row, work, observations, masks)


@lean_kernel
def advance_and_look(memory, observations, masks):  # type: ignore[no-untyped-def]  # compiled
    """Call `advance`, then `look_around`; return what `advance` returns.

    This is one call with few arguments, for the step of a single environment, whose `memory` is as from
    `packing.memory_of`.
    """
    at, actions, end = parts_of(memory)
    spec, row, work = memory[:at], memory[at:actions], memory[end:]
    result = advance(spec, row, work, memory[actions:end])
    look_around(spec, row, work, observations, masks)
    return result
