"""`python -m credit_wrappers ledger`: what the commands say is what the ledger holds."""

import json
import subprocess
import sys

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, corridor_episode, event, events_critic, relabelled

from credit_wrappers import Completion, Ledger, LedgerError, LLMCritic, ModelError, Usage
from credit_wrappers.__main__ import main
from credit_wrappers.cli.diff import ranks
from credit_wrappers.cli.reading import episode_texts, is_reask, read
from credit_wrappers.llm.prompts.render import render_reask

# Canonical order lists walker_1, who stays, first: there it is agent_A.
TEAM = corridor_episode([[FORWARD, STAY]] * 4, reward=[0, 0, 0, 1.0])
LAZY = corridor_episode([[STAY, STAY]] * 3)
FIRST = answer([event("agent_A", 0, 4, 2.0, "agent_A waited for agent_B"), event("agent_B", 1, 2, 0.5)], [])
BAD = answer([event("agent_Z", 0, 4, 2.0)])


def told(capsys, *argv):
    """Return what a command prints, as one text."""
    assert main(["ledger", *map(str, argv)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def priced(text, seconds):
    return Completion(text, Usage(1, 100, 10, 1000, seconds, 7), "fake-1")


@pytest.fixture
def path(tmp_path):
    """Entries: 1 both episodes; 2 unfit, 3 its re-ask, of one in another order; 4 no answer; 5 another client."""
    path = tmp_path / "run.sqlite"
    with Ledger(path) as ledger:
        given = answer([event("agent_A", 0, 4, 1.0), event("agent_B", 0, 1, 1.0)])
        client = FakeClient(
            priced(FIRST, 1.0), priced(BAD, 2.0), priced(given, 9.0), ModelError("too much to do", "overloaded")
        )
        events_critic(client, ledger=ledger).score([TEAM, LAZY])
        for bound in (10.0, 5.0):
            events_critic(client, ledger=ledger, order="given", bound=bound).score([TEAM])
        events_critic(FakeClient(answer([]), name="other"), ledger=ledger).score([TEAM])
    return path


class TestStats:
    def test_everything_is_counted(self, path, capsys):
        text = told(capsys, "stats", path)
        for line in (
            "questions          5 in 5 entries, 4 of them answered",
            "episodes           2, judged 4 times",
            "without any credit 2 of these judgements",
            "asked again        1 of them, because the answer did not fit",
            "failures           content 1, overloaded 1",
            "tokens read        400 at the usual price, 3,005 from the provider's",
            "cache (87.7% of all that was read), 21 written to it",
            "tokens answered    40",
            "latency            median 1.5 s, 90 % within 6.9 s, longest 9 s",
        ):
            assert line in text, line
        assert "cost" not in text
        table = [line.split() for line in text.splitlines()[-4:]]
        assert table == [
            ["client", "model", "entries", "failed", "episodes", "judged"],
            ["fake", "(no", "answer)", "1", "1", "0"],
            ["fake", "fake-1", "3", "1", "3"],
            ["other", "fake-1", "1", "0", "1"],
        ]

    def test_drift_is_measured_between_the_orders_of_one_client(self, path, capsys):
        # Canonical: walker_1 2.0, walker_0 0.5. As given: walker_0 1.0, walker_1 1.0. The other client: nothing.
        text = told(capsys, "stats", path)
        assert "order drift        1 episodes were judged in more than one order" in text
        assert "largest spread of an agent's total: mean 1.000, max 1.000" in text
        assert "spread of the team's total: mean 0.500, max 0.500" in text

    def test_cost_is_told_for_the_prices_that_are_given(self, path, capsys):
        prices = ("--input-price", 3, "--output-price", 15, "--cached-price", 0.3, "--cache-write-price", 3.75)
        cost = (400 * 3 + 40 * 15 + 3005 * 0.3 + 21 * 3.75) / 1e6
        assert f"cost               {cost:.4f} at" in told(capsys, "stats", path, *prices)
        partly = told(capsys, "stats", path, "--input-price", 3, "--output-price", 15)
        assert f"cost               {(3426 * 3 + 40 * 15) / 1e6:.4f} at" in partly
        assert main(["ledger", "stats", str(path), "--input-price", "3"]) == 2
        assert "--output-price" in capsys.readouterr().err

    def test_templates_are_written_out_and_taken_by_a_critic(self, tmp_path, capsys):
        folder = tmp_path / "words"
        assert main(["prompts", str(folder)]) == 0
        assert "templates=" in capsys.readouterr().out
        query = folder / "query.md"
        query.write_text("Judge kindly, within $bound.\n$form", encoding="utf-8")
        client = FakeClient("")
        (question,) = LLMCritic(client, templates=folder).questions([TEAM])
        assert "Judge kindly, within 10." in question.request.system
        assert main(["prompts", str(folder)]) == 2
        assert "error:" in capsys.readouterr().err

    def test_empty_ledger_is_said_to_be_empty(self, tmp_path, capsys):
        Ledger(tmp_path / "l.sqlite").close()
        assert "empty" in told(capsys, "stats", tmp_path / "l.sqlite")


class TestShow:
    def test_entry_is_told_with_the_agents_own_names(self, path, capsys):
        text = told(capsys, "show", path, 1)
        assert "entry 1 of 5" in text
        assert "client fake, model fake-1, source model" in text
        assert f"episode 1: {TEAM.key}, 4 steps\n  walker_1 +2.000, walker_0 +0.500\n  so it went\n" in text
        assert "\n  0-3  walker_1  +2.000  walker_1 waited for walker_0\n    1  walker_0  +0.500  because\n" in text
        assert f"episode 2: {LAZY.key}, 3 steps" in text
        assert "agent_" not in text

    def test_newest_is_told_when_none_is_chosen(self, path, capsys):
        assert "entry 5 of 5" in told(capsys, "show", path)

    def test_failures_are_told_with_the_answer_as_it_came(self, path, capsys):
        text = told(capsys, "show", path, 2)
        assert "failure content: " in text
        assert text.rstrip().endswith(BAD)
        text = told(capsys, "show", path, 4)
        assert "failure overloaded: too much to do" in text
        assert "walker_0, walker_1: no credit" in text

    def test_whole_question_is_told_on_request(self, path, capsys):
        with Ledger(path, read_only=True) as ledger:
            [entry] = ledger.entries(number=1)
        text = told(capsys, "show", path, 1, "--request")
        assert entry.request.system in text
        assert entry.request.prompt in text

    def test_entry_is_found_by_its_key_and_by_its_episode(self, path, capsys):
        with Ledger(path, read_only=True) as ledger:
            key = next(ledger.entries(number=3)).key
        assert "entry 3 of 5" in told(capsys, "show", path, key[:9])
        text = told(capsys, "show", path, "--episode", LAZY.key)
        assert "entry 1 of 5" in text
        assert "episode 2:" in text
        assert "episode 1:" not in text

    @pytest.mark.parametrize(
        ("choice", "message"),
        [
            (["77"], "no entry number 77"),
            (["zz"], "key begins so"),
            (["--episode", "nowhere"], "about episode nowhere; it has 5"),
            ([""], "5 questions"),
        ],
    )
    def test_choice_of_none_or_several_is_an_error(self, path, capsys, choice, message):
        assert main(["ledger", "show", str(path), *choice]) == 2
        assert message in capsys.readouterr().err


class TestExport:
    def lines(self, path, capsys, *options):
        out = path.parent / "data.jsonl"
        told(capsys, "export", path, "--out", out, *options)
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]

    def test_every_judgement_is_one_line(self, path, capsys):
        lines = self.lines(path, capsys)
        assert [line["episode"] for line in lines] == [TEAM.key, LAZY.key, *[TEAM.key] * 4]
        first = lines[0]
        assert first["agents"] == ["walker_1", "walker_0"]
        assert first["values"] == [[0.5, 0.0], [0.5, 0.5], [0.5, 0.0], [0.5, 0.0]]
        assert first["events"][0] == {
            "agent": "walker_1", "start": 0, "stop": 4, "amount": 2.0, "why": "walker_1 waited for walker_0",
        }  # fmt: skip
        assert (first["summary"], first["client"], first["model"]) == ("so it went", "fake", "fake-1")
        assert first["text"].startswith("steps: 4, ended: truncated\nstart: ")
        assert first["text"].splitlines()[-1].startswith("3: agent_A stay; agent_B forward | reward 1 |")
        assert lines[3]["text"].splitlines()[-1].startswith("3: ")  # of a re-ask, without what was wrong
        failed = lines[4]
        assert (failed["values"], failed["events"], failed["failure"]) == (None, [], "overloaded")

    def test_only_good_ones_and_only_one_client_on_request(self, path, capsys):
        lines = self.lines(path, capsys, "--good-only", "--client", "fake")
        assert [(line["client"], line["failure"]) for line in lines] == [("fake", "")] * 3

    def test_values_are_the_same_numbers_again(self, tmp_path, capsys):
        path = tmp_path / "l.sqlite"
        events = [event("agent_A", 0, 3, 0.1), event("agent_B", 1, 4, -1e-5), event("agent_B", 0, 1, 1 / 3)]
        with Ledger(path) as ledger:
            events_critic(FakeClient(answer(events)), ledger=ledger).score([TEAM])
            [entry] = ledger.entries()
        [line] = self.lines(path, capsys)
        np.testing.assert_array_equal(np.array(line["values"], dtype=np.float32), entry.episodes[0].values)

    def test_arrays_hold_the_newest_judgement_of_each_episode(self, path, capsys):
        out = path.parent / "data.npz"
        told(capsys, "export", path, "--out", out, "--client", "fake")
        with np.load(out) as data:
            assert sorted(data) == sorted(
                f"{team.key}/{name}" for team in (TEAM, LAZY) for name in ("agents", "values")
            )
            assert data[f"{TEAM.key}/agents"].tolist() == ["walker_0", "walker_1"]
            assert data[f"{TEAM.key}/values"].tolist() == [[0.25, 1.0], [0.25, 0.0], [0.25, 0.0], [0.25, 0.0]]
            assert data[f"{TEAM.key}/values"].dtype == np.float32

    def test_arrays_of_several_clients_are_not_mixed(self, path, capsys):
        assert main(["ledger", "export", str(path), "--out", str(path.parent / "data.npz")]) == 2
        assert "choose one of fake, other" in capsys.readouterr().err
        assert not (path.parent / "data.npz").exists()

    @pytest.mark.parametrize("name", ["data.jsonl", "data.npz"])
    def test_nothing_is_overwritten(self, path, capsys, name):
        (path.parent / name).write_text("mine")
        assert main(["ledger", "export", str(path), "--out", str(path.parent / name), "--client", "fake"]) == 2
        assert "is there already" in capsys.readouterr().err
        assert (path.parent / name).read_text() == "mine"

    def test_other_endings_and_clients_are_refused(self, path, capsys):
        assert main(["ledger", "export", str(path), "--out", "data.csv"]) == 2
        assert ".jsonl, .npz" in capsys.readouterr().err
        assert main(["ledger", "export", str(path), "--out", "data.jsonl", "--client", "nobody"]) == 2
        assert "it has fake, other" in capsys.readouterr().err


class TestDiff:
    def test_two_ledgers_are_compared_by_what_each_said_last(self, path, tmp_path, capsys):
        other = tmp_path / "b.sqlite"
        alone = corridor_episode([[STAY]])
        # In both: walker_0 0 (from the other client, which came last) against -1.5, walker_1 0 against 0.5.
        second = answer([event("agent_A", 0, 4, 0.5), event("agent_B", 1, 2, -1.5)], [event("agent_A", 0, 1, 1.0)])
        with Ledger(other) as ledger:
            critic = events_critic(FakeClient(second, answer([])), ledger=ledger)
            critic.score([TEAM, LAZY])
            critic.score([alone])
        text = told(capsys, "diff", path, other)
        assert "judged episodes: 0 only in A, 1 only in B, 2 in both" in text
        assert "questions with the same key: 1, of these with another answer: 1" in text
        assert "(4 pairs)" in text
        assert "mean absolute difference 0.750" in text
        assert f"largest difference 1.500: walker_0 in {TEAM.key}, A +0.000, B -1.500" in text
        assert "undefined (all totals are equal)" in text
        assert "same sign 25.0%" in text

    def test_ledger_agrees_with_itself(self, tmp_path, capsys):
        path = tmp_path / "a.sqlite"
        with Ledger(path) as ledger:
            events_critic(FakeClient(FIRST), ledger=ledger).score([TEAM, LAZY])
        text = told(capsys, "diff", path, path)
        assert "mean absolute difference 0.000" in text
        assert "Pearson correlation 1.000, of the ranks 1.000" in text
        assert "same sign 100.0%" in text

    def test_equal_values_share_their_rank(self):
        assert ranks(np.array([3.0, -1.0, 3.0, 0.0, 3.0])).tolist() == [4.0, 1.0, 4.0, 2.0, 4.0]


class TestReading:
    def test_reask_is_told_from_a_question_and_its_episodes_are_the_same(self):
        prompt = "## Episode 1\nsteps: 1, ended: truncated\nstart: x\n0: y\n\n## Episode 2\nsteps: 0"
        asked = render_reask(prompt, "wrong", 2)
        assert (is_reask(prompt), is_reask(asked)) == (False, True)
        assert episode_texts(asked) == episode_texts(prompt)
        assert episode_texts(prompt) == ["steps: 1, ended: truncated\nstart: x\n0: y", "steps: 0"]

    def test_own_names_are_read_as_they_are_in_every_order_of_the_agents(self, tmp_path):
        with Ledger(tmp_path / "own.sqlite") as ledger:
            text = answer([event("walker_0", 0, 4, 2.0)], [event("walker_0", 0, 1, 1.0)])
            swapped = relabelled(TEAM, (1, 0))  # the canonical order lists its agents the other way round
            events_critic(FakeClient(text), ledger=ledger, names="own").score([TEAM, swapped])
            ((first, second),) = map(read, ledger.entries())
        assert first.judged.agents != second.judged.agents
        assert [first.events[0].agent, second.events[0].agent] == ["walker_0", "walker_0"]
        assert [reading.judged.totals["walker_0"] for reading in (first, second)] == [2.0, 1.0]


class TestCommandLine:
    @pytest.mark.parametrize("command", [["stats"], ["show"], ["export", "--out", "x.npz"], ["diff", __file__]])
    def test_missing_and_wrong_files_are_one_clear_line(self, tmp_path, capsys, command):
        for file, message in ((tmp_path / "no.sqlite", "there is no ledger"), (__file__, "is not a ledger")):
            name, *rest = command
            assert main(["ledger", name, str(file), *rest]) == 2
            captured = capsys.readouterr()
            assert captured.out == ""
            assert captured.err.startswith("error: ")
            assert message in captured.err
            assert captured.err.count("\n") == 1

    @pytest.mark.parametrize(
        "argv", [[], ["ledger"], ["ledger", "stats"], ["ledger", "stats", "x", "--input-price", "a"]]
    )
    def test_senseless_arguments_end_with_code_2_and_one_line(self, argv, capsys):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("credit-wrappers") and error.count("\n") == 1

    def test_folder_instead_of_a_file_is_answered_with_its_ledgers(self, tmp_path, capsys):
        assert main(["ledger", "stats", str(tmp_path)]) == 2
        said = f"error: cannot open ledger {tmp_path}: it is a folder; name a ledger in it: there is none (*.sqlite)\n"
        assert capsys.readouterr().err == said
        for name in ("ledger-mca-0.sqlite", "ledger-mca-1.sqlite"):
            Ledger(tmp_path / name).close()
        with pytest.raises(LedgerError, match=r"in it: .*ledger-mca-0.sqlite, .*ledger-mca-1.sqlite$"):
            LLMCritic(FakeClient(), ledger=tmp_path)

    def test_command_without_its_topic_is_answered_with_the_whole_command(self, capsys):
        assert main(["stats", "a.sqlite"]) == 2
        said = "error: stats is a command of ledger: credit-wrappers ledger stats a.sqlite\n"
        assert capsys.readouterr().err == said

    def test_help_names_the_commands(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["ledger", "--help"])
        assert caught.value.code == 0
        text = capsys.readouterr().out
        assert all(name in text for name in ("stats", "show", "export", "diff"))

    def test_program_runs_and_may_be_cut_short_by_a_pipe(self, path):
        command = [sys.executable, "-m", "credit_wrappers", "ledger"]
        done = subprocess.run([*command, "stats", path], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"ledger {path}, ")
        # Nobody reads: the pipe is closed before the program writes.
        process = subprocess.Popen([*command, "show", path, "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
        process.stderr.close()


def test_arrays_without_explanations_are_read_again(tmp_path):
    with Ledger(tmp_path / "brief.sqlite") as ledger:
        client = FakeClient("agent_A: [0, 0, 2, 0]\nagent_B: [0, 0, 0, 0]")
        LLMCritic(client, ledger=ledger, answer_format="arrays", explain=False).score([TEAM])
        ((reading,),) = map(read, ledger.entries())
    assert [(event.agent, event.start, event.amount) for event in reading.events] == [("walker_1", 2, 2.0)]
