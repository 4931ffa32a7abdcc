"""A deed is worth the same whichever episodes share its query."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from credit_wrappers import LLMCritic, ScriptedClient
from tests.benchmarks.credit_scale import COMPANY, alone_and_beside, played

TEAMS: dict[str, Any] = {}


def episodes(scenario: str) -> Any:
    """Return a perfect team's episodes and seven of random play, played once."""
    if scenario not in TEAMS:
        company = played(scenario, range(100, 100 + COMPANY), perfect=False)
        TEAMS[scenario] = played(scenario, range(2), perfect=True), company
    return TEAMS[scenario]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"answer_format": "events", "explain": False},
        {"order": "average-2"},
        {"conserve": "episode", "blend": 0.25},
        {"conserve": "step"},
        {"tasks": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("scenario", ["truss", "crew"])
def test_a_perfect_teams_credit_is_the_same_alone_and_beside_seven_random_episodes(
    scenario: str, options: dict[str, Any]
) -> None:
    perfect, company = episodes(scenario)
    critic = LLMCritic(ScriptedClient(), fallback="raise", **options)
    for episode in perfect:
        assert episode.terminated
        alone, beside = alone_and_beside(critic, episode, company)
        np.testing.assert_array_equal(alone, beside)
        assert alone.any()


@pytest.mark.parametrize("rule", ["bound", "full"])
def test_by_the_papers_rule_it_is_worth_less_beside_them(rule: Any) -> None:
    perfect, company = episodes("truss")
    alone, beside = alone_and_beside(LLMCritic(ScriptedClient(), normalise=rule), perfect[0], company)
    assert 0 < beside.sum() < 0.6 * alone.sum()
