"""The estimate of tokens, beside what the tokenizer cl100k_base counted."""

import pytest

from credit_wrappers.llm.tokens import estimate_tokens


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("", 0),
        ("12: agent_A west (3,2); agent_B interact grips module_0", 17),
        ("start: core (2,2); slot_0 (1,2)\n0: agent_A stay; agent_B east (5,3) | reward -0.05\n", 37),
        ('{"agent":"agent_A","start":0,"stop":12,"amount":0.25,"why":"came nearer"}', 25),
    ],
)  # fmt: skip
def test_our_own_texts_are_counted_exactly(text, counted):
    assert estimate_tokens(text) == counted


def test_long_numbers_and_other_alphabets_are_not_counted_as_one():
    assert estimate_tokens("1234567") == 3
    assert estimate_tokens("北京欢迎你") == 5
