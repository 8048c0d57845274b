"""What a change to a tool, or to a surface, is called."""

from dataclasses import replace
from typing import Any

import pytest

from callgate.contract.diff.change import Change, Level, highest
from callgate.contract.diff.migration import Migration, migrate, suggest
from callgate.contract.diff.schemas import MOST_CHANGES, schema_changes
from callgate.contract.diff.surface import Prefix, diff_surfaces
from callgate.contract.diff.tool import Part, Shown, diff_schemas, diff_tools
from callgate.contract.inclusion.include import Verdict
from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.types import Effect, Example, Limits, Tool

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "The city."},
        "days": {"type": "integer", "minimum": 1},
    },
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool(
    name="weather",
    description="Tell the weather.",
    parameters=PARAMETERS,
    returns={"type": "object", "properties": {"rain": {"type": "boolean"}}},
    effect=Effect.READ,
)


def changed(**inner: Any) -> dict[str, Any]:
    """Return the parameters with other properties."""
    return PARAMETERS | {"properties": PARAMETERS["properties"] | inner}


def kinds(changes: tuple[Change, ...]) -> list[tuple[str, str, Level | None]]:
    return [(one.kind, one.path, one.level) for one in changes]


# --- one tool -------------------------------------------------------------------------------


def test_nothing_changed_asks_for_nothing() -> None:
    found = diff_tools(WEATHER, replace(WEATHER, parameters=dict(PARAMETERS)))
    assert (found.verdict, found.semver, found.changes) == (Verdict.COMPATIBLE, Level.NONE, ())


@pytest.mark.parametrize(
    ("parameters", "verdict", "semver", "witness"),
    [
        (changed(days={"type": "integer"}), Verdict.COMPATIBLE, Level.MINOR, None),
        (changed(days={"type": "number", "minimum": 1}), Verdict.COMPATIBLE, Level.MINOR, None),
        (changed(unit={"type": "string"}), Verdict.COMPATIBLE, Level.MINOR, None),
        (changed(city={"type": "string"}), Verdict.COMPATIBLE, Level.PATCH, None),
        (changed(city={"type": "string", "default": "x"}), Verdict.COMPATIBLE, Level.MINOR, None),
        (
            changed(days={"allOf": [{"type": "integer"}, {"minimum": 1}]}),
            Verdict.COMPATIBLE,
            Level.PATCH,
            None,
        ),
        (PARAMETERS | {"required": ["city", "days"]}, Verdict.BREAKING, Level.MAJOR, {"city": ""}),
        (
            changed(days={"type": "integer", "minimum": 2}),
            Verdict.BREAKING,
            Level.MAJOR,
            {"city": "", "days": 1},
        ),
    ],
)
def test_parameters_may_only_allow_more(
    parameters: dict[str, Any], verdict: Verdict, semver: Level, witness: Any
) -> None:
    found = diff_tools(WEATHER, replace(WEATHER, parameters=parameters))
    assert (found.verdict, found.semver) == (verdict, semver)
    assert found.to_json()["witness"] == witness


def test_results_may_only_promise_more() -> None:
    more = {**(WEATHER.returns or {}), "required": ["rain"]}
    found = diff_tools(WEATHER, replace(WEATHER, returns=more))
    assert (found.verdict, found.semver) == (Verdict.COMPATIBLE, Level.MINOR)
    back = diff_tools(replace(WEATHER, returns=more), WEATHER)
    assert (back.verdict, back.semver) == (Verdict.BREAKING, Level.MAJOR)
    assert back.broken == (
        Shown(part=Part.RETURNS, witness={}, problems=Checker(more).problems({})),
    )
    gone = diff_tools(WEATHER, replace(WEATHER, returns=None))
    assert (gone.verdict, gone.broken[0].part) == (Verdict.BREAKING, Part.RETURNS)
    first = diff_tools(replace(WEATHER, returns=None), WEATHER)
    assert (first.verdict, first.semver) == (Verdict.COMPATIBLE, Level.MINOR)


def test_what_is_no_schema_is_compared_too() -> None:
    other = replace(
        WEATHER,
        description="Tell the weather of a city.",
        effect=Effect.IRREVERSIBLE,
        limits=Limits(timeout=None, attempts=1),
        examples=(Example(arguments={"city": "Bonn"}),),
        tags=frozenset({"new"}),
        poll=True,
        version="2",
    )
    found = diff_tools(WEATHER, other, count=lambda tool: len(tool.description))
    assert (found.verdict, found.semver) == (Verdict.COMPATIBLE, Level.MAJOR)
    assert found.tokens == (17, 27)
    assert kinds(found.changes) == [
        ("description", "", Level.PATCH),
        ("effect", "", Level.MAJOR),
        ("limit", "limits/timeout", Level.PATCH),
        ("limit", "limits/attempts", Level.MINOR),
        ("poll", "", Level.PATCH),
        ("version", "", Level.NONE),
        ("examples", "", Level.PATCH),
        ("tags", "", Level.PATCH),
    ]
    assert found.changes[2].words == "timeout was 30.0 and is unbounded now"
    assert diff_tools(other, WEATHER).semver is Level.MINOR


