"""The golden prompt.

After an intended change: `python tests/credit_wrappers/golden_prompt.py`, then read the diff.
"""

from pathlib import Path

from credit_fakes import BACK, FORWARD, STAY, FakeClient, answer, corridor_episode

from credit_wrappers import LLMCritic

PATH = Path(__file__).parent / "golden" / "corridor.md"


def golden_prompt() -> str:
    """Return the whole request for two short episodes of which the first needs another agent order."""
    client = FakeClient(answer([], []))
    success = corridor_episode(
        [[FORWARD, STAY], [FORWARD, FORWARD], [BACK, FORWARD]],
        start=(1, 0),
        reward=[0.0, -0.05, 1.0],
        terminated=True,
        length=4,
    )
    failure = corridor_episode([[STAY, FORWARD], [STAY, STAY]], start=(0, 1), reward=[0.123456, -0.00001], length=4)
    LLMCritic(client).score([success, failure])
    request = client.requests[0]
    return f"{request.system}\n\n=== user ===\n\n{request.prompt}\n"


if __name__ == "__main__":
    PATH.write_text(golden_prompt(), encoding="utf-8")
