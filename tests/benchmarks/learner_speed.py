"""Environment steps per second, collecting and learning: Tianshou's PPO over agent slots beside
plain torch PPO.

    python -m tests.benchmarks.learner_speed [--env toy|duet] [--rounds 5] [--updates 4]

Same env through the same dict API, same networks, same number of rows for each update, same
minibatches and epochs; both in this process, in turns. Tianshou learns from deferred credits (an
exact critic that costs nothing), plain PPO from the reward that `step` pays. Prints medians and
their ratio; asserts nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from pettingzoo import ParallelEnv
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector
from tianshou.trainer import OnPolicyTrainerParams

from credit_wrappers import Credit, CreditStore, CreditWrapper, Deferred, Episode
from credit_wrappers.integrations.tianshou import ActionHead, AgentVectorEnv, CreditReplayBuffer, ValueHead
from tests.benchmarks.plain_ppo import Args, PlainPPO, mlp
from tests.benchmarks.toy_env import ToyTeamEnv


class PaidBackCritic:
    """Credits every agent with the team reward of each step, at no cost."""

    label = "paid back"

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        return [
            Credit(np.repeat(e.team_reward[:, None].astype(np.float32), e.n_agents, axis=1), source="exact")
            for e in episodes
        ]


class TianshouPPO:
    """The same learner with Tianshou's own classes."""

    def __init__(self, make_env: Callable[[], ParallelEnv], args: Args, seed: int = 0) -> None:
        self.args = args
        store = CreditStore(PaidBackCritic(), workers=0)
        self.venv = AgentVectorEnv([lambda: CreditWrapper(make_env(), Deferred(store))] * args.n_envs)
        self.venv.seed(seed)
        agent = self.venv.agents[0]
        n_obs = self.venv.envs[0].observation_space(agent).shape[0]
        space = self.venv.envs[0].action_space(agent)
        torch.manual_seed(seed)
        policy = DiscreteActorPolicy(actor=ActionHead(mlp(n_obs, int(space.n), args.hidden)), action_space=space)
        self.rows = args.rollout * len(self.venv)
        self.algorithm = PPO(
            policy=policy,
            critic=ValueHead(mlp(n_obs, 1, args.hidden)),
            optim=AdamOptimizerFactory(lr=args.lr),
            eps_clip=args.clip,
            advantage_normalization=True,
            vf_coef=args.value_weight,
            ent_coef=args.entropy,
            max_grad_norm=args.max_grad_norm,
            gae_lambda=args.gae_lambda,
            gamma=args.gamma,
            max_batchsize=self.rows // args.minibatches,
        )
        # Room for a collection and, beside it, the running episodes it continues.
        self.buffer = CreditReplayBuffer(4 * self.rows, self.venv)
        self.collector = Collector(self.algorithm, self.venv, self.buffer)
        params = OnPolicyTrainerParams(
            training_collector=self.collector,
            max_epochs=1,
            epoch_num_steps=self.rows,
            collection_step_num_env_steps=self.rows,
            batch_size=self.rows // args.minibatches,
            update_step_num_repetitions=args.epochs,
            verbose=False,
            show_progress=False,
        )
        self.trainer = self.algorithm.create_trainer(params)
        self.trainer.reset()

    def run(self, updates: int) -> float:
        """Learn, and return environment steps per second."""
        started = time.perf_counter()
        for _ in range(updates):
            self.trainer.execute_epoch()
        return updates * self.rows / self.venv.n_agents / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", choices=["toy", "duet"], default="toy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=4, help="updates of each learner in each round")
    parser.add_argument("--envs", type=int, default=Args.n_envs)
    parser.add_argument("--rollout", type=int, default=Args.rollout)
    options = parser.parse_args()
    torch.set_num_threads(1)
    args = Args(n_envs=options.envs, rollout=options.rollout)

    make_env: Callable[[], ParallelEnv] = ToyTeamEnv
    if options.env == "duet":
        from spaceworld import spaceworld_v0

        def make_env() -> ParallelEnv:
            return spaceworld_v0.parallel_env(scenario="duet")

    learners = {"plain": PlainPPO(make_env, args), "tianshou": TianshouPPO(make_env, args)}
    speeds: dict[str, list[float]] = {name: [] for name in learners}
    for learner in learners.values():
        learner.run(2)  # compile, and get every env out of its first episode
    for number in range(options.rounds):
        for name, learner in learners.items():
            speeds[name].append(learner.run(options.updates))
        print(f"round {number + 1}: " + ", ".join(f"{n} {s[-1]:,.0f}" for n, s in speeds.items()), flush=True)
    plain, tianshou = (statistics.median(speeds[name]) for name in learners)
    print(f"\n{options.env}, {args.n_envs} envs x {len(learners['plain'].agents)} agents, {args}")
    print("median env steps/s, collecting and learning, one thread")
    print(f"  plain torch PPO           {plain:10,.0f}")
    print(f"  Tianshou PPO over slots   {tianshou:10,.0f}   = {tianshou / plain:.2f} of it")


if __name__ == "__main__":
    main()
