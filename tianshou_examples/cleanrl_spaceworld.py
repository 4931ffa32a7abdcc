"""PPO on Spaceworld in one file, in the manner of CleanRL: plain torch, no other part of this package.

    python -m tianshou_examples.cleanrl_spaceworld --scenario solo

One network for all robots; every robot of every environment is a row. It learns from the team reward alone, so it is
also a baseline for credit assignment: `solo` takes less than a minute on one core (docs/results/speed_and_tests.md),
more robots take much longer, which is what the rest of this package is about.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from spaceworld.text.output import printing
from spaceworld.vector import SpaceworldVectorEnv


@dataclass
class SpaceworldArgs:
    """Settings; each is an option of the command line."""

    scenario: str = "solo"
    action_mask: str = "possible"  # safe also forbids flying into what is solid and seen
    total_steps: int = 1_500_000  # environment steps, at most
    solved: float = 0.95  # stop when the greedy team reaches this return; 2 never stops
    seed: int = 0
    num_envs: int = 128
    num_steps: int = 64  # of each environment between two updates
    epochs: int = 4
    minibatches: int = 8
    learning_rate: float = 2e-3
    gamma: float = 0.97
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.02
    hidden: int = 128
    eval_every: int = 8  # updates
    eval_episodes: int = 100


def layer(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    """Return a linear layer, initialised orthogonally."""
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


class SpaceworldAgent(nn.Module):
    """Actor and critic over one robot's observation."""

    def __init__(self, inputs: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.actor, self.critic = (
            nn.Sequential(layer(inputs, hidden), nn.ReLU(), layer(hidden, hidden), nn.ReLU(), layer(hidden, n, gain))
            for n, gain in ((actions, 0.01), (1, 1.0))
        )

    def logits(self, obs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return action scores; what the mask forbids is out of reach."""
        return self.actor(obs).masked_fill(~mask, -1e9)

    def value(self, obs: torch.Tensor) -> torch.Tensor:
        """Return state values, one a row."""
        return self.critic(obs).squeeze(-1)


@torch.no_grad()
def evaluate(agent: SpaceworldAgent, args: SpaceworldArgs) -> tuple[float, float]:
    """Return greedy return and cost, means over unseen layouts: the first episode of each environment."""
    envs = SpaceworldVectorEnv(args.eval_episodes, args.scenario, action_mask=args.action_mask)
    obs, infos = envs.reset(seed=10_000_000)
    results = np.full((args.eval_episodes, 2), np.nan)
    while np.isnan(results).any():
        mask = torch.as_tensor(infos["action_mask"], dtype=torch.bool)
        obs, _, _, _, infos = envs.step(agent.logits(torch.as_tensor(obs), mask).argmax(-1).numpy())
        if "episode" in infos:
            first = infos["_episode"] & np.isnan(results[:, 0])
            results[first] = np.stack([infos["episode"]["r"], infos["episode"]["c"]], axis=1)[first]
    return float(results[:, 0].mean()), float(results[:, 1].mean())


def train(args: SpaceworldArgs) -> tuple[float, float]:
    """Train until solved or out of steps; return the last greedy return and the seconds it took."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    envs = SpaceworldVectorEnv(args.num_envs, args.scenario, action_mask=args.action_mask)
    shape = (args.num_steps, args.num_envs, envs.n_agents)
    features = int(np.prod(envs.single_observation_space.shape))
    agent = SpaceworldAgent(features, int(envs.single_action_space.n), args.hidden)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    obs, masks = torch.zeros((*shape, features)), torch.zeros((*shape, 6), dtype=torch.bool)
    actions, logprobs = torch.zeros(shape, dtype=torch.long), torch.zeros(shape)
    rewards, values, nexts, lasts = (torch.zeros(shape) for _ in range(4))
    began, result = time.perf_counter(), 0.0
    seen, infos = envs.reset(seed=args.seed)
    updates = max(1, args.total_steps // (args.num_steps * args.num_envs))
    for update in range(updates):
        left = 1.0 - update / updates
        optimizer.param_groups[0]["lr"] = args.learning_rate * left
        for t in range(args.num_steps):
            obs[t] = torch.as_tensor(seen)
            masks[t] = torch.as_tensor(infos["action_mask"], dtype=torch.bool)
            with torch.no_grad():
                choice = torch.distributions.Categorical(logits=agent.logits(obs[t], masks[t]))
                actions[t] = choice.sample()
                logprobs[t], values[t] = choice.log_prob(actions[t]), agent.value(obs[t])
            seen, reward, terminated, truncated, infos = envs.step(actions[t].numpy())
            rewards[t] = torch.as_tensor(reward)
            lasts[t] = torch.as_tensor(terminated | truncated)
            # the value after this step: none after an end, the last observation's when time ran out
            with torch.no_grad():
                after = torch.as_tensor(seen)
                if "final_obs" in infos:
                    ended = torch.as_tensor(infos["_final_obs"])
                    after = torch.where(ended[:, None, None], torch.as_tensor(infos["final_obs"]), after)
                nexts[t] = agent.value(after) * ~torch.as_tensor(terminated)
        advantages = torch.zeros(shape)
        running = torch.zeros(shape[1:])
        for t in reversed(range(args.num_steps)):
            delta = rewards[t] + args.gamma * nexts[t] - values[t]
            running = delta + args.gamma * args.gae_lambda * (1 - lasts[t]) * running
            advantages[t] = running
        flat = [x.flatten(0, 2) for x in (obs, masks, actions, logprobs, advantages, advantages + values)]
        for _ in range(args.epochs):
            for rows in torch.randperm(len(flat[0])).chunk(args.minibatches):
                b_obs, b_masks, b_actions, b_logprobs, b_advantages, b_returns = (x[rows] for x in flat)
                choice = torch.distributions.Categorical(logits=agent.logits(b_obs, b_masks))
                ratio = (choice.log_prob(b_actions) - b_logprobs).exp()
                b_advantages = (b_advantages - b_advantages.mean()) / (b_advantages.std() + 1e-8)
                clipped = ratio.clamp(1 - args.clip, 1 + args.clip)
                policy_loss = -torch.minimum(ratio * b_advantages, clipped * b_advantages).mean()
                value_loss = (agent.value(b_obs) - b_returns).square().mean()
                loss = policy_loss + 0.5 * value_loss - args.entropy * left * choice.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
        if (update + 1) % args.eval_every == 0 or update + 1 == updates:
            result, cost = evaluate(agent, args)
            steps, seconds = (update + 1) * args.num_steps * args.num_envs, time.perf_counter() - began
            print(
                f"{steps:>9,} env steps {seconds:6.1f} s ({steps / seconds:,.0f}/s)  "
                f"greedy return {result:.3f}, collisions {cost:.2f}",
                flush=True,
            )
            if result >= args.solved:
                break
    return result, time.perf_counter() - began


def main(argv: list[str] | None = None) -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(SpaceworldArgs):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    args = SpaceworldArgs(**vars(parser.parse_args(argv)))
    result, seconds = train(args)
    verdict = "solved" if result >= args.solved else "not solved"
    print(f"{args.scenario}: {verdict}, greedy return {result:.3f} after {seconds:.0f} s")


if __name__ == "__main__":
    with printing():
        main()
