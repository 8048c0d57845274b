"""The history doctor looks at single parts: whose they are, and whether the wire has a place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import orjson

from callgate.codecs.doctor_drafts import BELONGS_TO, Chart, Draft, Fault, Unit
from callgate.codecs.gemini_writing import generation
from callgate.codecs.json_text import excerpt
from callgate.codecs.wire import Codec
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, Opaque, Part, ResultPart, Role
from callgate.types import FilePart, ImagePart, Text

__all__ = [
    "carry",
    "drop_empty",
    "drop_foreign",
    "read_arguments",
    "retell_gone",
    "sign",
    "sort_by_role",
]

_INVALID = "INVALID_JSON"
"""The key of arguments that are no JSON object, as Anthropic wants them; used on every wire."""

_UNSIGNED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""The signature that Google documents for calls that no Gemini model made."""


def drop_foreign(drafts: Iterable[Draft], *, wire: str, model: str, chart: Chart) -> None:
    """Leave out opaque parts of another wire or model, or about a part that is not there."""
    for draft in drafts:
        kept: list[Unit] = []
        for unit in draft.units:
            lost = [part for part in unit.parts if _is_lost(part, unit, wire, model, chart)]
            if unit.main not in lost:
                kept.append(unit)
                unit.about = tuple(part for part in unit.about if part not in lost)
        draft.units = kept


def _is_lost(part: Part, unit: Unit, wire: str, model: str, chart: Chart) -> bool:
    if not isinstance(part, Opaque):
        return False
    if part.wire != wire or (model and part.model not in ("", model)):
        done = f"A part of {part.model or 'any model'} on the wire {part.wire} was left out."
        chart.note(unit.place, Fault.FOREIGN_PART, done)
        return True
    if not all(
        isinstance(unit.main, kind) for name, kind in BELONGS_TO.items() if name in part.data
    ):
        done = "A part that says more about another one, which is not there, was left out."
        chart.note(unit.place, Fault.MISPLACED_PART, done)
        return True
    return False


def drop_empty(drafts: Iterable[Draft], *, blank: bool, chart: Chart) -> list[Draft]:
    """Leave out messages that hold nothing.

    Args:
        drafts: The messages.
        blank: Whether a message with blank text only holds something.
        chart: Where it is noted.
    """
    filled: list[Draft] = []
    for draft in drafts:
        if all(not blank and _is_blank(unit) for unit in draft.units):
            chart.note(draft.place, Fault.EMPTY_MESSAGE, "It holds nothing and was left out.")
        else:
            filled.append(draft)
    return filled


def _is_blank(unit: Unit) -> bool:
    return isinstance(unit.main, Text) and not unit.main.text.strip()


def read_arguments(drafts: Iterable[Draft], *, wire: str, chart: Chart) -> None:
    """Make arguments that are no JSON object into one that holds them as text."""
    for draft in drafts:
        for unit in draft.units:
            part = unit.main
            if not isinstance(part, CallPart) or _is_object(part.arguments):
                continue
            own = part.echo is not None and part.echo.wire == wire
            if own and isinstance(part.arguments, str):
                continue  # a tool whose input is free text
            if part.arguments == "":
                unit.main = replace(part, arguments="{}")
                done = f"The call {part.id} without arguments has an empty object now."
            else:
                key = "input" if part.echo is not None else _INVALID
                raw = part.arguments if isinstance(part.arguments, str) else excerpt(part.arguments)
                unit.main = replace(part, arguments={key: raw})
                done = f"The arguments of the call {part.id} became the text {key} in an object."
            chart.note(unit.place, Fault.ARGUMENTS, done)


def _is_object(arguments: Any) -> bool:
    if isinstance(arguments, dict):
        return True
    if not isinstance(arguments, str):
        return False
    try:
        return isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        return False


def sort_by_role(drafts: Iterable[Draft], chart: Chart) -> list[Draft]:
    """Put results into messages of tools, and everything else out of them.

    A call that the assistant did not make is left out.
    """
    sorted_: list[Draft] = []
    for draft in drafts:
        right, wrong = _sorted_units(draft)
        if not wrong:
            sorted_.append(draft)
            continue
        draft.units = right
        sorted_.append(draft)
        moved: list[Unit] = []
        for unit in wrong:
            if isinstance(unit.main, CallPart):
                done = f"A call in a message of role {draft.role.value} was left out."
            else:
                done = f"It was taken out of a message of role {draft.role.value}."
                moved.append(unit)
            chart.note(unit.place, Fault.MISPLACED_PART, done)
        if moved:
            role = Role.USER if draft.role is Role.TOOL else Role.TOOL
            sorted_.append(Draft(place=draft.place, role=role, units=moved))
        if not right:
            sorted_.remove(draft)
    return sorted_


