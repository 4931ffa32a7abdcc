"""The presets, from one robot and one module to sixteen robots and 32 modules, and fleets of any size (ours)."""

from __future__ import annotations

import re
from functools import lru_cache
from math import sqrt

from spaceworld.scenario import Debris, Module, Robot, Scenario, Slot


def _slots(modules: tuple[Module, ...], arms: int) -> tuple[Slot, ...]:
    """Return a slot for each module, in `arms` trusses that grow in turn; each slot needs the one before it."""
    return tuple(Slot(m.type, (k - arms,) if k >= arms else ()) for k, m in enumerate(modules))


def _presets() -> tuple[Scenario, ...]:
    tug = Robot()
    panel, truss = Module("panel", 1), Module("truss", 2)
    strut, node = Module("strut", 1), Module("node", 2)
    chain = (strut, node, strut, node, strut)
    hauler = Robot("tug", thrust=2, can_dock=False)
    assembler = Robot("assembler", thrust=1)
    engine = Module("engine", 3)
    parts = (engine, truss, engine, truss, panel, panel)
    ring = (strut,) * 4 + (node,) * 4  # the next two layers of the station's four trusses
    far = Robot(sensor_range=8)
    return (
        Scenario("solo", 5, 5, (tug,), (panel,), (Slot("panel"),), horizon=40),
        Scenario("duet", 6, 6, (tug,) * 2, (truss,), (Slot("truss"),), horizon=60),
        Scenario("pair", 6, 6, (tug,) * 2, (panel, truss), (Slot("panel"), Slot("truss")), horizon=100),
        Scenario("truss", 9, 9, (tug,) * 3, chain, _slots(chain, 1), horizon=250, slot_pattern="line"),
        Scenario("hazard", 9, 9, (tug,) * 3, (panel, truss) * 2, tuple(Slot(x) for x in ("panel", "truss") * 2),
                 horizon=250, debris=(Debris(4, 2), Debris(2, 3)), keep_out=4),
        Scenario("crew", 10, 10, (hauler, hauler, assembler, assembler), parts, _slots(parts, 4), horizon=250,
                 slot_pattern="cross"),
        Scenario("station", 16, 16, (tug,) * 8, ring * 2, _slots(ring * 2, 4), horizon=400, slot_pattern="cross"),
        Scenario("swarm", 32, 32, (far,) * 16, ring * 4, _slots(ring * 4, 4), horizon=800, slot_pattern="cross"),
    )  # fmt: skip


PRESETS: dict[str, Scenario] = {s.name: s for s in _presets()}

# Of a fleet: what grows with the number of robots.
CELLS, MODULES, STEPS = 32, 2, 50  # for each robot: cells of the grid, modules, and steps until truncation
LEAST_FLEET, LARGEST_FLEET = 2, 24  # with more robots the four trusses are longer than the grid
_FLEET = re.compile(r"fleet-([1-9]\d*)")


@lru_cache(maxsize=LARGEST_FLEET)
def fleet(robots: int) -> Scenario:
    """Return the scenario `fleet-N`: every number of robots has the same density.

    All robots are alike and see the whole grid. For each of them the square grid has about 32 cells, and there are two
    modules, one of mass 1 and one of mass 2. They belong to four trusses that grow out of one core, so at most four
    slots are open at a time.

    Args:
        robots: The number of robots, from 2 to 24.

    Raises:
        ValueError: There is no fleet of that size.

    Examples:
        >>> from spaceworld import fleet
        >>> fleet(8).name, fleet(8).height, len(fleet(8).modules), fleet(8) == get_scenario("fleet-8")
        ('fleet-8', 16, 16, True)
    """
    if not LEAST_FLEET <= robots <= LARGEST_FLEET:
        raise ValueError(f"there is no fleet of {robots} robots; valid are {LEAST_FLEET} to {LARGEST_FLEET}")
    side = round(sqrt(CELLS * robots))
    kinds = Module("strut", 1), Module("node", 2)
    # light and heavy in turn, along each truss and around the core
    modules = tuple(kinds[(k + k // 4) % 2] for k in range(MODULES * robots))
    return Scenario(
        f"fleet-{robots}", side, side, (Robot(),) * robots, modules, _slots(modules, 4), horizon=STEPS * robots,
        slot_pattern="cross",
    )  # fmt: skip


def is_scenario(name: str) -> bool:
    """Return whether `get_scenario` knows a name."""
    found = _FLEET.fullmatch(name)
    return name in PRESETS or (found is not None and LEAST_FLEET <= int(found[1]) <= LARGEST_FLEET)


def get_scenario(scenario: str | Scenario) -> Scenario:
    """Return the scenario itself, the preset of that name, or `fleet-N`, such as `fleet-8`.

    Raises:
        ValueError: For an unknown name; the message lists the presets.
    """
    if isinstance(scenario, Scenario):
        return scenario
    if not is_scenario(scenario):
        fleets = f"fleet-{LEAST_FLEET} to fleet-{LARGEST_FLEET}"
        raise ValueError(f"unknown scenario {scenario!r}; the presets are {', '.join(PRESETS)}, and {fleets}")
    return PRESETS[scenario] if scenario in PRESETS else fleet(int(scenario.removeprefix("fleet-")))
