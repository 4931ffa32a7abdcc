"""What explanations may hold: any words, as data, but no characters that files and screens choke on."""

from __future__ import annotations

import re

from credit_wrappers.llm.answers.schema import EpisodeAnswer

# Lone surrogates cannot be encoded, fonts refuse NUL, terminals obey escape characters.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def shown(judgements: list[EpisodeAnswer]) -> list[EpisodeAnswer]:
    """Return the judgements with U+FFFD for control characters and lone surrogates in their explanations."""
    for judged in judgements:
        if not judged["summary"].isprintable():
            judged["summary"] = _UNFIT.sub("\ufffd", judged["summary"])
        for event in judged["events"]:
            if not event["why"].isprintable():
                event["why"] = _UNFIT.sub("\ufffd", event["why"])
    return judgements
