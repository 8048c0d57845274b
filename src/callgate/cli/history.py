"""`callgate doctor history`: what a wire would refuse in a stored conversation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import orjson
import typer
from rich.console import Console
from rich.text import Text

from callgate.agents.runlog import RunLog
from callgate.cli.options import AsJson, Wire
from callgate.cli.outcome import Exit, ended, print_json, reporting
from callgate.codecs.doctor import Treated, examine
from callgate.codecs.stored import message_from_json
from callgate.errors import RunError
from callgate.messages import Message

__all__ = ["examine_history"]


def examine_history(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A run log, or a JSON array of stored messages."),
    ],
    wire: Wire,
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model that will read it; else any.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Tell what a wire would refuse in a conversation.

    Prints how it is repaired before it is sent. Exits with 0 if nothing is, else with 1.
    """
    with reporting(as_json):
        messages = _messages(file)
        treated = examine(messages, wire=wire, model=model)
        if as_json:
            print_json(
                {
                    "wire": wire,
                    "model": model,
                    "messages": len(messages),
                    "healthy": not treated.repairs,
                    "repairs": [asdict(repair) for repair in treated.repairs],
                }
            )
        else:
            _print(treated, len(messages))
        ended(Exit.FAILED if treated.repairs else Exit.OK)


def _messages(file: Path) -> list[Message]:
    """Read a conversation.

    Raises:
        RunError: It cannot be read, or is neither a run log nor an array of messages.
    """
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise RunError(f"{file} cannot be read: {exc.strerror}.") from exc
    if not data.lstrip().startswith(b"["):
        return RunLog.load(data.split(b"\n")).state().messages
    try:
        return [message_from_json(item) for item in _array(data)]
    except (ValueError, KeyError, TypeError) as exc:
        raise RunError(f"{file} is not an array of stored messages: {exc!r}.") from exc


def _array(data: bytes) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", orjson.loads(data))


def _print(treated: Treated, count: int) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not treated.repairs:
        console.print(Text(f"healthy: {count} messages, nothing to repair", style="green"))
    for repair in treated.repairs:
        place = (f"{repair.place}  ", "bold")
        console.print(Text.assemble(place, (f"{repair.fault.value}  ", "yellow"), repair.done))
