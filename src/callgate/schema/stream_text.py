"""The text of arguments before it is read: how long it is, and whole characters only."""

from __future__ import annotations

from typing import NoReturn

from callgate.errors import MalformedArgumentsError

__all__ = ["Meter"]


class Meter:
    """Counts the bytes of a text that comes in pieces and joins characters that were cut.

    A character beyond U+FFFF that a sender cut in two UTF-16 halves between two pieces is put
    together again; any other half is refused, as `callgate.schema.parse` does.

    Args:
        limit: Bytes of UTF-8 the text may have.
    """

    __slots__ = ("_bytes", "_characters", "_half", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._characters = 0
        self._half = ""

    def admit(self, piece: str) -> str:
        """Return the whole characters of the text that `piece` completes.

        Raises:
            MalformedArgumentsError: The text has too many bytes, or half a character.
        """
        if piece.isascii() and not self._half:
            self._bytes += len(piece)
        elif piece:
            piece = self._joined(piece)
            try:
                self._bytes += len(piece.encode())
            except UnicodeEncodeError as error:
                self._refuse(piece[error.start], self._characters + error.start)
        if self._bytes > self._limit:
            raise MalformedArgumentsError(
                f"The arguments have more than {self._limit} bytes, which is all that is accepted.",
                details={"position": self._characters},
            )
        self._characters += len(piece)
        return piece

    def end(self) -> None:
        """Take note that no text follows.

        Raises:
            MalformedArgumentsError: It ends with half a character.
        """
        if self._half:
            self._refuse(self._half, self._characters)

    def _joined(self, piece: str) -> str:
        text = self._half + piece
        self._half = ""
        if len(text) > len(piece) and "\udc00" <= piece[0] <= "\udfff":
            text = text[:2].encode("utf-16-le", "surrogatepass").decode("utf-16-le") + text[2:]
        if "\ud800" <= text[-1] <= "\udbff":
            self._half = text[-1]
            text = text[:-1]
        return text

    def _refuse(self, half: str, position: int) -> NoReturn:
        raise MalformedArgumentsError(
            f"The arguments hold half a character (lone surrogate U+{ord(half):04X}) at position "
            f"{position}; they must be UTF-8 text.",
            details={"position": position},
        )
