from tests.cli.conftest import Command


def test_a_call_prints_its_result_alone_on_standard_output(callgate: Command) -> None:
    done = callgate("call", "add", '{"a": 2, "b": 3}')
    assert (done.code, done.out) == (0, "5\n")


def test_a_call_is_shown_on_standard_error_while_it_travels(callgate: Command) -> None:
    done = callgate("call", "add", '{"a": "2", "b": 3}')
    lines = done.err.splitlines()
    assert lines[0] == '  1 → add {"a": "2", "b": 3}'
    assert lines[1] == '  1   repaired $.a: "2" → 2'
    assert lines[2].startswith("  1 ← ok ")
    assert lines[2].endswith(" ms 5")


def test_a_call_as_json_tells_what_the_path_did(callgate: Command) -> None:
    done = callgate("call", "add", '{"a": "2", "b": 3}', "--json")
    told = done.json
    seconds = told.pop("seconds")
    assert seconds >= 0
    assert (done.code, done.err) == (0, "")
    assert told == {
        "id": "call_1",
        "tool": "add",
        "arguments": {"a": "2", "b": 3},
        "status": "ok",
        "value": 5,
        "error": None,
        "repairs": [{"path": "$.a", "kind": "parsed_string", "before": '"2"', "after": "2"}],
        "retries": [],
        "decisions": [],
        "notes": [],
        "attempts": 1,
    }


def test_the_arguments_can_come_from_standard_input(callgate: Command) -> None:
    done = callgate("call", "add", "-", stdin='{"a": 20, "b": 30}')
    assert (done.code, done.out) == (0, "50\n")


def test_strict_refuses_what_would_be_repaired(callgate: Command) -> None:
    done = callgate("call", "add", '{"a": "2", "b": 3}', "--strict", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "arguments")


def test_a_tool_that_fails_exits_with_1_and_one_line_tells_why(callgate: Command) -> None:
    done = callgate("call", "fail")
    assert (done.code, done.out) == (1, "")
    last = done.err.splitlines()[-1]
    assert last.startswith("  1 ← error tool_failed ")
    assert last.endswith(" The store is closed.")


def test_an_unknown_tool_exits_with_1_and_the_nearest_name(callgate: Command) -> None:
    done = callgate("call", "ad", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "unknown_tool")
    assert "add" in done.json["error"]["message"]


def test_arguments_that_are_not_json_are_kept_as_they_came(callgate: Command) -> None:
    done = callgate("call", "add", "{oops", "--json")
    assert (done.code, done.json["arguments"]) == (1, "{oops")
    assert done.json["error"]["code"] == "malformed_arguments"


def test_a_call_that_waits_for_a_person_exits_with_4(callgate: Command) -> None:
    done = callgate("call", "wait")
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-1].startswith("  1 ← pending")
