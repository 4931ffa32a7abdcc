"""Critics whose questions are answered by files: what is answered counts; a folder of other answers is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError, ModelError, Unanswered
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.llm.providers.folder import FolderClient
from credit_wrappers.llm.providers.question_batches import counted


def answered_by_files(critic: Critic) -> bool:
    """Return whether questions of this critic can wait for answers."""
    return isinstance(critic, LLMCritic) and isinstance(critic.client, FolderClient)


def answered_part(critic: Critic, queries: Sequence[list[Episode]]) -> tuple[list[Credit], str]:
    """Return the credit of each episode, a fallback where its query waits, and which questions wait; "": none.

    All questions are asked, so that all can be answered together. A folder that is only read may lack some answers.

    Raises:
        ModelError: Such a folder has no answer at all.
    """
    credits: list[Credit] = []
    waiting: list[Unanswered] = []
    unknown: list[ModelError] = []
    for query in queries:
        try:
            credits += critic.score(query)
            continue
        except Unanswered as error:
            waiting.append(error)
        except ModelError as error:
            if error.kind != "not_recorded":
                raise
            unknown.append(error)
        credits += [Credit(np.zeros(one.actions.shape[:2], np.float32), source="fallback") for one in query]
    if unknown and len(unknown) == len(queries):
        raise unknown[0]
    return credits, str(max(waiting, key=lambda error: len(error.files))) if waiting else ""


def check_folder(critic: Critic, queries: Sequence[list[Episode]]) -> None:
    """Raise CreditError where a folder has answers about the same episodes, but to other questions.

    Nothing is written then. They were asked for in another form or wording, with other things told beside, under
    another name of the model, or with other neighbours in a query. Where the base prompt is another one, episodes may
    be told in other words, too: they are the same if the agents did and got the same.
    """
    if not isinstance(critic, LLMCritic) or not isinstance(critic.client, FolderClient):
        return
    folder = critic.client.questions
    there = dict(folder.requests())
    asked = {question.key: question.request for query in queries for question in critic.questions(query)}
    if not asked or not there or asked.keys() & there.keys():
        return
    answered = {key: request for key, request in there.items() if folder.answer(key, request)[0] is not None}
    texts = {text for request in asked.values() for text in _episodes(request.prompt)}
    plays, systems = set(map(_play, texts)), {request.system for request in asked.values()}
    same = [
        key
        for key, request in answered.items()
        if texts & (told := _episodes(request.prompt))
        or (request.system not in systems and not plays.isdisjoint(map(_play, told)))
    ]
    if same:
        raise CreditError(
            f"{folder.path} has {counted(len(same), 'answer')} about these episodes, but to other questions: "
            "of another form (--form), another wording, with other things told beside (--beside), or with other "
            "episodes in a query (--episodes-per-query, --half, --limit, --edition). Nothing was written. Use the "
            "settings with which they were asked, or another folder"
        )


def _episodes(prompt: str) -> set[str]:
    """Return the texts of a prompt's episodes, without their numbers."""
    parts = prompt.split("## Episode ")[1:]
    return {part.partition("\n")[2].strip() for part in parts}


def _play(text: str) -> tuple[str, ...]:
    """Return what agents did and got in an episode's text, step by step, without the narrator's words."""
    steps, *lines = text.splitlines()
    found = [steps]
    for line in lines:
        number, _, rest = line.partition(": ")
        acts, *others = rest.split(" | ")
        if number.isdigit():
            reward = [part for part in others[:1] if part.startswith("reward ")]
            found += [" ".join(act.split()[:2]) for act in acts.split("; ")] + reward
    return tuple(found)
