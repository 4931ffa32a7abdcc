"""A failing run leaves the key nowhere: ledger, logs at every level, pickles, reprs, tracebacks with all locals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from credit_wrappers.testing import MessagesServer, Reply

KEY = "sk-ant-api03-verysecretverysecret"

PROGRAM = """
import logging, pickle, sys, traceback
from pathlib import Path

folder, kind, url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
logging.basicConfig(filename=folder / "run.log", level=logging.DEBUG)

from credit_wrappers import (
    AnthropicClient, CreditError, LLMCreditWrapper, OpenAICompatibleClient, SharedCritic,
)
from credit_wrappers.testing.corridor import CorridorEnv

if kind == "anthropic":
    client = AnthropicClient("m", base_url=url, max_retries=0)
else:
    client = OpenAICompatibleClient("m", base_url=url + "/v1", max_retries=0)
env = LLMCreditWrapper(
    CorridorEnv(), client=client, ledger=folder / "run.sqlite", workers=2, episodes_per_query=1, progress=True
)
critic = env.store.critic
ids = []
for seed in range(6):
    _, infos = env.reset(seed=seed)
    ids.append(infos["walker_0"]["episode_id"])
    while env.agents:
        env.step({"walker_0": seed % 3, "walker_1": 2})
errors, credits = [], []
for _ in range(9):
    try:
        credits += env.store.settle(ids)
    except CreditError as error:
        errors.append(error)
        traceback.TracebackException.from_exception(error, capture_locals=True).print()
        print(repr(error), vars(error))
assert errors
print(repr(client), repr(critic), repr(env.store), vars(client), credits)
(folder / "run.pickle").write_bytes(pickle.dumps([client, credits, errors]))
env.close()
critic.ledger.close()
raise errors[0]
"""


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_a_failing_run_does_not_give_the_key_away(kind: str, tmp_path: Path) -> None:
    # Servers that tell the key in what they answer, as careless gateways do.
    said = f"the key {KEY} is not welcome here"
    good = Reply(f"I was asked with {KEY}.")
    replies = [
        good,
        Reply(said, status=401, error="authentication_error"),
        Reply("Internal server error", status=500),
        Reply(said, status=403, error="permission_error"),
        Reply(body=f"<html>{said}</html>"),
        Reply(said, status=400, error="invalid_request_error"),
    ]
    with MessagesServer(lambda body: replies.pop(0) if replies else good) as server:
        environment = {**os.environ, "ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY}
        environment |= {"ANTHROPIC_LOG": "debug", "OPENAI_LOG": "debug"}
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path), kind, server.url],
            env=environment, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert server.requests, ended.stderr.decode()
        assert any(KEY in value for headers in server.headers for value in headers.values())  # it was really used
    assert b"ModelError" in ended.stderr, ended.stderr.decode()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"run.log", "run.sqlite", "run.pickle"} <= files.keys()
    assert files["run.log"].count(b"\n") > 20
    for name, content in {**files, "stdout": ended.stdout, "stderr": ended.stderr}.items():
        assert KEY.encode() not in content, name
        assert b"verysecret" not in content, name
