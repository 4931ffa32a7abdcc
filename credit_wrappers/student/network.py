"""What a student computes: one program, run by numpy to score and by PyTorch to fit.

K networks, M states and N agents are computed at once. Each agent's observation (its numbers and their magnitudes) is
encoded. The mean and the maximum of all encodings are the team's context, which does not depend on the order of agents.
A head reads an agent's own encoding, the context and a few extra numbers: for the potential whether the world has
ended, for the others the agent's own action.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from credit_wrappers.student.step_arrays import Steps
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import Group, TeamSpec

Parameters = dict[str, Any]  # arrays or tensors, by "<number of the role>/<part>.<name>"

HEAD_PARTS = ("own", "team", "extra", "bias", "out", "out_bias")
FAR = 10.0  # standard deviations from the mean at which observations are clipped
_LEAST = 1e-3  # credit for a unit of reward, at first
_CHUNK = 4096  # steps computed at once


class NetworkInputs(NamedTuple):
    """M steps as the networks read them, in arrays or tensors."""

    states: Any  # (S, N, 2 * F), normalised observations and their magnitudes
    before: Any  # (M,), the row of `states` in which each step begins
    after: Any  # (M,), the row in which it ends; no step begins in a row where the world has ended
    actions: Any  # (M, N, A), one-hot
    reward: Any  # (M,), the team reward
    ended: Any  # (M, 1, 1), 1 where the world ended with the step, else 0


def initial(
    team: TeamSpec, settings: StudentSettings, rng: np.random.Generator, worth: tuple[float, float] = (1.0, 1.0)
) -> Parameters:
    """Return the first weights, float32; `worth` is what `worth_in` returns."""
    many, width = settings.networks, settings.hidden
    parameters: Parameters = {}
    for number, group in enumerate(team.groups):
        parameters |= first_encoder(number, group, many, width, rng)
        for head in heads_of(settings):
            extra = 1 if head == "potential" else group.actions
            parameters |= first_head(f"{number}/{head}", extra, 1, many, width, rng)
    if settings.form == "potential":
        parameters["praise"] = np.full((many, 1, 1), np.log(worth[0]), np.float32)
        parameters["blame"] = np.full((many, 1, 1), np.sqrt(worth[1] - 1.0), np.float32)
    return parameters


def first_encoder(number: int, group: Group, many: int, width: int, rng: np.random.Generator) -> Parameters:
    """Return the first weights of the encoder of a role, of `many` networks with layers of that width."""
    return {
        f"{number}/encoder.weight": _drawn(rng, many, 2 * group.size, width, 2.0),
        f"{number}/encoder.bias": _zeros(many, 1, width),
        f"{number}/encoder.weight2": _drawn(rng, many, width, width, 2.0),
        f"{number}/encoder.bias2": _zeros(many, 1, width),
    }


def first_head(name: str, extra: int, outputs: int, many: int, width: int, rng: np.random.Generator) -> Parameters:
    """Return the first weights of a head that reads so many extra numbers."""
    return {
        f"{name}.own": _drawn(rng, many, width, width, 1.0),
        f"{name}.team": _drawn(rng, many, 2 * width, width, 1.0),
        # Zeros, so that what the labels never show, such as the end of the world, changes nothing.
        f"{name}.extra": _zeros(many, extra, width),
        f"{name}.bias": _zeros(many, 1, width),
        f"{name}.out": _drawn(rng, many, width, outputs, 0.1),
        f"{name}.out_bias": _zeros(many, 1, outputs),
    }


def _drawn(rng: np.random.Generator, many: int, inputs: int, outputs: int, gain: float) -> np.ndarray:
    weights: np.ndarray = (np.sqrt(gain / inputs) * rng.standard_normal((many, inputs, outputs))).astype(np.float32)
    return weights


def _zeros(many: int, inputs: int, outputs: int) -> np.ndarray:
    return np.zeros((many, inputs, outputs), np.float32)


def heads_of(settings: StudentSettings) -> tuple[str, ...]:
    """Return the heads of a form."""
    return ("credit",) if settings.form == "free" else ("potential", "share")


def worth_in(credits: np.ndarray, reward: np.ndarray) -> tuple[float, float]:
    """Return the credit, of (M, N), for a unit of team reward, (M,), and how many times as much a unit of cost gets.

    The second is at least 1: otherwise a path that gains and loses the same could earn something.
    """
    better, worse = (
        float(credits[part].sum() / reward[part].sum()) if part.any() else 0.0 for part in (reward > 0.0, reward < 0.0)
    )
    praise = better if better > _LEAST else 1.0
    return praise, max(worse / praise, 1.0)


def weights_of_reward(ops: Any, parameters: Parameters) -> tuple[Any, Any]:
    """Return each network's credit for a unit of team reward and for a unit of cost, never less, (K, 1, 1) each."""
    praise = ops.exp(parameters["praise"])
    return praise, praise * (1.0 + parameters["blame"] ** 2)


