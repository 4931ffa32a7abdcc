"""What a student computes: one program for numpy, which pays, and for PyTorch, which fits.

K networks, M states and N agents at once. Each agent's observation, its numbers and their sizes, is encoded; the
mean and the maximum of all encodings are the team's context, which no order of the agents can change. Heads read an
agent's own encoding, the context and a few extra numbers: the potential whether the world has ended, the others the
agent's own action.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from credit_wrappers.student.dataset import Steps
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import Group, Team

Parameters = dict[str, Any]  # arrays or tensors, by "<number of the role>/<part>.<name>"

_LEAST = 1e-3  # credit for a unit of reward, to begin with
FAR = 10.0  # standard deviations beyond which an observation counts as no farther
_CHUNK = 4096  # steps computed at once


def initial(
    team: Team, settings: StudentSettings, rng: np.random.Generator, worth: tuple[float, float] = (1.0, 1.0)
) -> Parameters:
    """Return the first weights, float32.

    Args:
        team: Whose they are.
        settings: The form and the sizes.
        rng: Draws them.
        worth: Credit for each unit of team reward at first, and how many times as much for each unit of its cost.
    """
    many, width = settings.networks, settings.hidden
    parameters: Parameters = {}

    def weights(name: str, inputs: int, outputs: int, gain: float) -> None:
        scale = np.sqrt(gain / inputs)
        parameters[name] = (scale * rng.standard_normal((many, inputs, outputs))).astype(np.float32)

    def zeros(name: str, inputs: int, outputs: int) -> None:
        parameters[name] = np.zeros((many, inputs, outputs), np.float32)

    for number, group in enumerate(team.groups):
        weights(f"{number}/encoder.weight", 2 * group.size, width, 2.0)
        zeros(f"{number}/encoder.bias", 1, width)
        weights(f"{number}/encoder.weight2", width, width, 2.0)
        zeros(f"{number}/encoder.bias2", 1, width)
        for head, extra in _heads(settings, group):
            weights(f"{number}/{head}.own", width, width, 1.0)
            weights(f"{number}/{head}.team", 2 * width, width, 1.0)
            # Zeros: what the labels never show, such as a world that ends, must change nothing.
            zeros(f"{number}/{head}.extra", extra, width)
            zeros(f"{number}/{head}.bias", 1, width)
            weights(f"{number}/{head}.out", width, 1, 0.1)
            zeros(f"{number}/{head}.out_bias", 1, 1)
    if settings.form == "potential":
        parameters["praise"] = np.full((many, 1, 1), np.log(worth[0]), np.float32)
        parameters["blame"] = np.full((many, 1, 1), np.sqrt(worth[1] - 1.0), np.float32)
    return parameters


def worth_in(credits: np.ndarray, reward: np.ndarray) -> tuple[float, float]:
    """Return what a unit of team reward, (M,), is worth in a teacher's credits, (M, N); and how many times that a cost.

    At least 1 times, or a way that gains and loses the same could earn something.
    """
    better, worse = (
        float(credits[part].sum() / reward[part].sum()) if part.any() else 0.0 for part in (reward > 0.0, reward < 0.0)
    )
    praise = better if better > _LEAST else 1.0
    return praise, max(worse / praise, 1.0)


def weights_of_reward(ops: Any, parameters: Parameters) -> tuple[Any, Any]:
    """Return what each network's credits make of a unit of reward and of cost to the team, (K, 1, 1) each.

    Cost never weighs less than reward: a loop on which the team gains and loses the same must not earn.
    """
    praise = ops.exp(parameters["praise"])
    return praise, praise * (1.0 + parameters["blame"] ** 2)


def statistics(team: Team, states: np.ndarray) -> Parameters:
    """Return mean and inverse deviation, (2 * F,) float32, of a role's numbers and sizes; 0 for what never changes."""
    found: Parameters = {}
    for number, group in enumerate(team.groups):
        rows = sized(states[:, group.columns, : group.size]).reshape(-1, 2 * group.size).astype(np.float64)
        deviation = rows.std(axis=0)
        changes = deviation > 1e-6 * np.maximum(1.0, np.abs(rows).max(axis=0))
        found[f"{number}/mean"] = rows.mean(axis=0).astype(np.float32)
        found[f"{number}/inverse"] = np.where(changes, 1.0 / np.where(changes, deviation, 1.0), 0.0).astype(np.float32)
    return found


def sized(rows: np.ndarray) -> np.ndarray:
    """Return numbers, (..., F), and behind them their sizes, (..., 2 * F).

    Ways are sums of sizes of offsets; with these as inputs a student learns them from far fewer labels.
    """
    return np.concatenate([rows, np.abs(rows)], axis=-1)


def normalised(parameters: Parameters, team: Team, states: np.ndarray) -> np.ndarray:
    """Return observations, (M, N, F), with sizes, (M, N, 2 * F), in standard deviations from the mean of the labels."""
    table = np.zeros((*states.shape[:2], 2 * states.shape[2]), np.float32)
    for number, group in enumerate(team.groups):
        own = sized(states[:, group.columns, : group.size])
        own = ((own - parameters[f"{number}/mean"]) * parameters[f"{number}/inverse"]).clip(-FAR, FAR)
        table[:, group.columns, : 2 * group.size] = own
    return table


def one_hot(team: Team, actions: np.ndarray) -> np.ndarray:
    """Return actions, (M, N), as (M, N, A) float32."""
    return np.eye(max(team.actions), dtype=np.float32)[actions]


