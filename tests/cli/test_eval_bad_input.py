"""Whatever is wrong with a file of an evaluation, the command says so in one line that names it."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callgate.cli.evaluation import scores
from callgate.evals.benchmarks.bfcl import multi_turn
from tests.cli.conftest import Command
from tests.cli.scored import FILES, SCORINGS, arguments, put
from tests.conftest import ROOT

READ = [(command, file) for command, files in SCORINGS.items() for file in files.values()]
each_command = pytest.mark.parametrize("command", SCORINGS)
each_file = pytest.mark.parametrize(("command", "file"), READ, ids=map(" ".join, READ))


@pytest.fixture(autouse=True)
def files(project: Path) -> Path:
    for name, lines in FILES.items():
        put(project, name, lines)
    return project


@pytest.fixture(autouse=True)
def _environments(request: pytest.FixtureRequest) -> None:
    parameters = getattr(request.node, "callspec", None)
    command = parameters and parameters.params.get("command")
    if command == "bfcl-multi-turn" and not (ROOT / ".cache/bfcl-eval/bfcl_eval").is_dir():
        pytest.skip("needs bfcl-eval: make environments")


def scored(command: str, *more: str) -> Result:
    """Score as the command does; what it does not turn into a line is raised."""
    words = [*arguments(command)[2:], *more]
    return CliRunner().invoke(scores, words, catch_exceptions=False)


@each_command
def test_the_files_that_are_damaged_below_are_whole_before(command: str) -> None:
    done = scored(command, "--json")
    assert (done.exit_code, json.loads(done.stdout)["items"]) == (0, 1)


# ------------------------------------------------------------------ files as a whole


def absent(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def cut_text(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def cut_gzip(path: Path) -> None:
    packed = gzip.compress(path.read_bytes())
    path.write_bytes(packed[:-9])


def bent_gzip(path: Path) -> None:
    packed = gzip.compress(path.read_bytes())
    # Its sum stands at the end: only whoever reads so far can see it.
    path.write_bytes(packed[:-6] + bytes([packed[-6] ^ 0xFF]) + packed[-5:])


def no_json(path: Path) -> None:
    path.write_text("__import__('os').system('true')\n")


def no_object(path: Path) -> None:
    path.write_text("[]\n")


DAMAGES: Mapping[Callable[[Path], None], str] = {
    absent: "cannot be read: No such file or directory",
    folder: "cannot be read: Is a directory",
    cut_text: "not JSON",
    cut_gzip: "cut off before its end; get it again",
    bent_gzip: "damaged: ",
    no_json: "not JSON",
    no_object: "expected a",
}


@each_file
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_named_with_what_is_wrong(
    files: Path, command: str, file: str, damage: Callable[[Path], None]
) -> None:
    damage(files / file)
    done = scored(command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"evaluation_data: {file}")
    assert DAMAGES[damage] in done.stderr
    assert done.stderr.count("\n") == 1


@each_file
def test_a_file_is_held_to_its_hash(files: Path, command: str, file: str) -> None:
    right = hashlib.sha256((files / file).read_bytes()).hexdigest()
    assert scored(command, "--sha256", f"{file}={right}").exit_code == 0
    wrong = scored(command, "--sha256", f"{file}={'0' * 64}")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith(f"evaluation_data: {file}: its SHA-256 is {right}, expected 000")


@each_command
def test_a_hash_without_a_name_is_that_of_what_is_judged(files: Path, command: str) -> None:
    judged = next(iter(SCORINGS[command].values()))
    right = hashlib.sha256((files / judged).read_bytes()).hexdigest()
    assert scored(command, "--sha256", right).exit_code == 0
    for option in ("abc", f"other.jsonl={right}", f"{judged}=x"):
        done = scored(command, "--sha256", option)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"--sha256 {option}: expected 64 hexadecimal digits" in done.stderr


# ------------------------------------------------------------------ items


@pytest.mark.parametrize(
    ("command", "file", "key"),
    [
        ("bfcl", "q.jsonl", "possible_answer"),
        ("repair", "q.jsonl", "possible_answer"),
        ("bfcl-multi-turn", "turns.jsonl", "ground_truth"),
        ("tau-airline", "tau.jsonl", "gold_actions"),
        ("tau2", "tasks.jsonl", "evaluation_criteria"),
        ("nested", "nested.jsonl", "calls"),
        ("api-bank", "bank.jsonl", "answer"),
        ("seal-tools", "seal.jsonl", "calling"),
        ("toolbench", "apis.jsonl", "relevant"),
        ("retrieval", "need.jsonl", "relevant"),
    ],
)
def test_an_item_without_an_expectation_is_named(
    callgate: Command, files: Path, command: str, file: str, key: str
) -> None:
    item = dict(FILES[file][0])
    del item[key]
    put(files, file, [item])
    done = callgate(*arguments(command))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("evaluation_data: ")
    assert f"'{item.get('id', item.get('task_id'))}'" in done.err
    assert "expectation" in done.err or key in done.err


ODD = (None, 7, "\ud800", [7], {"x": 10**30})


def changed(value: Any) -> Iterator[Any]:
    """Yield a JSON value with each of its parts left out, and with odd ones in its stead."""
    parts: Mapping[Any, Any] = {}
    if isinstance(value, dict):
        parts = value
    elif isinstance(value, list):
        parts = dict(enumerate(value))
    for key, part in parts.items():
        for odd in (*ODD, *changed(part)):
            yield _with(value, key, odd)
        without = deepcopy(value)
        del without[key]
        yield without


def _with(value: Any, key: Any, part: Any) -> Any:
    copied = deepcopy(value)
    copied[key] = part
    return copied


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let many scorings share the process of the environments, which takes long to start."""
    folder = ROOT / ".cache/bfcl-eval"
    if not (folder / "bfcl_eval").is_dir():
        yield
        return
    with multi_turn.environments(folder) as child:
        monkeypatch.setattr(multi_turn, "environments", lambda _: nullcontext(child))
        yield


