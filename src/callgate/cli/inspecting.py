"""`callgate inspect`: the tools of any source, and what they cost."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.cli.options import AsJson, Seconds, Source
from callgate.cli.outcome import print_json, reporting
from callgate.contract.lint.tokens import TokenCount, counter, definition_text
from callgate.contract.listing import Listed, Listing
from callgate.errors import DefinitionError, MissingDependencyError
from callgate.schema.check import Checker
from callgate.schema.values import is_array, is_object

__all__ = ["inspect_source", "token_count"]


def inspect_source(
    source: Source,
    timeout: Seconds = 30.0,
    notes: Annotated[bool, typer.Option(help="Show what was read otherwise than written.")] = True,
    as_json: AsJson = False,
) -> None:
    """Show the tools of any source.

    Their effects, parameters and token costs, and what was read otherwise than written.
    """
    with reporting(as_json):
        listing = app.read(source, timeout=timeout)
        count = token_count()
        if as_json:
            print_json(_told(listing, count))
        else:
            _print(listing, count, notes=notes)


def token_count() -> TokenCount:
    """Return a counter of tokens: OpenAI's, or an estimate where it is not installed."""
    try:
        return counter(exact=True)
    except MissingDependencyError:
        return counter(exact=False)


def _told(listing: Listing, count: TokenCount) -> dict[str, Any]:
    tools = [_entry(entry, count) for entry in listing.entries]
    return {
        "source": listing.source,
        "forms": list(listing.forms),
        "notes": list(listing.notes),
        "tokens": {
            "total": sum(tool["tokens"] for tool in tools),
            "encoding": count.name,
            "exact": count.exact,
        },
        "tools": tools,
    }


def _entry(entry: Listed, count: TokenCount) -> dict[str, Any]:
    tool = entry.tool
    return {
        "name": tool.name,
        "description": tool.description,
        "effect": tool.effect.value if entry.effect_told else None,
        "version": tool.version,
        "parameters": tool.parameters,
        "returns": tool.returns,
        "annotations": dict(entry.annotations),
        "form": entry.form,
        "place": entry.place,
        "tokens": count.count(definition_text(tool)),
        "problem": _problem(entry),
        "notes": list(entry.notes),
    }


def _problem(entry: Listed) -> str | None:
    try:
        Checker(entry.tool.parameters).compile()
    except DefinitionError as exc:
        return exc.message
    return None


def _print(listing: Listing, count: TokenCount, *, notes: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table("name", "effect", "parameters", "tokens", "description", box=None, pad_edge=False)
    total = 0
    for entry in listing.entries:
        tokens = count.count(definition_text(entry.tool))
        total += tokens
        cells = (
            entry.tool.name,
            entry.tool.effect.value if entry.effect_told else "-",
            _parameters(entry),
            str(tokens),
            entry.tool.description.strip().partition("\n")[0],
        )
        table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in cells))
    Console().print(table)
    kind = f"tokens of {count.name}" if count.exact else "tokens (estimate)"
    console.print(Text(f"{len(listing.entries)} tools, {', '.join(listing.forms)}; {total} {kind}"))
    told = [*listing.notes, *(_problems(listing)), *(_notes(listing) if notes else ())]
    for note in told:
        console.print(Text.assemble(("note: ", "yellow"), note))


def _parameters(entry: Listed) -> str:
    schema = entry.tool.parameters
    names, required = schema.get("properties"), schema.get("required")
    count = len(names) if is_object(names) else 0
    return f"{count} ({len(required) if is_array(required) else 0} required)"


def _problems(listing: Listing) -> list[str]:
    found = ((entry.tool.name, _problem(entry)) for entry in listing.entries)
    return [f"{name}: {problem}" for name, problem in found if problem]


def _notes(listing: Listing) -> list[str]:
    return [f"{entry.tool.name}: {note}" for entry in listing.entries for note in entry.notes]
