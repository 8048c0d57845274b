"""The run log: what happened in a run, append-only.

An event is appended before anything depends on it: the model's answer before its calls run, a
person's reply before the waiting call goes on. So every beginning of a log can be continued, in
any process, and nothing that it knows is asked for again.

Appending is idempotent under (run, sequence): the same event again changes nothing, a different
one is refused. As JSON lines every event stands on a line of its own with a digest, which is made
when the lines are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import orjson

from callgate.agents.budget import Reason
from callgate.agents.runstate import (
    LogEvent,
    ModelAnswered,
    RunEnded,
    RunResumed,
    RunStarted,
    RunState,
    RunStatus,
    RunSuspended,
    TurnAnswered,
)
from callgate.codecs import stored
from callgate.errors import RunError

__all__ = ["FORMAT", "RunLog", "RunStatus", "standing"]

FORMAT = 1
"""The version of the lines; a reader refuses a higher one."""


class RunLog:
    """The events of one run, in order; kept in memory, carried elsewhere as JSON lines."""

    __slots__ = ("_events", "run")

    def __init__(self, run: str, events: Iterable[LogEvent] = ()) -> None:
        """Start a log.

        Args:
            run: The run's id.
            events: What has happened; the place of an event is its sequence number.
        """
        self.run = run
        self._events = list(events)

    def __len__(self) -> int:
        return len(self._events)

    @property
    def events(self) -> Sequence[LogEvent]:
        """The events so far; do not change the sequence."""
        return self._events

    def append(self, event: LogEvent, sequence: int | None = None) -> None:
        """Append an event, idempotently where its place is named.

        Args:
            event: The event.
            sequence: Its place; None for the next one.

        Raises:
            RunError: A different event has this place, or places before it are empty.
        """
        if sequence is None or sequence == len(self._events):
            self._events.append(event)
        elif not 0 <= sequence < len(self._events):
            raise RunError(f"Run {self.run}: event {sequence} cannot follow event {len(self) - 1}.")
        elif _encode(event) != _encode(self._events[sequence]):
            raise RunError(f"Run {self.run}: event {sequence} is in the log already and differs.")

    def state(self) -> RunState:
        """Fold the log.

        Raises:
            RunError: The events do not make a run.
        """
        state = RunState()
        for event in self._events:
            state.apply(event)
        return state

    def lines(self, start: int = 0) -> Iterator[str]:
        """Return the events as JSON lines, without line ends.

        Args:
            start: The first sequence number wanted.
        """
        for sequence in range(start, len(self._events)):
            body = _encode(self._events[sequence])
            head = {
                "run": self.run,
                "sequence": sequence,
                "format": FORMAT,
                "digest": _digest(body),
            }
            yield f"{_dump(head).decode()[:-1]}{_EVENT}{body.decode()}}}"

    @classmethod
    def load(cls, lines: Iterable[str | bytes]) -> RunLog:
        """Read the lines of one log; empty lines are passed over.

        Raises:
            RunError: A line is damaged, of another run, of a newer version, or missing.
        """
        log: RunLog | None = None
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            run, sequence, event = _read(line, number)
            log = log or cls(run)
            if run != log.run:
                raise RunError(f"Line {number} is of run {run}, the log of run {log.run}.")
            log.append(event, sequence)
        if log is None:
            raise RunError("The log is empty.")
        return log


def standing(last: str) -> RunStatus | None:
    """Return how a run stands, by the last line of its log; None if it ended in the middle.

    Raises:
        RunError: The line is damaged or of a newer version.
    """
    event = _read(last, 1)[2]
    if isinstance(event, RunEnded):
        return event.status
    return RunStatus.WAITING if isinstance(event, RunSuspended) else None


# --- events as JSON -------------------------------------------------------------------------

_EVENT = ',"event":'
"""Stands between the head of a line and its event; in a string it would have its quotes escaped."""


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # Integers beyond 64 bit and lone surrogates, which a model may well have written.
        return json.dumps(value, separators=(",", ":")).encode()


def _digest(body: bytes) -> str:
    return blake2b(body, digest_size=16).hexdigest()


def _encode(event: LogEvent) -> bytes:
    return _dump(_to_json(event))


def _to_json(event: LogEvent) -> dict[str, Any]:
    match event:
        case RunStarted():
            return {
                "type": "run_started",
                "messages": [stored.message_to_json(message) for message in event.messages],
                "session": stored.session_to_json(event.session),
                "model": event.model,
            }
        case ModelAnswered():
            return {
                "type": "model_answered",
                "response": stored.response_to_json(event.response),
                "turn": event.turn,
                "forced": event.forced and event.forced.value,
                "seconds": event.seconds,
                "cost": None if event.cost is None else str(event.cost),
            }
        case TurnAnswered():
            return {
                "type": "turn_answered",
                "answer": stored.answer_to_json(event.answer),
                "session": stored.session_to_json(event.session),
                "seconds": event.seconds,
            }
        case RunSuspended():
            return {"type": "run_suspended"}
        case RunResumed():
            return {"type": "run_resumed", "replies": dict(event.replies)}
        case _:
            return {
                "type": "run_ended",
                "status": event.status.value,
                "reason": event.reason.value,
                "detail": event.detail,
                "seconds": event.seconds,
            }


def _from_json(data: Mapping[str, Any]) -> LogEvent:
    match data["type"]:
        case "run_started":
            return RunStarted(
                messages=tuple(map(stored.message_from_json, data["messages"])),
                session=stored.session_from_json(data["session"]),
                model=data["model"],
            )
        case "model_answered":
            return ModelAnswered(
                response=stored.response_from_json(data["response"]),
                turn=data["turn"],
                forced=data["forced"] and Reason(data["forced"]),
                seconds=data["seconds"],
                cost=None if data["cost"] is None else Decimal(data["cost"]),
            )
        case "turn_answered":
            return TurnAnswered(
                answer=stored.answer_from_json(data["answer"]),
                session=stored.session_from_json(data["session"]),
                seconds=data["seconds"],
            )
        case "run_suspended":
            return RunSuspended()
        case "run_resumed":
            return RunResumed(replies=data["replies"])
        case "run_ended":
            return RunEnded(
                status=RunStatus(data["status"]),
                reason=Reason(data["reason"]),
                detail=data["detail"],
                seconds=data["seconds"],
            )
        case kind:
            raise ValueError(f"an event of type {kind!r} is not known")


def _verify(line: str, digest: str) -> None:
    # The digest is over the text as it stands, so that it also covers how numbers are written.
    body = line.partition(_EVENT)[2].rstrip()[:-1]
    if _digest(body.encode()) != digest:
        raise ValueError("its digest does not fit")


def _read(line: str | bytes, number: int) -> tuple[str, int, LogEvent]:
    """Read one line; the standard parser keeps integers exact, which orjson would not."""
    try:
        text = line.decode() if isinstance(line, bytes) else line
        data = json.loads(text)
        newer = data["format"] > FORMAT
    except (ValueError, KeyError, TypeError) as exc:
        raise RunError(
            f"Line {number} is not an event of a run log; if it is the last line and was cut off, "
            f"remove it and the run goes on from the line before. ({exc!r})"
        ) from exc
    if newer:
        raise RunError(
            f"Line {number} was written by a newer version (format {data['format']}, this version "
            f"reads up to {FORMAT}): update callgate."
        )
    try:
        _verify(text, data["digest"])
        return data["run"], data["sequence"], _from_json(data["event"])
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as exc:
        raise RunError(f"Line {number} of the run log is damaged: {exc}.") from exc
