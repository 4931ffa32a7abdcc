"""How far students of published labels agree with exact credit on play that nobody labelled.

    python -m tests.benchmarks.label_agreement duet-claude duet-claude-curve

The students differ in their labels, and in whether they learn them in the mirrors of the world, too. The other play is
60 episodes, the scripted team mixed with chance; exact credit is the difference in robot-actions ("work").
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr

from credit_wrappers import CounterfactualCritic, Episode, StudentCritic, StudentSettings, dataset, fit_student
from credit_wrappers import mirrored_labels as mirrors_of
from credit_wrappers.recording.replay import replay
from spaceworld.planner.scripted_policy import ScriptedPolicy
from tianshou_examples.experiment.recorded_answers import MIRRORED

EPISODES, FIRST_SEED = 60, 700_000


def mixed_play(name: str) -> list[Episode]:
    """Return episodes in which each robot follows chance with a probability of its own, or, in a fourth, always."""
    make, found = dataset.load_card(name).make_env, []
    for k in range(EPISODES):
        env, rng = make(), np.random.default_rng(FIRST_SEED + k)
        _, infos = env.reset(seed=FIRST_SEED + k)
        policy, chance, joints = ScriptedPolicy(env, tries=1), rng.random(len(env.possible_agents)), []
        while env.agents:
            best = policy()
            joints.append(
                [
                    int(rng.choice(np.flatnonzero(infos[agent]["action_mask"])))
                    if k % 4 == 3 or rng.random() < chance[i]
                    else int(best[agent])
                    for i, agent in enumerate(env.possible_agents)
                ]
            )
            *_, infos = env.step(dict(zip(env.possible_agents, joints[-1], strict=True)))
        found.append(replay(make(), FIRST_SEED + k, np.array(joints), observations=True, snapshots=True))
    return found


def agreement(student: StudentCritic, episodes: list[Episode], exact: np.ndarray) -> tuple[float, float]:
    """Return rank correlation of single steps with exact credit, and the share of its signs where it is not zero."""
    own = np.concatenate([credit.values.ravel() for credit in student.score(episodes)])
    paid = exact != 0
    return float(spearmanr(own, exact)[0]), float(np.mean(np.sign(own[paid]) == np.sign(exact[paid])))


def main(names: list[str]) -> None:
    """Print a row for each student."""
    print("| labels | mirrors | fit, s | rank | sign |\n|---|---|---|---|---|")
    episodes = mixed_play(names[0])
    truth = CounterfactualCritic(dataset.load_card(names[0]).make_env, "work", "difference").score(episodes)
    exact = np.concatenate([credit.values.ravel() for credit in truth])
    for name in names:
        labels = [(label.episode, label.credit) for label in dataset.load(name)]
        mirrored = mirrors_of(labels, dataset.load_card(name).make_env)
        for copies, settings in ((None, StudentSettings()), (mirrored, replace(MIRRORED, hidden=32, weight_decay=0.4)),
                                 (mirrored, MIRRORED)):  # fmt: skip
            began = time.perf_counter()
            student = fit_student(labels, settings, mirrored=copies, n_actions=6)
            seconds = time.perf_counter() - began
            rank, sign = agreement(student, episodes, exact)
            told = "-" if copies is None else f"{1 + len(copies[0])}, hidden {settings.hidden}"
            print(f"| `{name}`, {len(labels)} | {told} | {seconds:.0f} | {rank:.3f} | {sign:.3f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["duet-claude", "duet-claude-curve"])
