"""Who of a team is there: read from what a parallel environment returns, whose form is checked."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credit_wrappers.core.errors import CreditError

_LOG = logging.getLogger("credit_wrappers")
# What RLlib's environments write into their dicts beside the names of agents.
_EVERYONE = "__all__"


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is there after a reset or a step, and whom the step ended.

    Attributes:
        live: The agents that act next.
        terminated: The agents that the world ended in this step. One that disappears without a flag is among them.
        truncated: The other agents for which time ran out in this step.
        ends: Whether the episode is terminated, truncated and over with this step.
        stale: The agents that have ended and are still named in `env.agents`.
    """

    live: frozenset[str]
    terminated: frozenset[str] = frozenset()
    truncated: frozenset[str] = frozenset()
    ends: tuple[bool, bool, bool] = (False, False, False)
    stale: frozenset[str] = frozenset()


class Attendance:
    """Keeps who of one environment's team is there.

    An agent goes on while it is named in `env.agents`, has no flag, and is in one of the dicts that a step returns. It
    arrives, or comes back, when it is named in `env.agents` and was not named before, and observes something. A flag
    "__all__", as RLlib's environments have it, is everybody's.

    Args:
        env_id: Name of the environment, for messages.
        possible: Its `possible_agents`.

    Attributes:
        now: Who is there now.
        complete: Whether that is everybody.
    """

    def __init__(self, env_id: str, possible: Sequence[str]) -> None:
        self.env_id, self.possible = env_id, tuple(possible)
        self._all = Presence(frozenset(possible))
        self._n = len(self.possible)
        self._no_flags = dict.fromkeys(self.possible, False)  # those of a step that ends nobody
        self.now, self.complete = self._all, True
        self._told = False  # whether it was logged that an agent seems to come back

    def reset(self, returned: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Begin an episode with what a reset returned; return the observations and the infos.

        Raises:
            CreditError: It did not return two dicts.
        """
        if not _dicts(returned, 2):
            raise CreditError(
                f"{self.env_id}: reset() of a PettingZoo parallel environment returns (observations, infos), each a "
                f"dict by agent; this one returned {_form(returned)}"
            )
        observations, infos = returned
        self.now = Presence(frozenset(agent for agent in self.possible if agent in observations))
        self.complete = len(self.now.live) == self._n
        return observations, infos

    def resume(self, agents: Collection[str]) -> None:
        """Go on in the midst of an episode, in which these agents are there."""
        self.now = Presence(frozenset(agent for agent in self.possible if agent in agents))
        self.complete = len(self.now.live) == self._n

    def step(self, agents: Collection[str], returned: Any) -> Presence:
        """Return who is there after a step.

        Args:
            agents: `env.agents` after the step.
            returned: What the step returned.

        Raises:
            CreditError: It did not return five dicts. (If all agents go on, rewards and infos are not looked at.)
        """
        try:
            observations, rewards, flags, cut, _ = returned
            if (
                self.complete
                and flags == self._no_flags
                and cut == self._no_flags
                and len(observations) == self._n == len(agents)
            ):
                return self._all
        except (TypeError, ValueError, AttributeError):
            pass  # of another form, as the next line says
        self.check_step(returned)
        self.now = self._after(agents, observations, rewards, flags, cut)
        self.complete = len(self.now.live) == self._n
        return self.now

    def flags(
        self, terminations: Mapping[str, Any], truncations: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the flags of the last step, in which a flag "__all__" is written out for each agent that it ended."""
        given = dict(terminations), dict(truncations)
        if given[0].pop(_EVERYONE, False) or given[1].pop(_EVERYONE, False):
            given[0].update(dict.fromkeys(self.now.terminated, True))
            given[1].update(dict.fromkeys(self.now.truncated, True))
        return given

    def check_step(self, returned: Any) -> None:
        """Raise CreditError unless a step returned five dicts."""
        if not _dicts(returned, 5):
            raise CreditError(
                f"{self.env_id}: step() of a PettingZoo parallel environment returns (observations, rewards, "
                f"terminations, truncations, infos), each a dict by agent; this one returned {_form(returned)}"
            )

    def _after(
        self,
        agents: Collection[str],
        observations: Mapping[str, Any],
        rewards: Mapping[str, Any],
        flags: Mapping[str, Any],
        cut: Mapping[str, Any],
    ) -> Presence:
        all_flagged, all_cut = bool(flags.get(_EVERYONE)), bool(cut.get(_EVERYONE))
        before, live, terminated, truncated, stale = self.now, [], [], [], []
        for agent in self.possible:
            ended, late = all_flagged or bool(flags.get(agent)), all_cut or bool(cut.get(agent))
            named, goes_on = agent in agents, not ended and not late
            if agent in before.live:
                told = agent in observations or agent in rewards or agent in flags or agent in cut
                if named and told and goes_on:
                    live.append(agent)
                elif late and not ended:
                    truncated.append(agent)
                else:
                    terminated.append(agent)
            elif named and goes_on and agent in observations:
                if agent not in before.stale:
                    live.append(agent)
                elif not self._told:
                    self._told = True
                    _LOG.warning(
                        "%s: agent %r has ended, is still named in env.agents and is observed again: it is taken to "
                        "have left for the rest of the episode. If it comes back, take it out of env.agents meanwhile",
                        self.env_id, agent,
                    )  # fmt: skip
            if named and (not live or live[-1] != agent):
                stale.append(agent)
        ends = (False, False, False) if live else (bool(terminated), bool(truncated), True)
        return Presence(frozenset(live), frozenset(terminated), frozenset(truncated), ends, frozenset(stale))


def _dicts(returned: Any, count: int) -> bool:
    return (
        isinstance(returned, tuple | list)
        and len(returned) == count
        and all(isinstance(part, Mapping) for part in returned)
    )


def _form(returned: Any) -> str:
    if not isinstance(returned, tuple | list):
        return f"one {type(returned).__name__}"
    return f"{len(returned)} values ({', '.join(type(part).__name__ for part in returned)})"
