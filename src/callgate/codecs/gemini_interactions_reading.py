"""Reading Gemini's interactions: whole responses.

An answer is a row of steps. What is neither text nor a call is kept in `Opaque` parts whose data
has one key:

- `step`: a whole step, such as a thought with its signature, or a search of the provider's own;
- `output`: fields of the step that the text after it belongs to; it begins a new one;
- `content`: one part of such a step that is not text;
- `text`: fields of the text that follows, such as its annotations;
- `call`: fields of the call that follows;
- `events`: events of the stream that have no place in the answer; never sent back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from callgate.codecs.gemini_errors import error_in_stream
from callgate.codecs.json_text import excerpt, list_of, number_of, object_of, plain, text_of
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelStreamError
from callgate.messages import (
    CallPart,
    Message,
    ModelResponse,
    Opaque,
    Part,
    Role,
    StopReason,
    Usage,
)
from callgate.types import Text

__all__ = ["WIRE", "Head", "assemble", "read_response", "read_steps", "read_usage"]

WIRE = "gemini_interactions"

_OWN_CALL_FIELDS = frozenset({"type", "id", "name", "arguments"})
_STOPS = {
    "incomplete": StopReason.LENGTH,
    "budget_exceeded": StopReason.LENGTH,
    "requires_continuation": StopReason.LENGTH,
}
_ENDS = frozenset({"completed", "requires_action"})
_FAILED = frozenset({"failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What an interaction says about itself.

    Attributes:
        seed: All that tells this interaction from others.
        model: The model that answered.
        bound: The model that parts must go back to.
        names: Our names of tools by the wire's names.
    """

    seed: tuple[str, ...]
    model: str
    bound: str
    names: Mapping[str, str]

    @classmethod
    def of(cls, data: Mapping[str, Any], bound: str, names: Mapping[str, str]) -> Head:
        """Read it from an interaction; `bound` is the model that was asked, if known."""
        model = text_of(data.get("model"), "model")
        return cls(
            seed=(str(data.get("id") or ""), str(data.get("created") or ""), model),
            model=model,
            bound=bound or model,
            names=names,
        )

    def call_id(self, place: int) -> str:
        """Return an id for a call that came without: the same whenever the response is read."""
        seed = "\0".join((*self.seed, str(place)))
        return f"call_{hashlib.sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"

    def opaque(self, kind: str, value: Any) -> Opaque:
        """Return a part that is echoed unchanged; the module says what the kinds are."""
        return Opaque(wire=WIRE, model=self.bound, data={kind: value})


def read_response(
    response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
) -> ModelResponse:
    """Read a whole response; see `Codec.decode_response`.

    Raises:
        ModelError: It is an error of the provider, or not readable.
    """
    data = object_of(plain(response), "The body")
    if error := data.get("error"):
        raise error_in_stream(error)
    return assemble(Head.of(data, model, names), data, list_of(data.get("steps"), "steps"))


def assemble(
    head: Head, interaction: Mapping[str, Any], steps: Iterable[Any], events: Iterable[Any] = ()
) -> ModelResponse:
    """Make a response of an interaction that has ended, and its steps.

    Raises:
        ModelError: It failed, has not ended, or a field is of the wrong type.
    """
    status = text_of(interaction.get("status"), "status")
    stop = _STOPS.get(status)
    parts = read_steps(head, steps, truncated=stop is not None)
    calls = any(isinstance(part, CallPart) for part in parts)
    if stop is None:
        _check(status, interaction, has_calls=calls)
        stop = StopReason.CALLS if calls else StopReason.END
    if strange := list(events):
        parts = (*parts, head.opaque("events", strange))
    return ModelResponse(
        message=Message(role=Role.ASSISTANT, parts=parts),
        stop=stop,
        usage=read_usage(interaction),
        model=head.model,
    )


def _check(status: str, interaction: Mapping[str, Any], *, has_calls: bool) -> None:
    if status in _FAILED:
        errors = list_of(interaction.get("errors"), "errors")
        error = error_in_stream(errors[0] if errors else {"message": f"the interaction {status}"})
        error.details = {**error.details, "interaction": status}
        raise error
    if status not in _ENDS:
        raise ModelStreamError(
            f"The interaction has not ended: it is {excerpt(status) or 'without a status'}.",
            details={"interaction": excerpt(status)},
        )
    if status == "requires_action" and not has_calls:
        raise ModelStreamError("The interaction waits for an action and names none.")


def read_steps(head: Head, steps: Iterable[Any], *, truncated: bool = False) -> tuple[Part, ...]:
    """Return the parts of an assistant's message for the steps of an answer.

    Raises:
        ModelStreamError: A field is of the wrong type.
    """
    parts: list[Part] = []
    calls = 0
    was_output = False
    for item in steps:
        step = object_of(item, "a step")
        kind = step.get("type")
        if kind == "function_call":
            parts += _call(head, step, calls, truncated=truncated)
            calls += 1
        elif kind == "model_output":
            parts += _output(head, step, begins=was_output)
        else:
            parts.append(head.opaque("step", step))
        was_output = kind == "model_output"
    return tuple(parts)


def _call(head: Head, step: Mapping[str, Any], place: int, *, truncated: bool) -> Iterator[Part]:
    strange = {
        name: value for name, value in step.items() if name not in _OWN_CALL_FIELDS and value
    }
    if strange:
        yield head.opaque("call", strange)
    name = text_of(step.get("name"), "the name of a call")
    if not name:
        raise ModelStreamError("A call has no name.", details={"data": excerpt(step)})
    arguments = step.get("arguments")
    yield CallPart(
        id=text_of(step.get("id"), "the id of a call") or head.call_id(place),
        name=head.names.get(name, name),
        arguments=arguments
        if isinstance(arguments, str)
        else object_of(arguments, "the arguments of a call"),
        truncated=truncated,
    )


def _output(head: Head, step: Mapping[str, Any], *, begins: bool) -> Iterator[Part]:
    fields = {
        name: value for name, value in step.items() if name not in ("type", "content") and value
    }
    if fields or begins:
        yield head.opaque("output", fields)
    for item in list_of(step.get("content"), "content"):
        content = object_of(item, "a part of the content")
        text = content.get("text")
        if content.get("type") != "text" or not isinstance(text, str):
            yield head.opaque("content", content)
            continue
        if more := {key: content[key] for key in content if key not in ("type", "text")}:
            yield head.opaque("text", more)
        if text or more:
            yield Text(text=text)


def read_usage(interaction: Mapping[str, Any]) -> Usage:
    """Return what an interaction says about tokens; what cannot be read counts as 0."""
    usage = interaction.get("usage")
    counts = cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}

    def count(*names: str) -> int:
        return sum(number_of(counts.get(f"total_{name}_tokens")) for name in names)

    return Usage(
        input=count("input", "tool_use"),
        output=count("output", "thought"),
        cached=count("cached"),
        requests=1,
    )
