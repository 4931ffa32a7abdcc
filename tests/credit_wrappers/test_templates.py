"""The words of the questions: which form is asked for, and words of a user's own."""

import pickle
import re

import pytest

from credit_wrappers.llm.prompts.render import prompt_digest, render_reask, render_system
from credit_wrappers.llm.prompts.templates import NAMES, PACKAGED, Templates
from credit_wrappers.testing.corridor import CorridorNarrator


def system(**options):
    return render_system(CorridorNarrator(2, 4), ["agent_A", "agent_B"], 10.0, **options)


def own(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return Templates(folder)


def refusal(folder, **texts):
    with pytest.raises(ValueError) as caught:
        own(folder, **texts)
    return str(caught.value).replace(str(folder), "DIR")


@pytest.mark.parametrize("form", ["events", "arrays", "curve"])
@pytest.mark.parametrize("explain", [True, False])
def test_each_form_is_asked_for_in_its_own_words_after_the_same_principles(form, explain):
    text = system(form=form, explain=explain)
    before, _, after = text.partition("- **Stay within bounds.**")
    assert before == system().partition("- **Stay within bounds.**")[0]
    assert ("JSON" in after, "Explanation:" in after) == (form != "arrays", form == "arrays" and explain)
    assert ("summary" in after, '"why"' in after) == ((form != "arrays" and explain),) * 2
    assert ("without explanations" in after) == (not explain)
    assert "$" not in text
    assert not text.endswith("\n")


def test_corrective_question_names_the_form():
    assert "with JSON only" in render_reask("p", "e", 2)
    text = render_reask("p", "e", 2, form="arrays")
    assert "exactly as many numbers as the episode has steps" in " ".join(text.split())
    assert "JSON" not in text
    assert text.startswith("p\n")
    assert "\ne\n" in text
    assert "all 2 episodes" in text


def test_corrective_question_about_curves_says_that_every_agent_has_one():
    text = " ".join(render_reask("p", "e", 2, form="curve").split())
    assert "every agent has one curve in every episode" in text


def test_wording_has_a_name_that_changes_with_every_word(tmp_path):
    digests = [prompt_digest(text) for text in (system(), system(form="curve"), system(explain=False), system() + " ")]
    assert len(set(digests)) == 4
    assert prompt_digest("") == "e3b0c44298fc"  # sha256 of nothing
    assert prompt_digest(system()) == digests[0]


def test_base_prompt_quotes_what_a_step_is_worth_if_the_narrator_says_it():
    assert "**What a step saved is here.** A step towards cell 3 is 1" in system()

    class Short(CorridorNarrator):
        worths = None

    text = render_system(Short(2, 4), ["agent_A", "agent_B"], 10.0)
    assert "**What a step saved is here.** A step nearer to what an agent has to do next is 1" in text


def test_files_of_a_folder_take_the_place_of_the_packages(tmp_path):
    templates = own(
        tmp_path, query="Judge! At most $bound.\n\n$form\n", reask_events="$prompt\n$error: $count, for 5 $$"
    )
    assert "# 4. Your task\n\nJudge! At most 10.\n\nAnswer with JSON only" in system(templates=templates)
    assert render_reask("p", "e", 2, templates=templates) == "p\ne: 2, for 5 $"
    assert render_reask("p", "e", 2, form="arrays", templates=templates) == render_reask("p", "e", 2, form="arrays")


def test_byte_order_mark_of_an_editor_is_no_part_of_the_words(tmp_path):
    (tmp_path / "form_events.md").write_bytes(b"\xef\xbb\xbfWrite JSON.")
    assert system(templates=Templates(tmp_path)).endswith("\n\nWrite JSON.")


def test_copied_templates_are_the_packages_and_are_never_overwritten(tmp_path):
    folder = tmp_path / "new" / "words"
    Templates.copy_to(folder)
    assert sorted(path.stem for path in folder.iterdir()) == sorted(NAMES)
    assert Templates(folder) == PACKAGED == Templates()
    assert hash(Templates(folder)) == hash(PACKAGED)
    (folder / "query.md").write_text("mine", encoding="utf-8")
    (folder / "system.md").unlink()
    with pytest.raises(FileExistsError, match=r"already holds form_arrays\.md, form_arrays_brief\.md"):
        Templates.copy_to(folder)
    assert not (folder / "system.md").exists()
    assert (folder / "query.md").read_text(encoding="utf-8") == "mine"


def test_templates_pickle_with_their_words(tmp_path):
    templates = own(tmp_path, form_events="Write JSON.")
    again = pickle.loads(pickle.dumps(templates))
    (tmp_path / "form_events.md").unlink()
    assert again == templates != PACKAGED
    assert again.fill("form_events") == "Write JSON."


def test_unknown_files_are_named_with_the_valid_ones(tmp_path):
    (tmp_path / "notes.txt").write_text("not a template", encoding="utf-8")
    message = refusal(tmp_path, sytem="x", query_events="x")
    assert message.startswith(
        "DIR: there are no templates with the names query_events.md, sytem.md; valid: form_arrays.md, form_"
    )
    assert all(f"{name}.md" in message for name in NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$form", "DIR/query.md lacks $bound; its placeholders: $bound, $form"),
        ("$bound $form $from", "DIR/query.md has unknown placeholders $from; its placeholders: $bound, $form"),
        ("$bound $form for 5$", "DIR/query.md: a $ stands before no name; write $$ for a dollar sign"),
        (" \n", "DIR/query.md is empty"),
    ],
)
def test_placeholders_of_a_file_are_checked_when_it_is_read(tmp_path, text, message):
    assert refusal(tmp_path, query=text) == message


def test_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "query.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"query\.md is no UTF-8 text"):
        Templates(tmp_path)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=re.escape(repr(str(tmp_path / "none")))):
        Templates(tmp_path / "none")