def statistics(team: TeamSpec, states: np.ndarray) -> Parameters:
    """Return each role's mean and inverse standard deviation, (2 * F,) float32; 0 for a number that never changes."""
    found: Parameters = {}
    for number, group in enumerate(team.groups):
        rows = with_magnitudes(states[:, group.columns, : group.size]).reshape(-1, 2 * group.size).astype(np.float64)
        deviation = rows.std(axis=0)
        changes = deviation > 1e-6 * np.maximum(1.0, np.abs(rows).max(axis=0))
        found[f"{number}/mean"] = rows.mean(axis=0).astype(np.float32)
        found[f"{number}/inverse"] = np.where(changes, 1.0 / np.where(changes, deviation, 1.0), 0.0).astype(np.float32)
    return found


def with_magnitudes(rows: np.ndarray) -> np.ndarray:
    """Return numbers, (..., F), followed by their magnitudes, (..., 2 * F).

    Distances are sums of magnitudes of offsets, so that a student learns them from far fewer labels.
    """
    return np.concatenate([rows, np.abs(rows)], axis=-1)


def normalised(parameters: Parameters, team: TeamSpec, states: np.ndarray) -> np.ndarray:
    """Return observations, (M, N, F), and magnitudes, (M, N, 2 * F), in standard deviations from the labels' mean."""
    table = np.zeros((*states.shape[:2], 2 * states.shape[2]), np.float32)
    for number, group in enumerate(team.groups):
        own = with_magnitudes(states[:, group.columns, : group.size])
        own = ((own - parameters[f"{number}/mean"]) * parameters[f"{number}/inverse"]).clip(-FAR, FAR)
        table[:, group.columns, : 2 * group.size] = own
    return table


def one_hot(team: TeamSpec, actions: np.ndarray) -> np.ndarray:
    """Return actions, (M, N), as (M, N, A) float32."""
    return np.eye(max(team.actions), dtype=np.float32)[actions]


