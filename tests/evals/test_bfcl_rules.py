"""BFCL's rules one by one, on the smallest items that show them."""

from typing import Any

import pytest

from callgate.evals.benchmarks.bfcl.items import Item, Output
from callgate.evals.benchmarks.bfcl.kinds import Edition, Language
from callgate.evals.benchmarks.bfcl.score import judge
from callgate.evals.benchmarks.bfcl.values import convert
from tests.evals.conftest import described

V1, V4 = Edition.V1, Edition.V4


def verdict(
    kind: Any, accepted: list[Any], value: Any, *, category: str = "simple", edition: Edition = V4
) -> str | None:
    """Judge one call of one argument."""
    item = Item(functions=[described(x=kind)], answers=(("add", {"x": accepted}),), edition=edition)
    output = Output(decoded=[{"add": {"x": value}}], is_decoded=True)
    return judge(item, (category, "i"), output, underscored=False)


@pytest.mark.parametrize(
    ("kind", "accepted", "value", "error"),
    [
        ("integer", [1], 1, None),
        ("integer", [1], True, "type_error:simple"),
        ("integer", [1], 1.0, "type_error:simple"),
        ("float", [1.0], 1, None),
        ("float", [1.5], 2.5, "value_error:others"),
        ("boolean", [True], True, None),
        ("boolean", [True], 1, "type_error:simple"),
        ("string", ["April 1, 2024"], "april 1 2024", None),
        ("string", ["it's"], 'IT"S', None),
        ("string", ["a", ""], "b", "value_error:string"),
        ("integer", ["n"], "n", None),
        ("integer", ["n"], "N", "value_error:others"),
        ("integer", ["n"], 3, "value_error:others"),
        ("tuple", [[1, 2]], (1, 2), "KeyError"),
    ],
)
def test_a_plain_value_is_compared_with_the_accepted_ones(
    kind: str, accepted: list[Any], value: Any, error: str | None
) -> None:
    if error == "KeyError":
        kind_of = {"type": kind, "items": {"type": "integer"}}
        assert verdict(kind_of, accepted, value) is None
        return
    assert verdict(kind, accepted, value) == error


def array(inner: str, outer: str = "array") -> dict[str, Any]:
    return {"type": outer, "items": {"type": inner}}


@pytest.mark.parametrize(
    ("inner", "accepted", "value", "error"),
    [
        ("string", [["Ab", "c d"]], ["a.b", "cd"], None),
        ("string", [["a"]], ["b"], "value_error:list/tuple"),
        ("string", [["a"]], [1], "type_error:nested"),
        ("string", ["everything"], [1], "value_error:others"),
        ("integer", [[1, 2]], [2, 1], "value_error:list/tuple"),
        ("integer", [["n"]], ["n"], None),
        ("integer", [[1]], "1", "type_error:simple"),
        ("integer", [[1], ""], [], None),
        ("dict", [[{"a": ["X"]}]], [{"a": "x"}], None),
        ("dict", [[{"a": ["X"]}]], [], "value_error:list_dict_count"),
        ("dict", [[{"a": ["X"]}]], [{"a": "y"}], "value_error:dict_value"),
        ("dict", [[{"a": [1]}], [{"b": [2]}]], [{"b": 2}], None),
        ("dict", [[{"a": ["t"]}]], [{"b": "t"}], "value_error:dict_key"),
    ],
)
def test_members_are_checked_one_level_deep(
    inner: str, accepted: list[Any], value: Any, error: str | None
) -> None:
    assert verdict(array(inner), accepted, value) == error


@pytest.mark.parametrize(
    ("accepted", "value", "first", "fourth"),
    [
        ([{"a": [1]}], {"a": 1}, None, None),
        ([{"a": [1], "b": [2, ""]}], {"a": 1}, "value_error:dict_items", None),
        ([{"a": [1], "b": [2]}], {"a": 1}, "value_error:dict_items", "value_error:dict_key"),
        ([{"a": [1], "b": [2]}], {"a": 3, "b": 2}, *("value_error:dict_value",) * 2),
        ([{"a": ["X"]}], {"b": "x"}, *("value_error:dict_key",) * 2),
        (["", {"a": [1]}], {"a": 1}, None, None),
        ([""], {"a": 1}, *("dict_checker:unclear",) * 2),
        ([{"a": {"b": [1]}}], {"a": {"b": 1}}, None, "value_error:dict_value"),
        ([{"a": {"b": [1]}}], {"a": {"b": 2}}, *("value_error:dict_value",) * 2),
        ([{"a": {"b": [1]}}], {"a": 7}, "dict_checker:unclear", "value_error:dict_value"),
    ],
)
def test_the_editions_differ_in_objects(
    accepted: list[Any], value: Any, first: str | None, fourth: str | None
) -> None:
    assert verdict("dict", accepted, value, edition=V1) == first
    assert verdict("dict", accepted, value, edition=V4) == fourth


