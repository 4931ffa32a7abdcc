"""The networks of a team: how they are made, how they choose, and how they are loaded from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tianshou_examples.experiment.egocentric import Egocentric
from tianshou_examples.experiment.networks import EntityNetwork, Kind, inputs_of, kinds_of, mlp, without_columns
from tianshou_examples.experiment.settings import Settings


def network_for(settings: Settings, env: Any, inputs: int, outputs: int, last_gain: float) -> nn.Module:
    """Return a new network of the kind that the settings name.

    Args:
        settings: Of the run.
        env: An environment of it.
        inputs: Numbers in an observation, and behind it (tasks, the agent's number).
        outputs: Numbers returned.
        last_gain: Of the last layer's first weights.
    """
    bare = env.unwrapped
    check_network(settings.network, env)
    if settings.network == "entities":
        return EntityNetwork(inputs, outputs, settings.hidden, last_gain, kinds_in(env))
    if settings.network == "egocentric":
        return Egocentric(
            inputs,
            outputs,
            settings.hidden,
            last_gain,
            names=bare.feature_names,
            size=(bare.scenario.height, bare.scenario.width),
            mirrors=bare.mirrors(),
            agents=len(env.possible_agents) if settings.agent_id else 0,
            horizon=bare.max_cycles,
            periods=[debris.period for debris in bare.scenario.debris],
        )
    return mlp(inputs, outputs, settings.hidden, last_gain)


def check_network(network: str, env: Any) -> None:
    """Raise ValueError if an environment's observations are not of the kind that a network reads."""
    if network == "entities":
        kinds_in(env)
    if network == "egocentric" and not (
        getattr(env.unwrapped, "feature_names", ()) and hasattr(env.unwrapped, "mirrors")
    ):
        raise ValueError(
            "--network egocentric needs Spaceworld's vector observations, which name their numbers and whose grid can "
            f"be mirrored; {type(env.unwrapped).__name__} has none: use --network flat"
        )


def kinds_in(env: Any) -> tuple[Kind, ...]:
    """Return the kinds of things that an environment's observations are made of.

    Raises:
        ValueError: There are none.
    """
    kinds = kinds_of(getattr(env.unwrapped, "feature_names", ()))
    if not kinds:
        raise ValueError(
            f"--network entities needs an environment whose `feature_names` are those of several things of a kind "
            f"(module_0.row, module_1.row, ...); {type(env.unwrapped).__name__} has none: use --network flat"
        )
    return kinds


def without_task(network: nn.Module, inputs: int, behind: int = 0) -> nn.Module:
    """Return a network that reads only the first `inputs` and the last `behind` numbers of another one's input.

    With zeros between these numbers, the other network returns the same. This is how policies of LLM-TACA act after
    the training: without critic and tasks. A network without further inputs is returned as it is.
    """
    return without_columns(network, slice(inputs, inputs_of(network) - behind))


def chosen_actions(
    scores: torch.Tensor, masks: np.ndarray, greedy: bool, generator: torch.Generator, epsilon: float | None
) -> np.ndarray:
    """Return actions (E, N) int64 for scores (E, N, A) and masks (E, N, A).

    Args:
        scores: Logits or Q values.
        masks: What is possible.
        greedy: Whether the best possible action is taken; else it is drawn.
        generator: Draws.
        epsilon: The scores are Q values, and this share of the drawn actions is random; None: they are logits.
    """
    allowed = torch.as_tensor(masks, dtype=torch.bool)
    scores = scores.masked_fill(~allowed, -1e9)
    best = scores.argmax(-1)
    if greedy:
        return best.numpy()
    weights = scores.softmax(-1) if epsilon is None else allowed.float()
    drawn = torch.multinomial(weights.flatten(0, 1), 1, generator=generator).view(best.shape)
    if epsilon is not None:
        explore = torch.rand(best.shape, generator=generator) < epsilon
        drawn = torch.where(explore, drawn, best)
    return drawn.numpy()


@dataclass(frozen=True)
class Actors:
    """The networks of a team and how they choose: logits are sampled, Q values are explored with epsilon."""

    networks: Sequence[nn.Module]  # one for each agent, in `possible_agents` order; shared: the same one for all
    kind: str  # "logits" or "q"
    epsilon: float = 0.05  # share of random actions when Q values are "sampled"
    steps: int = 0  # environment steps of their training, where that is known
    numbered: bool = False  # whether they read which agent they play, one-hot, behind the observation

    @torch.no_grad()
    def scores(self, observations: np.ndarray) -> torch.Tensor:
        """Return logits or Q values, (E, N, A), for observations (E, N, F)."""
        seen = torch.as_tensor(observations)
        if self.numbered:
            seen = torch.cat([seen, torch.eye(seen.shape[1]).expand(len(seen), -1, -1)], dim=-1)
        return torch.stack([net(seen[:, i]) for i, net in enumerate(self.networks)], dim=1)

    def choose(
        self, observations: np.ndarray, masks: np.ndarray, greedy: bool, generator: torch.Generator
    ) -> np.ndarray:
        """Return actions (E, N) int64 for observations (E, N, F) and masks (E, N, A)."""
        epsilon = self.epsilon if self.kind == "q" else None
        return chosen_actions(self.scores(observations), masks, greedy, generator, epsilon)

    def probabilities(self, observations: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Return how likely each action is, (E, N, A) float64, of networks whose scores are logits."""
        allowed = torch.as_tensor(masks, dtype=torch.bool)
        return self.scores(observations).masked_fill(~allowed, -1e9).double().softmax(-1).numpy()

    def best_actions(self, observations: dict[str, np.ndarray], infos: dict[str, dict[str, Any]]) -> dict[str, int]:
        """Return the greedy actions of a team in one environment, given what `reset` or `step` returned."""
        masks = np.stack([infos[agent]["action_mask"] for agent in observations])
        chosen = self.choose(np.stack(list(observations.values()))[None], masks[None], True, torch.Generator())
        return dict(zip(observations, chosen[0].tolist(), strict=True))


def actors_of(settings: Settings, networks: list[nn.Module], agents: int, steps: int = 0) -> Actors:
    """Return the actors of a team: a network for each agent, or one network that all of them share."""
    networks = networks * agents if settings.policy == "shared" else networks
    return Actors(networks, "logits" if settings.on_policy else "q", steps=steps, numbered=settings.agent_id)


def load_actors(settings: Settings, env: Any, checkpoint: Path) -> Actors:
    """Return the acting networks in a learner's checkpoint file, without a learner around them."""
    state = torch.load(checkpoint, weights_only=False)["learner"]
    agent, agents = env.possible_agents[0], len(env.possible_agents)
    inputs, actions = env.observation_space(agent).shape[0], int(env.action_space(agent).n)
    networks: list[nn.Module] = []
    for member, tail in zip(state["members"], state["tails"], strict=True):
        if tail["n_averaged"]:
            part, weights = "module.", tail
        else:
            part, weights = "policy.actor.net." if settings.on_policy else "policy.model.net.", member
        own = {k.removeprefix(part): v for k, v in weights.items() if k.startswith(part)}
        # what stands behind the observation is told by the size of the weights
        behind = agents if settings.agent_id else 0
        network = network_for(settings, env, inputs, actions, 1.0)
        more = next(iter(own.values())).shape[1] - next(network.parameters()).shape[1]
        network = network_for(settings, env, inputs + more, actions, 1.0) if more else network
        network.load_state_dict(own)
        networks.append(without_task(network, inputs, behind))
    return actors_of(settings, networks, agents, state["steps"])
