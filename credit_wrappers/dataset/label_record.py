"""A label as arrays and plain data, which every form of data set writes down, and the label made of them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from credit_wrappers.core.credit import Credit, CreditEvent, Source, TaskSpan, Usage
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.core.whole_characters import whole_characters

EXACT, OBSERVATION, SEEN = "exact/", "observation/", "seen/"  # beginnings of names of arrays
_KINDS: dict[str, Any] = {  # of facts, which a file may hold otherwise
    **dict.fromkeys(("id", "start", "steps", "query"), int),
    **dict.fromkeys(("key", "env_id", "source", "summary", "model", "note"), str),
    **dict.fromkeys(("agents", "frames", "events"), list),
    "seed": int | None, "terminated": bool, "truncated": bool, "tasks": list | None, "usage": dict,
}  # fmt: skip
TEXTS = ("question", "answer")  # episodes of one query share them


@dataclass(frozen=True, eq=False)
class LabelRecord:
    """A label, taken apart.

    Attributes:
        arrays: By name: `actions` (T, N) or (T, N, A), `credit` (T, N), `team_reward` (T,), `cost` (T, N),
            `exact/NAME` (T, N), `action_masks` (T+1, N, A), `observation/AGENT` (T+1, ...) and, of an agent that is not
            always there, `seen/AGENT` (T+1,) bool.
        facts: Everything else but the texts, as JSON has it.
        texts: The question and the answer.
    """

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]
    texts: dict[str, str]

    @property
    def steps(self) -> int:
        """Number of steps, T."""
        return len(self.arrays["team_reward"])


def record_of(label: LabelledEpisode, *, frames: bool = True) -> LabelRecord:
    """Return a label taken apart.

    The moments become the frames that their narrator tells; the snapshots are left out. Texts get the replacement
    character for each half of a surrogate pair.

    Args:
        label: The label.
        frames: Whether the frames are kept.

    Raises:
        DatasetError: Its parts do not fit each other; a reward, a cost or a credit is not finite; its observations are
            not numbers of one shape for each agent, or an array has other types.
    """
    episode, credit = label.episode, label.credit
    _check_parts(label, len(episode.frames) if frames else 0)
    arrays = {
        "actions": episode.actions,
        "credit": credit.values,
        "team_reward": episode.team_reward,
        "cost": episode.cost,
        **{EXACT + name: values for name, values in label.exact.items()},
    }
    if label.action_masks is not None:
        arrays["action_masks"] = label.action_masks
    observed, columns = _columns(episode)
    arrays |= columns
    for name, array in arrays.items():
        kind = array.dtype
        if kind.kind not in "biuf" or kind.itemsize > 8 or not kind.isnative:
            raise DatasetError(
                f"{name} of episode {episode.id} has the type {kind}; a data set holds numbers of at most 64 bits, in "
                "this machine's order of bytes: convert them (astype)"
            )
    facts = {
        "id": int(episode.id),
        "key": episode.key,
        "env_id": episode.env_id,
        "seed": None if episode.seed is None else int(episode.seed),
        "start": int(episode.start),
        "agents": list(episode.agents),
        "terminated": bool(episode.terminated),
        "truncated": bool(episode.truncated),
        "steps": episode.length,
        "observed": observed,
        "frames": [whole_characters(frame) for frame in episode.frames] if frames else [],
        "source": credit.source,
        "summary": whole_characters(credit.summary),
        "tasks": None
        if credit.tasks is None
        else [
            [s.agent, int(s.start), int(s.stop), whole_characters(s.task), whole_characters(s.why)]
            for s in credit.tasks
        ],
        "usage": asdict(credit.usage),
        "events": [
            [e.agent, int(e.start), int(e.stop), float(e.amount), whole_characters(e.why)] for e in credit.events
        ],
        "model": whole_characters(label.model),
        "query": int(label.query),
        "note": whole_characters(label.note),
    }
    texts = {"question": whole_characters(label.question), "answer": whole_characters(label.answer)}
    return LabelRecord(arrays, facts, texts)


def label_of(record: LabelRecord, source: object) -> LabelledEpisode:
    """Return the label that was taken apart.

    Args:
        record: Its parts.
        source: Where they were read, for errors.

    Raises:
        DatasetError: The parts do not fit each other.
    """
    arrays, facts = record.arrays, record.facts
    where = f"{source}: episode {facts.get('id')} (seed {facts.get('seed')})"
    try:
        for name, kind in _KINDS.items():
            value = facts[name]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise TypeError(f"its {name} is {value!r}")
            if name in ("agents", "frames") and not all(isinstance(text, str) for text in value):
                raise TypeError(f"its {name} is {value!r}")
        if record.texts.keys() != set(TEXTS) or not all(isinstance(text, str) for text in record.texts.values()):
            raise ValueError(f"its texts are {', '.join(record.texts)}, and must be {' and '.join(TEXTS)}")
        _check_source(facts["source"])
        episode = Episode(
            id=facts["id"],
            agents=tuple(facts["agents"]),
            actions=arrays["actions"],
            team_reward=arrays["team_reward"],
            cost=arrays["cost"],
            terminated=facts["terminated"],
            truncated=facts["truncated"],
            observations=_observations(facts["observed"], facts["agents"], arrays),
            env_id=facts["env_id"],
            seed=facts["seed"],
            start=facts["start"],
        ).as_recorded(facts["key"], facts["frames"])
        credit = Credit(
            arrays["credit"],
            tuple(CreditEvent(*event) for event in facts["events"]),
            _tasks(facts["tasks"], facts["agents"]),
            facts["summary"],
            facts["source"],
            Usage(**facts["usage"]),
        )
        steps = facts["steps"]
        lengths = {name: len(arrays[name]) for name in ("actions", "credit", "team_reward", "cost")}
        if set(lengths.values()) != {steps}:
            raise ValueError(f"it has {steps} steps, but the arrays have {lengths}")
        return LabelledEpisode(
            episode,
            credit,
            {name.removeprefix(EXACT): values for name, values in arrays.items() if name.startswith(EXACT)},
            **record.texts,
            model=facts["model"],
            query=facts["query"],
            note=facts["note"],
            action_masks=arrays.get("action_masks"),
        )
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise DatasetError(f"{where} cannot be put together: {what}") from error


def _check_source(source: str) -> None:
    if source not in get_args(Source):
        raise ValueError(f"its source is {source!r}; valid: {', '.join(get_args(Source))}")


def _check_parts(label: LabelledEpisode, frames: int) -> None:
    """Raise DatasetError unless every part has the episode's steps, or its states, and agents, and finite numbers."""
    episode = label.episode
    where = f"episode {episode.id} (seed {episode.seed})"
    try:
        _check_source(label.credit.source)
    except ValueError as error:
        raise DatasetError(f"{where}: {error}") from error
    steps, n_agents = episode.length, episode.n_agents
    if steps == 0:
        raise DatasetError(f"{where} has no steps")
    for agent in episode.agents:
        if not agent or agent == "." or "\0" in agent or whole_characters(agent) != agent:
            raise DatasetError(f"{where}: {agent!r} as the name of an agent cannot be held by files; rename the agent")
    if len(set(episode.agents)) < n_agents:
        raise DatasetError(f"two agents of {where} have one name: {', '.join(episode.agents)}")
    parts = {
        "actions": (episode.actions, (steps, n_agents), (2, 3)),
        "team_reward": (episode.team_reward, (steps,), (1,)),
        "cost": (episode.cost, (steps, n_agents), (2,)),
        "observations": (episode.observations, (steps + 1, n_agents), range(2, 33)),
        "action_masks": (label.action_masks, (steps + 1, n_agents), (3,)),
    }
    told = f"but the episode has {steps} steps and {n_agents} agents, so {steps + 1} states"
    for name, (array, shape, dimensions) in parts.items():
        if array is not None and (array.shape[: len(shape)] != shape or array.ndim not in dimensions):
            raise DatasetError(f"{where}: {name} has shape {array.shape}, {told}")
    if frames not in (0, steps + 1):
        raise DatasetError(f"{where} has {frames} frames, {told}")
    for name, values in {
        "team_reward": episode.team_reward,
        "cost": episode.cost,
        "credit": label.credit.values,
    }.items():
        finite = values.dtype.kind != "f" or np.isfinite(values).reshape(steps, -1).all(axis=1)
        if not np.all(finite):
            raise DatasetError(f"{where}: {name} of step {int(np.argmin(finite))} is not finite")


