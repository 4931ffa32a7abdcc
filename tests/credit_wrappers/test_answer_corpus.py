"""Every answer of the corpus comes out exactly as it must."""

from __future__ import annotations

import pytest
from answer_corpus import CASES, NAMES, Case, Taken

from credit_wrappers import AnswerError
from credit_wrappers.llm.answers.parse import parse_answer


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.form}: {case.name}") for case in CASES])
def test_answer_is_taken_or_refused_exactly_so(case: Case):
    if isinstance(case.expected, Taken):
        read = parse_answer(case.text, case.lengths, NAMES, form=case.form, explain=case.explain)
        assert [judged["episode"] for judged in read] == list(range(1, len(case.lengths) + 1))
        assert [
            (judged["summary"], [tuple(event.values()) for event in judged["events"]]) for judged in read
        ] == case.expected.episodes
    else:
        with pytest.raises(AnswerError) as caught:
            parse_answer(case.text, case.lengths, NAMES, form=case.form, explain=case.explain)
        assert (caught.value.kind, str(caught.value)) == case.expected
        str(caught.value).encode()  # it goes to the model and into files


def test_cases_have_names_of_their_own():
    names = [(case.form, case.name) for case in CASES]
    assert len(set(names)) == len(names) >= 60
