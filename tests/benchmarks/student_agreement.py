"""How far students agree with the scripted critic on Spaceworld, and what fitting them takes.

    python -m tests.benchmarks.student_agreement [--scenario duet] [--labels 150 500] [--refits 10] [--set hidden=64]

Episodes as a training would see them: by robots that act at random with a probability drawn for each episode in [0, 1],
among the possible actions, and otherwise as the scripted team. Printed are rank correlation, share of equal signs and
mean absolute error of the sums over episodes and of single steps, on the held-out labels and on further episodes that
no student has seen, and seconds of process time. `--refits 10` fits in ten parts, each from the student of the last.
The last line tells what rank correlation a student would have that is right but for the least noise: equal credits
share their rank.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from credit_wrappers import (
    Credit,
    CreditStore,
    CreditWrapper,
    Deferred,
    Episode,
    LLMCritic,
    ScriptedClient,
    fit_student,
)
from credit_wrappers.student.agreement import AgreementScores, rank_correlation
from spaceworld import spaceworld_v0
from spaceworld.planner import policy

Label = tuple[Episode, Credit]


def scripted_labels(scenario: str, count: int, seed: int) -> list[Label]:
    """Return that many labelled episodes, in the order in which they were played."""
    labels: list[Label] = []
    env = CreditWrapper(
        spaceworld_v0.parallel_env(scenario=scenario),
        Deferred(CreditStore(LLMCritic(ScriptedClient()), workers=0)),
        record_observations=True,
    )
    env.add_listener(lambda episode, credit: labels.append((episode, credit)))
    team, rng, ids = policy(env), np.random.default_rng(seed), []
    for number in range(count):
        _, infos = env.reset(seed=seed + number)
        ids.append(infos["robot_0"]["episode_id"])
        chance = rng.random()
        while env.agents:
            actions = dict(team())
            for agent in env.agents:
                if rng.random() < chance:
                    actions[agent] = int(rng.choice(np.flatnonzero(infos[agent]["action_mask"])))
            *_, infos = env.step(actions)
        env.store.ready()  # and not only once at the end, as it would warn
    env.store.settle(ids)
    return labels


def row(*cells: Any) -> None:
    """Print one row of a table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def figures(scores: AgreementScores) -> str:
    """Return rank, sign and error."""
    return f"{scores.rank:.2f} {scores.sign:.2f} {scores.error:.3f}"


def ceiling(labels: list[Label]) -> float:
    """Return the rank correlation of credits with themselves and the least noise."""
    values = np.concatenate([credit.values.ravel() for _, credit in labels]).astype(np.float64)
    return rank_correlation(values, values + 1e-6 * np.random.default_rng(0).standard_normal(len(values)))


def main() -> None:
    """Print one row for each fit."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--scenario", default="duet")
    parser.add_argument("--labels", type=int, nargs="+", default=[150, 500])
    parser.add_argument("--forms", nargs="+", default=["potential", "free"])
    parser.add_argument("--fresh", type=int, default=200, help="further episodes")
    parser.add_argument("--refits", type=int, default=0, help="parts in which labels arrive; 0: all at once")
    parser.add_argument("--set", nargs="*", default=[], help="settings of the student, name=value")
    options = parser.parse_args()
    settings = {name: json.loads(value) for name, value in (text.split("=") for text in options.set)}
    labels = scripted_labels(options.scenario, max(options.labels), 0)
    fresh = scripted_labels(options.scenario, options.fresh, 1_000_000)
    row("scenario", "form", "labels", "held-out sums", "held-out steps", "fresh sums", "fresh steps", "seconds")
    row(*["---"] * 8)
    parts = [max(options.labels) * (k + 1) // options.refits for k in range(options.refits)]
    for form in options.forms:
        student = None
        for count in parts or options.labels:
            begun = time.process_time()
            student = fit_student(labels[:count], form=form, n_actions=6, start=student if parts else None, **settings)
            seconds = time.process_time() - begun
            later = student.compare(fresh)
            four = [figures(scores) for seen in (student.agreement, later) for scores in (seen.sums, seen.steps)]
            row(options.scenario, form, count, *four, f"{seconds:.1f}")
    print(f"right but for the least noise: {ceiling(fresh):.2f} on the fresh steps")


if __name__ == "__main__":
    main()
