"""`callgate breakers`: which backends are out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting
from callgate.controls.circuit import Circuit, CircuitState

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True, help="Look at the breakers.")

_STYLES: Mapping[CircuitState, str] = {
    CircuitState.CLOSED: "green",
    CircuitState.OPEN: "bold red",
    CircuitState.HALF_OPEN: "yellow",
}


@commands.command("list", epilog="Example: callgate breakers list --json")
def list_breakers(file: SettingsFile = None, as_json: AsJson = False) -> None:
    """List the circuits of all processes that share the store.

    A circuit is shown once a call has met it. Needs [store] in the settings.
    """
    with reporting(as_json):
        with closing(app.store(app.settings(file))) as store:
            store.database.check()
            found = asyncio.run(store.circuits.look())
        told = [_summary(name, circuit) for name, circuit in sorted(found.items())]
        if as_json:
            print_json(told)
            return
        table = Table("circuit", "state", "again in", "reason", box=None, pad_edge=False)
        for one in told:
            again = "" if one["seconds"] is None else f"{one['seconds']:.0f} s"
            state = Text(one["state"], style=_STYLES[CircuitState(one["state"])])
            table.add_row(Text(one["circuit"]), state, again, Text(one["reason"]))
        Console().print(table)


def _summary(name: str, circuit: Circuit) -> dict[str, Any]:
    out = circuit.state is not CircuitState.CLOSED
    is_open = circuit.state is CircuitState.OPEN
    return {
        "circuit": name,
        "state": circuit.state.value,
        "failures": circuit.row,
        "seconds": round(max(0.0, circuit.until - time.time()), 1) if is_open else None,
        "reason": circuit.reason if out else "",
    }
