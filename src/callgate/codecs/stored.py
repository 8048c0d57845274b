"""Our own messages, results and answers as JSON values, for logs and stores.

Every `*_to_json` has a `*_from_json` that makes an equal value from it. What has its default is
left out, so that a log stays small and a later version may add fields. Readers raise `KeyError`,
`TypeError` or `ValueError` for what is not theirs; the caller, who knows the line or the row,
turns these into an error of its own.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson

from callgate.errors import call_error_from_json
from callgate.messages import (
    Answer,
    Answered,
    CallPart,
    Message,
    ModelResponse,
    Opaque,
    Part,
    ResultPart,
    Role,
    StopReason,
    Usage,
)
from callgate.types import (
    Content,
    FilePart,
    ImagePart,
    Pending,
    Principal,
    Repair,
    SessionState,
    Status,
    Text,
    ToolResult,
)

__all__ = [
    "answer_from_json",
    "answer_to_json",
    "message_from_json",
    "message_to_json",
    "response_from_json",
    "response_to_json",
    "result_from_json",
    "result_to_json",
    "session_from_json",
    "session_to_json",
]

Json: TypeAlias = Mapping[str, Any]


def _given(**values: Any) -> dict[str, Any]:
    """Keep what is not empty; 0 and False count as empty, because they are the defaults here."""
    return {name: value for name, value in values.items() if value}


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


# --- messages -------------------------------------------------------------------------------


def message_to_json(message: Message) -> dict[str, Any]:
    """Return the JSON form of a message."""
    return {"role": message.role.value, "parts": [_part_to_json(part) for part in message.parts]}


def message_from_json(data: Json) -> Message:
    """Make the message that `message_to_json` described."""
    return Message(role=Role(data["role"]), parts=tuple(map(_part_from_json, data["parts"])))


def _part_to_json(part: Part) -> dict[str, Any]:
    match part:
        case CallPart():
            return {
                "type": "call",
                "id": part.id,
                "name": part.name,
                "arguments": part.arguments,
                **_given(truncated=part.truncated, echo=_echo_to_json(part.echo)),
            }
        case ResultPart():
            return {
                "type": "result",
                "call_id": part.call_id,
                "name": part.name,
                "text": part.text,
                **_given(content=[_content_to_json(item) for item in part.content]),
                **_given(error=part.error, echo=_echo_to_json(part.echo)),
            }
        case Opaque():
            return {"type": "opaque", **_opaque_to_json(part)}
        case _:
            return _content_to_json(part)


def _opaque_to_json(part: Opaque) -> dict[str, Any]:
    return {"wire": part.wire, "model": part.model, "data": part.data}


def _echo_to_json(echo: Opaque | None) -> dict[str, Any] | None:
    return _opaque_to_json(echo) if echo else None


def _content_to_json(part: Content) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case ImagePart():
            given = _given(data=_base64(part.data), url=part.url)
            return {"type": "image", "media_type": part.media_type, **given}
        case _:
            given = _given(name=part.name, data=_base64(part.data), url=part.url)
            return {"type": "file", "media_type": part.media_type, **given}


def _part_from_json(data: Json) -> Part:
    return _PARTS[data["type"]](data)


def _content_from_json(data: Json) -> Content:
    return _CONTENT[data["type"]](data)


def _call_from_json(data: Json) -> CallPart:
    return CallPart(
        id=data["id"],
        name=data["name"],
        arguments=data["arguments"],
        truncated=data.get("truncated", False),
        echo=_echo_from_json(data.get("echo")),
    )


def _result_part_from_json(data: Json) -> ResultPart:
    return ResultPart(
        call_id=data["call_id"],
        name=data["name"],
        text=data["text"],
        content=tuple(map(_content_from_json, data.get("content", ()))),
        error=data.get("error", False),
        echo=_echo_from_json(data.get("echo")),
    )


def _opaque_from_json(data: Json) -> Opaque:
    return Opaque(wire=data["wire"], model=data["model"], data=data["data"])


def _echo_from_json(data: Json | None) -> Opaque | None:
    return _opaque_from_json(data) if data else None


def _text_from_json(data: Json) -> Text:
    return Text(text=data["text"])


def _image_from_json(data: Json) -> ImagePart:
    return ImagePart(
        media_type=data["media_type"],
        data=b64decode(data.get("data", "")),
        url=data.get("url", ""),
    )


def _file_from_json(data: Json) -> FilePart:
    return FilePart(
        media_type=data["media_type"],
        name=data.get("name", ""),
        data=b64decode(data.get("data", "")),
        url=data.get("url", ""),
    )


_CONTENT: Mapping[str, Callable[[Json], Content]] = {
    "text": _text_from_json,
    "image": _image_from_json,
    "file": _file_from_json,
}
_PARTS: Mapping[str, Callable[[Json], Part]] = {
    **_CONTENT,
    "call": _call_from_json,
    "result": _result_part_from_json,
    "opaque": _opaque_from_json,
}


# --- what a model answered ------------------------------------------------------------------


def response_to_json(response: ModelResponse) -> dict[str, Any]:
    """Return the JSON form of a model's answer."""
    usage = response.usage
    return {
        "message": message_to_json(response.message),
        "stop": response.stop.value,
        "model": response.model,
        "usage": _given(
            input=usage.input, output=usage.output, cached=usage.cached, requests=usage.requests
        ),
        **_given(notes=list(response.notes)),
    }


