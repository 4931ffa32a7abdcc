"""The words of the critic's questions: pure functions from episodes to text, and templates (see `templates`).

The base prompt has the four parts of the method (paper, section on LLM-MCA): environment, notation,
definitions with examples, task query. It is the same for every query of an environment, so that a provider
can cache it; the episodes follow in the user's part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..episode import Episode
from ..errors import CreditError
from ..protocols import Narrator
from .templates import PACKAGED, Templates

if TYPE_CHECKING:
    from ..answers import AnswerForm

DEFINITIONS = ("temporal", "structural", "under_collaboration", "over_collaboration", "agreement")


def agent_name(k: int) -> str:
    """Return the neutral name of the k-th agent in prompt order: agent_A, ..., agent_Z, agent_AA, ..."""
    letters = ""
    k += 1
    while k:
        k, rest = divmod(k - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"agent_{letters}"


def render_system(
    narrator: Narrator,
    names: Sequence[str],
    bound: float,
    *,
    form: AnswerForm = "events",
    explain: bool = True,
    templates: Templates = PACKAGED,
) -> str:
    """Return the base prompt for an environment.

    Args:
        narrator: Tells the environment.
        names: What the agents are called in the prompt.
        bound: Largest size of an agent's summed credits in one episode.
        form: How the answer is to be written down.
        explain: Whether to ask for reasons, too; without them answers are shorter.
        templates: The words.
    """
    examples = narrator.examples()
    missing = [name for name in DEFINITIONS if not examples.get(name)]
    if missing:
        raise CreditError(f"{type(narrator).__name__}.examples() lacks {', '.join(missing)}")
    answer = templates.fill(f"form_{form}" if explain else f"form_{form}_brief")
    return templates.fill(
        "system",
        environment=narrator.describe().strip(),
        agents=_listed(names),
        notation=narrator.notation().strip(),
        query=templates.fill("query", bound=f"{bound:g}", form=answer.strip()).strip(),
        **{name: examples[name].strip() for name in DEFINITIONS},
    ).rstrip()


def render_episode(
    number: int,
    episode: Episode,
    frames: Sequence[str],
    order: Sequence[int],
    names: Sequence[str],
    action_name: Callable[[str, int], str],
) -> str:
    """Return one episode as text.

    Args:
        number: Its number in the query, from 1.
        episode: What happened.
        frames: T+1 narrated frames, in the same order and with the same names as below.
        order: Agent indices in prompt order.
        names: `names[k]` is what agent `order[k]` is called.
        action_name: Names an agent's action.
    """
    if len(frames) != episode.length + 1:
        raise CreditError(
            f"the narrator told {len(frames)} frames of an episode of {episode.length} steps; "
            f"{episode.length + 1} are needed"
        )
    columns = []
    for name, i in zip(names, order, strict=True):
        agent = episode.agents[i]
        column = episode.actions[:, i].tolist()
        # An action of -1 stands for an agent that has left.
        texts = {a: f"{name} {action_name(agent, a) if a >= 0 else 'gone'}" for a in set(column)}
        columns.append([texts[a] for a in column])
    rewards = episode.team_reward.tolist()
    # Adding zero turns -0.0 into 0.0.
    written = {reward: f"{round(reward, 4) + 0.0:g}" for reward in set(rewards)}
    lines = [
        f"## Episode {number}",
        f"steps: {episode.length}, ended: {'terminated' if episode.terminated else 'truncated'}",
        f"start: {frames[0]}",
    ]
    lines += [
        f"{t}: {', '.join(joint)} | reward {written[reward]} | {frame}"
        for t, (joint, reward, frame) in enumerate(zip(zip(*columns, strict=True), rewards, frames[1:], strict=True))
    ]
    return "\n".join(lines)


def render_reask(
    prompt: str, error: str, count: int, *, form: AnswerForm = "events", templates: Templates = PACKAGED
) -> str:
    """Return the corrective question: the same episodes, and what was wrong with the answer.

    Args:
        prompt: The question that was answered.
        error: What was wrong.
        count: Number of episodes.
        form: How the answer is to be written down.
        templates: The words.
    """
    return templates.fill(f"reask_{form}", prompt=prompt, error=error, count=count).rstrip()


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
