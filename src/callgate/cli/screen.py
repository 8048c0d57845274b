"""Shows calls while they travel, and keeps them for `--json`: two listeners."""

from __future__ import annotations

from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

from callgate.types import (
    CallClosed,
    CallOpened,
    CircuitChanged,
    Decision,
    Event,
    Progressed,
    Repaired,
    Status,
    Tried,
)

__all__ = ["CallList", "CallScreen", "shown"]

WIDTH = 160
"""Characters of arguments or of a result on one line."""

STYLES = {
    Status.OK: "green",
    Status.PENDING: "yellow",
    Status.DENIED: "red",
    Status.ERROR: "red",
    Status.IN_DOUBT: "bold red",
}


def shown(value: object) -> str:
    """Return a value in one bounded line."""
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
    else:
        text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


class CallScreen:
    """Prints every call as it enters and leaves the path."""

    def __init__(self, console: Console) -> None:
        """Keep where to print.

        Args:
            console: Usually standard error, so that the answer stays alone on standard output.
        """
        self._console = console
        self._numbers: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        """Print one event."""
        # Calls of one turn run together, so each line says which call it belongs to.
        number = self._numbers.setdefault(event.call.key, len(self._numbers) + 1)
        for line in self._lines(event):
            self._console.print(Text.assemble((f"{number:>3} ", "dim"), line))

    def _lines(self, event: Event) -> list[Text]:
        match event:
            case CallOpened(call=call):
                return [Text.assemble("→ ", (call.name, "bold cyan"), f" {shown(call.arguments)}")]
            case Repaired(repairs=repairs):
                return [
                    Text(f"  repaired {repair.path}: {repair.before} → {repair.after}", "yellow")
                    for repair in repairs
                ]
            case Tried(call=call, error=error, wait=wait):
                told = f"  attempt {call.attempt} failed, again in {wait:.1f} s: {error.message}"
                return [Text(shown(told), "yellow")]
            case Decision(stage=stage, verdict=verdict, reason=reason):
                return [Text(shown(f"  {verdict} by {stage}: {reason}"), "yellow")]
            case CircuitChanged(circuit=circuit, state=state, reason=reason):
                return [Text(shown(f"  the circuit of {circuit} is {state}: {reason}"), "yellow")]
            case Progressed(done=done, total=total, message=message):
                whole = "" if total is None else f" of {total:g}"
                return [Text(shown(f"  {done:g}{whole} {message}"), "dim")]
            case CallClosed(result=result, seconds=seconds):
                status = (f"← {result.status.value}", STYLES[result.status])
                code = f" {result.error.code}" if result.error else ""
                time = (f"{code} {seconds * 1000:.0f} ms ", "dim")
                return [Text.assemble(status, time, shown(result.text()))]


class CallList:
    """Keeps what became of every call, as JSON objects in the order they ended."""

    def __init__(self) -> None:
        """Start empty."""
        self.calls: list[dict[str, Any]] = []
        self._events: dict[str, list[Event]] = {}

    def __call__(self, event: Event) -> None:
        """Keep one event."""
        match event:
            case CallOpened(call=call):
                self._events[call.key] = []
            case CallClosed():
                self.calls.append(self._summary(event))
            case CircuitChanged():
                pass  # of a backend, not of the call
            case _:
                self._events.setdefault(event.call.key, []).append(event)

    def _summary(self, closed: CallClosed) -> dict[str, Any]:
        call, result = closed.call, closed.result
        events = self._events.pop(call.key, [])
        return {
            "id": call.id,
            "tool": call.name,
            "arguments": _arguments(call.arguments),
            "status": result.status.value,
            "value": result.value,
            "error": result.error.to_json() if result.error else None,
            "repairs": [
                {"path": r.path, "kind": r.kind, "before": r.before, "after": r.after}
                for r in result.repairs
            ],
            "retries": [e.error.to_json() for e in events if isinstance(e, Tried)],
            "decisions": [
                {"stage": e.stage, "verdict": e.verdict, "reason": e.reason}
                for e in events
                if isinstance(e, Decision)
            ],
            "notes": list(result.notes),
            "attempts": result.attempts,
            "seconds": round(closed.seconds, 6),
        }


def _arguments(came: Any) -> Any:
    """Return the arguments as JSON; text that is not JSON is kept as text."""
    if not isinstance(came, str | bytes):
        return came
    try:
        return orjson.loads(came)
    except orjson.JSONDecodeError:
        return came if isinstance(came, str) else came.decode("utf-8", "replace")
