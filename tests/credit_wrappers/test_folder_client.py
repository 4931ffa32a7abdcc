"""A model that answers by files: what is written, what counts as an answer, and the whole way of a critic."""

from __future__ import annotations

import json
import math
import os
import pickle
import threading
import time
from pathlib import Path

import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, corridor_episode, event, events_critic, praise_forward

from credit_wrappers import Budget, CreditStore, FolderClient, Ledger, LLMCritic, ModelError, Request, annotate
from credit_wrappers.core.errors import Unanswered
from credit_wrappers.llm.providers import question_files
from credit_wrappers.llm.providers.provider_registry import make_client
from credit_wrappers.llm.providers.question_files import QuestionFolder, breaks_off
from credit_wrappers.scripted.scripted_client import ScriptedClient

SCHEMA = {"type": "object"}
GOOD = answer([event("agent_A", 0, 2, 1.5)])


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(question_files, "_LOOK", 0.001)


def asked(prompt="## Episode 1\nstart: here", schema=SCHEMA):
    return Request("You judge.", prompt, schema, "m", 100)


def team(count):
    """Return that many episodes, each with other deeds."""
    return [corridor_episode([[FORWARD, STAY]] * (k + 1), reward=[0] * k + [1.0], id=k) for k in range(count)]


def answer_all(folder, judge=praise_forward):
    """Answer all open questions as a person does, in files; return how many there were."""
    questions = QuestionFolder(folder)
    waiting = questions.open_questions()
    for key, request in waiting:
        questions.answer_file(key).write_text(judge(request), encoding="utf-8")
    return len(waiting)


def scripted(request):
    return ScriptedClient().complete(request).text


