"""Rules by which the scripted critic judges a Spaceworld episode that it reads as text.

A robot's credit for a step is the difference of its potential (`spaceworld_potential`). So every closed loop of states
sums to zero: gripping and letting go, walking to and fro, carrying there and back earn nothing. Only what cannot be
repeated for gain is credited outside the potential. A dock pays those who were needed; for all others the potential of
that step is not counted. A collision is debited to the robot that caused it, and a keep-out cell to the robot in it;
when that robot was also at fault in the step before, twice as much, and a free robot that keeps standing in a carrier's
way is debited as well. Amounts are integers, in hundredths of a credit, so that the sums are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from credit_wrappers.scripted.event_log import EpisodeRules, EventLog
from credit_wrappers.scripted.read_prompt import Step
from credit_wrappers.scripted.spaceworld_potential import APPROACH, BLAME, DOCK, Judgement
from credit_wrappers.scripted.spaceworld_tasks import reason_for, tasks_for
from credit_wrappers.scripted.spaceworld_text import ScenarioFacts, ToldWorld, facts_of


@dataclass(frozen=True)
class SpaceworldRules(EpisodeRules):
    """Judges the episodes of one Spaceworld scenario."""

    facts: ScenarioFacts

    @staticmethod
    def for_system(system: str) -> SpaceworldRules | None:
        """Return the rules for the Spaceworld that a base prompt describes, if any."""
        facts = facts_of(system)
        return None if facts is None else SpaceworldRules(facts)

    def _begin(self, start: str) -> Judgement:
        world = ToldWorld(self.facts, start)
        return Judgement((self.facts.height, self.facts.width), self.facts.needs, world)

    def judge(self, start: str, steps: Sequence[Step]) -> tuple[str, list[dict[str, Any]]]:
        """Return the summary and the events of one episode."""
        view = self._begin(start)
        world = view.world
        log = EventLog(world.agents)
        before, needed = view.potentials(), view.needed()
        struck: dict[str, int] = {}  # agent -> step of its last fault
        for t, step in enumerate(steps):
            told = world.apply(step)
            after = view.potentials()
            for agent, fault in told.faults:
                again = struck.get(agent) == t - 1
                log.single(agent, t, -2 * BLAME if again else -BLAME, fault + (", again" if again else ""))
                other = fault.removeprefix("hits ")
                if again and agent in world.grips and world.stands(other, told):
                    log.single(other, t, -BLAME, f"stands in the way of {agent}, which carries {world.grips[agent]}")
            struck.update((agent, t) for agent, _ in told.faults)
            for module, holders in told.docked.items():
                for agent in holders:
                    if agent in needed:
                        log.single(agent, t, DOCK, f"docked {module}, which it had helped to carry to its slot")
            if not told.docked:
                for agent in world.agents:
                    if gain := after[agent] - before[agent]:
                        log.add(agent, t, gain, _reason(view, agent, told.did.get(agent), gain, agent in needed))
            before, needed = after, view.needed()
        left = len(world.left)
        outcome = f"{left} of {len(world.modules)} modules were left" if left else "everything was docked"
        advice = "all should go where thrust is lacking" if left else "the same with fewer detours would be better"
        return f"{outcome}; {log.faults} collisions or violations; {advice}", log.events()

    def tasks(self, start: str, steps: Sequence[Step]) -> Iterator[dict[str, str]]:
        """Yield the robots' tasks in the state before each step."""
        view = self._begin(start)
        for step in steps:
            yield tasks_for(view)
            view.world.apply(step)

    def reason(self, task: str) -> str:
        """Return why robots get a task."""
        return reason_for(task)


def _reason(view: Judgement, agent: str, did: str | None, gain: int, was_needed: bool) -> str:
    """Return why the potential of `agent`, who `did` that and was needed for a module or not, changed by `gain`."""
    world, better = view.world, gain > 0
    module = world.grips[agent] if agent in view.needed() else None
    if did != "grips" and module is not None and not was_needed:
        return f"is needed to carry {module} now that another robot let go"
    if did is None:
        return "stood still; the way to work that lacks thrust became " + ("shorter" if better else "longer")
    if did == "grips" and module is not None:
        helped = " together with another robot" if list(world.grips.values()).count(module) > 1 else ""
        held = f"took hold of {module}, of mass {world.mass[module]}{helped}"
        return held if better else held + ", but where it cannot be brought to its slot by a short way"
    if did == "grips" and agent in world.grips and not better:
        return f"took hold of {world.grips[agent]}, which others can carry alone"
    if did == "releases":
        if better:
            return "let go of a module that it could not help to bring to its slot by a short way"
        return "let go of its module before it was docked"
    if module is not None:
        slot = " or ".join(view.slots_for(module)[0])
        return f"brought {module} nearer to {slot}" if better else f"took {module} away from {slot}"
    if abs(gain) != APPROACH:
        now = "nearer" if better else "farther"
        return f"moved while another robot changed which work lacks thrust: now it is {now}"
    return "came nearer to a module that lacks thrust" if better else "went away from the module that lacks thrust"
