"""What is told about a data set as a whole: where the play and the credit come from, and how to go on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.bench.environments import make_environment
from credit_wrappers.core.errors import DatasetError


@dataclass(frozen=True)
class DatasetCard:
    """What its maker says of a data set; whatever can be counted is counted (`dataset_figures`).

    Attributes:
        title: One line.
        description: What it is for, how the episodes were chosen, what to mind.
        world: The environment by name, as `make_environment` takes it ("spaceworld:duet"); "" where it has none.
        max_cycles: Its time limit; None: the world's own.
        arguments: Further arguments of the environment.
        play: How the team played.
        credited_by: Who gave the credit: a model and when, rules, exact credit.
        truth: What its exact credit is: "exact", "estimate" (of a plan or of rollouts); "" where none is known.
        wording: Which wording the questions had: a commit, or the digest of the base prompt; "" where there is none.
        licence: Its licence, as an SPDX identifier.
        command: The command that made it.
        made_with: Versions of the packages that made it.
    """

    title: str = ""
    description: str = ""
    world: str = ""
    max_cycles: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    play: str = ""
    credited_by: str = ""
    truth: str = ""
    wording: str = ""
    licence: str = ""
    command: str = ""
    made_with: str = ""

    def make_env(self) -> ParallelEnv:
        """Return a new environment, as the episodes were played in.

        Raises:
            DatasetError: The card names no world, or one that cannot be made.
            ImportError: From the world's family: its library is not installed.
        """
        if not self.world:
            raise DatasetError(
                f"the card of {self.title or 'this data set'} names no world, so its environment cannot be made again: "
                "save with card=DatasetCard(world='spaceworld:duet'), or another world that make_environment takes"
            )
        try:
            return make_environment(self.world, self.max_cycles, **self.arguments)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"the world {self.world!r} of the card cannot be made: {error}") from error

    def as_json(self) -> dict[str, Any]:
        """Return the card as values that JSON has."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DatasetCard:
        """Return the card of `as_json`; entries that this version does not know are passed over.

        Raises:
            DatasetError: An entry is of another type.
        """
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        for name, value in known.items():
            kind = {"max_cycles": int | None, "arguments": Mapping}.get(name, str)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise DatasetError(f"{name!r} of the card is {value!r}")
        return cls(**known)
