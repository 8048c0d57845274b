"""Calls stopped early: never one that could still be mended, each as soon as it is lost."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callgate.errors import (
    ArgumentsError,
    DefinitionError,
    MalformedArgumentsError,
    MisuseError,
    UnknownToolError,
)
from callgate.schema.check import Checker
from callgate.schema.parse import Parsed, parse
from callgate.schema.repair import repair
from callgate.schema.stream_check import CallStream, Judge
from callgate.types import Limits, Tool

# --- no false stop --------------------------------------------------------------------------

NAMES = ["a", "ab", "b", "B"]
TEXTS = [
    "",
    "a",
    "ab",
    "AB",
    "abc",
    "5",
    "-1.0",
    " 7",
    "[1]",
    '{"a":1}',
    "true",
    "NONE",
    '"5"',
    "x",
]
NUMBERS = [-1, 0, 1, 5, 2.0, 2.5, 7, 2**53, 1e300]

leaves = st.sampled_from([*TEXTS, *NUMBERS, True, False, None])
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=6,
)
types = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
bounds = st.fixed_dictionaries(
    {},
    optional={
        "maxLength": st.integers(0, 3),
        "minLength": st.integers(0, 3),
        "maximum": st.sampled_from([0, 5, 2.5]),
        "minimum": st.sampled_from([0, 1]),
        "exclusiveMaximum": st.sampled_from([5, 2.5]),
        "exclusiveMinimum": st.sampled_from([0]),
        "maxItems": st.integers(0, 2),
        "minItems": st.integers(0, 2),
        "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        "additionalProperties": st.booleans(),
        "enum": st.lists(leaves, min_size=1, max_size=3),
        "const": leaves,
        "default": leaves,
    },
)
typed = types | st.lists(types, min_size=1, max_size=3, unique=True)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    parts = st.fixed_dictionaries(
        {},
        optional={
            "type": typed,
            "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            "items": inner,
            "prefixItems": several,
            "additionalProperties": inner,
            "anyOf": several,
            "oneOf": several,
            "allOf": several,
            "$ref": st.just("#/$defs/d"),
            "if": inner,
            "then": inner,
            "not": inner,
            "patternProperties": st.dictionaries(st.just("^a"), inner, max_size=1),
            "dependentSchemas": st.dictionaries(st.just("a"), inner, max_size=1),
            "unevaluatedProperties": inner,
        },
    )
    return st.builds(lambda one, other: {**one, **other}, bounds, parts)


small = st.builds(lambda kind, more: {"type": kind, **more}, typed, bounds)
schemas = st.recursive(small | st.booleans() | bounds, _larger, max_leaves=5)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": draw(
            st.dictionaries(st.sampled_from(NAMES), schemas, min_size=1, max_size=3)
        ),
        "$defs": {"d": draw(small)},
        **draw(st.sampled_from([{}, {"additionalProperties": False}, {"required": ["a"]}])),
    }


def judged(schema: dict[str, Any], text: str, *, strict: bool = False, size: int = 1) -> Parsed:
    tool = Tool(name="t", description="", parameters=schema)
    call = Judge([tool], strict=strict).call("t")
    feed(call, text, size)
    return call.finish()


def feed(call: CallStream, text: str, size: int = 1) -> None:
    for start in range(0, len(text), size):
        call.feed(text[start : start + size])


def acceptable(schema: dict[str, Any], text: str, *, strict: bool) -> bool:
    checker = Checker(schema)
    value = parse(text, may_close=False).value
    return checker.is_valid(value) or (not strict and bool(repair(checker, value)[1]))


def holds(schema: dict[str, Any], value: Any, *, strict: bool, size: int) -> None:
    """Assert that what would be accepted in the end is not stopped before."""
    text = json.dumps(value)
    try:
        fine = acceptable(schema, text, strict=strict)
    except DefinitionError:
        return  # such as a `$ref` in a circle
    if fine:
        assert judged(schema, text, strict=strict, size=size).value == value


WRAPPED = {"anyOf": [{"type": "array"}, {"type": "null"}]}


@given(
    schema=parameters(),
    value=st.dictionaries(st.sampled_from(NAMES), values, max_size=3),
    strict=st.booleans(),
    size=st.sampled_from([1, 2, 100]),
)
@example({"properties": {"a": {"allOf": [WRAPPED, {"maxLength": 1}]}}}, {"a": "abc"}, False, 1)
@example({"properties": {"a": {"type": "array", "maxLength": 1}}}, {"a": "abc"}, False, 1)
@example({"properties": {"a": {"enum": ["Abc"], "maxLength": 3}}}, {"a": "ABC"}, False, 1)
@example({"properties": {"a": {"enum": [1, 2], "type": "integer"}}}, {"a": " 2"}, False, 1)
@example({"required": ["a"], "properties": {"a": {"default": 1}}}, {}, False, 1)
@example({"properties": {"a": {"items": False, "prefixItems": [True]}}}, {"a": [1]}, False, 1)
@example({"properties": {"a": {"type": "integer"}}}, {"a": ' "5" '}, False, 1)
def test_what_is_valid_or_can_be_repaired_is_never_stopped(
    schema: dict[str, Any], value: dict[str, Any], strict: bool, size: int
):
    holds(schema, value, strict=strict, size=size)


@given(schema=parameters(), value=st.dictionaries(st.sampled_from(NAMES), leaves, max_size=3))
def test_nor_are_arguments_that_come_inside_a_string(schema: dict[str, Any], value: Any):
    holds(schema, json.dumps(value), strict=False, size=1)


# --- stopped as soon as lost ----------------------------------------------------------------


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


CAT = closed(kind={"const": "cat"}, lives={"type": "integer"})
DOG = closed(kind={"const": "dog"}, name={"type": "string"})
PETS = closed(pet={"oneOf": [CAT, {"$ref": "#/$defs/dog"}]}) | {"$defs": {"dog": DOG}}
TREE = closed(node={"$ref": "#/$defs/node"}) | {
    "$defs": {
        "node": closed(
            leaf={"type": "boolean"}, more={"type": "array", "items": {"$ref": "#/$defs/node"}}
        )
    }
}
NEEDS = closed(a={"type": "string", "minLength": 2}, b={"type": "integer", "default": 1}) | {
    "required": ["a", "b"]
}
MANY = {"anyOf": [{"type": "integer", "minimum": n} for n in range(65)]}

LONG = "x" * 300

STOPS = [
    # schema, text up to the character that decides, path, what came, what is allowed
    (
        closed(n={"type": "integer"}),
        '{"m',
        "$.m",
        "a new property",
        'no property of this name (known: "n")',
    ),
    (closed(), '{"x', "$.x", "a new property", "no property of this name (known: none)"),
    (
        closed(unit={"type": "string"}),
        '{"unix',
        "$.unix",
        "a new property",
        'no property of this name (known: "unit")',
    ),
    (closed(n={"type": "integer"}), '{"n":{', "$.n", "an object", "an integer"),
    (closed(n={"type": "integer"}), '{"n":[', "$.n", "an array", "an integer"),
    (closed(n={"type": "integer"}), '{"n":n', "$.n", "null", "an integer"),
    (closed(n={"type": "integer"}), '{"n":t', "$.n", "true", "an integer"),
    (closed(n={"type": "integer"}), '{"n":"h', "$.n", '"h"', "an integer"),
    (closed(n={"type": "integer"}), '{"n":"5 x', "$.n", '"5 x"', "an integer"),
    (closed(n={"type": "integer"}), '{"n":1.5,', "$.n", "1.5", "an integer"),
    (closed(n={"type": "number", "maximum": 9}), '{"n":10}', "$.n", "10", "a number, at most 9"),
    (
        closed(n={"type": "number", "exclusiveMinimum": 0}),
        '{"n":0 ',
        "$.n",
        "0",
        "a number, above 0",
    ),
    (closed(s={"type": "string"}), '{"s":-', "$.s", "a number", "a string"),
    (closed(s={"type": "string"}), '{"s":f', "$.s", "false", "a string"),
    (
        closed(s={"type": "string", "maxLength": 3}),
        '{"s":"abcd',
        "$.s",
        '"abcd"',
        "a string, at most 3 characters",
    ),
    (
        closed(s={"type": "string", "minLength": 3}),
        '{"s":"ab"',
        "$.s",
        '"ab"',
        "a string, at least 3 characters",
    ),
    (
        closed(u={"enum": ["celsius", "kelvin"]}),
        '{"u":"cem',
        "$.u",
        '"cem"',
        'one of "celsius", "kelvin"',
    ),
    (
        closed(u={"enum": ["celsius", "kelvin"]}),
        '{"u":"cels"',
        "$.u",
        '"cels"',
        'one of "celsius", "kelvin"',
    ),
    (
        closed(u={"enum": ["celsius", "kelvin"]}),
        '{"u":5',
        "$.u",
        "a number",
        'one of "celsius", "kelvin"',
    ),
    (
        closed(u={"enum": ["a"] * 13}),
        '{"u":{',
        "$.u",
        "an object",
        "one of " + ", ".join(['"a"'] * 12) + " and 1 more",
    ),
    (closed(u={"enum": [1, 2]}), '{"u":3}', "$.u", "3", "one of 1, 2"),
    (closed(u={"const": True}), '{"u":1', "$.u", "a number", "one of true"),
    (
        closed(a={"type": "array", "maxItems": 2}),
        '{"a":[1,2,3',
        "$.a[2]",
        "a number",
        "nothing more",
    ),
    (closed(a={"type": "array", "maxItems": 1}), '{"a":[1,[', "$.a[1]", "an array", "nothing more"),
    (closed(a={"type": "array", "minItems": 2}), '{"a":[1]', "$.a", "1 items", "more items"),
    (
        closed(a={"type": "array", "items": {"type": "string"}}),
        '{"a":["x",{',
        "$.a[1]",
        "an object",
        "a string",
    ),
    (
        closed(a={"prefixItems": [{"type": "string"}], "items": False}),
        '{"a":["x",n',
        "$.a[1]",
        "null",
        "nothing more",
    ),
    (
        closed(a={"type": "array", "items": {"type": ["array", "null"]}}),
        '{"a":[t',
        "$.a[0]",
        "true",
        "an array or null",
    ),
    (closed(x=False), '{"x"', "$.x", "a new property", 'no property of this name (known: "x")'),
    (
        closed(x={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        '{"x":f',
        "$.x",
        "false",
        "an integer or null",
    ),
    (
        closed(x={"allOf": [{"type": "integer"}, {"maximum": 3}]}),
        '{"x":4}',
        "$.x",
        "4",
        "an integer, at most 3",
    ),
    (
        closed(a={"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "null"}}]}),
        '{"a":["b",n',
        "$.a[1]",
        "null",
        "a string",
    ),
    (
        closed(x={"anyOf": [{"maximum": 3}, {"type": "string"}]}),
        '{"x":4}',
        "$.x",
        "4",
        "a value, at most 3 or a string",
    ),
    (
        closed(**{LONG: {"type": "null"}}),
        '{"x"',
        "$.x",
        "a new property",
        'no property of this name (known: "' + "x" * 78 + "…)",
    ),
    (NEEDS, '{"a":"xy","c', "$.c", "a new property", 'no property of this name (known: "a", "b")'),
    (NEEDS, '{"b":2}', "$.a", "nothing", "a string, at least 2 characters"),
    (PETS, '{"pet":{"kind":"co', "$.pet.kind", '"co"', 'one of "cat" or one of "dog"'),
    (
        PETS,
        '{"pet":{"kind":"cat","n',
        "$.pet.n",
        "a new property",
        'no property of this name (known: "kind", "lives")',
    ),
    (PETS, '{"pet":{"name":"x","kind":"c', "$.pet.kind", '"c"', 'one of "dog"'),
    (
        TREE,
        '{"node":{"more":[{"more":[{"leaf":0',
        "$.node.more[0].more[0].leaf",
        "a number",
        "true or false",
    ),
]


@pytest.mark.parametrize(("schema", "text", "path", "got", "allowed"), STOPS)
def test_a_call_is_stopped_at_the_character_that_decides(
    schema: dict[str, Any], text: str, path: str, got: str, allowed: str
):
    tool = Tool(name="t", description="", parameters=schema)
    feed(Judge([tool]).call("t"), text[:-1])
    for size in (1, len(text)):
        with pytest.raises(ArgumentsError) as caught:
            feed(Judge([tool]).call("t"), text, size)
        (problem,) = caught.value.details["problems"]
        if size == 1:
            assert (problem["path"], problem["got"], problem["allowed"]) == (path, got, allowed)
        assert problem["path"].startswith(path[:2])
        assert type(caught.value) is ArgumentsError


UNCLEAR = {"if": {"type": "string"}, "then": {"maxLength": 1}}
HALF = {"anyOf": [{"type": "integer", "minimum": n} for n in range(40)]}
EITHER = {
    "anyOf": [closed(x=UNCLEAR, y={"type": "string"}), closed(x=UNCLEAR, y={"type": "integer"})]
}
PARTS = {
    "anyOf": [
        closed(a={"type": "integer"}) | {"required": ["a"]},
        closed(a={"type": "integer"}, b={"type": "null"}) | {"required": ["b"]},
    ]
}
GOES_ON = [
    # What a repair would mend, or what is not followed here.
    (closed(n={"type": "integer"}), '{"n":"5"}'),
    (closed(n={"type": "integer"}), '{"n":"\\"5\\""}'),
    (closed(n={"type": ["boolean", "null"]}), '{"n":" TRUE "}'),
    (closed(u={"enum": ["celsius", "kelvin"]}), '{"u":"CELSIUS"}'),
    (closed(u={"enum": [1, 2]}), '{"u":"2"}'),
    (closed(a={"type": "array", "items": {"type": "string"}}), '{"a":"x"}'),
    (closed(a={"type": "array", "items": CAT}), '{"a":{"kind":"dog"}}'),
    (closed(o=CAT), '{"o":"{\\"kind\\""}'),
    (closed(x={"patternProperties": {"^a": {"type": "integer"}}}), '{"x":{"ab":"c"}}'),
    (closed(x=UNCLEAR), '{"x":"abc"}'),
    (closed(x=UNCLEAR), '{"x":[[],{"y":[1,{}]}]}'),
    (closed(x={"const": True}), '{"x":true}'),
    (closed(x={"anyOf": [True, False]}), '{"x":"abc"}'),
    (closed(x={"allOf": [{"properties": {"y": HALF}}] * 2}), '{"x":{"y":true}}'),
    ({"anyOf": [closed(x=HALF, y={"const": n}) for n in range(3)]}, '{"x":true,"y":2}'),
    (closed(a={"items": {"oneOf": [CAT, DOG]}}), '{"a":[{"kind":"dog"},{"kind":"dog"}]}'),
    (EITHER, '{"x":{"a":[]},"y":5}'),
    (PARTS, '{"a":1}'),
    (PARTS, '{"a":1,"b":null}'),
    (closed(x={"enum": [[1], {"a": 1}, None]}), '{"x":{"a":1}}'),
    (closed(a={"prefixItems": [CAT, {"type": "string"}]}), '{"a":[{"kind":"cat"},"x"]}'),
    (closed(**{LONG: {"type": "null"}}), f'{{"{LONG}":null}}'),
    (closed(a={"type": "string"}), '{"a":"b"} \n'),
    (closed(x=MANY), '{"x":true}'),
    (closed(x={"allOf": [MANY, MANY]}), '{"x":true}'),
    (closed(x={"$schema": "http://json-schema.org/draft-07/schema#", "type": "null"}), '{"x":1}'),
    (NEEDS, '{"a":"xy"}'),
    ({"properties": {"a": {"type": "integer"}}}, '{"b":{"c":[1,"x"]},"d":null}'),
    (PETS, '{"pet":{"name":"cat","kind":"dog"}}'),
    (TREE, '{"node":{"more":[{"more":[{"leaf":true}]},{"leaf":false}]}}'),
    (closed(a={"type": "array", "prefixItems": [{"type": "string"}]}), '{"a":["x",1,2]}'),
]


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(("schema", "text"), GOES_ON)
def test_a_call_that_may_still_become_valid_goes_on(schema: dict[str, Any], text: str, size: int):
    assert judged(schema, text, size=size).value == json.loads(text)


STRICT = [
    (closed(n={"type": "integer"}), '{"n":"'),
    (closed(u={"enum": ["celsius", "kelvin"]}), '{"u":"C'),
    (closed(a={"type": "array", "items": {"type": "string"}}), '{"a":"'),
    (closed(a={"type": "array", "items": CAT}), '{"a":{'),
    (NEEDS, '{"a":"xy"}'),
    (closed(a={"type": "string"}), '"'),
    (closed(a={"type": "string"}), '{"a":"b",}'),
]


@pytest.mark.parametrize(("schema", "text"), STRICT)
def test_a_strict_judge_stops_what_would_have_to_be_repaired(schema: dict[str, Any], text: str):
    tool = Tool(name="t", description="", parameters=schema)
    feed(Judge([tool], strict=True).call("t"), text[:-1])
    feed(Judge([tool]).call("t"), text)
    with pytest.raises(ArgumentsError):
        feed(Judge([tool], strict=True).call("t"), text)


def test_the_error_tells_what_the_model_may_do_better():
    tool = Tool(name="t", description="", parameters=closed(unit={"enum": ["celsius", "kelvin"]}))
    call = Judge([tool]).call("t")
    with pytest.raises(ArgumentsError) as caught:
        feed(call, '{"unti":"celsius"}')
    assert caught.value.tell() == (
        "The arguments are not valid. $.unt is a new property; allowed is no property of this "
        'name (known: "unit"). Did you mean "unit"? Correct the arguments and call the tool again.'
    )
    assert caught.value.details["position"] == 1
    with pytest.raises(ArgumentsError) as again:
        call.feed("}")
    assert again.value.details == caught.value.details
    with pytest.raises(ArgumentsError):
        call.finish()


# --- the call as a whole --------------------------------------------------------------------

TOOLS = [
    Tool(name="search", description="", parameters=closed(q={"type": "string"})),
    Tool(name="search_web", description="", parameters=NEEDS, limits=Limits(argument_bytes=20)),
]


def test_a_name_is_stopped_as_soon_as_no_offered_name_begins_so():
    judge = Judge(TOOLS)
    for text in ("seb", "x", "search_web2"):
        call = judge.call()
        call.feed_name(text[:-1])
        with pytest.raises(UnknownToolError):
            call.feed_name(text[-1])
    with pytest.raises(UnknownToolError) as caught:
        judge.call("serch")
    assert caught.value.message == (
        'No tool has a name that begins with "serch". Did you mean "search"?'
    )
    assert caught.value.details == {"got": "serch", "nearest": "search"}
    with pytest.raises(UnknownToolError, match=r'^No tool is called "sea"\. Did you'):
        judge.call("sea").feed("{")
    with pytest.raises(UnknownToolError) as long:
        judge.call("x" * 1_000_000)
    assert len(long.value.message) < 200
    with pytest.raises(UnknownToolError, match=r'begins with "se\?"\.'):
        judge.call("se\ud800")


def test_a_call_arrives_with_its_name_in_pieces():
    call = Judge(TOOLS).call()
    assert (call.name, call.value, call.complete, call.position) == ("", None, False, 0)
    call.feed_name("search")
    call.feed_name("_web")
    call.feed('{"a":"xy')
    assert (call.name, call.value, call.complete) == ("search_web", {"a": "xy"}, False)
    call.feed('"}')
    assert (call.complete, call.position) == (True, 10)
    assert call.finish() == parse('{"a":"xy"}', may_close=False)


def test_the_name_is_complete_when_the_arguments_begin():
    call = Judge(TOOLS).call("search")
    call.feed("{")
    call.feed_name("")
    with pytest.raises(MisuseError):
        call.feed_name("_web")


@pytest.mark.parametrize(
    "wrong", [{"properties": []}, {"required": True}, {"enum": 1}, {"$ref": "#/x"}]
)
def test_what_is_no_schema_is_told_at_the_first_call(wrong: dict[str, Any]):
    judge = Judge([Tool(name="t", description="", parameters=wrong)])
    with pytest.raises(DefinitionError):
        judge.call("t").feed("{")


def test_the_limit_of_the_tool_holds():
    with pytest.raises(MalformedArgumentsError, match="more than 20 bytes"):
        Judge(TOOLS).call("search_web").feed('{"a":"xxxxxxxxxxxxxxxxxxxxxx')


def test_a_call_without_arguments_is_told_so_at_its_end():
    with pytest.raises(MalformedArgumentsError, match="The arguments are empty"):
        Judge(TOOLS).call("search").finish()


def test_what_is_closed_at_the_end_is_judged_too():
    call = Judge([Tool(name="t", description="", parameters=closed(o=NEEDS))]).call("t")
    call.feed('{"o":{"b":1 ')
    with pytest.raises(ArgumentsError) as caught:
        call.finish(may_close=True)
    assert caught.value.details["problems"][0]["path"] == "$.o.a"


def test_one_judge_serves_many_calls_at_once():
    judge = Judge(TOOLS)
    calls = [judge.call("search") for _ in range(3)]
    for piece in ('{"q"', ':"', "x", '"}'):
        for call in calls:
            call.feed(piece)
    assert [call.finish().value for call in calls] == [{"q": "x"}] * 3
