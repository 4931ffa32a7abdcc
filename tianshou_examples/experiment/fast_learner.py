"""PPO in one loop over many Spaceworlds, with the credit paid inside: several times as fast as through Tianshou (ours).

Actor and critic share their layers, what a network reads of an observation is computed once, and no episode becomes an
object. What differs from `learners.Learner` is said in docs/training.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from tianshou_examples.experiment.actors import Actors, actors_of, network_for
from tianshou_examples.experiment.egocentric import Egocentric
from tianshou_examples.experiment.learners import LEAST_LR, TAIL
from tianshou_examples.experiment.networks import last_layer
from tianshou_examples.experiment.paid_worlds import PaidWorlds
from tianshou_examples.experiment.settings import Settings

ROLLOUT = 64  # steps between two updates, unless the settings say otherwise
KEPT_RETURNS = 2_000_000  # of how many rows at most the scale of returns is the average
MAX_GRAD_NORM, VALUE_WEIGHT = 0.5, 0.5
FORBIDDEN = -1e9
SHARPNESS = 4.0  # by which the logits of sharp worlds are multiplied
PAID = {"mca", "summed", "shared", "equal"}  # methods


class FastLearner:
    """One network for all robots, its optimiser and its worlds; used like `learners.Learner`.

    Args:
        settings: What to build.
        worlds: Where it learns.
        seed: Seed of network and exploration.
        counted: Is told return, cost and success of each episode that ended.
    """

    def __init__(
        self, settings: Settings, worlds: PaidWorlds, seed: int, counted: Callable[[tuple[float, float, float]], None]
    ) -> None:
        torch.manual_seed(seed)
        self.settings, self.worlds, self._counted = settings, worlds, counted
        self.steps, self.done = 0, 0.0
        env, agent = worlds.env, worlds.agents[0]
        self._actions = int(env.action_space(agent).n)
        self._inputs = env.observation_space(agent).shape[0]
        self._numbers = torch.eye(len(worlds.agents)) if settings.agent_id else torch.zeros(len(worlds.agents), 0)
        self.network = network_for(settings, env, self._inputs + self._numbers.shape[1], self._actions + 1, 0.01)
        nn.init.orthogonal_(last_layer(self.network).weight.data[self._actions :], 1.0)  # the value
        self._adam = torch.optim.Adam(self.network.parameters(), lr=settings.lr, eps=1e-5, fused=True)
        self._tail = AveragedModel(self.network)
        self._mean, self._var, self._rows = 0.0, 1.0, 1e-4  # of returns
        sharp = np.arange(worlds.worlds) < settings.sharp * worlds.worlds
        self._sharp = torch.from_numpy(np.repeat(np.where(sharp, SHARPNESS, 1.0), len(worlds.agents))[:, None]).float()
        worlds.blend = settings.blend
        self._observations = self._masks = np.zeros(0)
        self.set_progress(0.0)

    @property
    def actors(self) -> Actors:
        """The network that plays: its average over the tail of the training, once that has begun."""
        actor = self._actor(self._tail.module if self._tail.n_averaged else self.network)
        return actors_of(self.settings, [actor], len(self.worlds.agents), self.steps)

    def begin(self, seed: int) -> None:
        """Start new episodes in all worlds; call it before the first `train`."""
        self._observations, self._masks = self.worlds.reset(seed)

    def set_progress(self, done: float) -> None:
        """Move the schedules of gamma, learning rate, entropy and the price of collisions."""
        s, self.done = self.settings, min(1.0, done)
        grown = min(1.0, self.done / s.gamma_growth) if s.gamma_growth else 1.0
        self._gamma = s.gamma_start + (s.gamma - s.gamma_start) * grown
        self.worlds.cost_price = s.cost_price_at(self.done)
        self._entropy = s.entropy * max(-s.entropy_debit, 1.0 - self.done / s.entropy_until)
        for group in self._adam.param_groups:
            group["lr"] = s.lr * max(LEAST_LR, (1.0 - self.done) ** 2)

    def train(self) -> float:
        """Play one rollout and learn from it; return the seconds spent in the updates."""
        rows = self._collect(self.settings.rollout or ROLLOUT)
        began = time.perf_counter()
        self._learn(rows)
        return time.perf_counter() - began

    def _read(self, observations: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the network reads of (E, N, F), (E * N, ...), and the mirrors in which it does."""
        seen = torch.from_numpy(observations.reshape(-1, self._inputs))
        seen = torch.cat([seen, self._numbers.repeat(len(observations), 1)], dim=1)
        if isinstance(self.network, Egocentric):
            return self.network.read(seen)
        return seen, torch.zeros(len(seen), dtype=torch.long)

    def _heads(
        self, read: torch.Tensor, mirror: torch.Tensor, masks: torch.Tensor, sharp: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return log probabilities (B, actions) and values (B,), in units of the returns' deviation."""
        network = self.network
        answer = network.answers(read, mirror) if isinstance(network, Egocentric) else network(read)
        logits = (answer[:, : self._actions] * sharp).masked_fill(~masks, FORBIDDEN)
        return logits.log_softmax(-1), answer[:, self._actions]

    def _values(self, observations: np.ndarray) -> np.ndarray:
        """Return the values of (E, N, F), (E * N,), in units of the returns' deviation."""
        read, mirror = self._read(observations)
        masks = torch.ones(len(read), self._actions, dtype=torch.bool)
        return self._heads(read, mirror, masks, torch.ones(len(read), 1))[1].numpy()

    @torch.no_grad()
    def _collect(self, steps: int) -> dict[str, torch.Tensor]:
        """Play; return what the update needs, (steps * E * N, ...) each."""
        worlds, n = self.worlds, len(self.worlds.agents)
        size, scale = worlds.worlds * n, self._var**0.5
        kept: dict[str, list[torch.Tensor]] = {
            k: [] for k in ("read", "mirror", "mask", "sharp", "action", "log", "value")
        }
        credits, over, beyond = np.zeros((3, steps, size), np.float32)
        for t in range(steps):
            read, mirror = self._read(self._observations)
            masks = torch.from_numpy(self._masks.reshape(size, -1)) > 0
            logs, values = self._heads(read, mirror, masks, self._sharp)
            action = torch.multinomial(logs.exp(), 1)
            step = worlds.step(action.numpy().reshape(-1, n))
            row = (read, mirror, masks, self._sharp, action, logs.gather(1, action), values)
            for name, part in zip(kept, row, strict=True):
                kept[name].append(part)
            credits[t], over[t] = step.credit.reshape(-1), np.repeat(step.over, n)
            cut = ~step.terminated[step.over]
            if cut.any():  # time ran out: the value of the last observation follows
                where = np.flatnonzero(step.over & ~step.terminated)
                beyond[t].reshape(-1, n)[where] = self._values(step.last[cut]).reshape(-1, n)
            for ended in step.ended.tolist():
                self._counted(tuple(ended))
            self._observations, self._masks = step.observations, step.masks
        values = np.stack([*(x.numpy() for x in kept["value"]), self._values(self._observations)]) * scale
        advantages = advantages_of(credits, values, over, beyond * scale, self._gamma, self.settings.gae_lambda)
        returns = advantages + values[:-1]
        self._scale_by(returns)
        rows = {name: torch.cat(parts) for name, parts in kept.items() if name != "value"}
        rows["advantage"] = torch.from_numpy(advantages.reshape(-1))
        rows["return"] = torch.from_numpy((returns / self._var**0.5).reshape(-1))
        self.steps += steps * worlds.worlds
        return rows

    def _scale_by(self, returns: np.ndarray) -> None:
        """Add returns to their running mean and variance."""
        n, mean, var = returns.size, float(returns.mean()), float(returns.var())
        total, apart = self._rows + n, mean - self._mean
        self._mean += apart * n / total
        self._var = (self._var * self._rows + var * n + apart**2 * self._rows * n / total) / total + 1e-8
        self._rows = min(total, KEPT_RETURNS)

    def _learn(self, rows: dict[str, torch.Tensor]) -> None:
        """Do the updates of one rollout."""
        s = self.settings
        for _ in range(s.epochs):
            for part in torch.randperm(len(rows["action"])).split(s.batch):
                if len(part) < s.batch // 2 and len(part) < len(rows["action"]):
                    continue  # a small rest would be a step as large as the others, of much noise
                logs, values = self._heads(*(rows[name][part] for name in ("read", "mirror", "mask", "sharp")))
                gain = rows["advantage"][part]
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                ratio = (logs.gather(1, rows["action"][part]) - rows["log"][part]).exp()[:, 0]
                clipped = torch.min(ratio * gain, ratio.clamp(1 - s.clip, 1 + s.clip) * gain).mean()
                apart = (values - rows["return"][part]).pow(2).mean()
                randomness = -(logs.exp() * logs.clamp(min=-50.0)).sum(-1).mean()
                loss = -clipped + VALUE_WEIGHT * apart - self._entropy * randomness
                self._adam.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRAD_NORM)
                self._adam.step()
        self.set_progress(self.steps / s.steps)
        if self.done > 1.0 - TAIL:
            self._tail.update_parameters(self.network)

    def _actor(self, network: nn.Module) -> nn.Module:
        """Return the network without its value."""
        with torch.random.fork_rng([]):  # its first weights are replaced: they must not change what is drawn later
            inputs = self._inputs + self._numbers.shape[1]
            actor = network_for(self.settings, self.worlds.env, inputs, self._actions, 1.0)
        first, last = last_layer(network), last_layer(actor)
        own = dict(network.state_dict())
        for name, parameter in network.named_parameters():
            if parameter is first.weight or parameter is first.bias:
                own[name] = parameter[: last.out_features].detach()
        actor.load_state_dict(own)
        return actor

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs; the acting networks stand where `Learner.state` has them."""
        tail = {f"module.{k}": v for k, v in self._actor(self._tail.module).state_dict().items()}
        actor = {f"policy.actor.net.{k}": v for k, v in self._actor(self.network).state_dict().items()}
        return {
            "members": [actor],
            "tails": [{"n_averaged": self._tail.n_averaged, **tail}],
            "steps": self.steps,
            "fast": (self.network.state_dict(), self._tail.state_dict(), self._adam.state_dict()),
            "returns": (self._mean, self._var, self._rows),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        network, tail, adam = state["fast"]
        self.network.load_state_dict(network)
        self._tail.load_state_dict(tail)
        self._adam.load_state_dict(adam)
        self._mean, self._var, self._rows = state["returns"]
        self.steps = state["steps"]
        self.set_progress(self.steps / self.settings.steps)


def advantages_of(
    rewards: np.ndarray, values: np.ndarray, over: np.ndarray, beyond: np.ndarray, gamma: float, trace: float
) -> np.ndarray:
    """Return generalised advantage estimates (Schulman et al. 2016), (T, B) float32.

    Args:
        rewards: (T, B).
        values: (T + 1, B), of each observation that was acted upon, and of the one after.
        over: (T, B), 1 where the episode ended with the step; the next row begins another one.
        beyond: (T, B), value of the last observation of an episode that was cut short in the step, else 0.
        gamma: Discount.
        trace: Lambda.
    """
    advantages, follow = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        goes_on = 1.0 - over[t]
        follow = rewards[t] + gamma * (goes_on * (values[t + 1] + trace * follow) + beyond[t]) - values[t]
        advantages[t] = follow
    return advantages


def check_fast(settings: Settings) -> None:
    """Raise ValueError if the fast loop cannot do what the settings ask for; the message names it and the way out."""
    wrong = [
        (not settings.env.startswith("spaceworld:"), f"--env {settings.env}"),
        (settings.algo != "ppo", f"--algo {settings.algo}"),
        (settings.policy != "shared", f"--policy {settings.policy}"),
        (bool(set(settings.method) - PAID), f"--method {' '.join(m for m in settings.method if m not in PAID)}"),
        (settings.critic != "scripted" and not settings.answers_name, f"--critic {settings.critic}"),
        (settings.roles_told == "nobody" and settings.critic == "scripted", "--roles-told nobody"),
        (settings.batch < 2, f"--set batch={settings.batch}"),
    ]
    for bad, said in wrong:
        if bad:
            raise ValueError(
                f"--loop fast does not know {said}: it trains Spaceworld's teams by PPO with one network, on "
                f"{', '.join(sorted(PAID))} of --critic scripted or answers:NAME; use --loop tianshou"
            )