def calls(*pairs: tuple[str, dict[str, Any]]) -> Output:
    return Output(decoded=[{name: arguments} for name, arguments in pairs], is_decoded=True)


ADD, ADD2 = described("math.add", a="integer"), described("math.add_two", a="integer")


@pytest.mark.parametrize(
    ("category", "edition", "decoded", "error"),
    [
        ("simple", V4, calls(), "simple_function_checker:wrong_count"),
        ("multiple", V4, calls(), "multiple_function_checker:wrong_count"),
        ("multiple", V1, calls(), "parallel_function_checker_no_order:wrong_count"),
        ("simple", V4, calls(("math.add", {"a": 1})), None),
        ("simple", V4, calls(("add", {"a": 1})), "simple_function_checker:wrong_func_name"),
        ("simple", V4, calls(("math.add", {"b": 1})), "simple_function_checker:unexpected_param"),
        ("simple", V4, calls(("math.add", {})), "simple_function_checker:missing_optional"),
        (
            "simple",
            V1,
            Output(decoded=["f()"], is_decoded=True),
            "ast_decoder:decoder_wrong_output_format",
        ),
        (
            "simple",
            V4,
            Output(decoded=[{}], is_decoded=True),
            "ast_decoder:decoder_wrong_output_format",
        ),
        (
            "simple",
            V1,
            Output(decoded=[{}], is_decoded=True),
            "simple_function_checker:wrong_func_name",
        ),
        (
            "simple",
            V1,
            Output(decoded=[{"math.add": 1}], is_decoded=True),
            "simple_function_checker:unclear",
        ),
        ("simple", V1, Output(failed=True, is_decoded=True), "ast_decoder:decoder_failed"),
        ("relevance", V1, Output(failed=True, is_decoded=True), None),
        ("relevance", V1, calls(("math.add", {})), "relevance_error:decoder_success"),
        ("relevance", V1, Output(decoded=[{}], is_decoded=True), None),
        ("live_irrelevance", V4, calls(("x", {})), "irrelevance_error:decoder_success"),
        ("live_irrelevance", V4, calls(), None),
        ("live_relevance", V4, calls(), "relevance_error:decoder_failed"),
        ("live_relevance", V4, calls(("x", {})), None),
    ],
)
def test_an_output_is_judged_by_its_category(
    category: str, edition: Edition, decoded: Output, error: str | None
) -> None:
    item = Item(functions=[ADD], answers=(("math.add", {"a": [1]}),), edition=edition)
    assert judge(item, (category, "i"), decoded, underscored=False) == error


def test_a_required_argument_is_missed_before_an_unexpected_one_is_seen() -> None:
    function = {**ADD, "parameters": {**ADD["parameters"], "required": ["a"]}}
    item = Item(functions=[function], answers=(("math.add", {"a": [1]}),), edition=V4)
    output = calls(("math_add", {"b": 1}))
    error = judge(item, ("simple", "i"), output, underscored=True)
    assert error == "simple_function_checker:missing_required"


def test_parallel_calls_are_matched_greedily_in_the_order_of_the_answers() -> None:
    """The first answer takes the call that only the second could have used."""
    answers = (("math.add", {"a": [1, 2]}), ("math.add", {"a": [1]}))
    item = Item(functions=[ADD], answers=answers, edition=V4)
    category = ("parallel", "i")
    fits = calls(("math.add", {"a": 2}), ("math.add", {"a": 1}))
    assert judge(item, category, fits, underscored=False) is None
    greedy = calls(("math.add", {"a": 1}), ("math.add", {"a": 2}))
    missed = "parallel_function_checker_no_order:cannot_find_match"
    assert judge(item, category, greedy, underscored=False) == missed


