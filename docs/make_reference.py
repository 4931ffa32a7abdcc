"""Writes docs/reference.md from the docstrings of everything public: `python docs/make_reference.py`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_WIDTH = 110
PATH = Path(__file__).parent / "reference.md"

# Module, and which of its names; None: its `__all__`.
SUBJECTS: list[tuple[str, str, list[str] | None]] = [
    ("Credits around environments", "credit_wrappers",
     ["LLMCreditWrapper", "LLMTaskWrapper", "CreditWrapper", "TaskObservationWrapper", "Weaning", "CreditStore",
      "annotate", "Episode", "Credit", "CreditEvent", "Usage"]),
    ("Critics", "credit_wrappers",
     ["LLMCritic", "CriticSettings", "CriticStats", "Estimate", "Budget", "Prices", "SharedCritic", "EqualSplitCritic",
      "SummedCritic"]),
    ("A student of a critic", "credit_wrappers", ["Distillation", "StudentCritic", "StudentSettings", "Agreement"]),
    ("Models", "credit_wrappers",
     ["AnthropicClient", "OpenAICompatibleClient", "RecordedClient", "ScriptedClient", "Ledger"]),
    ("What can be replaced", "credit_wrappers",
     ["Critic", "ModelClient", "Request", "Completion", "Narrator", "ArrayNarrator"]),
    ("Errors", "credit_wrappers", ["CreditError", "ModelError", "AnswerError", "BudgetExceeded", "LedgerError"]),
    ("Tianshou", "credit_wrappers.integrations.tianshou", None),
    ("CleanRL and other single-agent learners", "credit_wrappers.integrations.gymnasium", None),
    ("TorchRL", "credit_wrappers.integrations.numeric_infos", ["NumericInfos"]),
    ("Level-Based Foraging", "credit_wrappers.adapters.lbf", ["parallel_env"]),
    ("Robotic Warehouse", "credit_wrappers.adapters.rware", ["parallel_env"]),
    ("Testing without a model", "credit_wrappers.testing", ["MessagesServer", "Reply"]),
    ("Spaceworld", "spaceworld.spaceworld_v0", ["parallel_env", "env"]),
    ("Spaceworld, scenarios", "spaceworld",
     ["Scenario", "Layout", "Robot", "Module", "Slot", "Debris", "get_scenario", "register_envs"]),
    ("Spaceworld, many at once", "spaceworld.vector", ["SpaceworldVectorEnv"]),
    ("Spaceworld, planner", "spaceworld.planner", ["policy", "shortest_plan"]),
    ("Spaceworld, safe RL", "spaceworld.cost_wrapper", ["CostDictWrapper"]),
]  # fmt: skip


def main() -> None:
    """Write the page."""
    PATH.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the whole page."""
    parts = ["# Reference", "Everything public, from the docstrings (`python docs/make_reference.py`)."]
    for title, name, chosen in SUBJECTS:
        module = import_module(name)
        parts.append(f"## {title}\n\n`from {name} import ...`")
        for item in chosen if chosen is not None else module.__all__:
            parts += _entry(item, getattr(module, item))
    return "\n\n".join(parts) + "\n"


def _entry(name: str, thing: Any) -> Iterator[str]:
    if not callable(thing):
        return
    yield f"### {name}"
    if not issubclass(thing, BaseException) if inspect.isclass(thing) else True:
        yield f"```text\n{_signature(name, thing)}\n```"
    yield _text(thing)
    if inspect.isclass(thing):
        for member, value in vars(thing).items():
            function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if inspect.isfunction(function) and not member.startswith("_") and function.__doc__:
                written = _signature(member, function, method=not isinstance(value, staticmethod))
                yield f"**`{written}`** {_text(function)}"


class _Written(str):
    """An annotation as it stands in the source, without quotes."""

    __repr__ = str.__str__


def _signature(name: str, thing: Any, *, method: bool = False) -> str:
    try:
        signature = inspect.signature(thing)
    except ValueError:
        return name
    parameters = [
        parameter.replace(annotation=_Written(parameter.annotation))
        if isinstance(parameter.annotation, str)
        else parameter
        for parameter in list(signature.parameters.values())[1 if method else 0 :]
    ]
    kept = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    written = f"{name}{kept}".replace("<factory>", "...")
    if len(written) <= _WIDTH or method:
        return written
    star = [k for k, parameter in enumerate(parameters) if parameter.kind is parameter.KEYWORD_ONLY]
    lines = [f"    {parameter}," for parameter in parameters]
    if star and not any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        lines.insert(star[0], "    *,")
    return "\n".join([f"{name}(", *lines, ")"]).replace("<factory>", "...")


def _text(thing: Any) -> str:
    """Return a docstring as Markdown: its sections as lists, its examples as code."""
    lines: list[str] = []
    section, entry = "", ""
    text = inspect.cleandoc(thing.__doc__ or "")
    for line in text.splitlines():
        heading = re.fullmatch(r"(Args|Attributes|Returns|Raises|Yields|Example|Examples):", line)
        if heading:
            section = heading[1]
            lines += ["", "```pycon" if section.startswith("Example") else f"*{section}*", ""]
            if section.startswith("Example"):
                lines.pop()
            continue
        if section and line and not line.startswith(" "):
            if section.startswith("Example"):
                lines.append("```\n")
            section = ""
        if section.startswith("Example"):
            lines.append(line[4:])
        elif section in ("Args", "Attributes", "Raises"):
            entry = re.fullmatch(r"    ([*\w.]+): (.*)", line)  # type: ignore[assignment]
            lines.append(f"- `{entry[1]}`: {entry[2]}" if entry else f"  {line.strip()}" if line else "")
        else:
            lines.append(line.removeprefix("    ") if section else line)
    if section.startswith("Example"):
        while lines and not lines[-1]:
            lines.pop()
        lines.append("```")
    return "\n".join(lines).replace("\n\n\n", "\n\n").strip()


if __name__ == "__main__":
    main()
