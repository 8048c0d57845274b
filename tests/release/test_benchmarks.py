"""Records of benchmarks become tools whose schemas are JSON Schema's."""

from pathlib import Path
from typing import Any

import pytest

from callgate.release.documents import read_value
from callgate.release.read import read
from callgate.release.type_words import translate, type_of_word
from callgate.schema.check import Checker


@pytest.mark.parametrize(
    ("word", "schema", "notes"),
    [
        ("dict", {"type": "object"}, 0),
        ("HashMap", {"type": "object"}, 0),
        ("STRING", {"type": "string"}, 0),
        ("float", {"type": "number"}, 0),
        ("long", {"type": "integer"}, 0),
        ("any", {}, 0),
        ("", {}, 1),
        ("tuple", {"type": "array"}, 1),
        ("list(str)", {"type": "array", "items": {"type": "string"}}, 0),
        ("Array<Integer>", {"type": "array", "items": {"type": "integer"}}, 0),
        ("Dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}, 0),
        ("Dict[str, any]", {"type": "object"}, 0),
        ("Map[x]", {"type": "object"}, 0),
        (
            "Union[List[dict], dict]",
            {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "object"}]},
            0,
        ),
        ("Optional[int]", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
        ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
        ("DATE (YYYY-MM-DD)", {"type": "string", "format": "date"}, 0),
        ("Quaternion", {"type": "string"}, 1),
        ("Widget[int]", {"type": "string"}, 1),
        ("list(" * 12 + "str" + ")" * 12, None, 1),
    ],
)
def test_a_word_becomes_a_schema(word: str, schema: Any, notes: int):
    told: list[str] = []
    made = type_of_word(word, told.append)
    assert schema is None or made == schema
    assert len(told) == notes
    Checker(made).compile()


def test_what_hangs_on_a_foreign_type_is_mended():
    told: list[str] = []
    made = translate(
        {
            "type": "dict",
            "properties": {
                "a": {"type": "float", "required": True, "enum": [], "default": None},
                "b": {
                    "type": "tuple",
                    "items": [{"type": "int"}, {"type": "str"}],
                    "required": False,
                },
                "c": "string",
                "d": 7,
                "e": {"type": ["int", "str"], "anyOf": [], "description": 5},
                "f": {"anyOf": [{"type": "int"}], "enum": "x"},
                "g": {"properties": 7},
            },
            "required": ["b"],
        },
        told.append,
    )
    assert made == {
        "type": "object",
        "properties": {
            "a": {"type": "number"},
            "b": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
            "c": {"type": "string"},
            "d": {},
            "e": {"type": ["integer", "string"], "description": "5"},
            "f": {"anyOf": [{"type": "integer"}]},
            "g": {"properties": {}},
        },
        "required": ["b", "a"],
    }
    assert told == [
        "b: type 'tuple' is read as array",
        "d: '7' is no schema and read as any value",
        "f: enum 'x' is no list and left out",
        "g: properties are no object and left out",
    ]


OBJECT = {"type": "object", "properties": {"q": {"type": "string"}}}


@pytest.mark.parametrize(
    ("record", "form", "name", "parameters"),
    [
        (
            {
                "question": "?",
                "function": {
                    "name": "f",
                    "parameters": {"type": "dict", "properties": {"q": {"type": "String"}}},
                },
            },
            "bfcl",
            "f",
            OBJECT,
        ),
        (
            {"question": "?", "function": [{"name": "f", "parameters": OBJECT}, 7]},
            "bfcl",
            "f",
            OBJECT,
        ),
        (
            {
                "api_name": "f",
                "parameters": {"q": {"type": "str"}},
                "required": ["q"],
                "responses": {},
            },
            "sealtools",
            "f",
            OBJECT | {"required": ["q"]},
        ),
        (
            {
                "tool": "t",
                "api": "f",
                "required_parameters": [{"name": "q", "type": "STRING"}],
                "optional_parameters": [],
            },
            "toolbench",
            "t::f",
            OBJECT | {"required": ["q"]},
        ),
        (
            {
                "name": "f",
                "endpoint": "/",
                "query_parameters": {"q": {"type": "string", "required": True}},
            },
            "complexfuncbench",
            "f",
            OBJECT | {"required": ["q"]},
        ),
        (
            {
                "set": "s",
                "name": "f",
                "query_parameters": {"q": {"allowed_values": []}},
                "output_parameters": {"x": "number"},
            },
            "nestful",
            "f",
            OBJECT,
        ),
        (
            {
                "name": "f",
                "input_parameters": {"q": {"type": "str"}},
                "output_parameters": {"x": {"type": "list(str)"}},
            },
            "apibank",
            "f",
            OBJECT,
        ),
        (
            {
                "dialogue": "",
                "tools": [{"name": "f", "parameters": {"q": {"type": "str"}}}, {"name": "g"}],
            },
            "apibank",
            "f",
            OBJECT,
        ),
        ({"suite": "bank", "name": "f", "parameters": OBJECT}, "agentdojo", "f", OBJECT),
    ],
)
def test_a_record_becomes_a_tool(record: Any, form: str, name: str, parameters: Any):
    (entry,) = read_value([record], "a.json").entries
    assert (entry.form, entry.tool.name, entry.tool.parameters) == (form, name, parameters)


