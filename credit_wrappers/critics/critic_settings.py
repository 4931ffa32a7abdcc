"""The method's settings: each with its default and the reason for it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from os import PathLike
from typing import Literal

from credit_wrappers.critics.shaping import Shaping, check_choices
from credit_wrappers.llm.client import AnswerForm

Fallback = Literal["equal", "shared", "raise"]
Names = Literal["neutral", "own"]

_AVERAGE = re.compile(r"average-([2-9]|[1-9]\d+)")
_ORDERS = "'canonical', 'shuffled', 'given', 'average-2', 'average-3', ..."


@dataclass(frozen=True)
class CriticSettings(Shaping):
    """What can be set about the method. The `CreditStore` decides how many episodes share a query.

    Attributes:
        answer_format: "curve": how many steps each agent had left, at its turning points, as JSON, of which the
            differences are paid (ours; a third of the tokens of "events" and nearer to exact credit, see
            docs/bench.md, and going round in a circle earns nothing); "events": agent, span, amount and reason as
            JSON (models miscount long arrays); "arrays": the paper's form, one number for each agent and step in
            free text.
        tasks: Also ask which task each agent should have had when, of those that the narrator names (LLM-TACA; see
            `LLMTaskWrapper`).
        explain: Ask for a summary and for reasons: of the runs that matter ("curve"), or with each event. Without
            them answers are about half as long, as events two to three times shorter, and nobody can check them.
        bound: What the question asks for: an agent's credits sum to at most this size in an episode (paper: 10). With
            normalise="none" an answer is asked for again if it gives an agent more than this in a step, or more than
            this and a fifth of it for each step in an episode (the sizes of its credits summed); otherwise, if an
            agent's credits sum to more than a hundred times this.
        normalise: "none": credits stay as they were given, so a deed is worth the same whichever episodes share its
            query. The others scale all credits of a query by one factor, as in the paper, which makes a deed's worth
            depend on the query's other episodes. "bound": only when an agent's sum exceeds the bound, so that it
            becomes the bound; "full": the largest sum always becomes the bound, for models whose scale drifts from
            query to query.
        conserve: "none": credit may add up to something else than was paid (dense, like the paper's); "episode": each
            episode's credits sum to its return; "step": each step's credits sum to its reward, which leaves
            differences between agents (structural credit) and removes the temporal part.
        blend: In [0, 1]; what is paid is (1 - blend) * credit + blend * team reward. 0: the critic's credit alone, as
            in the paper.
        names: "neutral": agent_A, agent_B, ... in prompt order, since names can carry a bias; "own": the
            environment's names.
        order: How agents are listed. "canonical": by what they did, so that relabelling the team changes nothing;
            "shuffled": at random; "given": the environment's order; "average-k": k questions with k orders, credits
            averaged: k times the price, and the drift between orders is measured.
        seed: Seed of the shuffling.
        fallback: What an episode gets when there is no usable answer: "equal" (an equal part of the team reward: it
            sums to what was paid), "shared" (the team reward) or "raise". Labelled `source="fallback"` and counted.
        max_tokens: Upper limit of an answer's length; room for some 50 episodes of two agents as curves, or for
            some 300 explained events.
        temperature: Sampling temperature; None leaves it to the model (current Claude models take none).
        templates: Folder with prompt templates of your own; None: the packaged ones.

    Raises:
        ValueError: A value is invalid; the message names the setting and what is valid.
    """

    answer_format: AnswerForm = "curve"
    tasks: bool = False
    explain: bool = True
    names: Names = "neutral"
    order: str = "canonical"
    seed: int = 0
    fallback: Fallback = "equal"
    max_tokens: int = 16_000
    temperature: float | None = None
    templates: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, answer_format=AnswerForm, names=Names, fallback=Fallback)
        if self.order not in ("canonical", "shuffled", "given") and not _AVERAGE.fullmatch(self.order):
            raise ValueError(f"unknown order {self.order!r}; valid: {_ORDERS}")
        if not isinstance(self.max_tokens, int) or self.max_tokens < 1:
            raise ValueError(f"max_tokens must be a positive whole number, got {self.max_tokens!r}")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed must be a whole number from 0, got {self.seed!r}")
        if self.temperature is not None and not (math.isfinite(self.temperature) and self.temperature >= 0.0):
            raise ValueError(f"temperature must be 0 or more, got {self.temperature!r}")

    @property
    def orders(self) -> int:
        """How many orders of the agents are asked about: k of "average-k", else 1."""
        found = _AVERAGE.fullmatch(self.order)
        return int(found[1]) if found else 1
