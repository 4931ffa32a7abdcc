"""The one-file PPO runs, evaluates what it says, and learns something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spaceworld.env import SpaceworldEnv
from tianshou_examples import cleanrl_spaceworld
from tianshou_examples.cleanrl_spaceworld import SpaceworldAgent, SpaceworldArgs, evaluate, main, train


def test_it_uses_no_other_part_of_the_package() -> None:
    text = Path(cleanrl_spaceworld.__file__).read_text(encoding="utf-8")
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert [x for x in imports if "wrappers" in x or "tianshou" in x] == []
    assert "from spaceworld.vector import SpaceworldVectorEnv" in imports


def test_the_evaluation_is_the_mean_of_single_greedy_episodes() -> None:
    torch.manual_seed(3)
    args = SpaceworldArgs("duet", eval_episodes=5)
    env = SpaceworldEnv("duet")
    agent = SpaceworldAgent(env.observation_space("robot_0").shape[0], 6, 16)
    found = []
    for k in range(5):
        observations, infos = env.reset(seed=10_000_000 + k)
        total = cost = 0.0
        while env.agents:
            seen = torch.as_tensor(np.stack(list(observations.values())))
            mask = torch.as_tensor(np.stack([i["action_mask"] for i in infos.values()]), dtype=torch.bool)
            chosen = agent.logits(seen, mask).argmax(-1).tolist()
            observations, rewards, _, _, infos = env.step(dict(zip(env.agents, chosen, strict=True)))
            total += rewards["robot_0"]
            cost += sum(i["cost"] for i in infos.values())
        found.append((total, cost))
    assert evaluate(agent, args) == pytest.approx(np.mean(found, axis=0).tolist(), abs=1e-9)


def test_a_tiny_run_ends_with_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = "--total-steps 512 --num-envs 8 --num-steps 16 --hidden 16 --eval-every 2 --eval-episodes 3"
    main(sizes.split())
    out = capsys.readouterr().out
    assert "512 env steps" in out and out.rstrip().splitlines()[-1].startswith("solo: not solved, greedy return")


def test_it_gets_better_on_solo(capsys: pytest.CaptureFixture[str]) -> None:
    before, _ = train(SpaceworldArgs(total_steps=2048, num_envs=32, solved=2, eval_episodes=50))
    # it stops when it has got there; how soon differs between processors, which round differently
    after, _ = train(SpaceworldArgs(total_steps=400_000, num_envs=128, solved=0.2, eval_every=4, eval_episodes=50))
    assert before < 0.2 <= after
