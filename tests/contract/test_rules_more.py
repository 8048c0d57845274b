"""The less trodden sides of rules: what they also find, and where they also keep quiet."""

from typing import Any

import pytest

from tests.contract.cases import findings, tool, with_parameter

KEY = "a1b2c3d4" * 4
SHORT = {"type": "object", "properties": {"count": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("rule", "given", "count"),
    [
        ("secret-in-definition", with_parameter("apiKey", {"enum": [KEY, 7]}), 1),
        ("secret-in-definition", with_parameter("token", {"const": KEY}), 1),
        ("secret-in-definition", with_parameter("word", {"examples": [KEY]}), 0),
        ("secret-in-definition", tool(description="Use AKIAQWERTYUIOPASDFGH now."), 1),
        ("effect-contradicts-name", tool(annotations={"destructiveHint": True}), 1),
        (
            "effect-contradicts-name",
            tool(annotations={"destructiveHint": True}, description="Searches and deletes orders."),
            0,
        ),
        ("result-unbounded", tool(name="list_orders"), 0),
        (
            "result-unbounded",
            tool(name="list_all", inputSchema={}, description="Lists.", outputSchema=SHORT),
            0,
        ),
        (
            "result-unbounded",
            tool(
                name="list_all",
                inputSchema={},
                description="Lists.",
                outputSchema={"type": "integer"},
            ),
            0,
        ),
        ("result-unbounded", tool(name="list_all", inputSchema={}, description="The top 5."), 0),
        ("parameter-impossible", with_parameter("a", {"type": "integer", "enum": ["x"]}), 1),
        ("parameter-impossible", with_parameter("a", {"type": "integer", "enum": [1, "x"]}), 0),
        (
            "default-invalid",
            with_parameter("a", {"type": "string", "default": None}, required=False),
            0,
        ),
        ("unit-missing", with_parameter("distance", {"type": "string"}), 0),
        ("format-missing", with_parameter("day_date", {"type": "string", "format": "date"}), 0),
        ("format-missing", with_parameter("date", {"type": "string", "description": "ISO."}), 0),
        ("bounds-only-in-prose", with_parameter("a", {"enum": [1], "type": "integer"}), 0),
        ("size-unbounded", with_parameter("limit", {"type": "integer", "maximum": 5}), 0),
    ],
)
def test_a_rule_sees_this_much(rule: str, given: dict[str, Any], count: int):
    assert len(findings(given, only=rule)) == count


def test_a_default_is_held_against_definitions_it_refers_to():
    schema = {
        "type": "object",
        "properties": {"mode": {"$ref": "#/$defs/mode", "default": "c"}},
        "$defs": {"mode": {"enum": ["a", "b"]}},
    }
    (finding,) = findings(tool(inputSchema=schema), only="default-invalid")
    assert finding.path == "parameters/mode"
