"""What an operation of a service is: a tool's contract, and how its arguments become a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from callgate.types import Effect, Tool

__all__ = ["EFFECTS", "Body", "Field", "Operation", "Pages", "Parameter"]

EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {
        "GET": Effect.READ,
        "HEAD": Effect.READ,
        "OPTIONS": Effect.READ,
        "QUERY": Effect.READ,
        "TRACE": Effect.READ,
        "PUT": Effect.IDEMPOTENT,
        "DELETE": Effect.IDEMPOTENT,
    }
)
"""What a method does to the world by the standard of HTTP; any other one is irreversible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter outside the body.

    Attributes:
        argument: Its name among the tool's arguments.
        name: Its name on the wire.
        place: `path`, `query`, `header` or `cookie`.
        style: How arrays and objects are written: `simple`, `label`, `matrix`, `form`,
            `spaceDelimited`, `pipeDelimited` or `deepObject`; `json` writes JSON text.
        explode: Whether each of their items is written on its own.
        reserved: Whether reserved characters stay as they are (query only).
        fixed: The value, for one that the model does not see.
    """

    argument: str
    name: str
    place: str
    style: str = "form"
    explode: bool = True
    reserved: bool = False
    fixed: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a body whose fields are arguments of their own.

    Attributes:
        argument: Its name among the tool's arguments.
        name: Its name in the body.
        file: Whether it is a file (multipart only).
        style: As in `Parameter`, for forms.
        explode: As in `Parameter`, for forms.
        media_type: The type of its part (multipart only); empty for what suits its value.
    """

    argument: str
    name: str
    file: bool = False
    style: str = "form"
    explode: bool = True
    media_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body of a request.

    Attributes:
        media_type: Its type.
        whole: The argument that is the whole body; None where fields are arguments.
        fields: The fields that are arguments.
        file: Whether the whole body is a file.
    """

    media_type: str = "application/json"
    whole: str | None = None
    fields: tuple[Field, ...] = ()
    file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """How the pages of a long answer are put together; see `settings.sources.web.PageSettings`.

    Attributes:
        items: Where the items stand in a page; empty for the page itself.
        next: Where what leads on stands; `link` for the `Link` header, `count` to count on.
        parameter: The argument that takes it; None where it is an address.
        most: How many pages one call reads.
    """

    items: str = ""
    next: str = "link"
    parameter: str | None = None
    most: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation that is one tool.

    Attributes:
        tool: The contract.
        method: The HTTP method.
        path: The path after the base URL, with `{name}` where parameters stand.
        base: The base URL, without a slash at its end.
        parameters: What stands outside the body.
        body: The body; None for an operation without one.
        accept: The media types of the answer.
        schemes: Names of the schemes that may prove who asks, each a way of its own.
        keyed: The header that takes the idempotency key.
        select: What is kept of an answer.
        pages: How pages are put together; None where an answer is whole.
    """

    tool: Tool
    method: str
    path: str
    base: str
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    accept: str = "application/json, */*;q=0.5"
    schemes: tuple[tuple[str, ...], ...] = ((),)
    keyed: str = "Idempotency-Key"
    select: tuple[str, ...] = ()
    pages: Pages | None = None
