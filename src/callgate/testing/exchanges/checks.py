"""The five checks of an exchange; each counts what it compared."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

import orjson

from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelUnavailableError,
    RateLimitedError,
)
from callgate.messages import CallDelta, CallPart, ModelResponse, StopReason, TextDelta
from callgate.testing.exchanges.form import (
    CALL,
    PLAIN,
    Block,
    Declared,
    Form,
    NotComparableError,
    Turn,
    objects,
    payloads,
)
from callgate.testing.exchanges.reading import Reading, fed, meaning, words
from callgate.testing.exchanges.records import Exchange, Json
from callgate.testing.exchanges.report import Tally
from callgate.testing.exchanges.spelling import filled, folded, same_arguments, value_of

__all__ = ["check_decode", "check_errors", "check_history", "check_stream", "check_tools"]

_CUTTINGS = 3
"""Times that a stream is cut at random."""

_TRY_AGAIN = frozenset({408, 409, 424, 425, 499})
"""Statuses that some providers mean as theirs and some as ours to mend."""

_WORDS = 200
"""Characters of the provider's own words that an error must repeat."""


# --- decode ---------------------------------------------------------------------------------


def check_decode(reading: Reading, tally: Tally) -> None:
    """Compare the calls with those that the provider's client read, and look for what is lost."""
    identity, outcome = reading.exchange.id, reading.outcome
    if isinstance(outcome, ModelError):
        if reading.reported is not None:
            tally.skipped["the answer reports an error"] += 1
        else:
            tally.count(identity, f"not read: {outcome.message}")
        return
    tally.count(identity, _calls_differ(reading, outcome, tally) or _lost(reading, outcome))


def _calls_differ(reading: Reading, response: ModelResponse, tally: Tally) -> str | None:
    if reading.exchange.expected is None:
        return None
    expected = list(_for_client(reading, tally))
    got = response.message.calls
    if [call.name for call in got] != [call["name"] for call in expected]:
        return f"calls {[call.name for call in got]}, expected {[one['name'] for one in expected]}"
    differences = (_call_differs(call, one) for call, one in zip(got, expected, strict=True))
    return next(filter(None, differences), None)


def _for_client(reading: Reading, tally: Tally) -> Iterator[Json]:
    """Yield the expected calls that are for the client to run."""
    exchange, form = reading.exchange, reading.form
    bodies = payloads(reading.frames) if exchange.streamed else objects([exchange.value])
    own = form.own_calls(list(bodies))
    for call in exchange.expected or ():
        if call.get("id") in own:
            tally.skipped["calls that the provider answered itself"] += 1
        else:
            yield call


def _call_differs(call: CallPart, expected: Json) -> str | None:
    identity = expected.get("id")
    if identity and call.id != identity:
        return f"call {call.name}: id {call.id!r}, expected {identity!r}"
    if not same_arguments(call.arguments, expected["arguments"]):
        return _differ(f"arguments of {call.name}", call.arguments, expected["arguments"])
    return None


def _lost(reading: Reading, response: ModelResponse) -> str | None:
    """Say what of the wire's own kinds would not go back as it came; None if all does."""
    exchange, form = reading.exchange, reading.form
    written = form.blocks(form.codec.encode_message(response.message))
    if exchange.streamed:
        missing = Counter(form.streamed(reading.frames)) - Counter(kind for kind, _ in written)
        return f"lost: {dict(missing)}" if missing else None
    answered = form.blocks(form.answered(exchange.value))
    for block in _own(answered):
        if block not in _own(written):
            return f"lost: {_shown(block)}"
    return None


def _own(blocks: Sequence[Block]) -> list[Block]:
    return [(kind, _given(block)) for kind, block in blocks if kind not in PLAIN]


