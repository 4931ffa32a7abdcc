"""Importing is light, and the docstrings' examples are true."""

import doctest
import importlib
import subprocess
import sys

import pytest

HEAVY = ("anthropic", "openai", "pydantic", "torch", "tianshou", "sqlite3", "pygame", "numba", "spaceworld")


def test_import_brings_nothing_heavy():
    code = f"import sys, credit_wrappers, credit_wrappers.testing; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_attribute_is_an_attribute_error():
    import credit_wrappers

    with pytest.raises(AttributeError, match="Nothing"):
        _ = credit_wrappers.Nothing


@pytest.mark.parametrize(
    "module",
    [
        "critics.order",
        "delivery.store",
        "wrappers.credit_wrapper",
        "testing.server",
        "integrations.gymnasium.parallel_vec_env",
        "integrations.numeric_infos",
        "student.fitting",
        "delivery.deferred",
        "delivery.online",
        "distillation.distillation",
        "wrappers.llm_task_wrapper",
        "wrappers.record_episodes",
    ],
)
def test_examples_in_docstrings_are_true(module):
    result = doctest.testmod(importlib.import_module(f"credit_wrappers.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
