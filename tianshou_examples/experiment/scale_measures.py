"""What is measured of a team of some size: text and price, right credit, and how well a student follows.

Credit is that of the scripted critic. It reads the text that a model reads, so tokens are a model's but for the length
of its own answers; how right its credit is says nothing about a model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from credit_wrappers import Credit, Episode, LLMCritic, ScriptedClient, fit_student
from credit_wrappers.bench.metrics import rank_correlation, sign_agreement
from credit_wrappers.exact.exact_credit import exact_credit
from credit_wrappers.exact.simulator import EnvSimulator
from credit_wrappers.exact.value_function import named_value
from credit_wrappers.llm.budget import Prices
from credit_wrappers.llm.tokens import estimate_tokens
from credit_wrappers.recording.replay import replay
from spaceworld.env import SpaceworldEnv
from spaceworld.planner.scripted_policy import ScriptedPolicy

FOLLOWED, DISTURBED = 8, 4  # steps in turn: the team follows its plan; half of it acts by chance, and the others wait
HELD_OUT = 4  # one of so many labelled episodes is kept from the student
PER_QUERY = 4  # episodes
WATCHED = 30  # steps of an episode with a culprit

MakeEnv = Callable[..., SpaceworldEnv]
Measures = dict[str, float]


def disturbed_play(make_env: MakeEnv, seed: int) -> np.ndarray:
    """Return the actions, (T, N), of a scripted team that is disturbed again and again.

    It makes a new plan after each disturbance only, so large teams are played quickly, too.
    """
    env, random = make_env(), np.random.default_rng(seed)
    _, infos = env.reset(seed=seed)
    team = ScriptedPolicy(env, tries=1)
    joints: list[list[int]] = []
    half = np.zeros(len(env.possible_agents), bool)
    while env.agents:
        turn = len(joints) % (FOLLOWED + DISTURBED)
        if turn == FOLLOWED:
            half = random.permutation(len(half)) < (len(half) + 1) // 2
        joint = list(team().values()) if turn < FOLLOWED else _chance(env, infos, random, half)
        joints.append(joint)
        *_, infos = env.step(dict(zip(env.agents, joint, strict=True)))
    return np.array(joints, np.int64)


def culprit_play(make_env: MakeEnv, seed: int) -> tuple[np.ndarray, int]:
    """Return the actions, (T, N), of a scripted team in which one robot acts by chance, and the robot's index."""
    env, random = make_env(max_cycles=WATCHED), np.random.default_rng(seed)
    _, infos = env.reset(seed=seed)
    culprit = int(random.integers(len(env.possible_agents)))
    only = np.arange(len(env.possible_agents)) == culprit
    others = [agent for agent, mine in zip(env.possible_agents, only, strict=True) if not mine]
    team = ScriptedPolicy(env, others)
    joints: list[list[int]] = []
    while env.agents:
        joint = _chance(env, infos, random, only)
        chosen = team()
        joints.append([chosen.get(agent, action) for agent, action in zip(env.agents, joint, strict=True)])
        *_, infos = env.step(dict(zip(env.agents, joints[-1], strict=True)))
    return np.array(joints, np.int64), culprit


def _chance(env: SpaceworldEnv, infos: Any, random: np.random.Generator, who: np.ndarray) -> list[int]:
    """Return a possible action drawn for each robot of `who`, and staying for the others."""
    masks = [infos[agent]["action_mask"] for agent in env.agents]
    return [int(random.choice(np.flatnonzero(mask))) if mine else 0 for mask, mine in zip(masks, who, strict=True)]


def team_measures(make_env: MakeEnv, seeds: Sequence[int]) -> Measures:
    """Return how the scripted team plays: steps, share completed, collisions, and the size of what is recorded."""
    steps, completed, cost = [], 0, 0.0
    for seed in seeds:
        env = make_env()
        env.reset(seed=seed)
        team, count, ended = ScriptedPolicy(env), 0, False
        while env.agents:
            _, _, terminated, _, infos = env.step(team())
            cost += sum(info["cost"] for info in infos.values())
            ended, count = all(terminated.values()), count + 1
        steps.append(count)
        completed += ended
    (features,) = env.observation_space(env.possible_agents[0]).shape
    return {
        "steps": float(np.mean(steps)), "completed": completed / len(steps), "collisions": cost / len(steps),
        "layouts": len(steps), "features": features, "observed bytes a step": 4.0 * features * len(env.possible_agents),
    }  # fmt: skip


def text_measures(make_env: MakeEnv, played: Sequence[tuple[int, np.ndarray]], prices: Prices) -> Measures:
    """Return tokens, price and the critic's CPU time of an episode, `PER_QUERY` episodes in a query."""
    episodes = [replay(make_env(), seed, actions) for seed, actions in played]
    critic = LLMCritic(ScriptedClient())
    usage = critic.estimate(episodes, PER_QUERY).usage
    base = estimate_tokens(critic.questions(episodes[:1])[0].request.system)
    began = time.process_time()
    queries = [episodes[at : at + PER_QUERY] for at in range(0, len(episodes), PER_QUERY)]
    written = sum(credit.usage.output_tokens for query in queries for credit in critic.score(query))
    seconds, count = time.process_time() - began, len(episodes)
    read = usage.tokens - usage.output_tokens
    return {
        "episodes": count, "steps": float(np.mean([episode.length for episode in episodes])), "base prompt": base,
        "tokens read": read / count, "of an episode's text": usage.input_tokens / count,
        "tokens written": written / count, "price": prices.cost(replace(usage, output_tokens=written)) / count,
        "critic CPU s": seconds / count,
    }  # fmt: skip


