"""Reasoning is no answer, and a draft never stands in for a final answer that breaks off."""

import json

import pytest
from credit_fakes import FakeClient, answer, completion, corridor_episode, event, events_critic
from faulty_provider import FaultyProvider

from credit_wrappers import AnswerError, AnthropicClient, Ledger, LLMCritic, OpenAICompatibleClient, RecordedClient
from credit_wrappers.llm.answers.parse import parse_answer
from credit_wrappers.llm.answers.reasoning import without_reasoning
from credit_wrappers.testing import Reply

NAMES = ["agent_A", "agent_B"]
EPISODE = corridor_episode([[2, 0]] * 3)
DRAFT, FINAL = (answer([event("agent_A", 0, 3, amount)]) for amount in (-3.0, 1.5))
ARRAY_DRAFT = "## Episode 1\nhm\nagent_A: [-1, -1, -1]\nagent_B: [0, 0, 0]\n"
ARRAY_FINAL = "## Episode 1\nwell\nagent_A: [0.5, 0.5, 0.5]\nagent_B: [0, 0, 0]\n"
FORMS = {"events": (DRAFT, FINAL), "arrays": (ARRAY_DRAFT, ARRAY_FINAL)}
TAGS = [
    ("<think>", "</think>"),
    ("<THINK>\n", "\n</Think >"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ('<reasoning effort="high">', "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<reason>", "</reason>"),
    ("<scratch_pad>", "</scratch_pad>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<inner_thoughts>", "</inner_thoughts>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>commentary<|message|>", "<|end|><|channel|>final <|constrain|>json<|message|>"),
    ("analysisWe need to judge. ", "assistantfinal"),
]
tagged = pytest.mark.parametrize(("begin", "end"), TAGS, ids=[tag[0].strip() for tag in TAGS])
both = pytest.mark.parametrize("form", FORMS)


def parse(text, form="events"):
    return parse_answer(text, [3], NAMES, form=form)


def paid(text, form="events"):
    return sum(item["amount"] for judged in parse(text, form) for item in judged["events"])


def refusal(text, form="events"):
    with pytest.raises(AnswerError) as caught:
        parse(text, form)
    return str(caught.value)


@tagged
@both
def test_only_what_follows_the_reasoning_is_read(form, begin, end):
    draft, final = FORMS[form]
    assert paid(f"{begin}{draft} no, wrong{end}\n{final}", form) == 1.5
    assert paid(f"{begin}{draft} no, wrong{end}{final}<|return|>", form) == 1.5


@tagged
@both
def test_a_draft_in_the_reasoning_is_no_answer(form, begin, end):
    draft, _ = FORMS[form]
    for text in (f"{begin}{draft} no, wrong{end} I cannot judge.", f"{begin}{draft} no, wrong", f"{begin}{draft}"):
        assert refusal(text, form)
    assert "reasoning only" in refusal(f"{begin}{draft}{end} \n", form)


@tagged
@both
def test_reasoning_whose_beginning_is_in_the_prompt_ends_where_it_ends(form, begin, end):
    draft, final = FORMS[form]
    assert refusal(f"{draft} no, wrong{end} I cannot judge.", form)
    assert paid(f"{draft} no, wrong{end}\n{final}", form) == 1.5


@both
def test_several_parts_of_reasoning(form):
    draft, final = FORMS[form]
    assert paid(f"<think>{draft}</think>\n<think>{draft} again</think>\n{final}", form) == 1.5
    assert paid(f"<think>a</think>\n{final}\n<think>it is good</think>", form) == 1.5
    assert paid(f"{final}\n<think>is it good? {draft}", form) == 1.5
    assert refusal(f"<think>{draft}</think> hm </think> nothing", form)


def test_a_tag_inside_an_explanation_is_a_word():
    for why in ("it wrote <think> and stopped", "</think> came too early", "<|channel|>analysis", "assistantfinal"):
        text = answer([event("agent_A", 0, 3, 1.5, why)], summary=why)
        [judged] = parse(text)
        assert (judged["summary"], judged["events"][0]["why"]) == (why, why)
        assert parse(f"<think>{DRAFT}</think>{text}") == [judged]
        assert parse(f"<think>{text}</think>{text}") == [judged]


@pytest.mark.parametrize("label", ["thinking", "Reasoning", "thought", " scratchpad"])
@both
def test_a_fence_with_such_a_label_holds_no_answer(form, label):
    draft, final = FORMS[form]
    assert paid(f"```{label}\n{draft}\nno\n```\n{final}", form) == 1.5
    assert paid(f"{final}\n~~~{label}\n{draft}\n~~~\n", form) == 1.5
    assert "reasoning only" in refusal(f"```{label}\n{draft}\n```\n", form)
    assert refusal(f"```{label}\n{draft}", form)


@both
def test_a_sentence_that_names_a_tag_hides_nothing(form):
    draft, final = FORMS[form]
    for words in ("I use no <think> tags.", "Without `<thinking>`,", "No reasoning (<think>), as asked."):
        assert paid(f"{words}\n{final}", form) == 1.5
        assert paid(f"{words}\n<think>{draft}</think>\n{final}", form) == 1.5
    assert paid(f"{final}\n<think>{draft}", form) == 1.5


def test_text_without_reasoning_is_left_alone():
    for text in ("a < b", "an analysis", "analysis: good", "<thinker>", "[think]", FINAL, "<think/>"):
        assert without_reasoning(text) is text


def test_the_time_is_proportional_to_the_length():
    # Each of these would take hours if anything were tried twice.
    for text in (
        "<think></think>" + " " * 300_000 + "x",
        "<think>" * 30_000 + "</think>",
        "<think " * 30_000 + ">",
        "<" + "a" * 200_000 + "<think>",
        '<think>{"' * 30_000,
        "<|channel|>" + " " * 300_000,
    ):
        assert refusal(text)
        assert refusal(text, "arrays")


def test_the_time_is_proportional_to_the_length_of_what_follows_an_answer():
    for rest in (
        "final ",
        "Final answer \n",
        ", ",
        '"agent" ',
        "|---",
        "agent_A ",
        "agent_A: 1 ",
        "# ",
        "{ok: [",
        "a\n",
    ):
        for form, good in (("events", FINAL), ("arrays", ARRAY_FINAL)):
            try:
                parse_answer(good + "\n" + rest * (500_000 // len(rest)), [3], NAMES, form=form, cut=True)
            except AnswerError as error:
                assert str(error)


def test_tasks_in_the_reasoning_are_no_tasks():
    def told(task):
        tasks = [{"agent": name, "from": 0, "to": 2, "task": task, "why": "it had to"} for name in NAMES]
        return json.dumps({"episodes": [{"episode": 1, "summary": "s", "events": [], "tasks": tasks}]})

    options = {"tasks": ("wait", "go")}
    [judged] = parse_answer(f"<think>{told('wait')}</think>{told('go')}", [3], NAMES, **options)
    assert {item["task"] for item in judged["tasks"]} == {"go"}
    with pytest.raises(AnswerError):
        parse_answer(f"<think>{told('wait')}</think>hm", [3], NAMES, **options)


@pytest.mark.parametrize("join", ["\nFinal: ", " no, wrong:\n", "\n```\nBetter:\n```json\n", "\n\n---\n"])
def test_a_final_answer_that_breaks_off_anywhere_is_not_replaced_by_the_draft(join):
    begin = "```json\n" if "```" in join else ""
    for cut in range(1, len(FINAL)):
        assert "another answer begins behind a complete one" in refusal(f"{begin}{DRAFT}{join}{FINAL[:cut]}")
    assert paid(f"{begin}{DRAFT}{join}{FINAL}") == 1.5


@pytest.mark.parametrize(
    "final",
    [FINAL.replace('"', "'"), FINAL.replace("[{", "[ // mine\n{"), FINAL.replace("1.5", "+1.5"), json.dumps(
        json.loads(FINAL)["episodes"])[:-9]],
)  # fmt: skip
def test_a_final_answer_with_a_fault_is_not_replaced_by_the_draft(final):
    assert "another answer begins behind a complete one" in refusal(f"{DRAFT}\nFinal: {final}")


@pytest.mark.parametrize(
    "final",
    [
        '{"reasoning": "A blocked B", "episodes": [{"epis',
        '{"reasoning": "A blocked B", "episodes": [{"episode": 1, "summary": "x", "events": [}]}',
        "{'thoughts': 'long " + "words " * 40 + "', 'episodes': []}",
        '{"a": 1, "b" 2, "agent": "agent_A"}',
    ],
)
@pytest.mark.parametrize("draft", [DRAFT, json.dumps(json.loads(DRAFT)["episodes"])], ids=["object", "list"])
def test_a_broken_final_answer_with_a_first_key_of_its_own_is_not_replaced_by_the_draft(draft, final):
    assert refusal(f"{draft}\nCorrected: it is\n{final}")


@pytest.mark.parametrize("stop", ["max_tokens", "length", "model_context_window_exceeded"])
@pytest.mark.parametrize(
    "rest", ["Wait, on reflection robot A", "Wait.\n```json\n", "<think>hm", '{"a": "', "[1, 2]", "1."]
)
@both
def test_whatever_follows_an_answer_that_was_cut_off_makes_it_a_draft(form, rest, stop):
    draft, final = FORMS[form]
    client = FakeClient(completion(f"{draft}\n{rest}", stop), final)
    critic = LLMCritic(client, answer_format=form)
    [credit] = critic.score([EPISODE])
    assert (credit.values.sum(), critic.stats.reasks) == (1.5, 1)
    assert "cut off at max_tokens; be shorter (" in client.requests[1].prompt


@pytest.mark.parametrize("rest", ["", " \n", "\n```\n", FINAL, FINAL[:70], " and so on" * 3, "}]" * 99])
def test_an_answer_that_ends_or_repeats_itself_where_it_is_cut_is_an_answer(rest):
    client = FakeClient(completion(FINAL + rest, "max_tokens"))
    assert events_critic(client).score([EPISODE])[0].values.sum() == 1.5


def test_an_answer_that_repeats_itself_until_it_is_cut_is_an_answer():
    assert paid(f"{FINAL}\n{FINAL}\n{FINAL[:70]}") == 1.5
    assert refusal(f"{DRAFT}\n{FINAL[:-9]}")  # not the same


def test_a_final_answer_in_arrays_that_breaks_off_is_not_replaced_by_the_draft():
    join = "\nFinal:\n"
    for cut in range(1, ARRAY_FINAL.index("0, 0]")):
        assert refusal(f"{ARRAY_DRAFT}{join}{ARRAY_FINAL[:cut]}", "arrays")
    bare = ARRAY_DRAFT.partition("\n")[2]
    for cut in ("agent_A:", "**agent_A**: ", "agent_A: [", "agent_A: [0.5, 0.5"):
        assert refusal(f"{bare}\nFinal:\n{cut}", "arrays")
    assert parse(f"{bare}\nIt was agent_A.\nNote: 3", "arrays")


@pytest.mark.parametrize("kind", ["client", "ledger", "recording"])
def test_a_draft_on_record_is_read_by_the_same_rules(kind, tmp_path):
    text = f"<think>{DRAFT} no, wrong</think> I cannot judge."
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        first = events_critic(FakeClient(text), ledger=ledger if kind != "client" else None)
        assert first.score([EPISODE])[0].source == "fallback"
        again = {
            "client": lambda: FakeClient(text),
            "ledger": lambda: FakeClient(AssertionError("asked")),
            "recording": lambda: RecordedClient(ledger),
        }[kind]()
        critic = events_critic(again, ledger=ledger if kind == "ledger" else None)
        [credit] = critic.score([EPISODE])
    assert (credit.source, critic.stats.rejected, critic.stats.reasks) == ("fallback", 2, 1)


def test_a_draft_in_front_of_a_cut_answer_is_asked_for_again_with_the_reason():
    client = FakeClient(completion(f"{DRAFT}\nFinal: {FINAL[:90]}", "max_tokens"), FINAL)
    [credit] = events_critic(client).score([EPISODE])
    assert credit.values.sum() == 1.5
    assert "cut off at max_tokens; be shorter (another answer begins behind" in client.requests[1].prompt


def test_reasoning_in_a_field_of_its_own_is_ignored():
    message = {"role": "assistant", "content": FINAL, "reasoning_content": DRAFT, "reasoning": DRAFT}
    body = {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    blocks = [
        {"type": "thinking", "thinking": DRAFT, "signature": "s"},
        {"type": "redacted_thinking", "data": DRAFT},
        {"type": "text", "text": FINAL},
    ]
    anthropic = {"type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "content": blocks}
    for make, url, reply in (
        (OpenAICompatibleClient, "/v1", body),
        (AnthropicClient, "", anthropic),
    ):
        with FaultyProvider(lambda _, reply=reply: Reply(body=json.dumps(reply))) as server:
            client = make("m", base_url=server.url + url, http_client=server.http_client())
            [credit] = events_critic(client).score([EPISODE])
            assert (credit.source, credit.values.sum()) == ("model", 1.5)
            message["content"] = None
            blocks.pop()
            [credit] = events_critic(client).score([EPISODE])
            assert credit.source == "fallback"
            client.close()
            message["content"] = FINAL
            blocks.append({"type": "text", "text": FINAL})