def response_from_json(data: Json) -> ModelResponse:
    """Make the model's answer that `response_to_json` described."""
    return ModelResponse(
        message=message_from_json(data["message"]),
        stop=StopReason(data["stop"]),
        model=data["model"],
        usage=Usage(**data["usage"]),
        notes=tuple(data.get("notes", ())),
    )


# --- what a call came to --------------------------------------------------------------------


def result_to_json(result: ToolResult) -> dict[str, Any]:
    """Return the JSON form of a result; its error keeps code, message and details."""
    told = result.value is not None and _says(result.body, result.value)
    return {
        "status": result.status.value,
        "attempts": result.attempts,
        **({} if told or result.value is None else {"value": result.value}),
        **_given(
            body=result.body.decode(),
            parsed=told,
            content=[_content_to_json(part) for part in result.content],
            error=result.error and result.error.to_json(),
            pending=result.pending and _pending_to_json(result.pending),
            repairs=[_repair_to_json(repair) for repair in result.repairs],
            notes=list(result.notes),
            handle=result.handle,
        ),
    }


def _says(body: bytes, value: Any) -> bool:
    """Tell whether a body is its value as JSON text, so that it need not stand there twice."""
    try:
        return orjson.dumps(value) == body
    except TypeError:
        return False


def result_from_json(data: Json) -> ToolResult:
    """Make the result that `result_to_json` described.

    An error becomes one of the class that owns its code.
    """
    body: str = data.get("body", "")
    error = data.get("error")
    pending = data.get("pending")
    return ToolResult(
        status=Status(data["status"]),
        value=orjson.loads(body) if data.get("parsed") else data.get("value"),
        body=body.encode(),
        content=tuple(map(_content_from_json, data.get("content", ()))),
        error=call_error_from_json(error) if error else None,
        pending=Pending(**pending) if pending else None,
        repairs=tuple(Repair(**repair) for repair in data.get("repairs", ())),
        notes=tuple(data.get("notes", ())),
        handle=data.get("handle"),
        attempts=data["attempts"],
    )


def _pending_to_json(pending: Pending) -> dict[str, Any]:
    told = {"kind": pending.kind, "prompt": pending.prompt, "schema": pending.schema}
    state = {} if pending.state is None else {"state": pending.state}
    return {**told, **_given(id=pending.id), **state}


def _repair_to_json(repair: Repair) -> dict[str, Any]:
    return {
        "path": repair.path,
        "kind": repair.kind,
        "before": repair.before,
        "after": repair.after,
    }


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """Return the JSON form of an answer.

    Messages of a foreign wire are JSON values and stay as they are; ours are described.
    """
    return {
        "answered": [
            {"call": _part_to_json(item.call), "result": result_to_json(item.result)}
            for item in answer.answered
        ],
        "messages": [
            message if answer.wire else message_to_json(message) for message in answer.messages
        ],
        **_given(said=list(answer.said), wire=answer.wire, turn=answer.turn),
    }


def answer_from_json(data: Json) -> Answer:
    """Make the answer that `answer_to_json` described."""
    wire = data.get("wire", "")
    return Answer(
        answered=tuple(
            Answered(call=_call_from_json(item["call"]), result=result_from_json(item["result"]))
            for item in data["answered"]
        ),
        messages=tuple(
            message if wire else message_from_json(message) for message in data["messages"]
        ),
        said=tuple(data.get("said", ())),
        wire=wire,
        turn=data.get("turn", 0),
    )


# --- a session ------------------------------------------------------------------------------


def session_to_json(state: SessionState) -> dict[str, Any]:
    """Return the JSON form of a session's state."""
    principal = state.principal
    return {
        "id": state.id,
        "principal": {
            "id": principal.id,
            **_given(
                roles=sorted(principal.roles),
                tenant=principal.tenant,
                attributes=dict(principal.attributes),
            ),
        },
        "revision": state.revision,
        **_given(turn=state.turn, labels=sorted(state.labels), disclosed=sorted(state.disclosed)),
    }


def session_from_json(data: Json) -> SessionState:
    """Make the session's state that `session_to_json` described."""
    who = data["principal"]
    return SessionState(
        id=data["id"],
        principal=Principal(
            id=who["id"],
            roles=frozenset(who.get("roles", ())),
            tenant=who.get("tenant", ""),
            attributes=who.get("attributes", {}),
        ),
        revision=data["revision"],
        turn=data.get("turn", 0),
        labels=frozenset(data.get("labels", ())),
        disclosed=frozenset(data.get("disclosed", ())),
    )
