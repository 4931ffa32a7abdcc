"""What a reasoning model writes before its answer, between tags of its own, is no answer: it holds drafts.

| Text | What is left |
|---|---|
| `<think>draft</think> answer`, any number of such parts | `answer` |
| `draft</think> answer`: the model's template opened the tag | `answer` |
| `answer <think>draft`, never closed | `answer` |
| `I use no <think> tags. answer`: words in front of it on its line, never closed | all of it |
| a code fence labelled `thinking` or `reasoning` | what is outside |
| `{"why": "it wrote <think>"}`: a tag inside a JSON value | all of it |

Servers that know their model put its reasoning into a field of its own; the clients ignore that field.
"""

from __future__ import annotations

import re

from credit_wrappers.llm.answers.json_text import documents

_WORDS = r"(?:think|thinking|thoughts?|reason|reasoning|reflection|analysis|scratch_?pad|inner_(?:monologue|thoughts?))"
_NAMES = rf"(?:\w+:)?{_WORDS}"
_CHANNEL = r"<\|channel\|?>\s*"  # harmony (gpt-oss), and the same with other brackets (Gemma)
_TAG = re.compile(
    rf"(?P<end></{_NAMES}\s*>|(?-i:\[/THINK\])|◁/think▷|<\|end_(?:of_thought|thinking)\|>|<channel\|>"
    rf"|{_CHANNEL}final[^\n<]*(?:<\|constrain\|>[^\n<]*)?(?:<\|message\|>)?|assistantfinal)"
    rf"|<{_NAMES}(?:\s[^<>/]*)?>|(?-i:\[THINK\])|◁think▷|<\|(?:begin_of_thought|start_thinking)\|>"
    rf"|{_CHANNEL}(?:analysis|commentary|thought)|\A\s*(?-i:analysis(?=[A-Z]))",  # harmony without its special tokens
    re.IGNORECASE,
)
# A code fence with such a label. No line of JSON text can be one.
_FENCE = re.compile(
    rf"^[ \t]*+(`{{3,}}+|~{{3,}}+)[ \t]*+{_WORDS}[ \t\r]*+\n.*?(?:^[ \t]*+\1[ \t\r]*+$|\Z)",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
_MENTION = re.compile(r"\w,?[ \t\"'`(]+\Z")  # in front of a tag: it is a word of a sentence
_SIGNS = ("<", "◁", "THINK]", "assistantfinal")  # without one of them there is no tag; the search takes longer
_LAST = re.compile(r"<\|(?:return|end)\|>\s*\Z")  # ends an answer of harmony


def without_reasoning(text: str) -> str:
    """Return a model's answer without its reasoning; the text itself if it has none.

    Raises:
        AnswerError: "no_answer": the text has such tags, and brackets that are nested too deeply.
    """
    if "```" in text or "~~~" in text:
        text = _FENCE.sub("", text)
    if not (any(sign in text for sign in _SIGNS) or text.lstrip().startswith("analysis")) or not _TAG.search(text):
        return text
    kept: list[str] = []
    begin, reasons = 0, False
    tags = _tags(text)
    last_end = max((tag.start() for tag in tags if tag["end"]), default=-1)
    for tag in tags:
        if not tag["end"] and tag.start() > last_end and _MENTION.search(text, max(0, tag.start() - 40), tag.start()):
            continue
        if tag["end"]:
            if not reasons:
                kept.clear()  # the text began with reasoning
            begin, reasons = tag.end(), False
        elif not reasons:
            kept.append(text[begin : tag.start()])
            reasons = True
    if not reasons:
        kept.append(text[begin:])
    return _LAST.sub("", "\n".join(kept))


def _tags(text: str) -> list[re.Match[str]]:
    """Return the tags that are not inside a JSON value, where they are words of an explanation."""
    tags, at = list(_TAG.finditer(text)), 0
    outside: list[re.Match[str]] = []
    for found in documents(text):
        while at < len(tags) and tags[at].start() < found.start:
            outside.append(tags[at])
            at += 1
        while not found.broken and at < len(tags) and tags[at].start() < found.stop:
            at += 1
    return outside + tags[at:]
