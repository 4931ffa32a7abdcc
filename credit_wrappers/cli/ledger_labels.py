"""Labels of a ledger: what it holds of each judgement, put together with the episode that was judged.

A ledger holds no episodes, only their keys and what the model read of them. So the episodes come from a recording, or
they are played again: the seed is in the key, and the actions are in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.cli.reading import Reading, read
from credit_wrappers.core.credit import Credit, Usage
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError, DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.delivery.annotation import annotate
from credit_wrappers.llm.ledger.entry import LedgerEntry
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.llm.prompts.render import agent_name
from credit_wrappers.recording.action_masks import MaskKeeper
from credit_wrappers.recording.replay import replay
from credit_wrappers.scripted.read_prompt import read_transcripts

_Masked = tuple[Episode, np.ndarray | None]


class LedgerLabels:
    """The newest usable judgement of each episode of a ledger.

    Args:
        ledger: The ledger.

    Attributes:
        missing: How many judgements have no label, because their episode was not found.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._numbers: dict[str, int] = {}  # of the entry, by the episode's key
        for entry in ledger.entries():
            for judged in entry.episodes:
                if judged.values is not None:
                    self._numbers[judged.key] = entry.number
        self.missing = len(self._numbers)

    def of_recorded(self, episodes: Iterable[_Masked]) -> Iterator[LabelledEpisode]:
        """Yield a label for each episode that the ledger has a judgement of; those come with their action masks.

        Raises:
            DatasetError: It has a judgement of none.
        """
        entry: LedgerEntry | None = None
        seen: set[str] = set()
        for recorded, masks in episodes:
            episode = self._as_judged(recorded)
            number = self._numbers.get(episode.key)
            if number is None or episode.key in seen:
                continue
            seen.add(episode.key)
            if entry is None or entry.number != number:
                entry = next(self.ledger.entries(number=number))
            self.missing -= 1
            yield replace(_label(entry, episode, len(seen) - 1), action_masks=masks)
        if not seen:
            raise DatasetError(
                f"{len(self._numbers):,} judged, 0 found in the recording: it is of other episodes, or its environment "
                "is narrated otherwise than when they were judged"
            )

    def _as_judged(self, episode: Episode) -> Episode:
        """Return an episode with the key of its judgement: the key depends on whether observations were recorded."""
        bare = replace(episode, observations=None)
        if episode.key not in self._numbers and bare.key in self._numbers:
            episode = episode.as_recorded(bare.key, episode.frames)
        return episode

    def of_world(self, make_env: Callable[[], ParallelEnv], world: str) -> Iterator[LabelledEpisode]:
        """Yield a label for each judgement whose episode an environment makes again, with observations and masks.

        Args:
            make_env: Makes it.
            world: Its name, for messages.

        Raises:
            DatasetError: It makes none of them.
        """
        env = MaskKeeper(make_env())
        words = _action_words(env)
        count = 0
        for number in sorted(set(self._numbers.values())):
            entry = next(self.ledger.entries(number=number))
            for reading in read(entry):
                if self._numbers.get(reading.judged.key) != number or reading.judged.values is None:
                    continue
                episode = _played_again(env, reading, words)
                if episode is None:
                    continue
                self.missing -= 1
                yield replace(_label(entry, episode, count), action_masks=env.masks)
                count += 1
        if not count:
            raise DatasetError(
                f"{len(self._numbers):,} judged, 0 found in {world}: they are of another world, have other "
                "arguments (--max-cycles), or it is narrated otherwise than when they were judged"
            )