def _sorted_units(draft: Draft) -> tuple[list[Unit], list[Unit]]:
    right: list[Unit] = []
    wrong: list[Unit] = []
    for unit in draft.units:
        match unit.main:
            case Opaque():
                fits = True
            case ResultPart():
                fits = draft.role is Role.TOOL
            case CallPart():
                fits = draft.role is Role.ASSISTANT
            case _:
                fits = draft.role is not Role.TOOL
        (right if fits else wrong).append(unit)
    return right, wrong


def retell_gone(drafts: Sequence[Draft], tools: Collection[str], chart: Chart) -> list[Draft]:
    """Tell calls of tools that there are no longer as text of the assistant, with their results."""
    results = {
        unit.main.call_id: (draft, unit)
        for draft in drafts
        for unit in draft.units
        if isinstance(unit.main, ResultPart)
    }
    for draft in drafts:
        for unit in draft.units:
            call = unit.main
            if not isinstance(call, CallPart) or call.name in tools:
                continue
            told = ""
            if call.id in results:
                where, answer = results[call.id]
                where.units = [other for other in where.units if other is not answer]
                told = _retold(cast("ResultPart", answer.main))
            arguments = call.arguments if isinstance(call.arguments, str) else _json(call.arguments)
            text = f"The tool {call.name}, which there is no longer, was called with {arguments}."
            unit.main = Text(text=f"[{text}{told}]")
            unit.about = ()
            done = f"The call {call.id} of {call.name} and its result were told as text."
            chart.note(unit.place, Fault.GONE_TOOL, done)
    return [draft for draft in drafts if draft.units or draft.role is not Role.TOOL]


def _retold(result: ResultPart) -> str:
    left_out = f" ({len(result.content)} images or files left out)" if result.content else ""
    return f" It {'failed' if result.error else 'answered'}: {result.text}{left_out}"


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return excerpt(value)


def sign(drafts: Sequence[Draft], *, model: str, chart: Chart) -> None:
    """Sign calls of the current turn that a Gemini model wants signed and no Gemini model made."""
    if generation(model) < 3:
        return
    users = [at for at, draft in enumerate(drafts) if draft.role is Role.USER]
    for draft in drafts[users[-1] + 1 if users else 0 :]:
        first = next((unit for unit in draft.units if isinstance(unit.main, CallPart)), None)
        if first is None or "thoughtSignature" in first.about_call():
            continue
        fields = {"thoughtSignature": _UNSIGNED, **first.about_call()}
        first.about = (Opaque(wire="gemini", model=model, data={"call": fields}),)
        chart.note(
            first.place,
            Fault.MISSING_SIGNATURE,
            "The call got the signature that Google documents for calls of others.",
        )


def carry(drafts: Iterable[Draft], *, codec: Codec, model: str, chart: Chart) -> None:
    """Tell parts that the wire has no place for as text; opaque ones are left out."""

    def is_carried(role: Role, *parts: Part) -> bool:
        try:
            codec.encode_message(Message(role=role, parts=parts), model=model)
        except ModelRequestError:
            return False
        return True

    for draft in drafts:
        if is_carried(draft.role, *draft.message().parts):
            continue
        kept: list[Unit] = []
        for unit in draft.units:
            if is_carried(draft.role, *unit.parts):
                kept.append(unit)
                continue
            done = f"{_named(unit.main)} is not carried as it is."
            chart.note(unit.place, Fault.NOT_CARRIED, done)
            unit.about = ()
            if isinstance(unit.main, Opaque):
                continue
            if not is_carried(draft.role, unit.main):
                unit.main = _told(unit.main)
            kept.append(unit)
        draft.units = kept


def _told(part: Part) -> Part:
    if not isinstance(part, ResultPart):
        return Text(text=f"[{_named(part)} cannot be shown here]")
    shown = "".join(f"\n[{_named(item)} cannot be shown here]" for item in part.content)
    return replace(part, text=part.text + shown, content=())


def _named(part: Part) -> str:
    match part:
        case ImagePart():
            return f"An image ({part.media_type})"
        case FilePart():
            return f"A file ({part.name or part.media_type})"
        case ResultPart():
            return f"What the result of {part.call_id} shows"
        case _:
            return f"A part ({type(part).__name__})"