def student_measures(
    make_env: MakeEnv, played: Sequence[tuple[int, np.ndarray]], labels: Sequence[Credit], fold: int = HELD_OUT - 1
) -> Measures:
    """Return how well a student of some labelled episodes follows the critic on the others, of which `fold` says which.

    The error is the mean absolute difference, over the mean absolute credit of the critic: a student that always says 0
    has an error of 1.
    """
    episodes = [replay(make_env(), seed, actions, observations=True) for seed, actions in played]
    tested = np.arange(len(episodes)) % HELD_OUT == fold
    known = [(e, c) for e, c, test in zip(episodes, labels, tested, strict=True) if not test]
    began = time.process_time()
    student = fit_student(known, n_actions=6)
    fitted = time.process_time() - began
    unseen = [(e, c) for e, c, test in zip(episodes, labels, tested, strict=True) if test]
    scores = student.compare(unseen).steps
    size = float(np.mean(np.concatenate([np.abs(credit.values).ravel() for _, credit in unseen])))
    return {
        "labels": len(known), "unseen": len(unseen), "rank": scores.rank, "sign": scores.sign,
        "error": scores.error / size, "fit CPU s": fitted,
        "weights": float(sum(array.size for array in student.parameters.values())),
    }  # fmt: skip


def scripted_labels(make_env: MakeEnv, played: Sequence[tuple[int, np.ndarray]]) -> list[Credit]:
    """Return the scripted critic's credit of each episode."""
    critic = LLMCritic(ScriptedClient())
    return [critic.score([replay(make_env(), seed, actions)])[0] for seed, actions in played]


def culprit_measures(make_env: MakeEnv, played: Sequence[tuple[int, np.ndarray, int]]) -> Measures:
    """Return the share of other robots to whom the critic gives more than to the one that acts by chance.

    A critic that knows nothing has 0.5, whatever the size of the team.
    """
    critic, shares, first = LLMCritic(ScriptedClient()), [], []
    for seed, actions, culprit in played:
        credit = critic.score([replay(make_env(max_cycles=WATCHED), seed, actions)])[0]
        sums = credit.values.sum(axis=0, dtype=np.float64).round(6)
        others = np.delete(sums, culprit)
        shares.append(float(np.mean(others > sums[culprit]) + 0.5 * np.mean(others == sums[culprit])))
        first.append(float(sums[culprit] == sums.min()) / float((sums == sums.min()).sum()))
    return {"episodes": len(shares), "others above": float(np.mean(shares)), "named first": float(np.mean(first))}


def truth_of_steps(
    make_env: MakeEnv, seed: int, actions: np.ndarray, steps: Sequence[int], mirror: int = 0, value: str = "work"
) -> np.ndarray:
    """Return exact credit, the difference, of some steps of an episode, (K, N), valued by the planner.

    Args:
        make_env: Makes the environment.
        seed: Of the episode's reset.
        actions: (T, N), its actions.
        steps: Which steps; none ends the episode.
        mirror: In which mirror of the world the planner values the states. The truth is the same there, and the plans
            are others.
        value: "work" or "time".
    """
    env, wanted = make_env(), set(steps)
    env.reset(seed=seed, options={"mirror": mirror})
    mirrored = env.mirrors()[mirror][actions]
    simulator, worth = EnvSimulator(make_env), named_value(make_env(), value)
    found = []
    for t, joint in enumerate(mirrored[: max(steps) + 1]):
        before = env.get_state()
        _, rewards, terminated, _, _ = env.step(dict(zip(env.agents, joint.tolist(), strict=True)))
        if t in wanted:
            one = Episode(
                id=t, agents=tuple(env.possible_agents), actions=joint[None],
                team_reward=np.array([rewards["robot_0"]]), cost=np.zeros((1, len(joint))),
                terminated=all(terminated.values()), truncated=False, snapshots=(before, env.get_state()),
            )  # fmt: skip
            found.append(exact_credit(one, simulator, worth, "difference").values[0])
    return np.array(found)


def truth_measures(truths: Sequence[np.ndarray], mirrored: Sequence[np.ndarray], credit: np.ndarray) -> Measures:
    """Return how well a critic's credit, (K, N), agrees with the planner's, and that with itself in a mirror."""
    one, other = np.concatenate(truths), np.concatenate(mirrored)
    mean = (one + other) / 2
    return {
        "steps": len(one), "values": one.size, "rank": rank_correlation(credit, mean),
        "sign": sign_agreement(credit, mean), "rank in a mirror": rank_correlation(one, other),
        "sign in a mirror": sign_agreement(one, other),
    }  # fmt: skip