def _columns(episode: Episode) -> tuple[Any, dict[str, np.ndarray]]:
    """Return how the observations were kept, and each agent's own."""
    observations = episode.observations
    if observations is None:
        return None, {}
    if observations.dtype.kind in "biuf":
        return "array", {OBSERVATION + agent: observations[:, i] for i, agent in enumerate(episode.agents)}
    if observations.ndim != 2:
        raise DatasetError(_not_numbers(episode, "", observations.dtype))
    kinds, columns = [], {}
    for i, agent in enumerate(episode.agents):
        seen = np.array([one is not None for one in observations[:, i]])
        there = [one for one in observations[:, i] if one is not None]
        kinds.append(_kept_as(there))
        if not seen.all():
            columns[SEEN + agent] = seen
        if not there:
            continue
        parts = [np.asarray(one) for one in there]
        alike = {(part.shape, part.dtype) for part in parts}
        if len(alike) > 1 or parts[0].dtype.kind not in "biuf" or (kinds[-1] != "array" and parts[0].ndim):
            raise DatasetError(_not_numbers(episode, agent, _told_kind(there[0])))
        column = np.zeros((len(seen), *parts[0].shape), parts[0].dtype)
        column[seen] = parts
        columns[OBSERVATION + agent] = column
    return kinds, columns


