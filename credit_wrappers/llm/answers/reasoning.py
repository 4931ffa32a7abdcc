"""What a reasoning model writes before its answer, between tags of its own, is no answer: it holds drafts.

| Text | What is left |
|---|---|
| `<think>draft</think> answer`, any number of such parts | `answer` |
| `draft</think> answer`: the model's template opened the tag | `answer` |
| `answer <think>draft`, never closed | `answer` |
| `{"why": "it wrote <think>"}`: a tag inside a JSON value | all of it |

Servers that know their model put its reasoning into a field of its own; the clients ignore that field.
"""

from __future__ import annotations

import re

from credit_wrappers.llm.answers.json_text import documents

_NAMES = r"(?:\w+:)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)"
_CHANNEL = r"<\|channel\|?>\s*"  # harmony (gpt-oss), and the same with other brackets (Gemma)
_TAG = re.compile(
    rf"(?P<end></{_NAMES}\s*>|(?-i:\[/THINK\])|◁/think▷|<\|end_(?:of_thought|thinking)\|>|<channel\|>"
    rf"|{_CHANNEL}final[^\n<]*(?:<\|constrain\|>[^\n<]*)?(?:<\|message\|>)?|assistantfinal)"
    rf"|<{_NAMES}(?:\s[^<>/]*)?>|(?-i:\[THINK\])|◁think▷|<\|(?:begin_of_thought|start_thinking)\|>"
    rf"|{_CHANNEL}(?:analysis|commentary|thought)|\A\s*(?-i:analysis(?=[A-Z]))",  # harmony without its special tokens
    re.IGNORECASE,
)
_SIGNS = ("<", "◁", "THINK]", "assistantfinal")  # without one of them there is no tag; the search takes longer
_LAST = re.compile(r"<\|(?:return|end)\|>\s*\Z")  # ends an answer of harmony


def without_reasoning(text: str) -> str:
    """Return a model's answer without its reasoning; the text itself if it has none.

    Raises:
        AnswerError: "no_answer": the text has such tags, and brackets that are nested too deeply.
    """
    if not (any(sign in text for sign in _SIGNS) or text.lstrip().startswith("analysis")) or not _TAG.search(text):
        return text
    kept: list[str] = []
    begin, reasons = 0, False
    for tag in _tags(text):
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