def test_undecided_counts_as_major_and_names_the_part() -> None:
    texts = [{"type": "string", "pattern": f"^\\b{word}[xy]{{9}}$"} for word in ("qq", "(qq)")]
    found = diff_schemas(texts[0], texts[1])
    assert (found.verdict, found.semver) == (Verdict.UNDECIDED, Level.MAJOR)
    assert found.to_json()["undecided"] == {"parameters": ["pattern"]}


def test_a_bare_schema_may_be_a_result() -> None:
    one, other = {"type": "integer"}, {"type": "number"}
    assert diff_schemas(one, other).verdict is Verdict.COMPATIBLE
    found = diff_schemas(one, other, Part.RETURNS, "x")
    assert (found.name, found.verdict, found.broken[0].witness) == ("x", Verdict.BREAKING, 0.5)


def test_levels_are_ordered() -> None:
    assert highest([]) is Level.NONE
    assert highest([Level.MINOR, Level.PATCH]) is Level.MINOR
    assert highest(Level) is Level.MAJOR


# --- what is told of schemas ----------------------------------------------------------------


def test_changes_are_told_keyword_by_keyword() -> None:
    before = {
        "properties": {"a": {"type": "string", "format": "date"}, "b~/": {}, "c": True},
        "required": ["a"],
        "anyOf": [{"minProperties": 1}, {}],
        "additionalProperties": {"type": "string"},
        "maxProperties": 3,
        "title": "x" * 100,
    }
    after = {
        "properties": {"a": {"type": "string", "format": "time"}, "d": {}, "c": False},
        "required": ["d"],
        "anyOf": [{"minProperties": 2}, {}],
        "additionalProperties": {"type": "integer"},
        "minProperties": 0,
    }
    found = schema_changes(before, after, "parameters")
    assert [(one.path, one.words) for one in found] == [
        (
            "parameters#/properties/a/format",
            'format was "date" and is "time" now; formats are not checked',
        ),
        ("parameters#/properties/b~0~1", "property 'b~/' is gone"),
        ("parameters#/properties/c", "schema was true and is false now"),
        ("parameters#/properties/d", "property 'd' is new"),
        ("parameters#/required", "'a' need not be there any more"),
        ("parameters#/required", "'d' has to be there now"),
        ("parameters#/anyOf/0/minProperties", "minProperties was 1 and is 2 now"),
        ("parameters#/additionalProperties/type", 'type was "string" and is "integer" now'),
        ("parameters#/maxProperties", "maxProperties is no longer 3"),
        ("parameters#/title", f'title is no longer "{"x" * 58}…'),
        ("parameters#/minProperties", "minProperties is 0 now"),
    ]


def test_only_so_many_changes_are_listed() -> None:
    many = {"properties": {f"p{number}": {} for number in range(1_000)}}
    assert len(schema_changes({}, many, "parameters")) == MOST_CHANGES
    assert schema_changes(many, dict(many), "parameters") == ()


# --- migrations -----------------------------------------------------------------------------


def test_a_renamed_parameter_comes_with_a_migration_that_works() -> None:
    inner = dict(PARAMETERS["properties"])
    inner["city_name"] = inner.pop("city")
    inner["unit"] = {"type": "string", "default": "C"}
    new = PARAMETERS | {"properties": inner, "required": ["city_name", "unit"]}
    found = diff_tools(WEATHER, replace(WEATHER, parameters=new))
    assert found.migration == Migration(fields={"city": "city_name"}, defaults={"unit": "C"})
    assert found.migration is not None
    arguments = migrate(found.migration, found.broken[0].witness)
    assert Checker(new).is_valid(arguments)
    assert found.to_json()["migration"] == {
        "fields": {"city": "city_name"},
        "defaults": {"unit": "C"},
        "dropped": [],
        "needed": [],
    }


