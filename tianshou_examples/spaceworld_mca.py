"""LLM-MCA on Spaceworld with Tianshou's PPO, in one plain script: critic, slots, buffer, trainer.

    python -m tianshou_examples.spaceworld_mca

The robots share a network and a reward; the critic credits each for each step. Measured, one seed, 100 unseen
layouts: greedy return 0.36 (of at most 1) after 300,000 steps; `train.py`, whose learner is tuned, does better.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector
from tianshou.trainer import OnPolicyTrainerParams
from torch import nn

from credit_wrappers import CreditStore, CreditWrapper, Deferred, LLMCritic, ScriptedClient
from credit_wrappers.integrations.tianshou.agent_vector_env import AgentVectorEnv
from credit_wrappers.integrations.tianshou.credit_buffer import CreditReplayBuffer
from credit_wrappers.integrations.tianshou.nets import ActionHead, ValueHead
from spaceworld.spaceworld_v0 import parallel_env as world


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs))


@torch.no_grad()
def greedy_return(scenario: str, net: nn.Module, episodes: int) -> float:
    """The mean team return of the likeliest actions that are possible, over layouts that were not trained on."""
    env, total = world(scenario), 0.0
    for seed in range(10**6, 10**6 + episodes):
        observations, infos = env.reset(seed=seed)
        while env.agents:
            scores = net(torch.as_tensor(np.stack([observations[a] for a in env.agents]))).numpy()
            scores[np.stack([infos[a]["action_mask"] for a in env.agents]) == 0] = -np.inf
            actions = dict(zip(env.agents, scores.argmax(1).tolist(), strict=True))
            observations, rewards, _, _, infos = env.step(actions)
            total += next(iter(rewards.values()))  # all robots are paid the team's
    return total / episodes


def main(argv: list[str] | None = None) -> None:
    """Trains, and prints the greedy return before and after."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--scenario", default="duet")
    for name, default in (("steps", 300_000), ("envs", 64), ("episodes", 100), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)  # shuffles
    torch.set_num_threads(1)
    # one store for all environments: a query holds several episodes; LLMCritic(AnthropicClient(...)) asks a model
    store = CreditStore(LLMCritic(ScriptedClient()), episodes_per_query=8, workers=0)
    venv = AgentVectorEnv([lambda: CreditWrapper(world(args.scenario), Deferred(store))] * args.envs)
    venv.seed(args.seed)
    env, agent = venv.envs[0], venv.agents[0]
    inputs, space = env.observation_space(agent).shape[0], env.action_space(agent)
    actor = mlp(inputs, int(space.n))
    policy = DiscreteActorPolicy(actor=ActionHead(actor), action_space=space)
    algorithm = PPO(policy=policy, critic=ValueHead(mlp(inputs, 1)), optim=AdamOptimizerFactory(lr=1e-3),
                    gamma=0.97, ent_coef=0.01, return_scaling=True)  # fmt: skip
    longest = env.unwrapped.max_cycles  # steps of an episode
    # rows of one collection, and those of an episode that is not over yet
    buffer = CreditReplayBuffer(2 * (longest + 1) * len(venv), venv)
    print(f"greedy return before: {greedy_return(args.scenario, actor, args.episodes):.3f}")
    algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=Collector(algorithm, venv, buffer, raise_on_nan_in_buffer=False),
            max_epochs=1,
            epoch_num_steps=args.steps * venv.n_agents,  # counted in slots
            collection_step_num_env_steps=longest * len(venv),  # as many as the longest episode: one at least is whole
            batch_size=512,
            update_step_num_repetitions=8,
            verbose=False,
            show_progress=False,
        )
    )
    print(f"greedy return after {args.steps:,} steps: {greedy_return(args.scenario, actor, args.episodes):.3f}")


if __name__ == "__main__":
    main()
