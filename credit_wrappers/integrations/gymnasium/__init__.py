"""Exact per-agent, per-step credit for learners in the manner of CleanRL, with one line added to their loop.

    store = CreditStore(critic)
    envs = ParallelVecEnv([lambda: CreditWrapper(make_env(), Deferred(store))] * 16)
    ...
        next_obs, reward, terminations, truncations, infos = envs.step(action)
        rewards[step] = reward
    relabel_rewards(rewards, step, infos)    # once a rollout, before the advantages

The envs pay the team reward as a placeholder; the line writes each agent's credit over it.
"""

from credit_wrappers.integrations.gymnasium.parallel_vec_env import ParallelVecEnv
from credit_wrappers.integrations.gymnasium.relabelling import relabel_rewards

__all__ = ["ParallelVecEnv", "relabel_rewards"]