class TestFiles:
    def test_a_question_is_one_text_with_base_prompt_episodes_and_what_to_answer(self, tmp_path):
        critic = LLMCritic(FolderClient(tmp_path / "q"))
        with pytest.raises(Unanswered) as raised:
            critic.score(team(2))
        [request] = [question.request for question in critic.questions(team(2))]
        [file] = raised.value.files
        text = Path(file).read_text(encoding="utf-8")
        assert Path(file).name == f"{request.key()[:16]}.question.md"
        assert text == (
            f"{request.system.strip()}\n\n{request.prompt.strip()}\n\n"
            "Answer now, in the form that is described above. Write the JSON and nothing else.\n"
        )
        assert '{"episodes": [' in text
        assert "## Episode 2" in text

    def test_the_same_question_has_the_same_files_and_is_written_once(self, tmp_path):
        client = FolderClient(tmp_path)
        for _ in range(2):
            with pytest.raises(Unanswered):
                client.complete(asked())
            [file] = tmp_path.glob("*.question.md")
            os.utime(file, (1, 1))
        assert file.stat().st_mtime == 1
        assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
        [(key, request)] = QuestionFolder(tmp_path).requests()
        assert (key, request) == (asked().key(), asked())

    def test_another_name_is_another_question(self, tmp_path):
        for name in ("one", "two"):
            with pytest.raises(Unanswered):
                LLMCritic(FolderClient(tmp_path, name=name)).score(team(1))
        assert len(list(tmp_path.glob("*.question.md"))) == 2

    def test_the_message_names_files_and_the_way_on(self, tmp_path):
        client = FolderClient(tmp_path, name="chat")
        for k in range(7):
            with pytest.raises(Unanswered) as raised:
                client.complete(asked(f"number {k}"))
        text = str(raised.value)
        assert f"chat: 7 questions wait for their answers in {tmp_path}: " in text
        assert text.count(".question.md") == 5
        assert "and 2 more" in text
        assert "NAME.answer.txt" in text
        assert text.endswith("then run the same command again")
        assert len(raised.value.files) == 7
        assert (raised.value.kind, raised.value.fatal) == ("not_recorded", True)
        assert pickle.loads(pickle.dumps(raised.value)).files == raised.value.files

    @pytest.mark.parametrize("ending", [".txt", ".md", ".json"])
    def test_the_answer_is_the_text_beside_the_question(self, tmp_path, ending):
        client, key = FolderClient(tmp_path, name="chat"), asked().key()
        with pytest.raises(Unanswered):
            client.complete(asked())
        reply = f"Here it is:\n```json\n{GOOD}\n```\n"
        (tmp_path / f"{key[:16]}.answer{ending}").write_bytes(b"\xef\xbb\xbf" + reply.encode())
        found = client.complete(asked())
        assert (found.text, found.model, found.stop_reason) == (reply, "m", "end_turn")
        assert found.usage.calls == 1
        assert found.usage.input_tokens > 5
        assert found.usage.output_tokens > 10
        with pytest.raises(Unanswered, match="1 question waits"):
            client.complete(asked("another"))

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "is empty"),
            (b" \n\t", "is empty"),
            (GOOD[:-1].encode(), "ends in the middle of its JSON"),
            (GOOD[:40].encode(), "ends in the middle of its JSON"),
            ("so nützlich".encode("latin-1"), "is no UTF-8 text"),
        ],
    )
    def test_an_empty_or_half_written_file_is_no_answer_yet(self, tmp_path, content, why):
        file = tmp_path / f"{asked().key()[:16]}.answer.txt"
        file.write_bytes(content)
        with pytest.raises(Unanswered, match=rf"{file.name} {why}\)"):
            FolderClient(tmp_path).complete(asked())
        assert file.read_bytes() == content

    def test_a_file_that_grows_is_no_answer_yet(self, tmp_path, monkeypatch):
        file = tmp_path / f"{asked().key()[:16]}.answer.txt"
        file.write_text("No JSON, but", encoding="utf-8")
        monkeypatch.setattr(question_files.time, "sleep", lambda _: file.write_text("No JSON, but more", "utf-8"))
        with pytest.raises(Unanswered, match="is being written"):
            FolderClient(tmp_path).complete(asked())
        assert FolderClient(tmp_path).complete(asked()).text == "No JSON, but more"

    def test_a_repaired_file_is_not_named_any_more(self, tmp_path):
        client = FolderClient(tmp_path)
        file = tmp_path / f"{asked().key()[:16]}.answer.txt"
        file.write_text(GOOD[:-1], encoding="utf-8")
        with pytest.raises(Unanswered, match="middle of its JSON"):
            client.complete(asked())
        with pytest.raises(Unanswered, match="2 questions wait"):
            client.complete(asked("another"))
        file.write_text(GOOD, encoding="utf-8")
        with pytest.raises(Unanswered, match="1 question waits"):
            client.complete(asked("another"))

    def test_two_different_answers_are_an_error_and_two_equal_ones_are_not(self, tmp_path):
        name = tmp_path / f"{asked().key()[:16]}.answer"
        for ending in (".txt", ".md"):
            name.with_suffix(f".answer{ending}").write_text(GOOD, encoding="utf-8")
        assert FolderClient(tmp_path).complete(asked()).text == GOOD
        name.with_suffix(".answer.md").write_text(GOOD + " ", encoding="utf-8")
        with pytest.raises(ModelError, match=r"answer\.txt and .*answer\.md answer the same question differently"):
            FolderClient(tmp_path).complete(asked())

    def test_free_text_may_hold_brackets(self, tmp_path):
        free = asked(schema=None)
        (tmp_path / f"{free.key()[:16]}.answer.txt").write_text('agent_A: {"a": [1, 2', encoding="utf-8")
        assert FolderClient(tmp_path).complete(free).text == 'agent_A: {"a": [1, 2'

    @pytest.mark.parametrize(
        ("text", "broken"),
        [
            (GOOD, False),
            (f"{GOOD} (all {{ of it)", False),
            (r'{"a": "a \"quoted\" brace }', True),
            (r'{"a": "a \\"}', False),
            ('{"a": ["x"', True),
            ("{'a': 1", False),  # no JSON at all: the critic says so to the model
            ("I will not.", False),
        ],
    )
    def test_where_json_breaks_off(self, text, broken):
        assert breaks_off(text) is broken

    def test_a_damaged_question_is_named(self, tmp_path):
        with pytest.raises(Unanswered):
            FolderClient(tmp_path).complete(asked())
        [file] = (tmp_path / "requests").glob("*.json")
        file.write_text(file.read_text("utf-8").replace("You judge", "You joke"), encoding="utf-8")
        with pytest.raises(Exception, match=rf"{file.name} was changed"):
            list(QuestionFolder(tmp_path).requests())
        file.write_text("{", encoding="utf-8")
        with pytest.raises(Exception, match=rf"{file.name} is no question .*delete it"):
            list(QuestionFolder(tmp_path).requests())


