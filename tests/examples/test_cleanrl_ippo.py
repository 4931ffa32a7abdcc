"""The one-file PPO on credits has one line for them, runs with both critics, and learns from the credits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from credit_wrappers import Credit
from tianshou_examples import cleanrl_ippo
from tianshou_examples.cleanrl_ippo import IPPOArgs, main, train

TINY = {"num_envs": 4, "num_steps": 64, "total_steps": 512, "hidden": 16, "minibatches": 4, "eval_every": 1,
        "eval_episodes": 2}  # fmt: skip


def test_its_loop_has_exactly_one_line_for_credits() -> None:
    text = Path(cleanrl_ippo.__file__).read_text(encoding="utf-8")
    loop = text[text.index("def train(") : text.index("def main(")].splitlines()
    added = [line for line in loop if "credit" in line.lower() or "relabel" in line]
    assert len(added) == 1 and added[0].strip().startswith(
        "relabel_rewards(rewards, step, infos)  # the one added line"
    )


@pytest.mark.parametrize("critic", ["scripted", "shared"])
def test_a_tiny_run_prints_returns(critic: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [x for key, value in TINY.items() for x in (f"--{key.replace('_', '-')}", str(value))]
    main([*options, "--critic", critic, "--env-id", "spaceworld:pair"])
    out = capsys.readouterr().out.splitlines()
    assert "512 env steps" in out[1] and "greedy return" in out[1]
    assert [line.split(": return")[0] for line in out[2:]] == [
        f"spaceworld:pair, {critic} credit, greedy",
        f"spaceworld:pair, {critic} credit, sampled",
    ]


def test_it_says_what_there_is_to_choose_from(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--env-id", "spaceworld:moon"], ["--critic", "gut"]):
        with pytest.raises(SystemExit):
            main(options)
        assert "duet" in capsys.readouterr().err or options[0] == "--critic"


class Commuter:
    """Pays each robot for flying north or south, which the environment does not."""

    label = "commuter"

    def score(self, episodes: list) -> list[Credit]:
        return [Credit(np.isin(episode.actions, (1, 2)).astype(np.float32), source="exact") for episode in episodes]


def test_it_learns_what_the_credits_pay_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanrl_ippo, "SharedCritic", Commuter)
    sizes = TINY | {"num_envs": 16, "total_steps": 12_000, "hidden": 32, "minibatches": 8, "eval_every": 99}
    args = IPPOArgs(critic="shared", epochs=4, **sizes)
    agent = train(args)
    envs = cleanrl_ippo.make_envs(args)
    obs, infos = envs.reset(seed=99)
    chances = agent.logits(torch.as_tensor(obs), torch.as_tensor(infos["action_mask"])).softmax(-1)
    assert len(chances) == 32 and chances[:, 1:3].sum(1).mean() > 0.8
