"""The presets, from one robot and one module to sixteen robots and 32 modules (ours)."""

from __future__ import annotations

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


def get_scenario(scenario: str | Scenario) -> Scenario:
    """Return the scenario itself, or the preset of that name.

    Raises:
        ValueError: For an unknown name; the message lists the presets.
    """
    if isinstance(scenario, Scenario):
        return scenario
    if scenario not in PRESETS:
        raise ValueError(f"unknown scenario {scenario!r}; the presets are {', '.join(PRESETS)}")
    return PRESETS[scenario]