class TestArguments:
    @pytest.mark.parametrize("wrong", [{"name": ""}, {"wait": -1}, {"wait": math.nan}, {"poll": 0}])
    def test_wrong_ones_are_refused(self, tmp_path, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            FolderClient(tmp_path, **wrong)

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "f").write_text("")
        with pytest.raises(NotADirectoryError, match="questions need a folder"):
            FolderClient(tmp_path / "f")

    def test_a_copy_asks_in_the_same_folder(self, tmp_path):
        copy = pickle.loads(pickle.dumps(FolderClient(tmp_path, name="chat", wait=3.0)))
        assert (copy.folder, copy.name, copy.wait) == (tmp_path, "chat", 3.0)
        assert repr(copy) == f"FolderClient({str(tmp_path)!r}, name='chat')"

    def test_a_provider_by_name_waits_in_the_folder_of_its_address(self, tmp_path):
        client = make_client("folder", model="chat", base_url=str(tmp_path))
        assert (client.folder, client.name, client.wait) == (tmp_path, "chat", math.inf)
        assert make_client("folder").folder == Path("questions")


class TestWaiting:
    def test_an_answer_that_comes_while_it_is_waited_for_is_taken(self, tmp_path, caplog):
        client = FolderClient(tmp_path, wait=math.inf, poll=0.01)
        found = []
        thread = threading.Thread(target=lambda: found.append(client.complete(asked())))
        thread.start()
        while not answer_all(tmp_path, lambda request: GOOD) and thread.is_alive():
            time.sleep(0.01)
        thread.join(20)
        assert found[0].text == GOOD
        with pytest.raises(Unanswered, match="1 question waits"):
            FolderClient(tmp_path, wait=0.0).complete(asked("another"))

    def test_what_waits_is_told_once_with_the_folder(self, tmp_path, caplog):
        client = FolderClient(tmp_path, wait=0.05, poll=0.005)
        with pytest.raises(Unanswered):
            client.complete(asked())
        told = [record.message for record in caplog.records if "1 question waits" in record.message]
        assert len(told) == 1
        assert str(tmp_path) in told[0]

    def test_what_was_interrupted_does_not_wait_any_more(self, tmp_path, monkeypatch):
        client = FolderClient(tmp_path, wait=math.inf)

        def interrupt(_):
            raise KeyboardInterrupt

        monkeypatch.setattr("credit_wrappers.llm.providers.folder.time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.complete(asked())
        assert client._waiting == {}


class TestCritic:
    def test_all_questions_are_written_before_the_error_and_all_answers_are_taken(self, tmp_path):
        episodes, folder = team(7), tmp_path / "q"

        def critic():
            return LLMCritic(FolderClient(folder, name="chat"), ledger=tmp_path / "l.sqlite", order="average-2")

        with pytest.raises(Unanswered) as raised:
            annotate(episodes, critic(), episodes_per_query=2, in_flight=2)
        assert len(raised.value.files) == 8
        assert Ledger(tmp_path / "l.sqlite", read_only=True).clients() == []  # nothing failed, nothing is recorded
        assert answer_all(folder, scripted) == 8
        credits = annotate(episodes, critic(), episodes_per_query=2)
        direct = LLMCritic(FakeClient(lambda r: scripted(r), name="chat"), order="average-2")
        for one, other in zip(credits, annotate(episodes, direct, episodes_per_query=2), strict=True):
            assert one.source == "model"
            assert one.values.tolist() == other.values.tolist()
            assert [e.why for e in one.events] == [e.why for e in other.events]
        again = annotate(episodes, critic(), episodes_per_query=2)
        assert {credit.source for credit in again} == {"cache"}

    def test_part_of_the_answers_is_recorded_and_only_the_rest_waits(self, tmp_path):
        episodes, folder = team(4), tmp_path / "q"
        critic = LLMCritic(FolderClient(folder), ledger=tmp_path / "l.sqlite")
        with pytest.raises(Unanswered):
            annotate(episodes, critic, episodes_per_query=1)
        questions = QuestionFolder(folder)
        for key, request in questions.open_questions()[1:]:
            questions.answer_file(key).write_text(praise_forward(request), encoding="utf-8")
        with pytest.raises(Unanswered, match="1 question waits"):
            annotate(episodes, critic, episodes_per_query=1)
        assert critic.ledger is not None
        assert len(list(critic.ledger.entries())) == 3
        answer_all(folder)
        credits = annotate(episodes, critic, episodes_per_query=1)
        assert [float(credit.values.sum()) for credit in credits] == [1.0, 2.0, 3.0, 4.0]
        assert sorted(credit.source for credit in credits) == ["cache"] * 3 + ["model"]

    def test_an_unfit_answer_leads_to_a_corrective_question_in_a_file_of_its_own(self, tmp_path):
        critic = events_critic(FolderClient(tmp_path / "q"), ledger=tmp_path / "l.sqlite")
        episodes = team(1)
        with pytest.raises(Unanswered):
            critic.score(episodes)
        answer_all(tmp_path / "q", lambda request: answer([event("agent_Z", 0, 1, 1.0)]))
        with pytest.raises(Unanswered, match="1 question waits"):
            critic.score(episodes)
        [(_, corrective)] = QuestionFolder(tmp_path / "q").open_questions()
        assert "Your previous answer" in corrective.prompt
        assert "agent_Z" in corrective.prompt
        answer_all(tmp_path / "q")
        [credit] = critic.score(episodes)
        assert credit.source == "model"
        assert float(credit.values.sum()) == 1.0

    def test_what_is_not_answered_is_never_paid_with_a_fallback_nor_charged(self, tmp_path):
        budget = Budget(max_calls=3)
        critic = LLMCritic(FolderClient(tmp_path), budget=budget, fallback="equal")
        with pytest.raises(Unanswered) as raised:
            annotate(team(6), critic, episodes_per_query=1)
        assert len(raised.value.files) == 6
        assert budget.spent.calls == 0
        assert critic.stats.fallbacks == 0

    def test_a_store_keeps_the_episodes_until_they_are_answered(self, tmp_path):
        with CreditStore(LLMCritic(FolderClient(tmp_path)), workers=0, episodes_per_query=1) as store:
            [episode] = team(1)
            object.__setattr__(episode, "id", store.open())
            store.submit(episode)
            with pytest.raises(Unanswered):
                store.settle([episode.id])
            answer_all(tmp_path)
            [(found, credit)] = store.settle([episode.id])
        assert (found, credit.source) == (episode.id, "model")

    def test_the_arrays_of_the_paper_are_free_text(self, tmp_path):
        critic = LLMCritic(FolderClient(tmp_path), answer_format="arrays")
        with pytest.raises(Unanswered):
            critic.score(team(1))
        [file] = tmp_path.glob("*.question.md")
        assert file.read_text("utf-8").endswith("Write the answer and nothing else.\n")
        json.loads(next((tmp_path / "requests").glob("*.json")).read_text("utf-8"))
