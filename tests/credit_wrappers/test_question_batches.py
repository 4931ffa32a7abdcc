"""Questions as batch files: what goes out, what comes in, and what becomes of lines that cannot be used."""

from __future__ import annotations

import json

import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, corridor_episode, event, events_critic, praise_forward

from credit_wrappers import CreditError, FolderClient, Ledger, LLMCritic, ModelError, annotate
from credit_wrappers.__main__ import main
from credit_wrappers.core.errors import Unanswered
from credit_wrappers.llm.providers import question_files
from credit_wrappers.llm.providers.question_batches import export_questions, import_answers
from credit_wrappers.llm.providers.question_files import QuestionFolder
from credit_wrappers.testing.replies import schema_asked

TEAM = [corridor_episode([[FORWARD, STAY]] * (k + 1), reward=[0] * k + [1.0], id=k) for k in range(3)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(question_files, "_LOOK", 0.001)


@pytest.fixture
def folder(tmp_path):
    """A folder with three open questions."""
    with pytest.raises(Unanswered):
        score(tmp_path / "q")
    return tmp_path / "q"


def score(folder, **options):
    return annotate(TEAM, events_critic(FolderClient(folder, name="chat"), **options), episodes_per_query=1)


def keys(folder):
    return [key for key, _ in QuestionFolder(folder).requests()]


def chat(text, finish="stop", **message):
    usage = {"prompt_tokens": 4000, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 1000}}
    message = {"role": "assistant", "content": text, **message}
    return {"object": "chat.completion", "model": "gpt-x-1", "usage": usage,
            "choices": [{"index": 0, "finish_reason": finish, "message": message}]}  # fmt: skip


def reply(key, body, status=200):
    return {"id": "b", "custom_id": key, "response": {"status_code": status, "body": body}, "error": None}


def written(path, *lines):
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), "utf-8")
    return path


def served(lines):
    """Return the output of a batch service for the lines of a batch file."""
    for line in lines:
        body = json.loads(line)["body"]
        [system, user] = body["messages"]
        assert (system["role"], user["role"]) == ("system", "user")
        asked = {"system": system["content"], "prompt": user["content"], "schema": schema_asked(body)}
        request = type("Asked", (), asked)
        yield reply(json.loads(line)["custom_id"], chat(praise_forward(request)))


class TestExport:
    def test_a_line_is_the_whole_question(self, folder, tmp_path):
        assert export_questions(folder, tmp_path / "out.jsonl", model="gpt-x") == 3
        lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
        assert [line["custom_id"] for line in lines] == keys(folder)
        for line, (key, request) in zip(lines, QuestionFolder(folder).requests(), strict=True):
            assert line == {
                "custom_id": key,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": "gpt-x",
                    "messages": [
                        {"role": "system", "content": request.system},
                        {"role": "user", "content": request.prompt},
                    ],
                    "max_tokens": 16000,
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "credit", "schema": request.schema, "strict": True},
                    },
                },
            }

    def test_a_server_can_be_asked_in_other_words(self, folder, tmp_path):
        export_questions(folder, tmp_path / "o", model="m", structured=False, limit_name="max_completion_tokens")
        body = json.loads((tmp_path / "o").read_text("utf-8").splitlines()[0])["body"]
        assert body.keys() == {"model", "messages", "max_completion_tokens"}

    def test_answered_questions_are_left_out(self, folder, tmp_path):
        first, *rest = keys(folder)
        QuestionFolder(folder).answer_file(first).write_text(answer([]), encoding="utf-8")
        assert export_questions(folder, tmp_path / "out", model="m") == 2
        sent = [json.loads(line)["custom_id"] for line in (tmp_path / "out").read_text("utf-8").splitlines()]
        assert sent == rest

    def test_nothing_is_overwritten_and_nothing_is_written_without_questions(self, folder, tmp_path):
        written(tmp_path / "out", "mine")
        with pytest.raises(FileExistsError, match="left as it is"):
            export_questions(folder, tmp_path / "out", model="m")
        assert (tmp_path / "out").read_text("utf-8") == "mine\n"
        for key in keys(folder):
            QuestionFolder(folder).answer_file(key).write_text(answer([]), encoding="utf-8")
        with pytest.raises(ValueError, match=r"every question in .* is answered"):
            export_questions(folder, tmp_path / "other", model="m")
        assert not (tmp_path / "other").exists()

    def test_another_folder_is_refused(self, tmp_path):
        with pytest.raises(CreditError, match="no folder of questions"):
            export_questions(tmp_path, tmp_path / "out", model="m")


