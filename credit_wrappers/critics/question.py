"""One question to the model about one or several episodes: narrated, ordered, named, rendered. Nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.critics.critic_settings import CriticSettings
from credit_wrappers.critics.order import agent_order
from credit_wrappers.llm.answers.schema import answer_schema
from credit_wrappers.llm.client import Request
from credit_wrappers.llm.prompts.render import agent_name, render_episode, render_reask
from credit_wrappers.llm.prompts.templates import Templates
from credit_wrappers.narration.text_diff import mentions


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked, and how its answer is to be read."""

    episodes: tuple[Episode, ...]
    orders: tuple[tuple[int, ...], ...]  # for each episode the agent indices in prompt order
    names: tuple[tuple[str, ...], ...]  # for each episode what these agents are called in the prompt
    request: Request
    tasks: tuple[str, ...] = ()  # of which each agent is to get one in each step; empty: none are asked for
    corrective: bool = False  # whether it quotes what was wrong with the answer to the same question

    @cached_property
    def lengths(self) -> list[int]:
        """Steps of each episode."""
        return [episode.length for episode in self.episodes]

    @cached_property
    def known(self) -> list[str]:
        """The names that an answer may use."""
        return sorted(self.names[0], key=lambda name: (len(name), name))

    @cached_property
    def key(self) -> str:
        """The ledger's key."""
        return self.request.key()

    def again(self, error: str, settings: CriticSettings, templates: Templates) -> Question:
        """Return the corrective question: the same episodes, and what was wrong with the answer."""
        form = settings.answer_format
        prompt = render_reask(self.request.prompt, error, len(self.episodes), form=form, templates=templates)
        return replace(self, request=replace(self.request, prompt=prompt), corrective=True)

    def own_names(self, k: int) -> dict[str, str]:
        """Return the agents' own names by those of the prompt, in episode k."""
        agents = self.episodes[k].agents
        return {name: agents[i] for name, i in zip(self.names[k], self.orders[k], strict=True)}


def ask_about(
    episodes: Sequence[Episode],
    narrators: Sequence[Narrator],
    system: str,
    model: str,
    settings: CriticSettings,
    variant: int = 0,
    tasks: tuple[str, ...] = (),
) -> Question:
    """Return the question about episodes of one environment.

    `system` is the base prompt, which lists `tasks`; `model` the name of the client; `variant` which of the orders of
    "average-k".
    """
    orders, all_names, texts = [], [], []
    for k, (episode, narrator) in enumerate(zip(episodes, narrators, strict=True), 1):
        order = agent_order(episode, narrator, settings.order, settings.seed, variant)
        if settings.names == "own":
            names = tuple(episode.agents[i] for i in order)
        else:
            names = tuple(agent_name(i) for i in range(episode.n_agents))
        frames = _told(narrator.frames(episode.moments, order, names), episode, order, names, tasks)
        texts.append(render_episode(k, episode, frames, order, names, narrator.action_name))
        orders.append(order)
        all_names.append(names)
    schema = answer_schema(settings.answer_format, settings.explain, tasks)
    request = Request(system, "\n\n".join(texts), schema, model, settings.max_tokens, settings.temperature)
    return Question(tuple(episodes), tuple(orders), tuple(all_names), request, tasks)


def _told(
    frames: Sequence[str], episode: Episode, order: Sequence[int], names: Sequence[str], tasks: Sequence[str]
) -> list[str]:
    """Return frames whose first says who is who among the agents that tasks name by their own names."""
    each = [(name, episode.agents[i]) for name, i in zip(names, order, strict=True)]
    who = [f"{name} is {own}" for name, own in each if name != own and any(mentions(task, own) for task in tasks)]
    if not (who and frames):
        return list(frames)
    said = frames[0].split("; ")
    return ["; ".join([*(clause for clause in who if clause not in said), frames[0]]), *frames[1:]]
