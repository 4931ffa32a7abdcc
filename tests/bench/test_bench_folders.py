"""Models by files and without a key: exit codes, folders that are only read, estimates."""

from __future__ import annotations

import pytest

from credit_wrappers.cli.main import main
from credit_wrappers.llm.providers.question_files import QuestionFolder
from credit_wrappers.scripted.scripted_client import ScriptedClient

WORDS = ["bench", "--suite", "corridor", "--form", "events", "--draws", "0", "--critic"]


def files(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.fixture
def folder(tmp_path, capsys):
    """A folder whose questions about the corridor were asked and answered."""
    path = tmp_path / "corridor-questions"
    assert main([*WORDS, f"folder:{path}"]) == 3
    assert f"{path} is a new folder; " in capsys.readouterr().out
    questions = QuestionFolder(path)
    for key, request in questions.open_questions():
        questions.answer_file(key).write_text(ScriptedClient().complete(request).text, encoding="utf-8")
    return path


def test_waiting_questions_have_an_exit_code_of_their_own(tmp_path, capsys):
    for _ in range(2):
        assert main([*WORDS, f"folder:{tmp_path / 'q'}", "equal"]) == 3
    told = capsys.readouterr().out
    assert "1 question waits for its answer" in told and told.count("is a new folder") == 1


def test_answered_folders_are_read_and_never_written(folder, capsys):
    before = files(folder)
    name = str(folder).replace("corridor", "{suite}")
    assert main([*WORDS, f"answered:{name}", "--name", "a friend"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("corridor  a friend  6/6")
    assert main([*WORDS, f"answered:{folder}", "--limit", "3"]) == 1
    assert "about these episodes, but to other questions" in capsys.readouterr().out
    assert files(folder) == before
    assert main([*WORDS, f"answered:{folder.parent}/{{suite}}-elsewhere", "equal"]) == 1
    assert files(folder.parent) == sorted([*before, folder.name])


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_an_estimate_needs_no_key_and_a_row_says_in_words_of_the_command_what_to_do(provider, monkeypatch, capsys):
    for name in (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    if provider == "openai":
        pytest.importorskip("openai")
    assert main([*WORDS, f"{provider}:some-model", "--estimate"]) == 0
    assert f"corridor, {provider}:some-model: 6 episodes: 1 call" in capsys.readouterr().out
    assert main([*WORDS, f"{provider}:some-model"]) == 2
    told = capsys.readouterr().err
    assert f"no key for {provider}: set {provider.upper()}_API_KEY" in told and "--critic folder:DIR" in told
