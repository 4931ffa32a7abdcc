"""Credits for running environments: what `StudentNetwork.credits` computes, arranged for few steps at a time.

The result is the same up to float rounding, up to 1.7 times as fast: the networks' first layers are one matrix product,
normalisation is part of the weights, and the ensemble is averaged in the last layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np

from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.input_checks import checked_actions, checked_ends, checked_observations
from credit_wrappers.student.network import FAR, HEAD_PARTS, Parameters, heads_of, weights_of_reward, with_magnitudes
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.team_spec import TeamSpec


class StudentInference:
    """A student's credits for the steps of E environments, as from `StudentCritic.step` up to float rounding.

    Each call is about any of the environments; one that raises changes nothing.

    Args:
        student: The student.
        environments: E; their numbers are 0 to E-1.
        agents: The agents in the order of rows; default the student's own order.
    """

    def __init__(self, student: StudentCritic, environments: int = 1, agents: Sequence[str] | None = None) -> None:
        team, settings = student.team, student.settings
        self._form, self._gamma = settings.form, np.float32(settings.gamma)
        order = team.order(team.agents if agents is None else agents, "the environment")
        self._turned = np.argsort(order)  # the student's column of each agent in a row
        self._order = None if order == sorted(order) else np.array(order)
        self._rows = TeamSpec(*(tuple(part[i] for i in self._turned) for part in astuple(team)))
        self._columns = [group.columns for group in team.groups]
        self._back = slice(None) if team.back is None else team.back
        self._encoders = [_Encoder(student.parameters, f"{k}/") for k in range(len(team.groups))]
        self._heads = {
            name: [_Head(student, f"{k}/{name}.") for k in range(len(team.groups))] for name in heads_of(settings)
        }
        if settings.form == "potential":
            self._praise, self._blame = (
                weight.ravel() / settings.networks for weight in weights_of_reward(np, student.parameters)
            )
        # Codes and potential of each environment's last state, and whether a step may follow it.
        self._codes = np.zeros((environments, len(team.agents), settings.networks, settings.hidden), np.float32)
        self._phi = np.zeros((environments, len(team.agents)), np.float32)
        self._under_way = np.zeros(environments, bool)

    def begin(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        """Begin episodes of some environments, (e,), each given once, with the observations of the reset, (e, N, F).

        Raises:
            CreditError: The student was fitted for other observations; a number is not finite.
            IndexError: There is no such environment.
        """
        seen = checked_observations(self._rows, observations, "observations", chosen)
        self._remember(chosen, self._encoded(seen), np.zeros(len(chosen), bool))

    def pay(
        self,
        chosen: np.ndarray,
        actions: np.ndarray,
        observations: np.ndarray,
        team_reward: np.ndarray,
        terminated: np.ndarray,
    ) -> np.ndarray:
        """Return the credits of one step of some environments, (e, N) float32.

        `observations` are those after the step. For the rest, and what is raised, see `StudentCritic.step`.

        Raises:
            CreditError: Also if no episode was begun in an environment since it ended.
            IndexError: There is no such environment.
        """
        acted = checked_actions(self._rows, actions, chosen)
        reward, ended = checked_ends(self._rows, team_reward, terminated, chosen)
        if not self._under_way[chosen].all():
            number = np.asarray(chosen)[~self._under_way[chosen]][0]
            raise CreditError(f"environment {number}: no state to step from; begin an episode first")
        seen = checked_observations(self._rows, observations, "next_observations", chosen)
        if self._order is not None:
            acted = acted[:, self._order]
        codes, phi = self._codes[chosen], self._phi[chosen]
        self._remember(chosen, self._encoded(seen), ended)
        if self._form == "free":
            paid = self._answers("credit", codes, acted)[..., 0]
        else:
            paid = self._gamma * self._phi[chosen] - phi
            if reward.any():
                paid += self._shares(codes, acted, reward)
        return paid if self._order is None else paid[:, self._turned]

    def _remember(self, chosen: np.ndarray, codes: np.ndarray, ended: np.ndarray) -> None:
        if self._form == "potential":
            self._phi[chosen] = self._answers("potential", codes, ended[:, None].view(np.uint8))[..., 0]
        self._codes[chosen] = codes
        self._under_way[chosen] = ~ended

    def _encoded(self, seen: np.ndarray) -> np.ndarray:
        """Return the codes, (e, N, K, H), in the student's order of agents, of observations in the order of rows."""
        if self._order is not None:
            seen = seen[:, self._order]
        shape = (*seen.shape[:2], *self._codes.shape[2:])
        if len(self._encoders) == 1:
            return self._encoders[0].codes(seen).reshape(shape)
        codes = np.empty(shape, np.float32)
        for encoder, columns in zip(self._encoders, self._columns, strict=True):
            codes[:, columns] = encoder.codes(seen[:, columns]).reshape(len(seen), -1, *shape[2:])
        return codes

    def _answers(self, name: str, codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return what a head computes, (e, N, 1 or K), with the given rows, (e, N or 1), of its table."""
        envs, _, networks, width = codes.shape
        context = np.empty((envs, networks, 2 * width), np.float32)
        np.add.reduce(codes, axis=1, out=context[..., :width])  # the head's weights make it a mean
        np.maximum.reduce(codes, axis=1, out=context[..., width:])
        heads = self._heads[name]
        if len(heads) == 1:
            return heads[0].answers(codes, context, rows)
        parts = [
            head.answers(codes[:, columns], context, rows if rows.shape[1] == 1 else rows[:, columns])
            for head, columns in zip(heads, self._columns, strict=True)
        ]
        return np.concatenate(parts, axis=1)[:, self._back]

    def _shares(self, codes: np.ndarray, acted: np.ndarray, reward: np.ndarray) -> np.ndarray:
        """Return each agent's part of the team reward, (e, N): the mean of the networks' shares."""
        score = self._answers("share", codes, acted)
        share = np.exp(score - np.maximum.reduce(score, axis=1, keepdims=True))
        share /= np.add.reduce(share, axis=1, keepdims=True)
        weight = np.where(reward[:, None] < 0.0, self._blame, self._praise)  # (e, K)
        return np.matmul(share, (weight * reward[:, None])[..., None])[..., 0]


class _Encoder:
    """The encoder of one role, with the weights of all networks side by side in one table."""

    def __init__(self, parameters: Parameters, prefix: str) -> None:
        inverse, weight = parameters[f"{prefix}inverse"], parameters[f"{prefix}encoder.weight"]
        self.mean = parameters[f"{prefix}mean"]
        self.far = np.divide(FAR, inverse, out=np.zeros_like(inverse), where=inverse > 0.0)  # 0: never varied
        self.near = -self.far
        self.weight = _side_by_side(weight * inverse[:, None])
        self.bias = _side_by_side(parameters[f"{prefix}encoder.bias"])
        self.weight2 = parameters[f"{prefix}encoder.weight2"]
        self.bias2 = _side_by_side(parameters[f"{prefix}encoder.bias2"])

    def codes(self, seen: np.ndarray) -> np.ndarray:
        """Return (e * n, K * H) of (e, n, F or more)."""
        rows = with_magnitudes(seen[..., : len(self.mean) // 2])
        rows -= self.mean
        np.maximum(rows, self.near, out=rows)
        np.minimum(rows, self.far, out=rows)
        codes = rows.reshape(-1, len(self.mean)) @ self.weight
        codes += self.bias
        np.maximum(codes, 0.0, out=codes)
        codes = _product(codes.reshape(len(codes), *self.weight2.shape[:2]), self.weight2)
        codes += self.bias2
        return np.maximum(codes, 0.0, out=codes)


class _Head:
    """One head of one role; its table has a row for each action, or one for an ongoing world and one for its end."""

    def __init__(self, student: StudentCritic, prefix: str) -> None:
        own, team, extra, bias, out, out_bias = (student.parameters[prefix + name] for name in HEAD_PARTS)
        networks, width, _ = own.shape
        self.own, self.team = own, team.copy()
        self.team[:, :width] /= len(student.team.agents)
        if prefix.endswith("potential."):
            extra = np.concatenate([np.zeros_like(extra), extra], axis=1)
        self.table = _side_by_side(bias + extra)
        if prefix.endswith("share."):  # one number of each network
            self.out = np.zeros((networks, width, networks), np.float32)
            self.out[range(networks), :, range(networks)] = out[..., 0]
            self.out_bias = out_bias.ravel()
        else:  # only the networks' mean
            self.out = student.scale / networks * out
            self.out_bias = student.scale * out_bias.mean(axis=0)[0]
        self.out = self.out.reshape(networks * width, -1).astype(np.float32)

    def answers(self, codes: np.ndarray, context: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return (e, n, 1 or K) of codes, (e, n, K, H), the team's context, (e, K, 2 * H), and rows of the table."""
        envs, agents = codes.shape[:2]
        layer = _product(codes.reshape(envs * agents, *codes.shape[2:]), self.own).reshape(envs, agents, -1)
        layer += _product(context, self.team)[:, None]
        layer += self.table[rows]
        np.maximum(layer, 0.0, out=layer)
        return layer @ self.out + self.out_bias


def _side_by_side(weights: np.ndarray) -> np.ndarray:
    """Return (A, K * B) of (K, A, B)."""
    return np.ascontiguousarray(weights.swapaxes(0, 1)).reshape(weights.shape[1], -1)


def _product(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (M, K, B) of (M, K, A) and (K, A, B), one network at a time."""
    product = np.empty((len(rows), len(weights), weights.shape[2]), np.float32)
    np.matmul(rows.swapaxes(0, 1), weights, out=product.swapaxes(0, 1))
    return product.reshape(len(rows), -1)
