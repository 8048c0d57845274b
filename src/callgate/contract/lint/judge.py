"""Runs the rules over a listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from callgate.contract.lint.finding import Finding, Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.rules import RULES
from callgate.contract.lint.subject import Subject
from callgate.contract.listing import Listing
from callgate.errors import SettingsError

__all__ = ["Choice", "Report", "judge"]

_SHOWN = 160
"""Characters of evidence in a finding."""

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which rules run, and how much they matter: the table `[lint]` of the settings.

    Attributes:
        enable: Rules to run beside the usual ones; `all` for every rule.
        disable: Rules not to run.
        only: If not empty, exactly the rules to run.
        severity: Severities other than a rule's own, by rule.
        ignore: Findings to leave out, each `rule` or `rule:tool`, where both may hold `*`.
    """

    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    severity: Mapping[str, str] = field(default_factory=dict[str, str])
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the rules found.

    Attributes:
        source: What was judged.
        tools: How many tools.
        findings: Errors first, then in the order of the tools.
        suppressed: How many findings were left out because somebody said so.
        rules: The rules that ran.
    """

    source: str
    tools: int
    findings: tuple[Finding, ...]
    suppressed: int
    rules: tuple[Rule, ...]

    def counts(self) -> dict[str, int]:
        """Return how many findings there are of each severity."""
        found = Counter(finding.severity.value for finding in self.findings)
        return {kind.value: found[kind.value] for kind in Severity}

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "source": self.source,
            "tools": self.tools,
            "counts": self.counts(),
            "suppressed": self.suppressed,
            "findings": [finding.to_json() for finding in self.findings],
        }


def judge(listing: Listing, choice: Choice | None = None, extra: Sequence[Rule] = ()) -> Report:
    """Run the rules.

    Args:
        listing: The tools.
        choice: Which rules; defaults to the usual ones.
        extra: Rules beside ours.

    Raises:
        SettingsError: The choice names a rule or severity that there is not.
    """
    choice = choice or Choice()
    rules = _chosen((*RULES, *extra), choice)
    subjects = [Subject(entry) for entry in listing.entries]
    surfaces = _surfaces(subjects)
    found: list[Finding] = []
    suppressed = 0
    order = {id(subject): place for place, subject in enumerate(subjects)}
    keyed: list[tuple[int, int, Finding]] = []
    for rule in rules:
        severity = Severity(choice.severity.get(rule.id, rule.severity))
        for hit in _hits(rule, subjects, surfaces):
            finding = _finding(rule, severity, hit)
            if rule.id in hit.subject.listed.ignored or _is_ignored(finding, choice.ignore):
                suppressed += 1
            else:
                keyed.append((_ORDER[severity], order[id(hit.subject)], finding))
    found = [finding for _, _, finding in sorted(keyed, key=lambda item: item[:2])]
    return Report(
        source=listing.source,
        tools=len(subjects),
        findings=tuple(found),
        suppressed=suppressed,
        rules=rules,
    )


def _surfaces(subjects: Sequence[Subject]) -> Sequence[Sequence[Subject]]:
    """Return the tools of each surface: what is never offered together is not compared."""
    found: dict[str, list[Subject]] = {}
    for subject in subjects:
        for surface in subject.listed.surfaces or ("",):
            found.setdefault(surface, []).append(subject)
    return list(found.values())


def _hits(
    rule: Rule, subjects: Sequence[Subject], surfaces: Sequence[Sequence[Subject]]
) -> Iterable[Hit]:
    if rule.each is not None:
        for subject in subjects:
            yield from rule.each(subject)
    if rule.across is not None:
        told: set[tuple[int, str, str, str]] = set()
        for together in surfaces:
            for hit in rule.across(together):
                # Two tools that many surfaces share are told of once.
                key = (id(hit.subject), hit.path, hit.evidence, hit.other)
                if key not in told:
                    told.add(key)
                    yield hit


def _finding(rule: Rule, severity: Severity, hit: Hit) -> Finding:
    return Finding(
        rule=rule.id,
        severity=severity,
        tool=hit.subject.tool.name,
        place=hit.subject.listed.place,
        path=hit.path,
        words=hit.words,
        fix=hit.fix or rule.fix,
        evidence=" ".join(hit.evidence.split())[:_SHOWN],
        edits=hit.edits,
        other=hit.other,
    )


def _is_ignored(finding: Finding, patterns: Iterable[str]) -> bool:
    for pattern in patterns:
        rule, _, tool = pattern.partition(":")
        if fnmatchcase(finding.rule, rule) and (not tool or fnmatchcase(finding.tool, tool)):
            return True
    return False


def _chosen(rules: Sequence[Rule], choice: Choice) -> tuple[Rule, ...]:
    known = {rule.id for rule in rules}
    for name in (*choice.enable, *choice.disable, *choice.only, *choice.severity):
        if name not in known and name != "all":
            raise SettingsError(
                f"lint: there is no rule {name!r}; `callgate lint --format rules` lists them",
                details={"got": name, "allowed": sorted(known)},
            )
    for name, severity in choice.severity.items():
        if severity not in set(Severity):
            raise SettingsError(
                f"lint: the severity of {name} is {severity!r}; allowed is {', '.join(Severity)}",
                details={"got": severity, "allowed": list(Severity)},
            )
    if choice.only:
        return tuple(rule for rule in rules if rule.id in choice.only)
    return tuple(
        rule
        for rule in rules
        if (rule.on or rule.id in choice.enable or "all" in choice.enable)
        and rule.id not in choice.disable
    )