def test_the_first_edition_finds_a_function_by_a_part_of_the_answers_name() -> None:
    item = Item(functions=[ADD, ADD2], answers=(("math.add_two_1", {"a": [1]}),), edition=V1)
    # `math.add` is part of it and stands first, so it is the one that counts.
    found = judge(item, ("multiple", "i"), calls(("math.add", {"a": 1})), underscored=False)
    assert found is None
    item = Item(functions=[ADD], answers=(("sub", {"a": [1]}),), edition=V1)
    found = judge(item, ("multiple", "i"), calls(("math.add", {"a": 1})), underscored=False)
    assert found == "parallel_function_checker_no_order:cannot_find_description"


@pytest.mark.parametrize(
    ("kind", "inner", "text", "value"),
    [
        ("integer", None, "-12", -12),
        ("integer", None, "1.0", "1.0"),
        ("integer", None, "9" * 5_000, "9" * 5_000),
        ("long", None, "12L", 12),
        ("long", None, "12", "12"),
        ("float", None, "1.5f", 1.5),
        ("double", None, "3e-2", 0.03),
        ("boolean", None, "true", True),
        ("boolean", None, "yes", "yes"),
        ("char", None, "'c'", "'c'"),
        ("Array", "integer", "new int[]{1, 2, }", [1, 2]),
        ("Array", None, 'new Object[] {1, "b", true, 2L, 1.5f, x}', [1, "b", True, 2, 1.5, "x"]),
        ("Array", "integer", "{1, 2}", "{1, 2}"),
        ("ArrayList", "String", 'new ArrayList<>(Arrays.asList("a", "b"))', ["a", "b"]),
        ("ArrayList", "integer", "new ArrayList<Integer>() {{ add(1); add(2); }}", [1, 2]),
        ("ArrayList", None, "new ArrayList<>(Arrays.asList(1, 0.5))", [1, 0.5]),
        ("ArrayList", "String", "new ArrayList<>()", []),
        ("ArrayList", "String", "list", "list"),
        (
            "HashMap",
            None,
            'new HashMap<String, Object>() {{ put("a", 1); put("b", "c"); }}',
            {"a": 1, "b": "c"},
        ),
        ("HashMap", None, "new HashMap<>()", {}),
        ("HashMap", None, "map", "map"),
        ("Set", None, "Set.of(1)", "Set.of(1)"),
    ],
)
def test_java_values_are_read_by_the_leaderboards_rules(
    kind: str, inner: str | None, text: str, value: Any
) -> None:
    assert convert(text, kind, inner, language=Language.JAVA) == value


@pytest.mark.parametrize(
    ("kind", "inner", "text", "value"),
    [
        ("String", None, "'a'", "a"),
        ("String", None, "a", "a"),
        ("integer", None, "3", 3),
        ("float", None, "3.5", 3.5),
        ("float", None, "3e5", "3e5"),
        ("Bigint", None, "12n", 12),
        ("Boolean", None, "false", False),
        ("any", None, "x => x", "x => x"),
        ("array", "integer", "[1, 2]", [1, 2]),
        ("array", "String", "new Array('a', b)", ["a", "b"]),
        ("array", None, "[1.5, 'a', true, x]", [1.5, "a", True, "x"]),
        ("array", "array", " [ [1, 2], [3,   4]]", [[1, 2], [3, 4]]),
        ("array", "String", "[]", []),
        ("array", "String", "list", "list"),
        ("dict", None, "{}", {}),
        ("dict", None, "{a: 1, 'b': 'c', d: [1, 2]}", {"a": 1, "b": "c", "d": [1, 2]}),
        ("dict", None, "{a: {b: 1}", {"a": "{b: 1"}),
        ("dict", None, "options", "options"),
    ],
)
def test_javascript_values_are_read_by_the_leaderboards_rules(
    kind: str, inner: str | None, text: str, value: Any
) -> None:
    assert convert(text, kind, inner, language=Language.JAVASCRIPT) == value


@pytest.mark.parametrize(
    ("category", "error"), [("java", "type_error:java"), ("simple_javascript", "type_error:js")]
)
def test_values_of_java_and_javascript_have_to_be_text(category: str, error: str) -> None:
    assert verdict("integer", [1], 1, category=category) == error
    assert verdict("integer", [1], "1", category=category) is None
