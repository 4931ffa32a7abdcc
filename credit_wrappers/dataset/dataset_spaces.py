"""The spaces of a data set: what its agents can observe and do, as Minari's loader and TorchRL's need them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from gymnasium.spaces import Box, Dict

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset.label_record import EXACT, OBSERVATION, SEEN, LabelRecord, record_of


class TeamShape:
    """What all labels of a data set have in common; it is read from the first one.

    Attributes:
        agents: Names of the N agents.
        env_id: Name of the environment.
        names: Names of all arrays.
    """

    def __init__(self, record: LabelRecord) -> None:
        self.agents, self.env_id = list(record.facts["agents"]), record.facts["env_id"]
        self.names = set(record.arrays)
        self._observed = record.facts["observed"] is not None
        self._kinds = {name: (array.dtype, array.shape[1:]) for name, array in record.arrays.items()}
        self._lowest = self._highest = 0

    def check(self, record: LabelRecord) -> None:
        """Take note of a further label.

        Raises:
            DatasetError: It is of another team or has other arrays.
        """
        facts = record.facts
        where = f"episode {facts['id']} (seed {facts['seed']})"
        for name, own in (("agents", self.agents), ("env_id", self.env_id)):
            if facts[name] != own:
                raise DatasetError(f"{where} has {name} {facts[name]}, the first one {own}: a data set is of one team")
        for name in sorted(self.names ^ set(record.arrays)):
            if name.startswith(OBSERVATION) or not name.startswith((EXACT, "action_masks")):
                continue  # an agent may be away for a whole episode
            way = "give NaN where not known" if name.startswith(EXACT) else "give them to all episodes, or to none"
            raise DatasetError(f"{where} and the first one differ in whether they have {name}: {way}")
        for name, array in record.arrays.items():
            kind = array.dtype, array.shape[1:]
            if self._kinds.setdefault(name, kind) != kind:
                before = self._kinds[name]
                raise DatasetError(
                    f"{where}: {name} has the type {kind[0]} and the shape {kind[1]} in each step, before it was "
                    f"{before[0]} and {before[1]}"
                )
        actions = record.arrays["actions"]
        if actions.dtype.kind in "iu" and actions.size:
            self._lowest = min(self._lowest, int(actions.min()))
            self._highest = max(self._highest, int(actions.max()))

    def check_observed(self, record: LabelRecord) -> None:
        """Raise DatasetError unless a label has observations where the first one has, and none where it has none."""
        facts = record.facts
        if (facts["observed"] is not None) != self._observed:
            has = (
                "has no observations, and the first one has"
                if self._observed
                else ("has observations, and the first one has none")
            )
            raise DatasetError(
                f"episode {facts['id']} (seed {facts['seed']}) {has}: record them of all episodes, or leave them out "
                "of all (dataclasses.replace(episode, observations=None))"
            )

    def sometimes(self) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Return type and shape, in each state, of what episodes need not have: what is seen, and who is there."""
        return {name: kind for name, kind in self._kinds.items() if name.startswith((OBSERVATION, SEEN))}

    def observation_space(self) -> Dict:
        """Return the space of what each agent observes, by agent; without bounds, since only samples are known."""
        return Dict({quoted(agent): _unbounded(*self._kinds[OBSERVATION + agent]) for agent in self._observing()})

    def action_space(self, counts: int = 0) -> Box:
        """Return the space of the joint actions, a Box of shape (N,) or (N, A); `counts` is the number of actions."""
        kind, shape = self._kinds["actions"]
        if kind.kind == "f":
            return Box(-np.inf, np.inf, shape, kind)
        return Box(self._lowest, max(self._highest, counts - 1), shape, kind)

    def spaces(self) -> dict[str, str]:
        """Return the spaces in words, by what they are of."""
        kinds = {f"what {agent} observes": self._kinds[OBSERVATION + agent] for agent in self._observing()}
        told = {name: f"{shape} {kind}" for name, (kind, shape) in kinds.items()}
        return {**told, "joint actions": str(self.action_space())}

    def _observing(self) -> list[str]:
        return [agent for agent in self.agents if OBSERVATION + agent in self._kinds]


class TeamSpaces:
    """The spaces of labels that were loaded one after another, in words."""

    def __init__(self) -> None:
        self._team: TeamShape | None = None
        self._known = True

    def add(self, label: LabelledEpisode) -> None:
        """Take note of a label; one whose observations are no numbers of one shape ends the matter."""
        if not self._known:
            return
        try:
            record = record_of(label, frames=False)
            self._team = self._team or TeamShape(record)
            self._team.check(record)
        except DatasetError:
            self._known = False

    def told(self) -> dict[str, str]:
        """Return the spaces by what they are of; none where they are not known."""
        return self._team.spaces() if self._known and self._team is not None else {}


def quoted(name: str) -> str:
    """Return a name without what separates names in HDF5 and in tables of infos."""
    return name.replace("%", "%25").replace("/", "%2F")


def infos_of(record: LabelRecord) -> Mapping[str, str]:
    """Return the names of the arrays that are told beside observations, actions and rewards, as infos have them."""
    main = ("actions", "credit")
    return {name: info_name(name) for name in record.arrays if name not in main and not name.startswith(OBSERVATION)}


def info_name(name: str) -> str:
    """Return what an array is called among infos."""
    return quoted(name.replace("/", " ", 1))


def _unbounded(kind: np.dtype, shape: tuple[int, ...]) -> Box:
    if kind.kind == "f":
        return Box(-np.inf, np.inf, shape, kind)
    if kind.kind == "b":
        return Box(0, 1, shape, np.uint8)
    limits = np.iinfo(kind)
    return Box(limits.min, limits.max, shape, kind)