def test_a_migration_drops_what_is_not_taken_and_names_what_it_cannot_know() -> None:
    text = {"type": "string"}
    old = {"properties": {"a": text, "b": {"type": "integer"}, "z": text}}
    new = {
        "properties": {"q": True, "r": {"const": 1}, "z": text},
        "required": ["q", "r", "z"],
        "additionalProperties": False,
    }
    found = suggest(old, new)
    assert found == Migration(defaults={"r": 1}, dropped=("a", "b"), needed=("q", "z"))
    assert migrate(found, {"a": "x", "z": "y"}) == {"r": 1, "z": "y"}


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [
        ("userId", "user_id", {"userId": "user_id", "x": "y"}),
        ("to", "to_address", {"to": "to_address", "x": "y"}),
        ("alpha", "omega_9", {}),
    ],
)
def test_renamings_are_told_by_schema_and_name(old: str, new: str, fields: dict[str, str]) -> None:
    text, other = {"type": "string"}, {"type": "integer", "description": "How many there are."}
    before = {"properties": {old: text, "x": other, "k": text}}
    after = {"properties": {new: text, "y": other, "l_1": {"type": "null"}}}
    assert suggest(before, after).fields == fields or fields == {}
    assert old in suggest(before, after).fields or fields == {}


def test_nothing_to_do_is_no_migration() -> None:
    assert not suggest(PARAMETERS, PARAMETERS)
    assert not suggest({"properties": 7}, {})


# --- surfaces -------------------------------------------------------------------------------

BOOK = Tool(
    name="book",
    description="Book a hotel room for some nights.",
    parameters={"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
)
PAY = Tool(name="pay", description="Pay a bill.", parameters={"type": "object"})


def test_an_added_tool_is_minor_and_keeps_the_cache() -> None:
    found = diff_surfaces([WEATHER, BOOK], [WEATHER, BOOK, PAY], count=lambda _: 10)
    assert (found.verdict, found.semver) == (Verdict.COMPATIBLE, Level.MINOR)
    assert kinds(found.changes) == [("tool_added", "", Level.MINOR)]
    assert found.tokens == (20, 30)
    assert found.prefix == Prefix(
        kept=2, of=2, bytes_kept=found.prefix.bytes_kept, bytes_lost=39, tokens_lost=10
    )
    told = found.to_json()
    assert (told["witness"], told["witness_of"], told["tools"]) == (None, None, [])
    assert told["tokens"] == {"before": 20, "after": 30}


def test_a_removed_tool_breaks_and_a_call_shows_it() -> None:
    found = diff_surfaces([WEATHER, BOOK, PAY], [WEATHER, PAY])
    assert (found.verdict, found.semver) == (Verdict.BREAKING, Level.MAJOR)
    (tool,) = found.tools
    assert tool.broken == (Shown(part=Part.TOOL, witness={"id": ""}),)
    told = found.to_json()
    assert (told["witness"], told["witness_of"]) == ({"id": ""}, {"tool": "book", "part": "tool"})
    assert [one["kind"] for one in told["changes"]] == ["tool_removed", "tool_removed"]


def test_a_renamed_tool_is_told_from_a_removed_one() -> None:
    found = diff_surfaces([WEATHER, BOOK], [WEATHER, replace(BOOK, name="book_room"), PAY])
    assert [(one.kind, one.before, one.after) for one in found.changes] == [
        ("tool_renamed", "book", "book_room"),
        ("tool_added", None, "pay"),
    ]
    (tool,) = found.tools
    assert (tool.name, tool.verdict, tool.broken[0].part) == (
        "book_room",
        Verdict.BREAKING,
        Part.TOOL,
    )


def test_a_renamed_tool_that_also_takes_less_shows_that() -> None:
    other = replace(BOOK, name="book_room", parameters={"type": "object", "maxProperties": 0})
    (tool,) = diff_surfaces([BOOK], [other]).tools
    assert (tool.broken[0].part, tool.broken[0].witness) == (Part.PARAMETERS, {"id": ""})


def test_another_order_costs_the_cache_only() -> None:
    found = diff_surfaces([WEATHER, BOOK], [BOOK, WEATHER])
    assert (found.verdict, found.semver) == (Verdict.COMPATIBLE, Level.PATCH)
    assert (kinds(found.changes), found.prefix.kept) == ([("order", "", Level.PATCH)], 0)


def test_tools_of_one_name_are_compared_in_turn() -> None:
    narrow = replace(BOOK, parameters={"type": "object", "maxProperties": 0})
    found = diff_surfaces([BOOK, narrow], [BOOK, BOOK])
    assert [(one.name, one.verdict, one.semver) for one in found.tools] == [
        ("book", Verdict.BREAKING, Level.MAJOR)
    ]


def test_among_too_many_strangers_no_renaming_is_looked_for() -> None:
    old = [replace(PAY, name=f"old_{number}") for number in range(60)]
    new = [replace(PAY, name=f"new_{number}") for number in range(60)]
    found = diff_surfaces(old, new)
    assert {one.kind for one in found.changes} == {"tool_added", "tool_removed"}


def test_a_wrong_schema_is_told_with_its_tool() -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    for wrong in ({"type": "strin"}, {"const": deep}):
        with pytest.raises(DefinitionError, match=r"^The tool pay: "):
            diff_surfaces([PAY], [replace(PAY, parameters=wrong)])
