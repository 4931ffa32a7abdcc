"""Frozen suites: episodes as seeds and joint actions, which the environment replays, with faults that were planted.

A suite is a JSON file. Its first line has what all episodes share; each further line is an episode. One digest is over
the seeds, the actions and what the environment paid for them, so another version of an environment is found out. Others
are over the narrator's text and over the truth; see `suite_digests`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import blake2b
from importlib.resources import files
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.bench.environments import make_environment
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.recording.replay import replay

Half = Literal["choose", "report"]
Play = Literal["chance", "scripted", "mixture", "half-trained", "planted", "recorded"]


@dataclass(frozen=True)
class PlantedFault:
    """What was planted in an episode: one agent, and steps `start` to `stop` - 1, are the cause.

    Attributes:
        agent: The culprit.
        start: First step of the fault.
        stop: One past its last step.
        fault: Its kind, such as "crash".
        text: What the agent did, for readers.
    """

    agent: str
    start: int
    stop: int
    fault: str
    text: str


@dataclass(frozen=True, eq=False)
class SuiteEpisode:
    """One episode of a suite.

    Attributes:
        seed: Of the reset.
        actions: (T, N) int64.
        play: How the team played.
        half: "choose" for choosing settings and wordings, "report" for figures that are published.
        planted: The fault, if one was planted.
        edition: Which edition of the suite brought it. No query has episodes of two editions, so the questions about
            earlier ones, and recorded answers to them, stay as they are.

    Raises:
        ValueError: Something of it is none of these.
    """

    seed: int
    actions: np.ndarray
    play: Play
    half: Half
    planted: PlantedFault | None = None
    edition: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.edition, int) or self.edition < 1:
            raise ValueError(f"edition must be a whole number from 1, got {self.edition!r}")
        if not isinstance(self.seed, Integral) or isinstance(self.seed, bool) or self.seed < 0:
            raise ValueError(f"seed must be a whole number from 0, got {self.seed!r}")
        if self.actions.ndim < 2 or not len(self.actions) or self.actions.dtype.kind not in "iu":
            raise ValueError(f"actions must be (T, N) whole numbers, got {self.actions.shape} {self.actions.dtype}")
        for name, valid in (("play", get_args(Play)), ("half", get_args(Half))):
            if getattr(self, name) not in valid:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; valid: {', '.join(valid)}")
        if self.planted is not None and not 0 <= self.planted.start < self.planted.stop <= len(self.actions):
            raise ValueError(
                f"the planted fault is in steps {self.planted.start} to {self.planted.stop} - 1, and there are "
                f"{len(self.actions)}"
            )


@dataclass(frozen=True, eq=False)
class Suite:
    """Episodes of one world.

    Attributes:
        name: Its name.
        world: As `make_environment` takes it.
        max_cycles: Time limit; None: the world's own.
        episodes: The episodes.
        digest: Of what the environment makes of them, see `digest_of`; "" where it is not known.
        made_with: Versions of the packages that made it.
        text_digest: Of what the narrator says of the episodes; "" where it is not known.
        truth_digests: Of the truth about each episode, by value and kind, such as "time shapley"; empty where it is not
            known, "" for an episode of which it is not.
        edition_digests: Of each edition's episodes alone, as `digest` is of all; empty where they are not known.
    """

    name: str
    world: str
    max_cycles: int | None
    episodes: tuple[SuiteEpisode, ...]
    digest: str = ""
    made_with: str = ""
    text_digest: str = ""
    truth_digests: dict[str, tuple[str, ...]] = field(default_factory=dict)
    edition_digests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("name", "world"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a text such as spaceworld:duet, got {getattr(self, name)!r}")
        if self.max_cycles is not None and (not isinstance(self.max_cycles, int) or self.max_cycles < 1):
            raise ValueError(f"max_cycles must be a whole number from 1, or null, got {self.max_cycles!r}")

    def make_env(self) -> ParallelEnv:
        """Return a new environment of the suite's world."""
        return make_environment(self.world, self.max_cycles)

    def replay(self, *, snapshots: bool = False) -> list[Episode]:
        """Return the episodes as the environment makes them, numbered from 0.

        Raises:
            CreditError: The environment makes other episodes than when the suite was made.
        """
        try:
            env = self.make_env()
            self._check_culprits(env.possible_agents)
            made = [
                replace(replay(env, episode.seed, episode.actions, snapshots=snapshots), id=k)
                for k, episode in enumerate(self.episodes)
            ]
        except CreditError as error:
            raise self._other_episodes(str(error)) from error
        if self.digest and (found := digest_of(made)) != self.digest:
            raise self._other_episodes(f"the digest is {found} instead of {self.digest}")
        return made

    def parts(self, chosen: Sequence[int]) -> list[list[int]]:
        """Return the chosen numbers by the edition of their episodes; no query has episodes of two of them."""
        editions = sorted({self.episodes[k].edition for k in chosen})
        return [[k for k in chosen if self.episodes[k].edition == edition] for edition in editions]

    def _check_culprits(self, agents: Sequence[str]) -> None:
        for k, episode in enumerate(self.episodes):
            if episode.planted is not None and episode.planted.agent not in agents:
                raise ValueError(
                    f"suite {self.name!r}, episode {k}: the fault is planted in {episode.planted.agent!r}, and the "
                    f"agents are {', '.join(agents)}"
                )

    def choose(self, half: str = "all", limit: int | None = None, edition: int | None = None) -> list[int]:
        """Return the numbers of the episodes of a half, at most `limit` of them: of each kind of play in turn.

        Args:
            half: "choose", "report" or "all".
            limit: None: all.
            edition: The newest edition that counts; None: all.

        Raises:
            ValueError: There is no such half, or the limit or edition is below 1.
        """
        if half not in ("choose", "report", "all"):
            raise ValueError(f"unknown half {half!r}; valid: choose, report, all")
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        if edition is not None and edition < 1:
            raise ValueError(f"edition must be at least 1, got {edition}")
        newest = max((episode.edition for episode in self.episodes), default=1) if edition is None else edition
        mine = [k for k, e in enumerate(self.episodes) if half in ("all", e.half) and e.edition <= newest]
        plays = [self.episodes[k].play for k in mine]
        turns = sorted(range(len(mine)), key=lambda j: plays[:j].count(plays[j]))  # the first of each kind, the second
        return sorted(mine[j] for j in turns[:limit])

    def other_version(self, why: str) -> CreditError:
        """Return the error that says why this is another version than the suite's, what made it, and the way out."""
        made = f" It was made with {self.made_with}." if self.made_with else ""
        return CreditError(
            f"{why}.{made} Install these versions, or, in a checkout of this repository, make the suite again: "
            f"python -m tests.bench.make_suites {self.name}"
        )

    def _other_episodes(self, why: str) -> CreditError:
        return self.other_version(
            f"suite {self.name!r}: {self.world} does not replay as it did when the suite was made ({why}), so it is "
            "another version of the environment, and neither texts nor truth would be the suite's"
        )


