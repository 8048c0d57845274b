"""`callgate lint`: what is wrong with tools, and safe fixes."""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.text import Text

from callgate import app
from callgate.cli.inspecting import token_count
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import Exit, ended, print_json, reporting, screen
from callgate.contract.lint import RULES, Choice, Finding, Report, Severity, judge
from callgate.contract.lint.sarif import to_sarif
from callgate.contract.lint.tokens import definition_text
from callgate.contract.listing import Listing
from callgate.errors import SettingsError

__all__ = ["lint_source", "print_finding", "tokens_of"]

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


class _Form(StrEnum):
    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    RULES = "rules"


class _Fail(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


def lint_source(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="As of inspect; else the tools of the settings."),
    ] = None,
    enable: Annotated[
        list[str] | None, typer.Option(help="Run this rule, too, which is off; or all.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Leave out RULE or RULE:TOOL; * stands for any.")
    ] = None,
    fail_on: Annotated[_Fail, typer.Option(help="The least severity that fails.")] = _Fail.ERROR,
    fix: Annotated[bool, typer.Option("--fix", help="Write safe fixes into a JSON file.")] = False,
    form: Annotated[
        _Form, typer.Option("--format", help="How to print; `rules` lists the rules instead.")
    ] = _Form.TEXT,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with tools.

    Prints findings with rule, reason and fix; exit code 1 if one is an error (see --fail-on).
    """
    form = _Form.JSON if as_json and form is not _Form.RULES else form
    with reporting(as_json or form in (_Form.JSON, _Form.SARIF)):
        if form is _Form.RULES:
            _print_rules(as_json=as_json)
            return
        options = Choice(enable=tuple(enable or ()), ignore=tuple(ignore or ()))
        choice = app.lint_choice(app.settings(file), options)
        listing = _read(source, file)
        report = judge(listing, choice)
        if fix:
            made, listing, report = _fixed(listing, report, choice)
            screen().print(f"{made} fixes written")
        _print(report, listing, form)
    ended(_exit(report, fail_on))


def _fixed(listing: Listing, report: Report, choice: Choice) -> tuple[int, Listing, Report]:
    """Write fixes until there are none: two of one text are made one after another."""
    made, more = 0, app.mend(listing.source, report)
    while more:
        made += more
        listing = app.read(listing.source)
        report = judge(listing, choice)
        more = app.mend(listing.source, report)
    return made, listing, report


def _read(source: str | None, file: Path | None) -> Listing:
    if source is not None:
        return app.read(source)
    chosen = app.settings(file)
    if not (chosen.tools or chosen.sources):
        raise SettingsError("Say which tools to lint: callgate lint SOURCE.")
    return app.read_tools(chosen)


def _exit(report: Report, fail_on: _Fail) -> Exit:
    if fail_on is _Fail.NEVER:
        return Exit.OK
    least = _RANK[Severity(fail_on.value)]
    worst = min((_RANK[finding.severity] for finding in report.findings), default=9)
    return Exit.FAILED if worst <= least else Exit.OK


def _print(report: Report, listing: Listing, form: _Form) -> None:
    if form is _Form.SARIF:
        lines = _Lines(report.source)
        print_json(to_sarif(report, version=version("callgate"), line_of=lines.of))
    elif form is _Form.JSON:
        print_json({**report.to_json(), "tokens": tokens_of(listing)})
    else:
        _print_text(report, listing)


def tokens_of(listing: Listing) -> dict[str, object]:
    """Return what the tools cost in every request, as JSON says it."""
    count = token_count()
    total = sum(count.count(definition_text(tool)) for tool in listing.tools)
    return {
        "total": total,
        "encoding": count.name,
        "exact": count.exact,
        "others": f"about {total}, an estimate: Anthropic and Gemini publish no encoding",
    }


def _print_text(report: Report, listing: Listing) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in report.findings:
        print_finding(console, finding)
    counts = ", ".join(f"{count} {kind}" for kind, count in report.counts().items())
    count = token_count()
    total = sum(count.count(definition_text(tool)) for tool in listing.tools)
    told = f"tokens of {count.name}" if count.exact else "tokens (estimate)"
    left = f", {report.suppressed} suppressed" if report.suppressed else ""
    fixable = sum(bool(finding.edits) for finding in report.findings)
    mended = f", {fixable} with a safe fix (--fix)" if fixable else ""
    console.print(Text(f"{report.tools} tools, {total} {told}: {counts}{left}{mended}"))


def print_finding(console: Console, finding: Finding) -> None:
    """Print one finding and what to do about it."""
    where = "/".join(filter(None, (finding.tool, finding.path)))
    console.print(
        Text.assemble(
            (finding.severity.value, _STYLES[finding.severity]),
            f" {where}: {finding.words} ",
            (f"[{finding.rule}]", "dim"),
        )
    )
    console.print(Text(f"    {finding.fix}", style="dim"))


def _print_rules(*, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "id": rule.id,
                    "severity": rule.severity.value,
                    "on": rule.on,
                    "reason": rule.reason,
                    "fix": rule.fix,
                }
                for rule in RULES
            ]
        )
        return
    console = Console(highlight=False, soft_wrap=True)
    for rule in RULES:
        off = "" if rule.on else " (off)"
        style = _STYLES[rule.severity]
        console.print(
            Text.assemble((rule.severity.value, style), f" {rule.id}{off}: {rule.reason}")
        )


class _Lines:
    """Finds the line of a JSON or Python file on which a tool's name stands."""

    def __init__(self, source: str) -> None:
        path = Path(source.split(":", 1)[0] if ".py:" in source else source)
        is_text = path.is_file() and path.suffix != ".gz"
        self._text = path.read_text(encoding="utf-8", errors="replace") if is_text else ""

    def of(self, finding: Finding) -> int:
        """Return the line, from 1; 1 where it is not found."""
        quoted = orjson.dumps(finding.tool).decode()
        for sought in (quoted, f"def {finding.tool}(", finding.tool):
            place = self._text.find(sought)
            if place >= 0:
                return self._text.count("\n", 0, place) + 1
        return 1
