"""LLM-MCA with Tianshou's PPO in one plain script: critic, environments, buffer, trainer.

    python -m tianshou_examples.mca
    python -m tianshou_examples.mca --env lbf:Foraging-5x5-2p-1f-coop-v3     (or rware:rware-tiny-2ag-easy-v2)

All agents share a network and a reward; the critic credits each agent for each step. Extras `lbf` and `rware` bring
these environments. This script is short, not tuned: `train.py` learns faster and better.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from pettingzoo import ParallelEnv
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector
from tianshou.trainer import OnPolicyTrainerParams
from torch import nn

from credit_wrappers import CreditStore, CreditWrapper, Deferred, LLMCritic, ScriptedClient
from credit_wrappers.cli.output import printing
from credit_wrappers.integrations.tianshou import ActionHead, AgentVectorEnv, CreditReplayBuffer, ValueHead
from tianshou_examples.experiment.environments import environment_maker, longest_episode

# environment steps, environments, rows of a gradient step and evaluation episodes of each family; others are as lbf
SIZES = {"spaceworld": (300_000, 64, 512, 100), "lbf": (40_000, 16, 256, 100), "rware": (60_000, 4, 256, 10)}


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Return a network with two hidden layers."""
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs))


@torch.no_grad()
def greedy_return(env: ParallelEnv, net: nn.Module, episodes: int) -> float:
    """Return the mean team return of the likeliest legal actions, on layouts that were not trained on."""
    total = 0.0
    for seed in range(episodes):
        observations, infos = env.reset(seed=10**6 + seed)
        while env.agents:
            scores = net(torch.as_tensor(np.stack([observations[a] for a in env.agents]))).numpy()
            legal = [infos[a].get("action_mask", np.ones(scores.shape[1])) for a in env.agents]
            scores[np.stack(legal) == 0] = -np.inf
            actions = dict(zip(env.agents, scores.argmax(1).tolist(), strict=True))
            observations, rewards, _, _, infos = env.step(actions)
            total += next(iter(rewards.values()))  # every agent is paid the team's reward
    return total / episodes


def main(argv: list[str] | None = None) -> None:
    """Train, and print the greedy return before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="spaceworld:duet")
    for name in ("steps", "envs", "batch", "episodes"):
        parser.add_argument(f"--{name}", type=int, help="by environment if not given")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        make_env = environment_maker(args.env)
    except (ImportError, ValueError) as error:
        parser.error(str(error))
    usual = SIZES.get(args.env.partition(":")[0], SIZES["lbf"])
    sizes = zip((args.steps, args.envs, args.batch, args.episodes), usual, strict=True)
    steps, envs, batch, episodes = (size if given is None else given for given, size in sizes)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)  # shuffles
    # one store, so that a query holds episodes of all environments; LLMCritic(AnthropicClient(...)) asks a model
    store = CreditStore(LLMCritic(ScriptedClient()), episodes_per_query=8, workers=0)
    venv = AgentVectorEnv([lambda: CreditWrapper(make_env(), Deferred(store))] * envs)
    venv.seed(args.seed)
    env, agent = venv.envs[0], venv.agents[0]
    inputs, space = env.observation_space(agent).shape[0], env.action_space(agent)
    actor = mlp(inputs, int(space.n))
    policy = DiscreteActorPolicy(actor=ActionHead(actor), action_space=space)
    algorithm = PPO(policy=policy, critic=ValueHead(mlp(inputs, 1)), optim=AdamOptimizerFactory(lr=1e-3),
                    gamma=0.97, ent_coef=0.01, return_scaling=True)  # fmt: skip
    longest = longest_episode(env)
    buffer = CreditReplayBuffer(2 * (longest + 1) * len(venv), venv)  # a collection, and episodes that still run
    print(f"greedy return before: {greedy_return(make_env(), actor, episodes):.3f}")
    algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=Collector(algorithm, venv, buffer, raise_on_nan_in_buffer=False),
            max_epochs=1,
            epoch_num_steps=steps * venv.n_agents,  # Tianshou counts each agent's steps
            collection_step_num_env_steps=longest * len(venv),  # as many as the longest episode: one at least is whole
            batch_size=batch,
            update_step_num_repetitions=8,
            verbose=False,
            show_progress=False,
        )
    )
    print(f"greedy return after {steps:,} steps: {greedy_return(make_env(), actor, episodes):.3f}")


if __name__ == "__main__":
    with printing():
        main()
