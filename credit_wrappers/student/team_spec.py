"""The team that a student is fitted for: who shares a network, what each agent observes and what it can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from credit_wrappers.core.errors import CreditError
from credit_wrappers.recording.action_spaces import by_agent


class Group(NamedTuple):
    """The agents that share a network."""

    columns: list[int]  # in the team
    size: int  # how many numbers each of them observes
    actions: int  # how many actions each chooses from


@dataclass(frozen=True)
class TeamSpec:
    """The N agents of a student; agents of one role have equally many observed numbers and actions, else ValueError."""

    agents: tuple[str, ...]  # their names
    roles: tuple[str, ...]  # the role of each; agents of one role share a network
    sizes: tuple[int, ...]  # how many numbers each observes
    actions: tuple[int, ...]  # how many actions each chooses from: 0, 1, ...

    def __post_init__(self) -> None:
        for what, counts in (("observe {} numbers", self.sizes), ("choose from {} actions", self.actions)):
            first: dict[str, tuple[str, int]] = {}
            for agent, role, count in zip(self.agents, self.roles, counts, strict=True):
                other, known = first.setdefault(role, (agent, count))
                if count != known:
                    raise ValueError(
                        f"agents of one role share a network, but in role {role!r} {other!r} does "
                        f"{what.format(known)} and {agent!r} {what.format(count)}: give them other roles (roles=)"
                    )

    @classmethod
    def of(
        cls,
        agents: Sequence[str],
        sizes: Sequence[int],
        seen: Sequence[int],
        roles: Mapping[str, str] | None = None,
        actions: int | Mapping[str, int] | None = None,
    ) -> TeamSpec:
        """Return the team of some labelled episodes; raise ValueError for a missing or unknown agent.

        Args:
            agents: Names.
            sizes: How many numbers each observes.
            seen: The largest action of each in the labels, plus one.
            roles: Role by agent; None: one role for all agents that observe equally many numbers.
            actions: Number of actions, for all or by agent; None: as many as an agent of the role used.
        """
        given = by_agent("roles", roles, agents) or {
            agent: "agent" if len(set(sizes)) == 1 else f"observes {size}"
            for agent, size in zip(agents, sizes, strict=True)
        }
        counts = by_agent("n_actions", actions, agents)
        for what, by in (("roles", given), ("n_actions", counts)):
            if missing := [agent for agent in agents if by and agent not in by]:
                raise ValueError(f"{what} is missing for {missing}")
        used: dict[str, int] = {}
        for agent, count in zip(agents, seen, strict=True):
            used[given[agent]] = max(used.get(given[agent], 1), count)
        return cls(
            tuple(agents),
            tuple(given[agent] for agent in agents),
            tuple(sizes),
            tuple(int(counts[agent]) if counts else used[given[agent]] for agent in agents),
        )

    @cached_property
    def groups(self) -> list[Group]:
        """The agents of each role, in the order in which roles first appear."""
        columns = {role: [i for i, other in enumerate(self.roles) if other == role] for role in self.roles}
        return [Group(where, self.sizes[where[0]], self.actions[where[0]]) for where in columns.values()]

    @cached_property
    def back(self) -> list[int] | None:
        """Where each agent is when agents are listed role by role; None where that order is the team's own."""
        listed = [i for group in self.groups for i in group.columns]
        where = [listed.index(i) for i in range(len(listed))]
        return None if where == sorted(where) else where

    @cached_property
    def limits(self) -> np.ndarray:
        """The number of actions of each agent, (N,) uint64."""
        return np.array(self.actions, np.uint64)

    def order(self, agents: Sequence[str], what: str) -> list[int]:
        """Return the places of the student's agents among those of `what`; raise CreditError if agents differ."""
        if sorted(agents) != sorted(self.agents):
            raise CreditError(f"the student is fitted for the agents {list(self.agents)}, {what} has {list(agents)}")
        return [list(agents).index(agent) for agent in self.agents]

    def check(self, agents: Sequence[str], sizes: Sequence[int], actions: Sequence[int] | None, what: str) -> None:
        """Raise CreditError, naming both, unless `what` has this team in any order; `actions=None` fits any."""
        order = self.order(agents, what)
        for kind, verb, mine, theirs in (
            ("observations of {} numbers", "observes", self.sizes, sizes),
            ("{} actions", "has", self.actions, actions),
        ):
            for agent, fitted, i in zip(self.agents, mine, order, strict=True):
                if theirs is not None and theirs[i] != fitted:
                    raise CreditError(
                        f"the student is fitted for {kind.format(fitted)} of agent {agent!r}, in {what} it {verb} "
                        f"{theirs[i]}"
                    )