def credits(
    ops: Any, parameters: Parameters, team: Team, settings: StudentSettings, scale: float,
    states: Any, before: Any, after: Any, acted: Any, reward: Any, ended: Any,
) -> Any:  # fmt: skip
    """Return each network's credits, (K, M, N).

    Args:
        ops: The module numpy, or torch.
        parameters: Weights.
        team: Whose they are.
        settings: The form, gamma and the sizes.
        scale: Size of the teacher's credits: the unit in which the heads answer.
        states: (S, N, 2 * F), normalised observations and sizes.
        before: (M,), the row of `states` in which each step begins.
        after: (M,), that in which it ends; where the world ended, no step begins in it.
        acted: (M, N, A), `one_hot` actions.
        reward: (M,), the team's.
        ended: (M, 1, 1), 1 where the world ended with the step, else 0.
    """
    codes = _encode(ops, parameters, team, states)
    if settings.form == "free":
        return scale * _head(ops, "credit", parameters, team, codes[:, before], acted)
    over = ops.zeros_like(states[..., :1])
    over[after] = ended
    phi = _head(ops, "potential", parameters, team, codes, over)
    paid = scale * (settings.gamma * phi[:, after] - phi[:, before])
    if len(sharing := ops.argwhere(reward)[:, 0]):
        score = _head(ops, "share", parameters, team, codes[:, before[sharing]], acted[sharing])
        share = ops.exp(score - ops.amax(score, 2)[..., None])
        share = share / share.sum(2)[..., None]
        praise, blame = weights_of_reward(ops, parameters)
        gains, costs = (part[:, None] for part in (reward[sharing].clip(min=0.0), reward[sharing].clip(max=0.0)))
        paid[:, sharing] += share * (praise * gains + blame * costs)
    return paid


def credits_of(parameters: Parameters, team: Team, settings: StudentSettings, scale: float, steps: Steps) -> np.ndarray:
    """Return each network's credits for recorded steps, (K, M, N) float32."""
    return credits_for(parameters, team, settings, scale, tables_of(parameters, team, steps))


def credits_for(
    parameters: Parameters, team: Team, settings: StudentSettings, scale: float, tables: Iterable[tuple[Any, ...]]
) -> np.ndarray:
    """Return each network's credits for the steps that `tables_of` has prepared, (K, M, N) float32."""
    return np.concatenate([credits(np, parameters, team, settings, scale, *part) for part in tables], axis=1)


def tables_of(parameters: Parameters, team: Team, steps: Steps) -> Iterator[tuple[Any, ...]]:
    """Yield what `credits` reads of recorded steps, `_CHUNK` of them at a time; of the parameters only statistics."""
    for begin in range(0, len(steps.start), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        before = steps.start[part] - steps.start[begin]
        states = normalised(parameters, team, steps.states[steps.start[begin] :][: before[-1] + 2])
        ended = steps.terminated[part, None, None].astype(np.float32)
        yield states, before, before + 1, one_hot(team, steps.actions[part]), steps.reward[part], ended


def _heads(settings: StudentSettings, group: Group) -> list[tuple[str, int]]:
    """Return the heads of a form, and how many extra numbers each reads."""
    return [("credit", group.actions)] if settings.form == "free" else [("potential", 1), ("share", group.actions)]


def _encode(ops: Any, parameters: Parameters, team: Team, states: Any) -> Any:
    """Return the encoding of each agent's observation, (K, M, N, hidden)."""
    parts = []
    for number, group in enumerate(team.groups):
        code = _of(states, group, team, 1)[..., : 2 * group.size].reshape(-1, 2 * group.size)
        for layer in ("", "2"):
            weight, bias = (parameters[f"{number}/encoder.{name}{layer}"] for name in ("weight", "bias"))
            code = _rectified(code @ weight + bias)
        parts.append(code.reshape(len(weight), len(states), len(group.columns), -1))
    return _together(ops, team, parts)


def _head(ops: Any, head: str, parameters: Parameters, team: Team, codes: Any, extra: Any) -> Any:
    """Return one number for each agent, (K, M, N).

    Args:
        ops: numpy or torch.
        head: Which head.
        parameters: Weights.
        team: Whose they are.
        codes: (K, M, N, hidden), encodings.
        extra: (M, N, ...), of which a role reads as many numbers as its weights have rows.
    """
    many, rows, _, width = codes.shape
    context = ops.concatenate([codes.mean(2), ops.amax(codes, 2)], 2)
    parts = []
    for number, group in enumerate(team.groups):
        part = {
            name: parameters[f"{number}/{head}.{name}"] for name in ("own", "team", "extra", "bias", "out", "out_bias")
        }
        known = part["extra"].shape[1]
        own = _of(codes, group, team, 2).reshape(many, -1, width) @ part["own"] + part["bias"]
        own = own + _of(extra, group, team, 1)[..., :known].reshape(-1, known) @ part["extra"]
        layer = own.reshape(many, rows, -1, width) + (context @ part["team"])[:, :, None]
        out = _rectified(layer).reshape(many, -1, width) @ part["out"] + part["out_bias"]
        parts.append(out.reshape(many, rows, -1))
    return _together(ops, team, parts)


def _rectified(values: Any) -> Any:
    """Return what is above 0, else 0; PyTorch's own way back through it takes a fifth of the time of that of `clip`."""
    return values.relu() if hasattr(values, "relu") else values.clip(min=0.0)


def _of(table: Any, group: Group, team: Team, axis: int) -> Any:
    """Return the columns of a role; without a copy where it is the only one."""
    if len(team.groups) == 1:
        return table
    return table[:, group.columns] if axis == 1 else table[:, :, group.columns]


def _together(ops: Any, team: Team, parts: list[Any]) -> Any:
    """Return the roles' parts as one table in the team's order; agents are axis 2."""
    table = parts[0] if len(parts) == 1 else ops.concatenate(parts, 2)
    return table if team.back is None else table[:, :, team.back]
