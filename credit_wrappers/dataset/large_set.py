"""The large data set: three worlds' families, three qualities of play, credit by the scripted critic, labelled so."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.format_header import package_version
from credit_wrappers.dataset.saving import CHECKSUMS, remove_unfinished, save, sha256_of
from credit_wrappers.dataset.team_play import Quality, played
from credit_wrappers.recording.action_masks import MaskKeeper
from credit_wrappers.recording.replay import replay
from credit_wrappers.scripted.scripted_client import ScriptedClient

# By world: its share of the transitions, and its time limit (None: its own).
WORLDS: dict[str, tuple[float, int | None]] = {
    "spaceworld:duet": (0.25, None),
    "spaceworld:pair": (0.25, None),
    "spaceworld:truss": (0.15, 150),
    "spaceworld:crew": (0.1, 150),
    "lbf:Foraging-8x8-2p-2f-coop-v3": (0.15, None),
    "rware:rware-tiny-2ag-v2": (0.1, 100),
}
TRANSITIONS = 1_020_000
_QUERY = 8  # episodes that the critic compares
_FIRST_SEED = 200_000  # of the first set; each has as many of its own, all below those on which teams are evaluated


@dataclass(frozen=True)
class SetPlan:
    """One data set of the large one.

    Attributes:
        world: Its world.
        max_cycles: Its time limit.
        quality: How the team plays.
        transitions: It ends with the episode that reaches so many.
        first_seed: Of its episodes, which count up.
    """

    world: str
    max_cycles: int | None
    quality: Quality
    transitions: int
    first_seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.world.partition(':')[2]}-{self.quality}-v0"


def plans(transitions: int = TRANSITIONS, worlds: Sequence[str] = ()) -> list[SetPlan]:
    """Return the data sets that make up the large one, which has so many transitions.

    Raises:
        ValueError: There is no such world among them.
    """
    for world in worlds:
        if world not in WORLDS:
            raise ValueError(f"unknown world {world!r}; valid: {', '.join(WORLDS)}")
    chosen = list(worlds) or list(WORLDS)
    whole = sum(WORLDS[world][0] for world in chosen)
    made, qualities = [], get_args(Quality)
    for k, world in enumerate(WORLDS):
        share, limit = WORLDS[world]
        for q, quality in enumerate(qualities):
            seed = _FIRST_SEED * (1 + k * len(qualities) + q)
            if world in chosen:
                count = max(1, round(transitions * share / whole / len(qualities)))
                made.append(SetPlan(world, limit, quality, count, seed))
    return made


def make_large_set(
    folder: Path, transitions: int = TRANSITIONS, worlds: Sequence[str] = (), *, jobs: int = 2, progress: bool = True
) -> Iterator[str]:
    """Make the data sets that are not there yet, several at a time; yield a line for each.

    Args:
        folder: Where to; each data set is a folder in it, and `SHA256SUMS` has the digest of each one's checksums.
        transitions: Of all of them.
        worlds: Only these.
        jobs: Processes.
        progress: Show a bar.

    Raises:
        CreditError: A process was killed; the data sets that are done stay.
        ValueError: There is no such world among them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = plans(transitions, worlds)
    for plan in asked:
        remove_unfinished(folder / plan.name)
    left = [plan for plan in asked if not (folder / plan.name).exists()]
    if len(left) < len(asked):
        yield f"{len(asked) - len(left)} of {len(asked)} data sets are there already"
    context = multiprocessing.get_context("spawn")
    done, stopped = context.Value("q", 0), context.Event()
    began = time.perf_counter()
    with ProcessPoolExecutor(jobs, context, _begin, (done, stopped)) as pool:
        bar = tqdm(total=sum(plan.transitions for plan in left), unit=" steps", disable=not progress)
        # The longest first, so that no process waits for another at the end.
        order = sorted(left, key=lambda plan: -plan.transitions)
        futures = [pool.submit(make_set, folder, plan) for plan in order]
        waiting = set(futures)
        try:
            while waiting:
                time.sleep(0.05 if len(left) < 4 else 0.5)
                bar.update(done.value - bar.n)
                for future in [one for one in waiting if one.done()]:
                    waiting.discard(future)
                    yield future.result()
        except BrokenProcessPool as error:
            raise CreditError(
                "a process that made a data set was killed, perhaps because memory ran out: the same command goes on, "
                "and fewer processes (--jobs) need less memory"
            ) from error
        finally:
            stopped.set()  # else the pool would wait until all are made, also after Ctrl-C
            bar.close()
    sums = [f"{sha256_of(folder / p.name / CHECKSUMS)}  {p.name}/{CHECKSUMS}\n" for p in asked]
    (folder / CHECKSUMS).write_text("".join(sums), encoding="utf-8")
    yield f"{done.value:,} transitions in {time.perf_counter() - began:.0f} s; checksums in {folder / CHECKSUMS}"


