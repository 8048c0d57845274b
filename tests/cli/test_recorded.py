"""`callgate eval cases`: what was asked in production becomes a suite, without names."""

from pathlib import Path

import orjson
import pytest

from callgate.evals.suite.reading import read_suite
from tests.cli.conftest import Command, Provider, called, said, with_store

MORE = '''

@tool(effect="read")
def send(to: str, text: str) -> str:
    """Send a letter."""
    return f"sent to {to}"


TOOLS += [send]
'''


@pytest.fixture
def kept(project: Path, provider: Provider) -> Path:
    """The project with a tool that sends, and a store."""
    return with_store(project, MORE)


def test_a_run_becomes_a_case_that_the_same_model_passes(
    kept: Path, provider: Provider, callgate: Command
):
    answers = [called("send", {"to": "Ada@firm.org", "text": "hi from Zoe"}), said("Sent.")]
    provider.messages += answers
    assert callgate("run", "Write hi from Zoe to ada@firm.org.").code == 0
    made = callgate("eval", "cases", "--out", "suite.jsonl", "--hide", r"\bZoe\b", "--json")
    assert made.code == 0, made.err
    assert made.json == {"cases": 1, "left_out": [], "stand_ins": {"hidden": 1, "mail": 1}}
    text = (kept / "suite.jsonl").read_text()
    assert "firm.org" not in text
    assert "Zoe" not in text
    (case,) = read_suite(kept / "suite.jsonl")
    assert case.messages[-1].text == "Write hi from hidden-1 to person1@example.com."
    assert case.replies == {"send": "sent to person1@example.com"}
    provider.messages += [
        called("send", {"to": "person1@example.com", "text": "hi from hidden-1"}),
        said("Sent."),
    ]
    again = callgate("eval", "run", "suite.jsonl", "--out", "run.jsonl", "--json")
    assert again.json["passed"] == 1


def test_runs_that_show_no_right_way_are_left_out_and_told(
    kept: Path, provider: Provider, callgate: Command
):
    provider.messages += [called("fail", {}), said("It failed."), said("Hello.")]
    assert callgate("run", "Fail.").code == 0
    assert callgate("run", "Hello?").code == 0
    made = callgate("eval", "cases", "--out", "suite.jsonl")
    assert made.code == 0
    assert "1 cases in suite.jsonl, 1 runs left out; stand-ins: none" in made.out
    assert "a call of it did not succeed" in made.err
    (case,) = read_suite(kept / "suite.jsonl")
    assert case.expect.abstain
    none = callgate("eval", "cases", "--out", "none.jsonl", "--run", "nobody", "--json")
    assert none.json["left_out"] == [{"run": "nobody", "why": "the store has no such run"}]


def test_a_pattern_or_a_place_that_is_none_is_told(kept: Path, callgate: Command):
    wrong = callgate("eval", "cases", "--out", "suite.jsonl", "--hide", "(", "--json")
    assert wrong.code == 2
    assert "--hide (: not a regular expression" in wrong.out + wrong.err
    callgate("db", "upgrade")
    lost = callgate("eval", "cases", "--out", "no/where.jsonl")
    assert lost.code != 0
    assert "where.jsonl cannot be written" in lost.err


RUBRIC = '{"id": "kind", "ask": "Say hello.", "expect": {"rubric": "It is friendly."}}\n'


def test_a_model_grades_what_a_rubric_asks_and_is_held_to_labels(
    kept: Path, provider: Provider, callgate: Command
):
    (kept / "suite.jsonl").write_text(RUBRIC)
    run = ("eval", "run", "suite.jsonl", "--out", "run.jsonl", "--json")
    refused = callgate(*run)
    assert refused.code == 2
    assert "case kind has a rubric, and no model grades" in refused.out + refused.err
    assert provider.asked == []
    with (kept / "callgate.toml").open("a") as file:
        file.write(f'[models.grader]\nname = "strict"\nurl = "{provider.url}"\n')
    provider.messages += [
        said("Hello, dear!"),
        called("verdict", {"reason": "Warm.", "right": True}),
    ]
    done = callgate(*run)
    assert done.json["passed"] == 1
    told = orjson.loads(provider.asked[-1]["messages"][-1]["content"])
    assert (told["rubric"], told["attempt"]["answer"]) == ("It is friendly.", "Hello, dear!")
    (kept / "labels.jsonl").write_text('{"case": "kind", "right": false}\n')
    agreed = callgate("eval", "agreement", "run.jsonl", "--labels", "labels.jsonl", "--json")
    assert (agreed.json["items"], agreed.json["agreed"], agreed.json["too_kind"]) == (1, 0, 1)
    shown = callgate("eval", "agreement", "run.jsonl", "--labels", "labels.jsonl")
    assert "0.0 % of 1 labelled items agree" in shown.out
    (kept / "labels.jsonl").write_text('{"case": "kind"}\n')
    wrong = callgate("eval", "agreement", "run.jsonl", "--labels", "labels.jsonl")
    assert wrong.code != 0
    assert "labels.jsonl:1: expected a label" in wrong.err
