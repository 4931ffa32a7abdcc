"""Pays what `StudentCritic.step` pays, but encodes each state once and computes as little as it can."""

from __future__ import annotations

import numpy as np

from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.dataset import (
    as_float32,
    check_actions,
    check_finite,
    check_reward,
    check_shapes,
    placed,
    whole_numbers,
)
from credit_wrappers.student.network import FAR, Parameters, sized, weights_of_reward
from credit_wrappers.student.student_critic import StudentCritic


class Payer:
    """Pays E environments, stepped together or one by one, as `StudentCritic.step` does, up to float rounding.

    It remembers what the next step needs of each one's last state, so that every state is encoded once. A call that
    raises changes nothing.

    Args:
        student: Whose credits.
        environments: E; their numbers are 0 to E-1.
    """

    def __init__(self, student: StudentCritic, environments: int = 1) -> None:
        team, settings = student.team, student.settings
        self._team, self._form, self._gamma = team, settings.form, np.float32(settings.gamma)
        self._agents, self._limits = len(team.agents), np.array(team.actions, np.uint64)
        self._columns = [group.columns for group in team.groups]
        self._back = slice(None) if team.back is None else team.back
        self._encoders = [_Encoder(student.parameters, f"{k}/") for k in range(len(team.groups))]
        self._heads = {
            name: [_Head(student, f"{k}/{name}.") for k in range(len(team.groups))]
            for name in (("credit",) if settings.form == "free" else ("potential", "share"))
        }
        if settings.form == "potential":
            self._praise, self._blame = (
                weight.ravel() / settings.networks for weight in weights_of_reward(np, student.parameters)
            )
        # Of each environment's last state: its codes, its potential, and whether a step may follow it.
        self._codes = np.zeros((environments, self._agents, settings.networks, settings.hidden), np.float32)
        self._phi = np.zeros((environments, self._agents), np.float32)
        self._under_way = np.zeros(environments, bool)

    def start(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        """Begin an episode in some environments.

        Args:
            chosen: (e,), the numbers of these environments, each once.
            observations: (e, N, F), flat, of the reset; F is the longest observation, shorter ones end in zeros.

        Raises:
            CreditError: Observations are not those the student was fitted for; a number is not finite.
            IndexError: There is no such environment.
        """
        seen = self._seen(chosen, observations, "observations")
        self._remember(chosen, self._encoded(seen), np.zeros(len(chosen), bool))

    def pay(
        self,
        chosen: np.ndarray,
        actions: np.ndarray,
        observations: np.ndarray,
        team_reward: np.ndarray,
        terminated: np.ndarray,
    ) -> np.ndarray:
        """Return the credits of one step of some environments, (e, N) float32, agents in the order of `team.agents`.

        Args:
            chosen: (e,), the numbers of these environments, each once.
            actions: (e, N), whole numbers.
            observations: (e, N, F), after the step: at the end of an episode the last ones, not the next reset's.
            team_reward: (e,).
            terminated: (e,) bool, whether the world ended with this step; such an environment must be started again.

        Raises:
            CreditError: Shapes or actions are not those the student was fitted for; a number is not finite; an
                environment was not started.
            IndexError: There is no such environment.
            TypeError: Actions are not whole numbers.
        """
        acted, reward, ended = whole_numbers(actions), as_float32(team_reward), np.asarray(terminated, bool)
        envs = len(chosen)
        if acted.shape != (envs, self._agents) or reward.shape != (envs,) or ended.shape != (envs,):
            check_shapes(self._team, envs, actions=acted, team_reward=reward, terminated=ended)
        if (acted.astype(np.uint64) >= self._limits).any():  # negative ones become very large
            check_actions(self._team, placed(len(self._phi), chosen, acted), "actions", "environment")
        if not np.isfinite(reward).all():
            check_reward(placed(len(self._phi), chosen, reward))
        if not self._under_way[chosen].all():
            number = np.asarray(chosen)[~self._under_way[chosen]][0]
            raise CreditError(f"environment {number}: no state to step from; start(...) it first")
        seen = self._seen(chosen, observations, "next_observations")
        codes, phi = self._codes[chosen], self._phi[chosen]
        self._remember(chosen, self._encoded(seen), ended)
        if self._form == "free":
            return self._answers("credit", codes, acted)[..., 0]
        paid: np.ndarray = self._gamma * self._phi[chosen] - phi
        if reward.any():
            paid += self._shares(codes, acted, reward)
        return paid

    def _seen(self, chosen: np.ndarray, observations: np.ndarray, name: str) -> np.ndarray:
        seen = as_float32(observations)
        if seen.shape != (len(chosen), self._agents, max(self._team.sizes)):
            check_shapes(self._team, len(chosen), **{name: seen})
        if not np.isfinite(seen).all():
            check_finite(self._team, placed(len(self._phi), chosen, seen), name, "environment")
        return seen

    def _remember(self, chosen: np.ndarray, codes: np.ndarray, ended: np.ndarray) -> None:
        if self._form == "potential":
            self._phi[chosen] = self._answers("potential", codes, ended[:, None].view(np.uint8))[..., 0]
        self._codes[chosen] = codes
        self._under_way[chosen] = ~ended

    def _encoded(self, seen: np.ndarray) -> np.ndarray:
        """Return the codes of observations, (e, N, K, H)."""
        shape = (*seen.shape[:2], *self._codes.shape[2:])
        if len(self._encoders) == 1:
            return self._encoders[0].codes(seen).reshape(shape)
        codes = np.empty(shape, np.float32)
        for encoder, columns in zip(self._encoders, self._columns, strict=True):
            codes[:, columns] = encoder.codes(seen[:, columns]).reshape(len(seen), -1, *shape[2:])
        return codes

    def _answers(self, name: str, codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return what a head says, (e, N, 1 or K), with the given rows, (e, N or 1), of its table."""
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
        """Return what each agent gets of the team reward, (e, N): the mean of the networks' shares."""
        score = self._answers("share", codes, acted)
        share = np.exp(score - np.maximum.reduce(score, axis=1, keepdims=True))
        share /= np.add.reduce(share, axis=1, keepdims=True)
        weight = np.where(reward[:, None] < 0.0, self._blame, self._praise)  # (e, K)
        return np.matmul(share, (weight * reward[:, None])[..., None])[..., 0]


class _Encoder:
    """What turns the observations of one role into codes, the networks' weights beside each other in one table."""

    def __init__(self, parameters: Parameters, prefix: str) -> None:
        inverse, weight = parameters[f"{prefix}inverse"], parameters[f"{prefix}encoder.weight"]
        self.mean = parameters[f"{prefix}mean"]
        self.far = np.divide(FAR, inverse, out=np.zeros_like(inverse), where=inverse > 0.0)  # 0: never varied
        self.near = -self.far
        self.weight = _beside(weight * inverse[:, None])
        self.bias = _beside(parameters[f"{prefix}encoder.bias"])
        self.weight2, self.bias2 = parameters[f"{prefix}encoder.weight2"], _beside(parameters[f"{prefix}encoder.bias2"])

    def codes(self, seen: np.ndarray) -> np.ndarray:
        """Return (e * n, K * H) of (e, n, F or more)."""
        rows = sized(seen[..., : len(self.mean) // 2])
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
    """One head of one role, with a row of a table for each action, or for going on and for the end of the world."""

    def __init__(self, student: StudentCritic, prefix: str) -> None:
        own, team, extra, bias, out, out_bias = (
            student.parameters[prefix + name] for name in ("own", "team", "extra", "bias", "out", "out_bias")
        )
        networks, width, _ = own.shape
        self.own, self.team = own, team.copy()
        self.team[:, :width] /= len(student.team.agents)
        if prefix.endswith("potential."):
            extra = np.concatenate([np.zeros_like(extra), extra], axis=1)
        self.table = _beside(bias + extra)
        if prefix.endswith("share."):  # each network's own
            self.out = np.zeros((networks, width, networks), np.float32)
            self.out[range(networks), :, range(networks)] = out[..., 0]
            self.out_bias = out_bias.ravel()
        else:  # of which only the mean is paid
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


def _beside(weights: np.ndarray) -> np.ndarray:
    """Return (A, K * B) of (K, A, B)."""
    return np.ascontiguousarray(weights.swapaxes(0, 1)).reshape(weights.shape[1], -1)


def _product(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (M, K, B) of (M, K, A) and (K, A, B), network by network."""
    product = np.empty((len(rows), len(weights), weights.shape[2]), np.float32)
    np.matmul(rows.swapaxes(0, 1), weights, out=product.swapaxes(0, 1))
    return product.reshape(len(rows), -1)
