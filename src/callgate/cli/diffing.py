"""`callgate diff`: what a change to tools breaks, shown by a call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.text import Text

from callgate.cli.inspecting import token_count
from callgate.cli.options import AsJson
from callgate.cli.outcome import Exit, ended, fail, print_json, reporting
from callgate.cli.screen import shown
from callgate.contract.diff.surface import SurfaceDiff, diff_surfaces
from callgate.contract.diff.tool import Part, ToolDiff, diff_schemas
from callgate.contract.inclusion.include import Verdict
from callgate.contract.lint.tokens import TokenCount, definition_text
from callgate.contract.listing import Listing
from callgate.errors import DefinitionError, SettingsError
from callgate.release.read import read
from callgate.release.revisions import PREFIX, read_revision

__all__ = ["diff_sources"]

_CODES = {
    Verdict.COMPATIBLE: Exit.OK,
    Verdict.BREAKING: Exit.FAILED,
    Verdict.UNDECIDED: Exit.UNDECIDED,
}
_STYLES = {
    Verdict.COMPATIBLE: "bold green",
    Verdict.BREAKING: "bold red",
    Verdict.UNDECIDED: "bold yellow",
}
_MOST_LINES = 20
"""Changes of one tool that are shown; `--json` has them all."""


def diff_sources(
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD",
            help="What it was: tools or one schema in a file, git:REVISION:PATH, module:attribute, "
            "a server. With --rev, what it is now.",
        ),
    ],
    new: Annotated[
        str | None, typer.Argument(metavar="[NEW]", help="What it is now.", show_default=False)
    ] = None,
    rev: Annotated[
        str | None,
        typer.Option("--rev", help="Compare the file with itself as it was in this git revision."),
    ] = None,
    used_as: Annotated[
        Literal["parameters", "returns"], typer.Option("--as", help="How bare schemas are used.")
    ] = "parameters",
    as_json: AsJson = False,
) -> None:
    """Tell what a change to tools breaks, shown by a call.

    Compatible is proved: every old valid call is valid still, and every result that is possible
    now was possible before. Breaking comes with a call, or a result, that shows it.

    Exit codes: 0 compatible; 1 breaking; 2 something cannot be read; 5 undecided.
    """
    with reporting(as_json):
        before, after = _sources(old, new, rev)
        try:
            told, counted = _compared(_read(before), _read(after), Part(used_as))
        except DefinitionError as error:
            # 1 says that a change breaks somebody; what cannot be read says nothing.
            fail(error, as_json=as_json, exit_code=Exit.USAGE)
        if as_json:
            print_json({"old": before, "new": after, **_as_json(told, counted)})
        else:
            _print(told, counted)
        ended(_CODES[told.verdict])


def _sources(old: str, new: str | None, rev: str | None) -> tuple[str, str]:
    if rev is not None and new is None:
        return f"{PREFIX}{rev}:{old}", old
    if rev is None and new is not None:
        return old, new
    raise SettingsError("Name what it was and what it is now, or one file and --rev REVISION.")


def _read(source: str) -> Listing:
    if source.startswith(PREFIX):
        return read_revision(source, Path.cwd())
    return read(source, Path.cwd())


def _compared(
    before: Listing, after: Listing, used_as: Part
) -> tuple[ToolDiff | SurfaceDiff, TokenCount | None]:
    if before.forms == after.forms == ("schema",):
        one, other = before.tools[0], after.tools[0]
        return diff_schemas(one.parameters, other.parameters, used_as, other.name), None
    counted = token_count()
    told = diff_surfaces(
        before.tools, after.tools, lambda tool: counted.count(definition_text(tool))
    )
    return told, counted


def _as_json(told: ToolDiff | SurfaceDiff, counted: TokenCount | None) -> dict[str, Any]:
    value = told.to_json()
    if counted is not None:
        value["tokens"] |= {"encoding": counted.name, "exact": counted.exact}
    return value


# --- the screen -----------------------------------------------------------------------------


def _print(told: ToolDiff | SurfaceDiff, counted: TokenCount | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    tools = told.tools if isinstance(told, SurfaceDiff) else (told,)
    for tool in tools:
        for line in _lines(tool):
            console.print(line)
    if isinstance(told, SurfaceDiff):
        for line in _surface(told):
            console.print(line)
    if counted is not None and isinstance(told, SurfaceDiff) and told.tokens is not None:
        before, after = told.tokens
        console.print(
            Text(f"tokens: {before}, now {after} ({after - before:+}; {counted.name})", "dim")
        )


def _head(name: str, verdict: Verdict, semver: str) -> Text:
    return Text.assemble((name, "bold cyan"), "  ", (verdict, _STYLES[verdict]), f"  {semver}")


_BREAKS = {
    Part.PARAMETERS: "was a valid call and is none now",
    Part.RETURNS: "is a possible result now and was none",
    Part.TOOL: "was a valid call of a tool that has this name no more",
}


def _lines(tool: ToolDiff) -> Iterator[Text]:
    yield _head(tool.name, tool.verdict, tool.semver)
    for one in tool.broken:
        yield Text.assemble("  ", (shown(one.witness), "bold"), f"  {_BREAKS[one.part]}")
        for problem in one.problems:
            words = shown(f"{problem.path}: got {problem.got}; allowed: {problem.allowed}")
            yield Text(f"    {words}", "red")
    for part, keywords in tool.undecided:
        yield Text(f"  the {part} are too hard to decide: {', '.join(keywords)}", "yellow")
    for change in tool.changes[:_MOST_LINES]:
        place = f"{change.path}  " if change.path else ""
        yield Text.assemble("  ", (place, "dim"), shown(change.words))
    if len(tool.changes) > _MOST_LINES:
        yield Text(f"  and {len(tool.changes) - _MOST_LINES} changes more", "dim")
    if tool.migration is not None:
        yield from _migration(tool.migration.to_json())


def _migration(told: dict[str, Any]) -> Iterator[Text]:
    words = {
        "fields": "rename",
        "defaults": "fill in",
        "dropped": "leave out",
        "needed": "choose a value for",
    }
    for key, word in words.items():
        if told[key]:
            yield Text(f"  old calls: {word} {shown(told[key])}", "cyan")


def _surface(told: SurfaceDiff) -> Iterator[Text]:
    names = {tool.name for tool in told.tools}
    for change in told.changes:
        if change.before not in names:
            yield Text(change.words)
    yield _head("all tools", told.verdict, told.semver)
    prefix = told.prefix
    if prefix.bytes_lost:
        yield Text(
            f"a prompt cache keeps {prefix.kept} of {prefix.of} tools; {prefix.tokens_lost} tokens "
            "of definitions behind them are read anew once",
            "dim",
        )