def _kept_as(there: list[Any]) -> str:
    """Return what an agent observes: arrays, numpy's numbers, Python's, or nothing."""
    if not there:
        return "nothing"
    if isinstance(there[0], np.ndarray):
        return "array"
    return "scalar" if isinstance(there[0], np.generic) else "number"


def _told_kind(seen: Any) -> str:
    """Return the type of an observation; of a dict, the keys of what is no number, or else all."""
    kind = type(seen).__name__
    if not isinstance(seen, Mapping):
        return kind
    odd = [f"{key!r} is {_told_kind(part)}" for key, part in seen.items() if np.asarray(part).dtype.kind not in "biuf"]
    return f"{kind}, whose {' and '.join(odd)}" if odd else f"{kind} of {', '.join(map(repr, seen))}"


def _not_numbers(episode: Episode, agent: str, kind: object) -> str:
    whose = f"agent {agent!r} of episode {episode.id}" if agent else f"episode {episode.id}"
    return (
        f"the observations of {whose} ({kind}) are not arrays of numbers of one shape: a data set cannot hold them; "
        "leave them out (dataclasses.replace(episode, observations=None)), or flatten them before they are recorded, "
        "by supersuit.observation_lambda_v0 with gymnasium.spaces.flatten"
    )


def _observations(observed: Any, agents: list[str], arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    if observed is None:
        return None
    if observed == "array":
        return np.stack([arrays[OBSERVATION + agent] for agent in agents], axis=1)
    table = np.empty((len(arrays["team_reward"]) + 1, len(agents)), dtype=object)
    for i, (agent, kind) in enumerate(zip(agents, observed, strict=True)):
        if kind == "nothing":
            continue
        column, seen = arrays[OBSERVATION + agent], arrays.get(SEEN + agent)
        for t in range(len(table)):
            if seen is None or seen[t]:
                table[t, i] = column[t].item() if kind == "number" else column[t]
                if kind == "array":  # also one without dimensions
                    table[t, i] = np.array(column[t])
    return table


def _tasks(told: list[Any] | None, agents: Sequence[str]) -> tuple[TaskSpan, ...] | None:
    """Return the tasks of a label; None where there are none, or (in an early one) those of the next episode."""
    if told is None or (told and len(told) == len(agents) and all(isinstance(task, str) for task in told)):
        return None
    return tuple(TaskSpan(*span) if isinstance(span, list) else span for span in told)
