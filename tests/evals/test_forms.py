"""What stands in public repositories becomes what the scorers read; items are made up here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks import calls, retrieval
from callgate.evals.files import read_json, read_lines
from callgate.evals.sets.catalogue import CATALOGUE, DataSet
from callgate.evals.sets.fetching import fetch

Clone = Callable[..., Path]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """Write the files of a data set as a clone of its repository has them."""

    def put(one: DataSet, usual: Any = None, **contents: Any) -> Path:
        for piece in one.pieces:
            path = tmp_path / "clone" / "/".join(piece.source.split("/")[6:])
            path.parent.mkdir(parents=True, exist_ok=True)
            content = contents.get(path.stem.replace("-", "_"), usual)
            lines = "".join(json.dumps(line) + "\n" for line in content or ())
            path.write_text(lines if path.suffix == ".jsonl" else json.dumps(content))
        return tmp_path / "clone"

    return put


def test_seal_tools(clone: Clone, tmp_path: Path) -> None:
    one = CATALOGUE["seal-tools"]
    calling = [
        {"api": "send", "parameters": {"to": "API_call_0"}, "responses": ["API_call_1"]},
        {"api": "find", "parameters": {"name": "Ana"}, "responses": ["API_call_0"]},
    ]
    query = {"id": "dev-1", "query": "Write to Ana.", "calling": calling}
    tools = [{"api_name": "send", "api_description": "Send."}, {"api_name": "find"}]
    folder = fetch(one, tmp_path, source=clone(one, dev=[query], tool=tools)).folder
    (made,) = read_lines(folder / "sealtools_queries.jsonl.gz")
    assert made == {**query, "split": "dev", "relevant": ["find", "send"]}
    assert list(read_lines(folder / "sealtools_tools.jsonl.gz")) == tools
    (gold,) = calls.seal_tools(folder / "sealtools_queries.jsonl.gz")
    assert (gold.group, [call.name for call in gold.calls]) == ("dev", ["send", "find"])


def endpoint(api: str) -> dict[str, Any]:
    return {
        "category_name": "Mail",
        "tool_name": "Post",
        "api_name": api,
        "api_description": f"To {api}",
        "required_parameters": [{"name": "to", "type": "STRING"}],
        "optional_parameters": [],
        "method": "GET",
        "template_response": {"left": "out"},
    }


def test_toolbench(clone: Clone, tmp_path: Path) -> None:
    one = CATALOGUE["toolbench"]
    query = {
        "api_list": [endpoint("send"), endpoint("find")],
        "query": "find the mail",
        "relevant APIs": [["Post", "find"]],
        "query_id": 7,
    }
    folder = fetch(one, tmp_path, source=clone(one, [], G2_category=[query, query])).folder
    queries, tools = (folder / f"toolbench_{kind}.jsonl.gz" for kind in ("queries", "tools"))
    assert next(read_lines(queries)) == {
        "id": "G2_category/7",
        "group": "G2_category",
        "query": "find the mail",
        "relevant": ["Post::find"],
        "candidates": ["Post::find", "Post::send"],
    }
    assert [tool["id"] for tool in read_lines(tools)] == ["Post::send", "Post::find"]
    assert "template_response" not in next(read_lines(tools))
    assert retrieval.score(tools, queries)["recall@1"] == 1.0


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("[Add(a='1', b=\"2\")]", {"a": "1", "b": "2"}),
        ("[Add()]", {}),
        # No Python, and read as the benchmark reads it.
        ("[Add(note='It's here', when=today)]", {"note": "It", "when": "today"}),
        ("[Add(all=[{'name': 'x'}])]", {"all": "[{'name': 'x'}]"}),
        ("[Add(a=exit)]", {"a": "exit"}),
    ],
)
def test_api_bank(clone: Clone, tmp_path: Path, said: str, answer: dict[str, str]) -> None:
    one = CATALOGUE["api-bank"]
    item = {
        "file": "Add-level-1-1.jsonl",
        "id": 3,
        "instruction": "Generate an API request.",
        "input": "User: 1 + 2?\nGenerate API Request:\n",
        "expected_output": f"API-Request: {said}",
    }
    folder = fetch(one, tmp_path, source=clone(one, [], level_2_api=[item])).folder
    (made,) = read_lines(folder / "apibank_items.jsonl.gz")
    assert (made["id"], made["level"]) == ("L2-0", 2)
    assert made["source"] == {"file": "Add-level-1-1.jsonl", "id": 3}
    assert made["answer"] == [{"name": "Add", "parameters": answer}]
    (gold,) = calls.api_bank(folder / "apibank_items.jsonl.gz")
    assert (gold.group, gold.calls[0].name) == ("level 2", "Add")


def test_an_item_without_a_call_is_told_and_not_left_out(clone: Clone, tmp_path: Path) -> None:
    one = CATALOGUE["api-bank"]
    item = {"file": "f", "id": 3, "instruction": "", "input": "", "expected_output": "Sure."}
    with pytest.raises(EvaluationDataError, match=r"f, item 3: 'Sure\.' holds no call"):
        fetch(one, tmp_path, source=clone(one, [], level_1_api=[item]))


TASK = {"user_id": "ana", "actions": [], "instruction": "You are Ana.", "outputs": ["12"]}
STOP = {"role": "user", "content": "Thank you. ###STOP###"}
TRANSFER = {"role": "tool", "name": "transfer_to_human_agents", "content": "Transfer successful"}


@pytest.mark.parametrize(
    ("last", "finished"),
    [(STOP, True), (TRANSFER, True), ({"role": "tool", "name": "search", "content": ""}, False)],
)
def test_tau_airline(clone: Clone, tmp_path: Path, last: dict[str, str], finished: bool) -> None:
    one = CATALOGUE["tau-airline"]
    said = [{"role": "user", "content": "Hi"}, last]
    came = {
        "task_id": 4,
        "trial": 1,
        "reward": 1.0,
        "info": {"task": TASK},
        "traj": [{"role": "system", "content": "Policy"}, *said],
    }
    source = clone(one, {"x": {}}, gpt_4o_airline=[came])
    folder = fetch(one, tmp_path, source=source).folder
    assert list(read_lines(folder / "airline_trajectories.jsonl.gz")) == [
        {
            "task_id": 4,
            "trial": 1,
            "reward": 1.0,
            "finished": finished,
            "gold_actions": [],
            "outputs": ["12"],
            "instruction": "You are Ana.",
            "messages": said,
        }
    ]
    tables = read_json(folder / "airline_db.json.gz")
    assert tables == {name: {"x": {}} for name in ("flights", "reservations", "users")}


def test_a_file_of_another_form_is_told_with_its_home(clone: Clone, tmp_path: Path) -> None:
    one = CATALOGUE["toolbench"]
    with pytest.raises(EvaluationDataError, match=r"not of the form it had: KeyError.*StableTool"):
        fetch(one, tmp_path, source=clone(one, [{"query": "?"}]))
