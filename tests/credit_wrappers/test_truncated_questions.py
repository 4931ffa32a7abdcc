"""A server that reads only the end of a question is found out at its first answer, and the run stops."""

import json
from contextlib import closing

import pytest
from credit_fakes import FakeClient, answer, corridor_episode, event, events_critic
from faulty_provider import FaultyProvider

from credit_wrappers import (
    AnthropicClient,
    Budget,
    Completion,
    Ledger,
    ModelError,
    OpenAICompatibleClient,
    RecordedClient,
    Usage,
    annotate,
)
from credit_wrappers.llm.tokens import estimate_tokens
from credit_wrappers.testing import Reply

EPISODES = [corridor_episode([[0, 2], [2, 1]] * 100, id=i) for i in range(2)]
GOOD = answer([event("agent_A", 0, 3, 1.0)], [event("agent_B", 0, 3, 1.0)])
[QUESTION] = events_critic(FakeClient("")).questions(EPISODES)
SYSTEM, PROMPT = (estimate_tokens(text) for text in (QUESTION.request.system, QUESTION.request.prompt))


@pytest.fixture(params=[AnthropicClient, OpenAICompatibleClient])
def scored(request, monkeypatch):
    """A function that scores the episodes with a server that reports this usage."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def score(usage, episodes=EPISODES, **options):
        url = "/v1" if request.param is OpenAICompatibleClient else ""
        with FaultyProvider(lambda body: Reply(GOOD, usage={"output_tokens": 9, "input_tokens": 0} | usage)) as server:
            score.server = server
            with closing(request.param("m", base_url=server.url + url, http_client=server.http_client())) as client:
                score.critic = events_critic(client, **options)
                return score.critic.score(episodes)

    return score


def test_the_questions_here_are_long():
    assert SYSTEM > 1000
    assert PROMPT > 6000


def test_far_too_few_tokens_stop_the_run_at_the_first_answer(scored):
    budget = Budget(max_calls=5)
    with pytest.raises(ModelError, match=r"read 256 tokens of a question of about .*num_ctx") as caught:
        scored({"input_tokens": 256}, budget=budget)
    assert (caught.value.kind, caught.value.fatal) == ("truncated", True)
    stats = scored.critic.stats
    assert (len(scored.server.requests), stats.model_errors, stats.reasks, stats.usage.tokens) == (1, 1, 0, 265)
    assert (budget.spent.calls, budget.spent.tokens) == (1, 265)  # paid for all the same


def test_the_context_of_4096_tokens_is_too_short_for_a_long_question(scored):
    longer = [corridor_episode([[0, 2], [2, 1]] * 200, id=i) for i in range(2)]
    with pytest.raises(ModelError, match="read 4,096 tokens"):
        scored({"input_tokens": 4096}, longer)


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 4096},
        {"input_tokens": 4092},
        {"input_tokens": 5120},
        {"input_tokens": 2048, "cache_read_input_tokens": 2048},
        {"input_tokens": 900, "cache_read_input_tokens": 2000},  # it reports its cache: less than 0.4 of the whole
    ],
)
def test_a_full_context_of_the_usual_sizes_is_found_out_at_the_first_answer(scored, usage):
    assert sum(usage.values()) < 0.7 * (SYSTEM + PROMPT)
    with pytest.raises(ModelError, match="num_ctx") as caught:
        scored(usage)
    assert caught.value.kind == "truncated"


@pytest.mark.parametrize("read", [256, 512])
def test_a_full_context_that_is_too_short_for_a_short_question(scored, read):
    short = [corridor_episode([[0, 2]] * 9) for _ in range(2)]
    with pytest.raises(ModelError, match=f"read {read:,} tokens"):
        scored({"input_tokens": read}, short)


def test_later_questions_are_held_to_their_episodes():
    def fake(read):
        return Completion(GOOD, Usage(1, read, 9), "m")

    later = [corridor_episode([[0, 2], [2, 1]] * 100, id=i) for i in range(2, 4)]
    full = next(n for n in range(1024, 10**6, 1024) if n >= 0.7 * PROMPT)  # of the episodes alone it is enough
    critic = events_critic(FakeClient(fake(SYSTEM + PROMPT), fake(full), fake(full - 1024)))
    assert {credit.source for credit in critic.score(EPISODES) + critic.score(later)} == {"model"}
    with pytest.raises(ModelError, match="num_ctx"):
        critic.score([corridor_episode([[0, 2], [2, 1]] * 100, id=i) for i in range(4, 6)])


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"input_tokens": 8192},
        {"input_tokens": 4087},  # no round number
        {"input_tokens": 0},
        {"input_tokens": SYSTEM + PROMPT},
        {"input_tokens": 5, "cache_read_input_tokens": SYSTEM + PROMPT},
        {"input_tokens": int(0.45 * PROMPT)},  # a token for every word, the base prompt cached and not reported
    ],
)
def test_honest_reports_and_none_are_taken(scored, usage):
    assert {credit.source for credit in scored(usage)} == {"model"}


def test_tokens_that_were_put_into_a_cache_count(scored):
    usage = {"input_tokens": 5, "cache_creation_input_tokens": SYSTEM + PROMPT, "cache_read_input_tokens": 0}
    assert {credit.source for credit in scored(usage)} == {"model"}


def test_a_corrective_question_may_be_in_the_cache_as_a_whole():
    def fake(text, read):
        return Completion(text, Usage(1, read, 9), "m")

    critic = events_critic(FakeClient(fake("no", SYSTEM + PROMPT), fake(GOOD, 60)))
    assert {credit.source for credit in critic.score(EPISODES)} == {"model"}


def test_a_short_question_is_left_alone(scored):
    short = [corridor_episode([[0, 2]] * 9) for _ in range(2)]
    assert {credit.source for credit in scored({"input_tokens": 20}, short)} == {"model"}


def test_other_alphabets_of_which_a_token_holds_many_characters_are_not_counted():
    agents = ("первый агент", "второй агент")
    episodes = [corridor_episode([[0, 2], [2, 1]] * 100, agents=agents, id=i) for i in range(2)]
    text = answer([], [event(agents[0], 0, 3, 1.0)])
    prompt = events_critic(FakeClient(""), names="own").questions(episodes)[0].request.prompt
    read = estimate_tokens("".join(filter(str.isascii, prompt))) // 2
    assert read < 0.4 * estimate_tokens(prompt)
    critic = events_critic(FakeClient(Completion(text, Usage(1, read, 9), "m")), names="own")
    assert {credit.source for credit in critic.score(episodes)} == {"model"}


def test_after_the_server_was_repaired_the_question_is_asked_again(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        client = FakeClient(Completion(GOOD, Usage(1, 256, 9), "m"), Completion(GOOD, Usage(1, 8400, 9), "m"))
        with pytest.raises(ModelError, match="num_ctx"):
            events_critic(client, ledger=ledger).score(EPISODES)
        [entry] = ledger.entries()
        assert (entry.failure, entry.completion.text, ledger.usage().tokens) == ("truncated", GOOD, 265)
        with pytest.raises(ModelError, match="num_ctx") as caught:
            events_critic(RecordedClient(ledger)).score(EPISODES)
        assert caught.value.kind == "truncated"
        assert {credit.source for credit in events_critic(client, ledger=ledger).score(EPISODES)} == {"model"}
        again = events_critic(FakeClient(AssertionError("asked")), ledger=ledger)
        assert {credit.source for credit in again.score(EPISODES)} == {"cache"}
        assert {credit.source for credit in events_critic(RecordedClient(ledger)).score(EPISODES)} == {"cache"}


def test_message_batches_are_checked_too(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a key")
    reply = Reply(GOOD, usage={"input_tokens": 256, "output_tokens": 9})
    with FaultyProvider(lambda body: reply) as server:
        client = AnthropicClient("m", base_url=server.url, http_client=server.http_client())
        critic = events_critic(client, ledger=tmp_path / "l.sqlite")
        with pytest.raises(ModelError, match="num_ctx"):
            annotate(EPISODES, critic, batch=True, poll_seconds=0.01)
        critic.close()
    assert [json.dumps(body).count('"custom_id"') for body in server.requests] == [1]
