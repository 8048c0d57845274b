"""How a command ends: what is printed, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.text import Text

from callgate.errors import CallgateError, MissingDependencyError, ModelFileError, SettingsError

__all__ = ["Exit", "ended", "fail", "print_json", "reporting", "screen"]


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    """The call or the run did not succeed, `doctor` found a problem, or `diff` a broken caller."""
    USAGE = 2
    """The command line or the settings are wrong."""
    MISSING = 3
    """An extra, a model file or a key is not there."""
    WAITING = 4
    """A call waits for a person."""
    UNDECIDED = 5
    """`diff` can neither prove that a change breaks nobody nor show whom it breaks."""
    INTERRUPTED = 130


def screen() -> Console:
    """Return the console for everything that is not the answer: standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON value on standard output."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    try:
        text = orjson.dumps(value, default=str, option=options).decode()
    except TypeError:
        # Data of others hold lone surrogates and whole numbers beyond 64 bits.
        text = json.dumps(value, default=str, indent=2)
    typer.echo(text)


@contextmanager
def reporting(as_json: bool) -> Generator[None]:
    """Turn our errors into one line, or one JSON object, and an exit code.

    Args:
        as_json: Print `{"error": {"code", "message", "details"}}` on standard output instead.
    """
    try:
        yield
    except CallgateError as exc:
        fail(exc, as_json=as_json)
    except KeyboardInterrupt:
        screen().print(Text("interrupted", style="yellow"))
        raise typer.Exit(Exit.INTERRUPTED) from None


def fail(error: CallgateError, *, as_json: bool, exit_code: Exit | None = None) -> NoReturn:
    """Report an error and exit with its code, or with `exit_code`."""
    if as_json:
        told = {"code": error.code, "message": error.message, "details": dict(error.details)}
        print_json({"error": told})
    else:
        line = " ".join(error.message.split())
        screen().print(Text.assemble((f"{error.code}: ", "bold red"), line))
    raise typer.Exit(code(error) if exit_code is None else exit_code)


def code(error: CallgateError) -> Exit:
    """Choose the exit code of an error."""
    if isinstance(error, SettingsError):
        return Exit.USAGE
    if isinstance(error, MissingDependencyError | ModelFileError):
        return Exit.MISSING
    return Exit.FAILED


def ended(exit_code: Exit) -> None:
    """Exit with a code that is not an error's; nothing happens for `OK`."""
    if exit_code is not Exit.OK:
        raise typer.Exit(exit_code)
