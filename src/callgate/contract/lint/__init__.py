"""Judges tools as a model reads them: rules, findings and safe fixes, without running anything."""

from callgate.contract.lint.finding import Edit, Finding, Severity
from callgate.contract.lint.judge import Choice, Report, judge
from callgate.contract.lint.rule import Rule
from callgate.contract.lint.rules import RULES

__all__ = ["RULES", "Choice", "Edit", "Finding", "Report", "Rule", "Severity", "judge"]