class TestImport:
    def test_the_round_trip_gives_the_credits_of_a_direct_run(self, folder, tmp_path):
        export_questions(folder, tmp_path / "out", model="gpt-x")
        answers = written(tmp_path / "in", *served((tmp_path / "out").read_text("utf-8").splitlines()))
        report = import_answers(folder, answers)
        assert (report.answered, report.known, report.left, report.still_open) == (3, 0, (), 0)
        with Ledger(tmp_path / "l.sqlite") as ledger:
            credits = score(folder, ledger=ledger)
            assert [(e.model, e.usage.input_tokens, e.usage.cached_tokens) for e in ledger.entries()] == [
                ("gpt-x-1", 3000, 1000)
            ] * 3
        direct = annotate(TEAM, events_critic(FakeClient(praise_forward)), episodes_per_query=1)
        for one, other in zip(credits, direct, strict=True):
            assert (one.source, one.values.tolist()) == ("model", other.values.tolist())

    def test_a_file_imported_twice_changes_nothing(self, folder, tmp_path):
        file = written(tmp_path / "in", *(reply(key, chat(answer([]))) for key in keys(folder)[:2]))
        import_answers(folder, file)
        report = import_answers(folder, file)
        assert (report.answered, report.known, report.left, report.still_open) == (0, 2, (), 1)

    def test_what_can_be_used_is_used_and_the_rest_is_listed_and_kept(self, folder, tmp_path):
        one, two, three = keys(folder)
        lines = [
            reply("f" * 64, chat(answer([]))),
            reply(one, {"error": {"message": "Rate limit", "code": "429"}}, 429),
            {"custom_id": one, "response": None, "error": {"code": "batch_expired", "message": "too late"}},
            reply(two, chat(answer([event("agent_A", 0, 1, 1.0)]))),
            reply(two, chat(answer([]))),
            json.dumps(reply(three, chat(answer([]))))[:-40],
            "",
            "[1]",
            reply(three, chat("")),
            reply(three, {"choices": []}),
            {"custom_id": three, "method": "POST", "body": {}},
        ]
        report = import_answers(folder, written(tmp_path / "in.jsonl", *lines))
        name = QuestionFolder(folder).question_file(two).name
        assert (report.answered, report.known, report.still_open) == (1, 0, 2)
        assert dict(report.left) == {
            1: "custom_id 'ffffffffffffffff' is no question of this folder",
            2: "the request failed with status 429: Rate limit",
            3: "the request failed: too late",
            5: f"another answer to {name} is in the folder already",
            6: "no complete JSON: the line is cut off or damaged",
            8: "no custom_id: this is no line of a batch's output",
            9: "the answer is empty (stopped because of end_turn)",
            10: "the body is no chat completion: no list of choices",
            11: "the request failed: the question, not an answer",
        }
        kept = [json.loads(line) for line in report.left_file.read_text("utf-8").splitlines()]
        assert [line["line"] for line in kept] == [1, 2, 3, 5, 6, 8, 9, 10, 11]
        assert json.loads(kept[0]["text"]) == lines[0]
        assert QuestionFolder(folder).answer_file(two).read_text("utf-8") == answer([event("agent_A", 0, 1, 1.0)])
        good = written(tmp_path / "in.jsonl", *(reply(key, chat(answer([]))) for key in (one, three)))
        assert import_answers(folder, good).left_file is None
        assert not report.left_file.exists()

    def test_a_completion_without_some_fields_is_read_or_says_which_one_it_lacks(self, folder, tmp_path):
        nothing, whole, bare = chat(None), chat(answer([])), chat("x")
        for body in (nothing, whole):
            del body["model"]
        del bare["choices"]
        lines = [reply(key, body) for key, body in zip(keys(folder), (nothing, whole, bare), strict=True)]
        report = import_answers(folder, written(tmp_path / "o.jsonl", *lines))
        assert report.answered == 1
        assert [why for _, why in report.left] == [
            "the answer is empty (stopped because of end_turn)",
            "the body is no chat completion: it has no 'choices'",
        ]

    def test_an_answer_of_a_person_is_never_replaced_but_an_empty_file_is(self, folder, tmp_path):
        one, two, _ = keys(folder)
        questions = QuestionFolder(folder)
        mine, empty = questions.answer_file(one).with_suffix(".md"), questions.answer_file(two).with_suffix(".json")
        mine.write_text("half an ans", encoding="utf-8")
        empty.write_text("\n", encoding="utf-8")
        report = import_answers(folder, written(tmp_path / "in", *(reply(k, chat(answer([]))) for k in (one, two))))
        assert (report.answered, len(report.left)) == (1, 1)
        assert mine.read_text("utf-8") == "half an ans"
        assert not empty.exists()
        assert questions.answer_file(two).read_text("utf-8") == answer([])

    def test_an_answer_that_the_server_cut_is_an_answer_and_is_asked_again(self, folder, tmp_path):
        cut = answer([event("agent_A", 0, 1, 1.0)])[:-9]
        key = keys(folder)[0]
        import_answers(folder, written(tmp_path / "in", reply(key, chat(cut, "length"))))
        found, _ = QuestionFolder(folder).answer(key, dict(QuestionFolder(folder).requests())[key])
        assert (found.text, found.stop_reason) == (cut, "max_tokens")
        with pytest.raises(Unanswered):
            score(folder)
        assert any("cut off at max_tokens" in request.prompt for _, request in QuestionFolder(folder).open_questions())

    def test_a_refusal_is_an_answer(self, folder, tmp_path):
        refusals = [reply(key, chat(None, refusal="I will not.")) for key in keys(folder)]
        assert import_answers(folder, written(tmp_path / "in", *refusals)).answered == 3
        critic = events_critic(FolderClient(folder, name="chat"), fallback="raise")
        with pytest.raises(ModelError, match=r"refused to answer: 'I will not\.'"):
            critic.score(TEAM[:1])

    def test_an_imported_answer_that_a_person_changed_is_the_persons(self, folder, tmp_path):
        key = keys(folder)[0]
        import_answers(folder, written(tmp_path / "in", reply(key, chat(answer([]), "length"))))
        questions = QuestionFolder(folder)
        questions.answer_file(key).write_text(answer([], []), encoding="utf-8")
        found, _ = questions.answer(key, dict(questions.requests())[key])
        assert (found.text, found.stop_reason, found.model) == (answer([], []), "end_turn", "chat")


