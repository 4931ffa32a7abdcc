"""PPO on individual credits in the manner of CleanRL: its usual loop, and one line more.

    python -m tianshou_examples.cleanrl_ippo --env-id spaceworld:duet
    python -m tianshou_examples.cleanrl_ippo --env-id spaceworld:duet --critic shared

One network for all robots; every robot of every environment is a row of a gymnasium vector env. `scripted` credits
come from the stand-in for a language model (rules that read the prompt's text), `shared` is the plain team reward. What
is printed is the environment's own return, on new layouts.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from credit_wrappers import CreditStore, CreditWrapper, Deferred, LLMCritic, ScriptedClient, SharedCritic
from credit_wrappers.cli.output import printing
from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards
from tianshou_examples.experiment.actors import Actors
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.evaluation import Evaluation, evaluate

CRITICS = ("scripted", "shared")


@dataclass
class IPPOArgs:
    """Settings; each is an option of the command line."""

    env_id: str = "spaceworld:duet"
    critic: str = "scripted"  # who assigns the credit: scripted or shared
    action_mask: str = "possible"  # safe also forbids flying into what is solid and seen
    total_steps: int = 800_000  # environment steps
    seed: int = 0
    num_envs: int = 64
    num_steps: int = 128  # of each environment between two updates
    epochs: int = 8
    minibatches: int = 32
    learning_rate: float = 2e-3
    gamma: float = 0.97
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.02
    hidden: int = 128
    eval_every: int = 16  # updates
    eval_episodes: int = 100


def layer(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    """Return a linear layer, initialised orthogonally."""
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


class IPPOAgent(nn.Module):
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


def make_envs(args: IPPOArgs) -> ParallelVecEnv:
    """Return credited environments; they share a store, so that the critic compares episodes of all of them."""
    critic = LLMCritic(ScriptedClient()) if args.critic == "scripted" else SharedCritic()
    store = CreditStore(critic, workers=0)
    make_env = environment_maker(args.env_id, action_mask=args.action_mask)
    return ParallelVecEnv([lambda: CreditWrapper(make_env(), Deferred(store))] * args.num_envs)


def play(agent: IPPOAgent, args: IPPOArgs, greedy: bool) -> Evaluation:
    """Return how the team does on layouts that it was not trained on."""
    make_env = environment_maker(args.env_id, action_mask=args.action_mask)
    team = [agent.actor] * len(make_env().possible_agents)
    return evaluate(make_env, Actors(team, "logits"), args.eval_episodes, greedy)


def train(args: IPPOArgs) -> IPPOAgent:
    """Train a team and print its progress."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    envs = make_envs(args)
    shape = (args.num_steps, envs.num_envs)
    features, n_actions = int(np.prod(envs.single_observation_space.shape)), int(envs.single_action_space.n)
    agent = IPPOAgent(features, n_actions, args.hidden)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5, fused=True)
    obs, masks = torch.zeros((*shape, features)), torch.zeros((*shape, n_actions), dtype=torch.bool)
    actions, logprobs = torch.zeros(shape, dtype=torch.long), torch.zeros(shape)
    rewards, values, nexts, dones = (torch.zeros(shape) for _ in range(4))
    began = time.perf_counter()
    next_obs, infos = envs.reset(seed=args.seed)
    updates = max(1, args.total_steps // (args.num_steps * args.num_envs))
    for update in range(1, updates + 1):
        left = 1.0 - (update - 1) / updates
        optimizer.param_groups[0]["lr"] = args.learning_rate * left
        for step in range(args.num_steps):
            obs[step], masks[step] = torch.as_tensor(next_obs), torch.as_tensor(infos["action_mask"])
            with torch.no_grad():
                choice = torch.distributions.Categorical(logits=agent.logits(obs[step], masks[step]))
                actions[step] = choice.sample()
                logprobs[step], values[step] = choice.log_prob(actions[step]), agent.value(obs[step])
            next_obs, reward, terminations, truncations, infos = envs.step(actions[step].numpy())
            rewards[step] = torch.as_tensor(reward)
            dones[step] = torch.as_tensor(terminations | truncations)
            # the value after this step: none after an end, the last observation's where time ran out
            after = torch.as_tensor(next_obs).clone()
            if "final_obs" in infos:
                after[infos["_final_obs"]] = torch.as_tensor(infos["final_obs"][infos["_final_obs"]])
            with torch.no_grad():
                nexts[step] = agent.value(after) * ~torch.as_tensor(terminations)
        relabel_rewards(rewards, step, infos)  # the one added line: each robot's own credits, over the team reward
        advantages, running = torch.zeros(shape), torch.zeros(shape[1:])
        for step in reversed(range(args.num_steps)):
            delta = rewards[step] + args.gamma * nexts[step] - values[step]
            running = delta + args.gamma * args.gae_lambda * (1 - dones[step]) * running
            advantages[step] = running
        flat = [x.flatten(0, 1) for x in (obs, masks, actions, logprobs, advantages, advantages + values)]
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
        if update % args.eval_every == 0 or update == updates:
            steps, seconds = update * args.num_steps * args.num_envs, time.perf_counter() - began
            greedy, sampled = play(agent, args, greedy=True), play(agent, args, greedy=False)
            print(
                f"{steps:>9,} env steps {seconds:6.1f} s ({steps / seconds:,.0f}/s)  "
                f"greedy return {greedy.team_return:.3f}, collisions {greedy.collisions:.2f}; "
                f"sampled {sampled.team_return:.3f}, {sampled.collisions:.2f}",
                flush=True,
            )
    envs.close()
    return agent


def main(argv: list[str] | None = None) -> None:
    """Read the options, train, and print how good the team is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(IPPOArgs):
        default, choices = field.default, CRITICS if field.name == "critic" else None
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(default), default=default, choices=choices)
    args = IPPOArgs(**vars(parser.parse_args(argv)))
    try:
        environment_maker(args.env_id)
    except (ImportError, ValueError) as error:
        parser.error(str(error))
    agent = train(args)
    for greedy in (True, False):
        played = play(agent, args, greedy)
        how = "greedy" if greedy else "sampled"
        print(
            f"{args.env_id}, {args.critic} credit, {how}: return {played.team_return:.3f}, "
            f"success {played.success:.3f}, collisions {played.collisions:.3f}, length {played.steps:.1f}"
        )


if __name__ == "__main__":
    with printing():
        main()