def judged_labels(critic: LLMCritic, episodes: Sequence[Episode], queries: int) -> tuple[list[LabelledEpisode], int]:
    """Have episodes judged; return their labels, with question and answer, and how many queries there are now.

    Args:
        critic: Judges them.
        episodes: What it judges.
        queries: How many queries there were before.
    """
    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        try:
            asking = LLMCritic(critic.client, critic.settings, ledger=ledger)
            credits = annotate(episodes, asking)
            ledger.flush()
            entries = {judged.key: entry for entry in ledger.entries() for judged in entry.episodes
                       if judged.values is not None}  # fmt: skip
        finally:
            ledger.close()
    labels = []
    for episode, credit in zip(episodes, credits, strict=True):
        label = LabelledEpisode(episode, credit)
        if (entry := entries.get(episode.key)) is not None:  # else the credit is a fallback
            label = replace(_label(entry, episode, 0), episode=episode, credit=credit, query=queries + entry.number)
        labels.append(label)
    return labels, queries + max((entry.number for entry in entries.values()), default=0)


def _label(entry: LedgerEntry, episode: Episode, number: int) -> LabelledEpisode:
    """Return the label of an episode that an entry judges; `number` becomes its id."""
    place = next(k for k, judged in enumerate(entry.episodes) if judged.key == episode.key)
    reading = read(entry)[place]
    judged = reading.judged
    assert judged.values is not None
    columns = [judged.agents.index(agent) for agent in episode.agents]
    kept = replace(episode, id=number)
    kept.__dict__["key"] = episode.key  # not computed again: it may be the key without observations
    credit = Credit(
        np.ascontiguousarray(judged.values[:, columns]),
        reading.events,
        reading.tasks,
        reading.summary,
        entry.source,  # type: ignore[arg-type]  # a text in the file
        entry.usage if place == 0 else Usage(),
    )
    request = entry.request
    answer = "" if entry.completion is None else entry.completion.text
    called = ", ".join(f"{agent_name(k)} was {agent}" for k, agent in enumerate(judged.agents))
    return LabelledEpisode(
        kept, credit, question=f"{request.system}\n\n{request.prompt}", answer=answer, model=entry.model,
        query=entry.number, note=f"In the question {called}." if agent_name(0) in reading.text else "",
    )  # fmt: skip


def _action_words(env: ParallelEnv) -> dict[str, dict[str, int]]:
    """Return each agent's actions by their names, the longest first.

    Raises:
        CreditError: The environment has no narrator that names them.
    """
    narrator: Any = getattr(env.unwrapped, "narrator", None)
    if narrator is None:
        raise CreditError(f"{type(env.unwrapped).__name__} has no narrator, so actions in texts cannot be read")
    words = {}
    for agent in env.possible_agents:
        space = env.action_space(agent)
        if not isinstance(space, Discrete):
            raise CreditError(f"agent {agent!r} has actions {space}; only whole numbers can be read from texts")
        names = {narrator.action_name(agent, a): a for a in range(int(space.start), int(space.start + space.n))}
        words[agent] = dict(sorted(names.items(), key=lambda item: -len(item[0])))
    return words


def _played_again(env: MaskKeeper, reading: Reading, words: dict[str, dict[str, int]]) -> Episode | None:
    """Return the episode of a judgement, with observations; None where another one comes out of its text."""
    judged = reading.judged
    seed = judged.key.rsplit("/", 2)[-2]
    transcripts = read_transcripts(f"## Episode 1\n{reading.text}\n")
    if not seed.isdigit() or set(judged.agents) != set(words) or not transcripts:
        return None
    called = {agent_name(k) if agent_name(0) in reading.text else agent: agent for k, agent in enumerate(judged.agents)}
    order = list(env.possible_agents)
    actions = np.full((len(transcripts[0].steps), len(order)), -1, np.int64)
    for t, step in enumerate(transcripts[0].steps):
        for deed in step.deeds:
            name, _, did = deed.partition(" ")
            agent = called.get(name)
            found = [a for word, a in words.get(agent or "", {}).items() if f"{did} ".startswith(f"{word} ")]
            if agent is not None and found:
                actions[t, order.index(agent)] = found[0]
    try:
        for observations in (False, True):
            episode = replay(env, int(seed), actions, observations=observations)
            if episode.key == judged.key:
                seen = replay(env, int(seed), actions, observations=True)
                seen.__dict__["key"] = judged.key
                return seen
    except CreditError:
        return None
    return None
