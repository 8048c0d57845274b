"""`[lint]`: which rules of `callgate lint` run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from callgate.settings.table import Table, text, texts

__all__ = ["LintSettings", "lint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintSettings:
    """Which rules of `callgate lint` run: the table `[lint]`.

    Attributes:
        enable: Rules to run beside the usual ones; `all` for every rule.
        disable: Rules not to run.
        ignore: Findings to leave out, each `rule` or `rule:tool`, where both may hold `*`.
        severity: Severities other than a rule's own, by rule.
    """

    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, str] = field(default_factory=dict[str, str])


def lint(table: Table) -> LintSettings:
    """Read `[lint]`."""
    table.only([part.name for part in fields(LintSettings)])
    levels = table.table("severity")
    return LintSettings(
        enable=table.take("enable", texts, ()),
        disable=table.take("disable", texts, ()),
        ignore=table.take("ignore", texts, ()),
        severity={rule: levels.take(rule, text, "") for rule in levels.values},
    )
