import pytest

from callgate.contract.lint import RULES, Severity
from tests.contract.cases import BROKEN, GOOD, findings, tool, with_parameter


def test_every_rule_has_a_case_and_names_are_told_apart():
    assert set(BROKEN) == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", sorted(BROKEN))
def test_a_rule_finds_what_it_is_about(rule: str):
    tools, path = BROKEN[rule]
    found = findings(*tools, only=rule)
    assert found, rule
    assert {finding.rule for finding in found} == {rule}
    assert path in {finding.path for finding in found}
    assert all(finding.words and finding.fix for finding in found)


def test_a_tool_in_order_has_no_finding_at_all():
    found = findings(GOOD, enable=("all",))
    # Dates and bounds are not on every wire.
    assert [finding.rule for finding in found] == ["wire-not-as-written"]


@pytest.mark.parametrize(
    ("rule", "tools"),
    [
        (
            "type-contradicts-prose",
            [with_parameter("q", {"type": "string", "description": "A boolean expression."})],
        ),
        (
            "type-contradicts-prose",
            [with_parameter("digits", {"type": "integer", "description": "The decimal places."})],
        ),
        (
            "string-should-be-enum",
            [
                with_parameter(
                    "m", {"type": "string", "description": "One of 'a', 'b', for example."}
                )
            ],
        ),
        (
            "string-should-be-enum",
            [
                with_parameter(
                    "m", {"type": "string", "enum": ["a", "b"], "description": "One of 'a' or 'b'."}
                )
            ],
        ),
        (
            "default-contradicts-prose",
            [
                with_parameter(
                    "w",
                    {"type": "integer", "description": "Default is 10 minutes.", "default": 600},
                )
            ],
        ),
        (
            "required-contradicts-prose",
            [
                with_parameter(
                    "p",
                    {"type": "string", "description": "Required names of the fields."},
                    required=False,
                )
            ],
        ),
        (
            "bounds-only-in-prose",
            [with_parameter("ttl", {"type": "integer", "description": "Max: 1 week"})],
        ),
        ("confusable-letters", [tool(description="The constant \u03b5K of the field.")]),
        (
            "parameter-undescribed",
            [
                tool(
                    description="Prices of a share.\n\nfrom = first day of the period",
                    inputSchema={"type": "object", "properties": {"from": {"type": "string"}}},
                ),
                tool(
                    description="Words to guess; wordLimit is 4 if left out and 10 at most.",
                    inputSchema={"type": "object", "properties": {"wordLimit": {}}},
                ),
                tool(
                    description="*count* must be between 2 and 20.",
                    inputSchema={"type": "object", "properties": {"count": {"type": "integer"}}},
                ),
            ],
        ),
        (
            "default-only-in-prose",
            [
                with_parameter(
                    "day",
                    {"type": "string", "description": "The day. Default: 1998-12-03"},
                    required=False,
                )
            ],
        ),
        (
            "description-unfinished",
            [with_parameter("html", {"type": "string", "description": "HTML, such as <p>."})],
        ),
        ("effect-contradicts-name", [tool(name="schedule"), tool(name="post_code_of_town")]),
        ("secret-in-definition", [tool(description="Give sk-your-key-here-0123456789abcdef.")]),
        (
            "parameter-name-vague",
            [
                {
                    **GOOD,
                    "inputSchema": {
                        "type": "object",
                        "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
                    },
                }
            ],
        ),
        (
            "size-unbounded",
            [with_parameter("limit", {"type": "integer", "description": "Where the series ends."})],
        ),
        ("unit-missing", [with_parameter("duration_seconds", {"type": "integer"})]),
        (
            "unit-missing",
            [with_parameter("duration", {"type": "integer", "description": "In minutes."})],
        ),
    ],
)
def test_a_rule_keeps_quiet_where_it_was_once_wrong(rule: str, tools: list[dict[str, object]]):
    assert findings(*tools, only=rule) == []


def test_a_path_or_a_word_of_prose_explains_no_parameter():
    for name, told in (("userId", "GET /users/{userId}/orders"), ("to", "Write to a person.")):
        given = {"type": "object", "properties": {name: {"type": "string"}}}
        (finding,) = findings(
            tool(description=told, inputSchema=given), only="parameter-undescribed"
        )
        assert finding.evidence == name


@pytest.mark.parametrize(
    ("kind", "told", "fix"),
    [
        ("string", "Defaults to `google.com.`", '"default": "google.com".'),
        ("string", "Defaults to `0`.", '"default": "0".'),
        ("string", "Default '.'", '"default": ".".'),
        ("integer", "Default is 10.", '"default": 10.'),
        ("boolean", "Default is False.", '"default": false.'),
        ("integer", "Default: None", '"default": null.'),
    ],
)
def test_a_default_of_prose_is_offered_as_json(kind: str, told: str, fix: str):
    given = with_parameter("a", {"type": kind, "description": told}, required=False)
    (finding,) = findings(given, only="default-only-in-prose")
    assert finding.fix == f"Say it in the schema: {fix}"


def test_a_secret_is_never_shown():
    tools, _ = BROKEN["secret-in-definition"]
    (finding,) = findings(*tools, only="secret-in-definition")
    assert finding.evidence == "sk-p… (32 characters)"
    assert "Ab9Ab9" not in str(finding.to_json())


def test_a_pair_comes_with_the_sentence_that_separates_it():
    first = tool(name="search_docs", description="Search the pages of the wiki for a phrase.")
    second = tool(name="find_docs", description="Search the pages of the website for a phrase.")
    (finding,) = findings(first, second, only="confusable-pair")
    assert (finding.tool, finding.other) == ("search_docs", "find_docs")
    assert finding.fix == ("Say in search_docs: “Use this for wiki; for website use find_docs.”")


def test_a_pair_that_differs_on_one_side_gets_one_sentence():
    plain = tool(name="read_pages", description="Read some pages of a long book in the library.")
    fuller = tool(
        name="get_pages", description="Read some pages of a long book in the library slowly."
    )
    (one,) = findings(plain, fuller, only="confusable-pair")
    (other,) = findings(fuller, plain, only="confusable-pair")
    assert one.fix == "Say in read_pages: “For slowly use get_pages instead.”"
    assert other.fix == "Say in read_pages: “For slowly use get_pages instead.”"


def test_a_pair_with_nothing_between_it_is_to_be_merged():
    (finding,) = findings(tool(name="read.page"), tool(name="read_page"), only="confusable-pair")
    assert finding.fix.startswith("Nothing in the two definitions tells them apart: merge")


def test_a_recursive_schema_is_looked_at_once():
    tree = {
        "type": "object",
        "properties": {
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            "either": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        },
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    }
    found = findings(tool(inputSchema=tree), only="parameter-undescribed")
    assert [finding.path for finding in found] == [
        "parameters/children",
        "parameters/children/next",
        "parameters/either",
        "parameters/either/next",
    ]


def test_a_schema_that_is_none_stops_only_the_rules_about_schemas():
    found = findings(
        tool(inputSchema={"type": "object", "properties": {"a": {"$ref": "http://x/y"}}})
    )
    assert [(finding.rule, finding.severity) for finding in found] == [
        ("schema-invalid", Severity.ERROR)
    ]
    assert "never fetched" in found[0].words


def test_findings_have_ids_that_stay_and_differ():
    tools, _ = BROKEN["parameter-undescribed"]
    (one,) = findings(*tools, only="parameter-undescribed")
    (again,) = findings(*tools, only="parameter-undescribed")
    (other,) = findings(tool(description=""), only="description-missing")
    assert one.id == again.id
    assert one.id != other.id