@each_file
@pytest.mark.usefixtures("one_process")
def test_whatever_stands_in_an_item_is_judged_or_told_in_one_line(
    files: Path, command: str, file: str
) -> None:
    for line in changed(FILES[file][0]):
        put(files, file, [line])
        done = scored(command, "--json")
        assert done.exit_code in (0, 1), line
        told = json.loads(done.stdout)
        assert "items" in told or told["error"]["code"] == "evaluation_data", line


# ------------------------------------------------------------------ models that failed


def test_an_item_that_a_model_gave_no_output_for_is_failed_and_listed_apart(
    callgate: Command, files: Path
) -> None:
    question, output = FILES["q.jsonl"][0], FILES["raw.jsonl"][0]
    call = [{"add": '{"x": 1}'}]
    ids = ["a", "b", "c", "d"]
    put(files, "q.jsonl", [{**question, "id": name} for name in ids])
    irrelevance = {**question, "category": "irrelevance", "possible_answer": None}
    with (files / "q.jsonl").open("a") as file:
        file.writelines(json.dumps({**irrelevance, "id": name}) + "\n" for name in ids)
    put(
        files,
        "o.jsonl",
        [
            {**output, "id": "a", "outputs": {"one": call, "two": None}},
            {**output, "id": "b", "outputs": {"one": None, "two": call}},
            {**output, "id": "c", "outputs": {"two": call}},
            {**output, "category": "irrelevance", "id": "a", "outputs": {"one": None}},
        ],
    )
    told = callgate(*arguments("bfcl"), "--json").json
    assert told["missing"] == {"one": 2, "two": 1}
    assert told["absent"] == {"one": 5, "two": 1}
    shares = {
        model: {k: s["right"] for k, s in by.items()} for model, by in told["accuracy"].items()
    }
    assert shares == {"one": {"simple_python": 1, "irrelevance": 0}, "two": {"simple_python": 2}}
    totals = [s["total"] for by in told["accuracy"].values() for s in by.values()]
    assert (told["items"], sorted(totals)) == (6, [1, 2, 3])
    assert (
        callgate(*arguments("bfcl"))
        .out.splitlines()[-1]
        .endswith(
            "3 without an output failed; 6 more in the questions are in no output and not counted"
        )
    )
    put(files, "raw.jsonl", [{**output, "outputs": {"one": None}}])
    repaired = callgate(*arguments("repair"), "--json").json
    assert (repaired["gained"], repaired["lost"]) == (0, 0)


