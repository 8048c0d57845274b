"""HTTP errors of a server, which the SDK does not pass on: which there were, and to what."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import httpx2
import orjson
from mcp.shared.exceptions import MCPError
from mcp_types import RequestId

from callgate.errors import TransientError
from callgate.schema.values import is_object
from callgate.sources.web.answers import passing

__all__ = ["HttpError", "Refusal", "Refusals"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that was an HTTP error.

    Attributes:
        status: Its status.
        headers: Its headers, by names in lower case.
    """

    status: int
    headers: Mapping[str, str]

    def error(self, told: str) -> TransientError | None:
        """Return the error it stands for, if what it stands for may pass; `told` is its message."""
        return passing(self.status, self.headers, told)

    @property
    def turned_away(self) -> bool:
        """Whether the server is known to have done nothing and wants to be asked later."""
        error = self.error("")
        return error is not None and error.harmless


class HttpError(MCPError):
    """What the SDK made of an HTTP error, with the error itself, which it does not pass on."""

    def __init__(self, exc: MCPError, refusal: Refusal) -> None:
        """Keep both."""
        super().__init__(exc.code, exc.message, exc.data)
        self.refusal = refusal


class Refusals:
    """The answers of one server that were HTTP errors.

    Attributes:
        last: The last one, until the server answers otherwise.
        answered: How many requests were answered by a result.
    """

    def __init__(self) -> None:
        """Start with none."""
        self.last: Refusal | None = None
        self.answered = 0
        self._open: dict[RequestId, Refusal | None] = {}

    @contextmanager
    def watching(self, number: RequestId) -> Generator[None]:
        """Let the error of a request show whether its answer was an HTTP error.

        Args:
            number: The id of the request.

        Raises:
            HttpError: It was; in place of the error that the SDK made of it.
        """
        self._open[number] = None
        try:
            yield
            self.answered += 1
        except MCPError as exc:
            refusal = self._open[number]
            if refusal is None:
                raise
            raise HttpError(exc, refusal) from exc
        finally:
            del self._open[number]

    def see(self, response: httpx2.Response) -> bool:
        """Look at an answer and return whether it is an error."""
        if response.status_code < HTTPStatus.BAD_REQUEST:
            self.last = None
            return False
        self.last = Refusal(response.status_code, response.headers)
        number = _number(response.request)
        if number in self._open:
            self._open[number] = self.last
        return True


def _number(request: httpx2.Request) -> RequestId | None:
    """Return the id of the message that a request carries."""
    if request.method != "POST":
        return None
    try:
        message = orjson.loads(request.content)
    except (ValueError, httpx2.RequestNotRead):
        return None
    number = message.get("id") if is_object(message) else None
    return number if isinstance(number, int | str) else None
