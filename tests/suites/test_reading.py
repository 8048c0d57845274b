"""Suites are read from JSON lines and YAML; every mistake names its place."""

from pathlib import Path

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.cases import Expectation, ExpectedCall
from callgate.evals.suite.reading import read_suite
from callgate.messages import Role

YAML = """
defaults:
  tools:
    - name: add
      description: Add two integers.
      effect: read
  tags: [sums]
cases:
  - id: plain
    ask: What is 2 + 3?
    expect:
      calls: [{name: add, arguments: {a: 2, b: 3}}]
  - id: told
    system: Be short.
    messages: [{role: user, content: Hello}, {role: assistant, content: Hi}]
    ask: Add 2 and 3.
    user: [And now 4 and 5.]
    replies: {add: 5}
    tags: [long]
    expect:
      calls: [{any_of: [{name: add, open: true}, {name: sum}]}]
      ordered: true
      forbidden: [drop]
      answer: {$contains: "5"}
"""


APART = (
    '{"id": "a", "ask": "Hi", "expect": {"calls": [{"name": "z"}, '
    '{"any_of": [{"name": "x"}, {"name": "y", "after": [0]}]}]}}'
)


def written(folder: Path, text: str, name: str = "suite.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_yaml_has_defaults_for_every_case(tmp_path: Path):
    plain, told = read_suite(written(tmp_path, YAML))
    assert (plain.id, plain.tags, plain.loop, plain.tools) == (
        "plain",
        ("sums",),
        False,
        told.tools,
    )
    assert plain.expect == Expectation(
        calls=((ExpectedCall(name="add", arguments={"a": 2, "b": 3}),),)
    )
    assert (told.tags, told.user, told.replies) == (("long",), ("And now 4 and 5.",), {"add": 5})
    assert told.loop
    assert [message.role for message in told.messages] == [
        Role.SYSTEM,
        Role.USER,
        Role.ASSISTANT,
        Role.USER,
    ]
    assert told.expect == Expectation(
        calls=((ExpectedCall(name="add", open=True), ExpectedCall(name="sum")),),
        ordered=True,
        forbidden=frozenset({"drop"}),
        answer={"$contains": "5"},
    )


def test_json_lines_hold_a_case_each(tmp_path: Path):
    lines = '{"id": "a", "ask": "Hi", "expect": {"abstain": true}}\n\n'
    (one,) = read_suite(written(tmp_path, lines, "suite.jsonl"))
    assert (one.id, one.messages[0].text, one.expect.abstain) == ("a", "Hi", True)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"ask": "Hi", "expect": {"abstain": true}}', "1: id is missing"),
        ('{"id": "a", "expect": {"abstain": true}}', "ends with the user's words"),
        ('{"id": "a", "ask": "Hi", "expect": {}}', "expect is empty"),
        ('{"id": "a", "ask": "Hi"}', "expected an object such as {abstain"),
        ('{"id": "a", "ask": "Hi", "expects": {}}', "no field 'expects'"),
        ('{"id": "a", "ask": "Hi", "expect": {"call": []}}', "no field 'call'"),
        ('{"id": "a", "ask": "Hi", "expect": {"calls": {}}}', "calls is a list"),
        ('{"id": "a", "ask": "Hi", "expect": {"calls": [3]}}', "object with name and arguments"),
        (
            '{"id": "a", "ask": "Hi", "expect": {"calls": [{"name": "x", "arguments": 3}]}}',
            "object",
        ),
        (
            '{"id": "a", "ask": "Hi", "expect": {"calls": [{"name": "x", "after": [0]}]}}',
            "after of call 0 names 0",
        ),
        (
            APART,
            "alternatives of call 1 have different",
        ),
        ('{"id": "a", "ask": "Hi", "expect": {"calls": [{"any_of": []}]}}', "any_of lists one"),
        ('{"id": "a", "ask": "Hi", "expect": {"answer": {"$like": 1}}}', "no matcher '$like'"),
        ('{"id": "a", "ask": "Hi", "tools": [{}], "expect": {"abstain": true}}', "A tool is"),
        (
            '{"id": "a", "ask": "Hi", "tools": [{"name": "x", "effect": "odd"}]}',
            "effect of x is 'odd'",
        ),
        ('{"id": "a", "messages": [{"role": "tool"}], "expect": {"abstain": true}}', "has a role"),
        ('{"id": "a", "ask": 3, "expect": {"abstain": true}}', "words of user"),
        ("[]", "expected a JSON object"),
        ("{", "not JSON"),
        ("", "holds no case"),
    ],
)
def test_what_is_no_case_is_refused_with_its_place(tmp_path: Path, line: str, told: str):
    with pytest.raises(EvaluationDataError) as caught:
        list(read_suite(written(tmp_path, line + "\n", "suite.jsonl")))
    assert "suite.jsonl" in caught.value.message
    assert told in caught.value.message


def test_two_cases_of_one_id_are_refused(tmp_path: Path):
    line = '{"id": "a", "ask": "Hi", "expect": {"abstain": true}}\n'
    with pytest.raises(EvaluationDataError, match="2: a case before has the id 'a'"):
        list(read_suite(written(tmp_path, line * 2, "suite.jsonl")))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- 1\n", "case 1 is not an object"),
        ("a: [", "is not YAML"),
        ("cases: 3", "expected a list"),
        ("defaults: 3\ncases: []", "expected a list"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_yaml_of_another_form_is_refused_and_makes_no_objects(tmp_path: Path, text: str, told: str):
    with pytest.raises(EvaluationDataError, match=told):
        list(read_suite(written(tmp_path, text)))


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(EvaluationDataError, match=r"absent\.yaml cannot be read"):
        list(read_suite(tmp_path / "absent.yaml"))