def test_a_run_that_failed_in_the_middle_counts_what_it_did_not_reach(
    callgate: Command, files: Path
) -> None:
    if not (ROOT / ".cache/bfcl-eval/bfcl_eval").is_dir():
        pytest.skip("needs bfcl-eval: make environments")
    item, run = FILES["turns.jsonl"][0], FILES["run.jsonl"][0]
    put(files, "turns.jsonl", [{**item, "id": f"multi_turn_base_{n}"} for n in range(4)])
    results = [run["result"], "Error during inference: 503", [*run["result"][:1], None, 7]]
    put(
        files,
        "run.jsonl",
        [
            {"run": "one", "id": f"multi_turn_base_{n}", "result": result}
            for n, result in enumerate(results)
        ],
    )
    told = callgate(*arguments("bfcl-multi-turn"), "--json").json
    assert told["accuracy"]["one"]["multi_turn_base"]["right"] == 1
    assert (told["items"], told["absent"]) == (3, {"one": 1})
    assert told["errors"] == {"one": {"multi_turn:inference_error": 2}}


@pytest.mark.parametrize("command", ["api-bank", "seal-tools"])
@pytest.mark.parametrize(
    ("output", "counted"), [(None, "missing"), ("Error: 503", "unreadable"), ({}, "unreadable")]
)
def test_calls_that_did_not_come_count_as_failed(
    callgate: Command, files: Path, command: str, output: Any, counted: str
) -> None:
    put(files, "called.jsonl", [{"id": "a", "outputs": {"one": output}}])
    report = callgate(*arguments(command), "--json").json["models"]["one"]
    assert (report["items"], report[counted], report["accuracy"]["exact"]["right"]) == (1, 1, 0)


def test_a_verdict_that_is_cut_off_is_named(callgate: Command, files: Path) -> None:
    question, output = FILES["q.jsonl"][0], FILES["o.jsonl"][0]
    put(files, "q.jsonl", [question, {**question, "id": "b"}])
    put(files, "o.jsonl", [output, {**output, "id": "b", "outputs": {"one": [1, None]}}])
    done = callgate(*arguments("bfcl"))
    assert (done.code, done.out) == (1, "")
    assert "o.jsonl: item 'b': the output of 'one' is no verdict" in done.err


# ------------------------------------------------------------------ code


@each_command
@pytest.mark.usefixtures("one_process")
def test_code_in_what_a_model_wrote_is_never_run(files: Path, command: str) -> None:
    mark = files / "ran"
    code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    judged = next(iter(SCORINGS[command].values()))
    for line in changed_to(FILES[judged][0], code):
        put(files, judged, [line])
        assert scored(command).exit_code in (0, 1)
    assert not mark.exists()


def changed_to(value: Any, code: str) -> Iterator[Any]:
    """Yield a JSON value with code as each of its parts, and with arguments that hold it."""
    for text in (f"[add(x={code})]", json.dumps({"expression": code})):
        yield from _placed(value, text)


def _placed(value: Any, text: str) -> Iterator[Any]:
    yield text
    if isinstance(value, dict):
        for key, part in value.items():
            yield from ({**value, key: other} for other in _placed(part, text))
            yield {**value, text: part}
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from (
                [*value[:place], other, *value[place + 1 :]] for other in _placed(part, text)
            )


# ------------------------------------------------------------------ the machine


def started(files: Path, command: str, *more: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "callgate", *arguments(command), *more],
        cwd=files,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_disk_is_one_line(files: Path, more: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = started(files, "seal-tools", *more, stdout=full)
        _, told = done.communicate(timeout=60)
    assert done.returncode == 1
    assert told == (
        "callgate: No space left on device: the output is cut off; make room, or write it "
        "elsewhere\n"
    )


def test_what_no_terminal_can_show_is_escaped(files: Path) -> None:
    put(files, "called.jsonl", [{"id": "a", "outputs": {"\ud800": []}}])
    done = started(files, "seal-tools", stdout=subprocess.PIPE)
    out, told = done.communicate(timeout=60)
    assert (done.returncode, told) == (0, "")
    assert out.startswith("\\ud800: 0 of 1 right")


def test_environments_that_are_killed_are_told_with_the_item(
    callgate: Command, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel kills so where memory is short."""
    package = files / "made/bfcl_eval/eval_checker/multi_turn_eval/func_source_code"
    package.mkdir(parents=True)
    (package / "math_api.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    item = {**FILES["turns.jsonl"][0], "involved_classes": ["MathAPI"]}
    put(files, "turns.jsonl", [item])
    monkeypatch.setitem(os.environ, "PYTHONDONTWRITEBYTECODE", "1")
    options = [*arguments("bfcl-multi-turn")[:-1], "made"]
    done = callgate(*options)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "evaluation_data: item 'multi_turn_base_x': the process of the environments ended before "
        "its answer by signal 9; nothing was written, score again\n"
    )
