"""Findings as SARIF 2.1.0, which code hosts show beside the lines of a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callgate.contract.lint.finding import Finding, Severity
from callgate.contract.lint.judge import Report

__all__ = ["to_sarif"]

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def to_sarif(report: Report, *, version: str, line_of: Callable[[Finding], int]) -> dict[str, Any]:
    """Return a report as a SARIF log of one run.

    Args:
        report: What the rules found.
        version: The version of Callgate.
        line_of: Says on which line of the source a finding's tool stands, from 1.
    """
    places = {rule.id: place for place, rule in enumerate(report.rules)}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "callgate lint",
                        "version": version,
                        "rules": [
                            {
                                "id": rule.id,
                                "shortDescription": {"text": rule.reason},
                                "help": {"text": rule.fix},
                                "defaultConfiguration": {"level": _LEVELS[rule.severity]},
                            }
                            for rule in report.rules
                        ],
                    }
                },
                "results": [
                    _result(finding, places[finding.rule], report.source, line_of(finding))
                    for finding in report.findings
                ],
            }
        ],
    }


def _result(finding: Finding, place: int, source: str, line: int) -> dict[str, Any]:
    where = "/".join(filter(None, (finding.tool, finding.path)))
    return {
        "ruleId": finding.rule,
        "ruleIndex": place,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.tool}: {finding.words} {finding.fix}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(source)},
                    "region": {"startLine": line},
                },
                "logicalLocations": [{"fullyQualifiedName": where, "kind": "function"}],
            }
        ],
        "partialFingerprints": {"callgate/v1": finding.id},
    }


def _uri(source: str) -> str:
    """Return a source as a relative reference: a Python one without its attribute."""
    path = source.split(":", 1)[0] if ".py:" in source else source
    return path.replace("\\", "/").replace(" ", "%20")