def test_a_table_of_functions_is_read():
    table = {"f": {"name": "f", "parameters": {"type": "dict", "properties": {}}}}
    (entry,) = read_value(table, "functions.json").entries
    assert (entry.form, entry.place, entry.tool.parameters) == ("bfcl", "#/f", {"type": "object"})


def test_gold_actions_show_what_a_tool_takes():
    actions = [
        {"name": "pay", "arguments": {"cents": 5, "to": {"id": "a"}, "tags": ["x"], "ok": True}},
        {"name": "pay", "arguments": {"cents": 5.5, "to": {"id": None}, "tags": []}},
        {"name": "stop", "kwargs": {}},
        {"name": 7},
    ]
    pay, stop = read_value(
        [{"id": "1", "evaluation_criteria": {"actions": actions}}], "a.json"
    ).entries
    assert pay.form == "calls"
    assert pay.tool.parameters == {
        "type": "object",
        "properties": {
            "cents": {"type": "number"},
            "to": {
                "type": "object",
                "properties": {"id": {"type": ["null", "string"]}},
                "required": ["id"],
            },
            "tags": {"type": "array", "items": {"type": "string"}},
            "ok": {"type": "boolean"},
        },
        "required": ["cents", "to", "tags"],
    }
    assert pay.notes == ("the schema is what 2 recorded calls show",)
    assert stop.tool.parameters == {"type": "object"}


def test_tools_know_which_surface_they_are_offered_in():
    function = {"name": "f", "parameters": OBJECT}
    dialogue = {"dialogue": "?", "tools": [{"name": "f", "parameters": {}}]}
    of_set = {"name": "g", "input_parameters": {}, "output_parameters": {}, "set": "lv3"}
    of_suite = {"name": "h", "suite": "bank", "parameters": OBJECT}
    plain = {"name": "i", "input_parameters": {}, "output_parameters": {}}
    records = [{"question": "?", "function": [function]}] * 2 + [dialogue, of_set, of_suite, plain]
    entries = read_value(records, "a.json").entries
    assert [(entry.form, entry.surfaces) for entry in entries] == [
        ("bfcl", ("#/0", "#/1")),
        ("apibank", ("#/2",)),
        ("apibank", ("lv3",)),
        ("agentdojo", ("bank",)),
        ("apibank", ()),
    ]


def test_the_name_of_an_endpoint_is_kept_as_its_author_wrote_it():
    record = {"tool": "Fake Data", "api": "random_profiles", "required_parameters": []}
    (entry,) = read_value([record], "a.json").entries
    assert (entry.tool.name, entry.written) == ("Fake Data::random_profiles", "random_profiles")


@pytest.mark.parametrize(
    ("file", "form", "count"),
    [
        ("agentdojo_tools.jsonl.gz", "agentdojo", 69),
        ("apibank_tools.jsonl.gz", "apibank", 74),
        ("bfcl_v4_multi_turn_functions.json", "bfcl", 128),
        ("complexfuncbench_tools.jsonl.gz", "complexfuncbench", 40),
        ("nestful_v1_tools.jsonl.gz", "nestful", 133),
        ("retrieval_sealtools_tools.jsonl.gz", "sealtools", 4076),
        ("retrieval_toolbench_tools.jsonl.gz", "toolbench", 2479),
        ("tau2_tasks_gold.jsonl.gz", "calls", 50),
        ("bfcl_v1_questions.jsonl.gz", "bfcl", 1512),
    ],
)
def test_every_real_tool_is_read_and_its_schema_is_one(
    data_dir: Path, file: str, form: str, count: int
):
    listing = read(file, data_dir / "evals")
    assert (listing.forms, len(listing.entries)) == ((form,), count)
    for entry in listing.entries:
        Checker(entry.tool.parameters).compile()
        Checker(entry.tool.returns or {}).compile()