def digest_of(episodes: Iterable[Episode]) -> str:
    """Return 16 hexadecimal digits over seeds, actions, rewards, costs (both to a millionth) and ends."""
    digest = blake2b(digest_size=8)
    for episode in episodes:
        paid = (np.concatenate([episode.team_reward, episode.cost.ravel()]) * 1e6).round().astype("<i8")
        ends = episode.seed, episode.actions.shape, episode.terminated, episode.truncated
        digest.update(repr(ends).encode() + episode.actions.astype("<i8").tobytes() + paid.tobytes())
    return digest.hexdigest()


def edition_digests_of(suite: Suite, episodes: Sequence[Episode]) -> tuple[str, ...]:
    """Return the digest of each edition's episodes alone, of a suite's replayed episodes."""
    return tuple(digest_of(episodes[k] for k in part) for part in suite.parts(range(len(episodes))))


def suite_names() -> list[str]:
    """Return the names of the packaged suites, sorted."""
    folder = files(__package__) / "suites"
    return sorted(item.name.removesuffix(".json") for item in folder.iterdir() if item.name.endswith(".json"))


def load_suite(name: str) -> Suite:
    """Return a packaged suite, or one from a file whose path ends with `.json`.

    Raises:
        ValueError: There is no such suite, and the message lists them; or the file is none.
    """
    if name.endswith(".json"):
        if not Path(name).is_file():
            raise ValueError(f"there is no suite file {name}; packaged suites are {', '.join(suite_names())}")
        return parse_suite(Path(name).read_text(encoding="utf-8"), name)
    if name not in suite_names():
        raise ValueError(
            f"unknown suite {name!r}; valid: {', '.join(suite_names())}, answers:FILE, or the path of a .json file"
        )
    return parse_suite((files(__package__) / "suites" / f"{name}.json").read_text(encoding="utf-8"), name)


def parse_suite(text: str, origin: str) -> Suite:
    """Return the suite that a file's text holds; `origin` names it in errors.

    Raises:
        ValueError: It is no suite.
    """
    try:
        data = json.loads(text)
        episodes = tuple(map(_episode, data.pop("episodes")))
        if any(len(each) != len(episodes) for each in data.get("truth_digests", {}).values()):
            raise ValueError(f"truth_digests must have a digest for each of the {len(episodes)} episodes")
        data["edition_digests"] = tuple(data.pop("edition_digests", ()))
        data["truth_digests"] = {name: tuple(each) for name, each in data.pop("truth_digests", {}).items()}
        return Suite(**{key.replace("suite", "name"): value for key, value in data.items()}, episodes=episodes)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{origin} is no suite of this version: {type(error).__name__}: {error}") from error


def _episode(data: dict[str, Any]) -> SuiteEpisode:
    planted = data.pop("planted", None)
    actions = whole_numbers(data.pop("actions"))
    return SuiteEpisode(**data, actions=actions, planted=None if planted is None else PlantedFault(**planted))


def whole_numbers(actions: object) -> np.ndarray:
    """Return actions as int64.

    Raises:
        ValueError: They are no whole numbers.
    """
    array = np.array(actions)
    if array.dtype.kind not in "iu":
        raise ValueError(f"actions must be whole numbers, got {array.dtype}")
    return array.astype(np.int64)


def write_suite(suite: Suite, path: str | PathLike[str]) -> None:
    """Write a suite as JSON, an episode on each line."""
    dump = partial(json.dumps, separators=(",", ":"))
    head: dict[str, Any] = {"suite": suite.name, "world": suite.world, "max_cycles": suite.max_cycles}
    head |= {"digest": suite.digest, "made_with": suite.made_with}
    head |= {"text_digest": suite.text_digest, "truth_digests": suite.truth_digests}
    head |= {"edition_digests": suite.edition_digests} if suite.edition_digests else {}
    rows = [
        {"seed": e.seed, "play": e.play, "half": e.half, "planted": e.planted and asdict(e.planted)}
        | ({"edition": e.edition} if e.edition > 1 else {})
        | {"actions": e.actions.tolist()}
        for e in suite.episodes
    ]
    lines = ",\n".join(map(dump, rows))
    Path(path).write_text(f'{dump(head)[:-1]},"episodes":[\n{lines}\n]}}\n', encoding="utf-8")