def inputs_of(parameters: Parameters, team: TeamSpec, steps: Steps) -> Iterator[NetworkInputs]:
    """Yield the inputs of `_CHUNK` steps at a time; `parameters` needs only the statistics."""
    for begin in range(0, len(steps.start), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        before = steps.start[part] - steps.start[begin]
        states = normalised(parameters, team, steps.states[steps.start[begin] :][: before[-1] + 2])
        ended = steps.terminated[part, None, None].astype(np.float32)
        yield NetworkInputs(states, before, before + 1, one_hot(team, steps.actions[part]), steps.reward[part], ended)


@dataclass(frozen=True)
class TeamNetwork:
    """What the networks of an ensemble have in common: encoder, context and heads; each call is given the weights."""

    team: TeamSpec

    def encode(self, ops: Any, parameters: Parameters, states: Any) -> Any:
        """Return the encoding of each agent's observation, (K, M, N, hidden)."""
        parts = []
        for number, group in enumerate(self.team.groups):
            code = self._of(states, group, 1)[..., : 2 * group.size].reshape(-1, 2 * group.size)
            for layer in ("", "2"):
                weight, bias = (parameters[f"{number}/encoder.{name}{layer}"] for name in ("weight", "bias"))
                code = _rectified(code @ weight + bias)
            parts.append(code.reshape(len(weight), len(states), len(group.columns), -1))
        return self._together(ops, parts)

    def head(self, ops: Any, head: str, parameters: Parameters, codes: Any, extra: Any) -> Any:
        """Return numbers, (K, M, N, outputs), from encodings, (K, M, N, hidden), and extra numbers, (M, N, ...)."""
        many, rows, _, width = codes.shape
        context = ops.concatenate([codes.mean(2), ops.amax(codes, 2)], 2)
        parts = []
        for number, group in enumerate(self.team.groups):
            part = {name: parameters[f"{number}/{head}.{name}"] for name in HEAD_PARTS}
            known = part["extra"].shape[1]  # how many of the extra numbers this role reads
            own = self._of(codes, group, 2).reshape(many, -1, width) @ part["own"] + part["bias"]
            own = own + self._of(extra, group, 1)[..., :known].reshape(-1, known) @ part["extra"]
            layer = own.reshape(many, rows, -1, width) + (context @ part["team"])[:, :, None]
            out = _rectified(layer).reshape(many, -1, width) @ part["out"] + part["out_bias"]
            parts.append(out.reshape(many, rows, -1, out.shape[-1]))
        return self._together(ops, parts)

    def _of(self, table: Any, group: Group, axis: int) -> Any:
        """Return the columns of a role, without a copy where it is the only one."""
        if len(self.team.groups) == 1:
            return table
        return table[:, group.columns] if axis == 1 else table[:, :, group.columns]

    def _together(self, ops: Any, parts: list[Any]) -> Any:
        """Return the roles' parts as one table in the team's order; agents are axis 2."""
        table = parts[0] if len(parts) == 1 else ops.concatenate(parts, 2)
        return table if self.team.back is None else table[:, :, self.team.back]


@dataclass(frozen=True)
class StudentNetwork(TeamNetwork):
    """The ensemble's arithmetic; each call is given the weights."""

    settings: StudentSettings
    scale: float  # size of the critic's credits, the unit in which the heads answer

    def score(self, parameters: Parameters, parts: Iterable[NetworkInputs]) -> np.ndarray:
        """Return each network's credits for all steps of some inputs, (K, M, N) float32, with numpy."""
        return np.concatenate([self.credits(np, parameters, part) for part in parts], axis=1)

    def credits(self, ops: Any, parameters: Parameters, inputs: NetworkInputs) -> Any:
        """Return each network's credits, (K, M, N); `ops` is the module numpy or torch."""
        states, before, after, acted, reward, ended = inputs
        codes = self.encode(ops, parameters, states)
        if self.settings.form == "free":
            return self.scale * self.head(ops, "credit", parameters, codes[:, before], acted)[..., 0]
        over = ops.zeros_like(states[..., :1])
        over[after] = ended
        phi = self.head(ops, "potential", parameters, codes, over)[..., 0]
        paid = self.scale * (self.settings.gamma * phi[:, after] - phi[:, before])
        if len(rewarded := ops.argwhere(reward)[:, 0]):
            score = self.head(ops, "share", parameters, codes[:, before[rewarded]], acted[rewarded])[..., 0]
            share = ops.exp(score - ops.amax(score, 2)[..., None])
            share = share / share.sum(2)[..., None]
            praise, blame = weights_of_reward(ops, parameters)
            gains, costs = (part[:, None] for part in (reward[rewarded].clip(min=0.0), reward[rewarded].clip(max=0.0)))
            paid[:, rewarded] += share * (praise * gains + blame * costs)
        return paid


def _rectified(values: Any) -> Any:
    """Return positive values, and 0 for others; PyTorch's gradient of `relu` is five times as fast as `clip`'s."""
    return values.relu() if hasattr(values, "relu") else values.clip(min=0.0)
