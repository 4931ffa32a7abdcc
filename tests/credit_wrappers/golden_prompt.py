"""The golden prompts: whole requests, as a model reads them.

After an intended change: `python tests/credit_wrappers/golden_prompt.py`, then read the diff.
"""

from pathlib import Path

import numpy as np
from credit_fakes import BACK, FORWARD, STAY, FakeClient, corridor_episode, praise_forward

from credit_wrappers import CreditStore, CreditWrapper, Deferred, LLMCritic
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy


def corridor() -> str:
    """Return the whole request for two short episodes of which the first needs another agent order."""
    success = corridor_episode(
        [[FORWARD, STAY], [FORWARD, FORWARD], [BACK, FORWARD]],
        start=(1, 0),
        reward=[0.0, -0.05, 1.0],
        terminated=True,
        length=4,
    )
    failure = corridor_episode([[STAY, FORWARD], [STAY, STAY]], start=(0, 1), reward=[0.123456, -0.00001], length=4)
    client = FakeClient(praise_forward)
    LLMCritic(client).score([success, failure])
    return _request(client)


def pair() -> str:
    """Return the whole request for two episodes of Spaceworld's `pair`: the planner docks both modules, chance none."""
    client = FakeClient(praise_forward)
    env = CreditWrapper(
        SpaceworldEnv("pair", max_cycles=25),
        Deferred(CreditStore(LLMCritic(client), episodes_per_query=2, workers=0)),
    )
    for seed, team in ((3, policy(env)), (4, None)):
        rng = np.random.default_rng(seed)
        observations, infos = env.reset(seed=seed)
        while env.agents:
            if team is not None:
                actions = team(observations, infos)
            else:
                actions = {a: int(rng.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in env.agents}
            observations, *_, infos = env.step(actions)
    env.store.settle([0, 1])
    return _request(client)


def _request(client: FakeClient) -> str:
    (request,) = client.requests
    return f"{request.system}\n\n=== user ===\n\n{request.prompt}\n"


_FOLDER = Path(__file__).parent / "golden"
GOLDEN = {_FOLDER / "corridor.md": corridor, _FOLDER / "pair.md": pair}

if __name__ == "__main__":
    for path, render in GOLDEN.items():
        path.write_text(render(), encoding="utf-8")
