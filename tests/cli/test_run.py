"""`callgate run` against a server that speaks a provider's wire on loopback."""

from tests.cli.conftest import Command, Provider, called, said


def test_the_answer_goes_to_standard_output_and_the_calls_to_standard_error(
    callgate: Command, provider: Provider
) -> None:
    provider.messages += [called("add", {"a": 2, "b": 3}), said("It is 5.")]
    done = callgate("run", "What is 2 + 3?")
    assert (done.code, done.out) == (0, "It is 5.\n")
    lines = done.err.splitlines()
    assert lines[0] == '  1 → add {"a":2,"b":3}'
    assert lines[1].startswith("  1 ← ok ")
    assert lines[-1] == "done: answer (2 requests, 2,000 tokens read, 40 written)"
    assert provider.asked[0]["messages"] == [{"role": "user", "content": "What is 2 + 3?"}]
    assert [tool["function"]["name"] for tool in provider.asked[0]["tools"]] == [
        "add",
        "fail",
        "wait",
    ]


def test_a_run_as_json_holds_answer_calls_and_usage(callgate: Command, provider: Provider) -> None:
    provider.messages += [called("add", {"a": 2, "b": 3}), said("It is 5.")]
    done = callgate("run", "What is 2 + 3?", "--json")
    told = done.json
    assert (done.code, done.err) == (0, "")
    assert (told["status"], told["reason"], told["answer"]) == ("done", "answer", "It is 5.")
    assert [(call["tool"], call["value"]) for call in told["calls"]] == [("add", 5)]
    assert told["usage"] == {"input": 2000, "output": 40, "cached": 0, "requests": 2}
    assert told["cost"] is None


def test_a_run_that_waits_for_a_person_exits_with_4(callgate: Command, provider: Provider) -> None:
    provider.messages += [called("wait", {})]
    done = callgate("run", "Wait.")
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-1].startswith("waiting: ")


def test_a_model_that_does_not_answer_exits_with_1_and_one_line(
    callgate: Command, provider: Provider
) -> None:
    done = callgate("run", "Anything?")
    assert (done.code, done.out, len(provider.asked)) == (1, "", 1)
    (line,) = done.err.splitlines()
    assert line.startswith("failed: ")
    assert "no more answers" in line


def test_a_model_can_be_named_on_the_command_line(callgate: Command, provider: Provider) -> None:
    provider.messages += [said("Here.")]
    done = callgate("run", "Who?", "--model", f"other@{provider.url}")
    assert (done.code, done.out, provider.asked[0]["model"]) == (0, "Here.\n", "other")


def test_an_unknown_model_exits_with_2(callgate: Command) -> None:
    done = callgate("run", "Who?", "--model", "nobody:x")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("settings: ")


def test_weights_that_are_absent_exit_with_3(callgate: Command) -> None:
    done = callgate("run", "Who?")
    assert (done.code, done.out) == (3, "")
    assert "callgate model pull qwen2.5-coder-1.5b" in done.err
