"""Recorded exchanges with providers, replayed against the codecs.

`replay` reads files of exchanges and compares what our codecs make of them with what the
provider's own client read and what the provider accepted. `callgate doctor exchanges` prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from callgate.errors import ModelError
from callgate.testing.exchanges.checks import (
    check_decode,
    check_errors,
    check_history,
    check_stream,
    check_tools,
)
from callgate.testing.exchanges.forms import form_of
from callgate.testing.exchanges.reading import read_answer
from callgate.testing.exchanges.records import (
    Exchange,
    Recording,
    RecordingError,
    files_of,
    read,
)
from callgate.testing.exchanges.report import Check, FileCount, Report, Tally

__all__ = [
    "Check",
    "Exchange",
    "FileCount",
    "Recording",
    "RecordingError",
    "Report",
    "Tally",
    "files_of",
    "read",
    "replay",
]


def replay(recordings: Iterable[Recording], *, seed: int) -> Report:
    """Replay exchanges against the codecs.

    Args:
        recordings: The files; an exchange and the one that follows it may stand in two of them.
        seed: What the cuts of streams are drawn from.
    """
    files = list(recordings)
    known = {one.id: one for file in files for one in file.exchanges}
    report = Report(seed=seed)
    for file in files:
        count = FileCount(name=file.name, exchanges=len(file.exchanges))
        report.files.append(count)
        for exchange in file.exchanges:
            tallies = report.tallies(exchange.wire)
            before = sum(tally.checked for tally in tallies.values())
            _replay(exchange, known, tallies, seed)
            count.checked += sum(tally.checked for tally in tallies.values()) - before
    return report


def _replay(
    exchange: Exchange, known: Mapping[str, Exchange], tallies: Mapping[Check, Tally], seed: int
) -> None:
    form = form_of(exchange)
    if form is None:
        for tally in tallies.values():
            tally.skipped["no codec for this wire"] += 1
        return
    if not exchange.answered:
        check_errors(exchange, form, None, tallies[Check.ERRORS])
        for check in (Check.DECODE, Check.STREAM, Check.HISTORY, Check.TOOLS):
            tallies[check].skipped["refused by the provider"] += 1
        return
    reading = read_answer(exchange, form)
    following = known.get(exchange.followup)
    checks: Mapping[Check, Callable[[Tally], None]] = {
        Check.DECODE: partial(check_decode, reading),
        Check.STREAM: partial(check_stream, reading, seed),
        Check.HISTORY: partial(check_history, reading, following),
        Check.TOOLS: partial(check_tools, exchange, form),
        Check.ERRORS: partial(check_errors, exchange, form, reading),
    }
    for check, run in checks.items():
        try:
            run(tallies[check])
        except (ModelError, AttributeError, LookupError, TypeError, ValueError) as exc:
            # What was sent is not of the wire's form, or our message cannot be written on it.
            tallies[check].count(exchange.id, f"{type(exc).__name__}: {exc}")