_SHARED: Any = None  # in a process of the pool: the transitions that all have made, and whether they are to stop


def _begin(done: Any, stopped: Any) -> None:
    global _SHARED
    _SHARED = done, stopped
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that began it is killed: a pool's process would wait for its next task forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def make_set(folder: Path, plan: SetPlan) -> str:
    """Make one data set; return a line that says what it holds."""
    began = time.perf_counter()
    client = ScriptedClient()
    card = DatasetCard(
        title=f"{plan.world}, {plan.quality} play, credited by rules",
        description=(
            "Made to learn from offline. The credit comes from the package's scripted critic: rules that read the "
            "same text as a language model would. It says nothing about a model's judgement."
        ),
        world=plan.world,
        max_cycles=plan.max_cycles,
        play={
            "scripted": "a team that plays by rules",
            "mixture": "a team that plays by rules, each agent replaced by chance with a probability of its own up to "
            "0.6, drawn for each episode",
            "chance": "possible actions by chance",
        }[plan.quality],
        credited_by=f"{client.name}: rules, not a language model",
        licence="CC0-1.0",
        command="credit-wrappers dataset make FOLDER",
        made_with=f"llm-credit-wrappers {package_version()}",
    )
    counted = [0, 0]
    save(folder / plan.name, _counted(_labels(plan, card, client), counted), card, frames=False)
    seconds = time.perf_counter() - began
    return f"{plan.name}: {counted[0]:,} episodes, {counted[1]:,} transitions, {counted[1] / seconds:,.0f} a second"


def _labels(plan: SetPlan, card: DatasetCard, client: ScriptedClient) -> Iterator[LabelledEpisode]:
    """Yield credited episodes, until there are enough transitions."""
    env, critic = card.make_env(), LLMCritic(client)
    keeper, world = MaskKeeper(env), env.unwrapped
    steps, count, query = 0, 0, 0
    while steps < plan.transitions:
        episodes: list[Episode] = []
        masks = []
        while len(episodes) < _QUERY and steps < plan.transitions:
            seed = plan.first_seed + count
            actions = played(world, plan.world, plan.quality, seed)
            episodes.append(replace(replay(keeper, seed, actions, observations=True), id=count))
            masks.append(keeper.masks)
            steps, count = steps + len(actions), count + 1
        for episode, mask, credit in zip(episodes, masks, critic.score(episodes), strict=True):
            yield LabelledEpisode(episode, credit, model=client.name, query=query, action_masks=mask)
        query += 1


def _counted(labels: Iterator[LabelledEpisode], counted: list[int]) -> Iterator[LabelledEpisode]:
    """Yield the labels, and count episodes and transitions, for all processes, too."""
    for label in labels:
        yield label
        counted[0] += 1
        counted[1] += label.episode.length
        if _SHARED is not None:
            done, stopped = _SHARED
            with done.get_lock():
                done.value += label.episode.length
            if stopped.is_set():
                raise KeyboardInterrupt