def _given(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return {name: value for name, value in cast("Json", block).items() if value is not None}


# --- stream ---------------------------------------------------------------------------------


def check_stream(reading: Reading, seed: int, tally: Tally) -> None:
    """Compare a stream with the same bytes in other chunks, and its pieces with their sum."""
    exchange = reading.exchange
    if not exchange.streamed:
        tally.skipped["not streamed"] += 1
        return
    chance = random.Random(f"{seed}:{exchange.id}")
    expected = meaning(reading.outcome)
    for _ in range(_CUTTINGS):
        chunks = _cut(reading.data, chance)
        if meaning(fed(exchange, reading.form, chunks)[1]) != expected:
            sizes = [len(chunk) for chunk in chunks[:20]]
            tally.count(exchange.id, f"means something else in chunks of {sizes} ... bytes")
            return
    tally.count(exchange.id, _pieces_differ(reading))


def _cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Cut bytes at random places, on the average after 1 to 256 bytes."""
    rate = 1 / 2 ** chance.randint(0, 8)
    places = [place for place in range(1, len(data)) if chance.random() < rate]
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def _pieces_differ(reading: Reading) -> str | None:
    if isinstance(reading.outcome, ModelError) or reading.exchange.status is None:
        return None  # responses without requests are trimmed: their pieces are not the whole
    message = reading.outcome.message
    text = "".join(event.text for event in reading.events if isinstance(event, TextDelta))
    if text != message.text:
        return _differ("pieces of text", text, message.text)
    pieces = [event for event in reading.events if isinstance(event, CallDelta)]
    begun = [(piece.id, piece.name) for piece in pieces if piece.name]
    if begun != [(call.id, call.name) for call in message.calls]:
        return f"calls begun: {begun}"
    for place, call in enumerate(message.calls):
        said = "".join(piece.arguments for piece in pieces if piece.index == place)
        if value_of(said or "{}") != value_of(call.arguments or "{}"):
            return _differ(f"pieces of the arguments of {call.name}", said, call.arguments)
    return None


# --- history --------------------------------------------------------------------------------


def check_history(reading: Reading, following: Exchange | None, tally: Tally) -> None:
    """Compare an answer and its results, written again, with the request that was accepted."""
    exchange, outcome = reading.exchange, reading.outcome
    if not exchange.followup:
        tally.skipped["no later request"] += 1
    elif following is None:
        tally.skipped["unpaired"] += 1
    elif following.wire != exchange.wire:
        tally.skipped["continued on another wire"] += 1
    elif isinstance(outcome, ModelError):
        tally.count(exchange.id, f"not read: {outcome.message}")
    else:
        turn = reading.form.turn(exchange.request, following.request, outcome.message)
        if turn is None:
            tally.skipped["the later request does not hold the calls"] += 1
        else:
            difference = _said_differs(reading, outcome, turn.said, tally)
            told = difference or _results_differ(reading, outcome, turn, tally)
            tally.count(exchange.id, told)


def _said_differs(
    reading: Reading, response: ModelResponse, said: Sequence[Json], tally: Tally
) -> str | None:
    form, model = reading.form, reading.exchange.model
    theirs = form.blocks(said)
    if not theirs:
        tally.left_out["everything: the provider keeps the conversation"] += 1
        return None
    kinds = PLAIN | {kind for kind, _ in theirs}
    ours: list[Block] = []
    for kind, block in form.blocks(form.codec.encode_message(response.message, model=model)):
        if kind in kinds:
            ours.append((kind, block))
        else:
            tally.left_out[kind] += 1
    written, accepted = _normal(form, ours), _normal(form, theirs)
    _drop_made_up_ids(reading.exchange, written, accepted)
    if written != accepted:
        return _differ("what the model said", written, accepted)
    return None


def _results_differ(
    reading: Reading, response: ModelResponse, turn: Turn, tally: Tally
) -> str | None:
    try:
        ours, theirs = reading.form.results(turn, response.message, reading.exchange.model)
    except NotComparableError as exc:
        tally.skipped[str(exc)] += 1
        return None
    return None if folded(ours) == folded(theirs) else _differ("results", ours, theirs)


def _normal(form: Form, blocks: Sequence[Block]) -> list[Block]:
    return [(kind, folded(form.normal(kind, block))) for kind, block in blocks]


def _drop_made_up_ids(exchange: Exchange, ours: Sequence[Block], theirs: Sequence[Block]) -> None:
    """Take from calls the ids that the wire did not give: the client made them up, or we did."""
    given = [bool(call.get("id")) for call in exchange.expected or ()]
    pairs = zip(
        (block for kind, block in ours if kind == CALL),
        (block for kind, block in theirs if kind == CALL),
        strict=False,
    )
    for place, (own, other) in enumerate(pairs):
        if "id" not in own or "id" not in other or not all(given[place : place + 1]):
            own.pop("id", None)
            other.pop("id", None)


# --- tools ----------------------------------------------------------------------------------


def check_tools(exchange: Exchange, form: Form, tally: Tally) -> None:
    """Compare definitions of tools, read and written again, with the request that was accepted."""
    if not exchange.request.get("tools") and "toolConfig" not in exchange.request:
        tally.skipped["no tools in the request"] += 1
        return
    for declared in form.declared(exchange.request):
        if declared.tool is None:
            tally.skipped["definitions of tools that are no functions of the client"] += 1
        else:
            tally.count(exchange.id, _definition_differs(form, declared))


def _definition_differs(form: Form, declared: Declared) -> str | None:
    tool = declared.tool
    assert tool is not None
    written = form.defined(declared, tool)
    # A name that we would not give is written otherwise, and read back.
    name = form.codec.encoder("").names((tool,)).get(written["name"], written["name"])
    got = filled(written | {"name": name})
    beside = got.keys() - declared.expected.keys() - declared.extra
    same = all(got.get(key) == value for key, value in filled(declared.expected).items())
    return None if same and not beside else _differ(f"tool {name}", got, declared.expected)


# --- errors ---------------------------------------------------------------------------------


def check_errors(exchange: Exchange, form: Form, reading: Reading | None, tally: Tally) -> None:
    """Compare refusals with the status, the words and the headers that they came with."""
    if reading is not None:
        _check_reported(reading, tally)
    else:
        error = form.codec.decode_error(exchange.status or 0, exchange.headers, _body(exchange))
        tally.count(exchange.id, _refusal_differs(exchange, error))
    if "retry-after" in exchange.headers:
        _check_wait(exchange, form, tally)


def _check_reported(reading: Reading, tally: Tally) -> None:
    """Check an error inside an answer with status 200."""
    outcome, told = reading.outcome, reading.reported
    if told is None:
        tally.skipped["no error"] += 1
    elif isinstance(outcome, ModelError):
        missing = told[:_WORDS] not in outcome.message
        tally.count(
            reading.exchange.id, f"{outcome.message!r} has not {told!r}" if missing else None
        )
    else:
        ended = outcome.stop is StopReason.ERROR
        tally.count(reading.exchange.id, None if ended else f"read as {outcome.stop}: {told!r}")


def _refusal_differs(exchange: Exchange, error: ModelError) -> str | None:
    told = words(exchange.value)
    if told[:_WORDS] not in error.message:
        return f"{error.message!r} has not the words {told[:_WORDS]!r}"
    if error.details.get("status") != exchange.status:
        return f"status {error.details.get('status')}, expected {exchange.status}"
    kinds = _kinds(exchange.status or 0)
    if type(error) not in kinds:
        names = " or ".join(kind.__name__ for kind in kinds)
        return f"{type(error).__name__}, expected {names}"
    return None


def _kinds(status: int) -> tuple[type[ModelError], ...]:
    """Return what an error with a status may be."""
    if status == 429:
        # A quota that is used up needs money, not time.
        return RateLimitedError, ModelRequestError
    if status >= 500:
        return (ModelUnavailableError,)
    if status in _TRY_AGAIN:
        return ModelUnavailableError, ModelRequestError
    return (ModelRequestError,)


def _check_wait(exchange: Exchange, form: Form, tally: Tally) -> None:
    """Check that Retry-After is read, also where it came beside an answer."""
    headers = {"retry-after": exchange.headers["retry-after"]}
    if not headers["retry-after"].isdecimal():
        tally.skipped["Retry-After is not a number of seconds"] += 1
        return
    error = form.codec.decode_error(429, headers, b"{}")
    wanted = float(headers["retry-after"])
    same = error.retry_after == wanted
    told = f"retry_after {error.retry_after}, expected {wanted}"
    tally.count(exchange.id, None if same else told)


def _body(exchange: Exchange) -> bytes:
    value = exchange.value
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


# --- words ----------------------------------------------------------------------------------


def _shown(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _differ(what: str, got: Any, expected: Any) -> str:
    """Say where two values begin to differ, with a little of what stands before."""
    left, right = _shown(got), _shown(expected)
    length = min(len(left), len(right))
    place = next((at for at in range(length) if left[at] != right[at]), length)
    start = max(0, place - 60)
    return f"{what}: got ...{left[start : place + 120]}, expected ...{right[start : place + 120]}"
