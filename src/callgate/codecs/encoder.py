"""Request bytes of growing conversations: what was written once is not written again.

A wire says how its messages become the items of one JSON array, and what else stands in the body;
remembering is the same for all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, ref

import orjson

from callgate.codecs.names import wire_names
from callgate.errors import ModelRequestError
from callgate.messages import Message, ModelRequest
from callgate.types import Tool

__all__ = ["ConversationEncoder", "Wiring", "dumped", "fields", "joined"]

_SURFACES = 64
"""How many tuples of tools an encoder remembers."""

State = TypeVar("State")
"""What writing the next message depends on; immutable, because beginnings share it."""


class Wiring(Protocol[State]):
    """How one wire writes requests; the encoder asks it only for what is new."""

    @property
    def start(self) -> State:
        """The state before the first message."""
        ...

    def write(
        self, messages: Sequence[Message], state: State
    ) -> tuple[list[dict[str, Any]], State]:
        """Return the items of the next messages, and the state after them.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        ...

    def waiting(self, state: State) -> list[dict[str, Any]]:
        """Return the items that a state still holds back, for a request that ends here."""
        ...

    def tools(self, tools: tuple[Tool, ...]) -> Any:
        """Return the definitions of tools as they stand in the body."""
        ...

    def body(
        self, request: ModelRequest, *, items: bytes, tools: bytes, state: State, stream: bool
    ) -> bytes:
        """Return the whole body.

        Args:
            request: What is asked.
            items: The JSON array of the conversation, without its brackets.
            tools: JSON text of the definitions; empty if no tools are offered.
            state: The state after the last message.
            stream: Whether the answer is streamed.
        """
        ...


def dumped(value: Any) -> bytes:
    """Return JSON text of a part of a request.

    Raises:
        ModelRequestError: It is no JSON value.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as exc:
        raise ModelRequestError(f"A part of the request is not JSON: {exc}") from exc


def fields(values: Mapping[str, Any]) -> bytes:
    """Return JSON text of an object's fields, each after a comma and without the braces."""
    return b"," + dumped(values)[1:-1] if values else b""


def joined(text: bytes, more: Sequence[dict[str, Any]]) -> bytes:
    """Return the items of a JSON array, without its brackets, with more of them."""
    if not more:
        return text
    new = dumped(more)[1:-1]
    return text + b"," + new if text else new


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offered:
    """A tuple of tools as it was written; holds the tuple, so that its identity stays its own."""

    tools: tuple[Tool, ...]
    text: bytes
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix(Generic[State]):
    """The beginning of a conversation as it was written.

    Attributes:
        first: Its first message; weak, for it may be the last one too.
        count: How many messages it has.
        text: What was written of them.
        state: What writing the next message depends on.
    """

    first: ref[Message]
    count: int
    text: bytes
    state: State


class ConversationEncoder(Generic[State]):
    """Writes requests and remembers the bytes of tools and conversations; see `RequestEncoder`."""

    def __init__(self, wiring: Wiring[State]) -> None:
        """Start with nothing written.

        Args:
            wiring: How the wire writes requests to one model.
        """
        self._wiring = wiring
        self._offered: OrderedDict[int, _Offered] = OrderedDict()
        # By the last message of each. Weak: what is remembered of a conversation goes with it.
        self._prefixes: WeakKeyDictionary[Message, _Prefix[State]] = WeakKeyDictionary()

    def encode(self, request: ModelRequest, *, stream: bool) -> bytes:
        """Return the body of a request.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        text, state = self._conversation(request.messages)
        return self._wiring.body(
            request,
            items=joined(text, self._wiring.waiting(state)),
            tools=self._offer(request.tools).text if request.tools else b"",
            state=state,
            stream=stream,
        )

    def names(self, tools: tuple[Tool, ...]) -> Mapping[str, str]:
        """Return our names of the tools whose names had to be changed, by the wire's names."""
        return self._offer(tools).names

    def _offer(self, tools: tuple[Tool, ...]) -> _Offered:
        found = self._offered.get(id(tools))
        if found is None:
            text = dumped(self._wiring.tools(tools))
            found = _Offered(tools=tools, text=text, names=wire_names(tools))
            self._offered[id(tools)] = found
            if len(self._offered) > _SURFACES:
                self._offered.popitem(last=False)
        else:
            self._offered.move_to_end(id(tools))
        return found

    def _conversation(self, messages: Sequence[Message]) -> tuple[bytes, State]:
        """Return what is written of a conversation, at the cost of its new messages."""
        known = self._known(messages)
        count, text, state = (
            (known.count, known.text, known.state) if known else (0, b"", self._wiring.start)
        )
        if count == len(messages):
            return text, state
        written, state = self._wiring.write(messages[count:], state)
        text = joined(text, written)
        if count:
            del self._prefixes[messages[count - 1]]
        self._prefixes[messages[-1]] = _Prefix(
            first=ref(messages[0]), count=len(messages), text=text, state=state
        )
        return text, state

    def _known(self, messages: Sequence[Message]) -> _Prefix[State] | None:
        """Return the longest beginning that was written before."""
        for count in range(len(messages), 0, -1):
            found = self._prefixes.get(messages[count - 1])
            # A message may stand in several conversations.
            if found and found.count == count and found.first() is messages[0]:
                return found
        return None