class TestCommands:
    def test_export_and_import_say_what_they_did(self, folder, tmp_path, capsys):
        out = str(tmp_path / "out.jsonl")
        assert main(["questions", "export", str(folder), "--out", out, "--model", "gpt-x"]) == 0
        assert f"wrote 3 questions to {out}" in capsys.readouterr().out
        *replies, last = served((tmp_path / "out.jsonl").read_text("utf-8").splitlines())
        file = written(tmp_path / "in.jsonl", *replies, json.dumps(last)[:50])
        assert main(["questions", "import", str(folder), str(file)]) == 0
        told = capsys.readouterr().out
        assert "2 answers imported" in told
        assert "not used: line 3: no complete JSON" in told
        assert str(folder / "requests" / "in.jsonl.left.jsonl") in told
        assert "1 question still open" in told
        written(file, last)
        assert main(["questions", "import", str(folder), str(file)]) == 0
        told = capsys.readouterr().out
        assert "1 answer imported" in told and "run the command that asked. Where an answer does not fit" in told
        assert len(score(folder)) == 3

    def test_what_a_ledger_has_no_answer_to_is_exported_too(self, tmp_path, capsys):
        path = tmp_path / "l.sqlite"
        with Ledger(path) as ledger:
            replies = FakeClient(ModelError("busy", "overloaded"), praise_forward, name="gpt-x")
            annotate(TEAM[:2], LLMCritic(replies, ledger=ledger), episodes_per_query=1, in_flight=1)
        folder, out = tmp_path / "q", tmp_path / "out"
        argv = ["questions", "export", str(folder), "--out", str(out), "--model", "m", "--ledger", str(path)]
        assert main(argv) == 0
        assert "wrote 1 question to" in capsys.readouterr().out
        import_answers(folder, written(tmp_path / "in", *served(out.read_text("utf-8").splitlines())))
        with Ledger(path) as ledger:
            critic = LLMCritic(FolderClient(folder, name="gpt-x"), ledger=ledger)
            credits = annotate(TEAM[:2], critic, episodes_per_query=1)
        assert [credit.source for credit in credits] == ["model", "cache"]

    def test_mistakes_are_one_line_and_code_2(self, tmp_path, capsys):
        assert main(["questions", "export", str(tmp_path), "--out", str(tmp_path / "o"), "--model", "m"]) == 2
        assert capsys.readouterr().err.startswith(f"error: {tmp_path} is no folder of questions")
        assert main(["questions", "import", str(tmp_path), "nothing.jsonl"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
