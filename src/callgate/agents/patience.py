"""How patient we are with a model behind HTTP: time-outs, and when a request is made again."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.errors import ModelError

__all__ = ["Retries", "TimeOuts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOuts:
    """How long a request may be silent; a run's own deadline bounds the whole.

    Attributes:
        connect: Seconds until a connection stands.
        read: Seconds between two pieces of an answer; a model may think that long.
        write: Seconds between two pieces of a request.
        pool: Seconds until one of the client's connections is free.
    """

    connect: float = 10.0
    read: float = 300.0
    write: float = 60.0
    pool: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and when a failed request is made again.

    The pause is drawn evenly between 0 and `first * 2**n` seconds (full jitter), but is at least
    what the provider asks for.

    Attributes:
        attempts: Requests made in all; 1 means no retry.
        first: Seconds that the first pause has at most.
        most: Seconds that any drawn pause has at most.
        longest: Seconds the provider may ask for; for more, the request fails at once.
    """

    attempts: int = 3
    first: float = 0.5
    most: float = 8.0
    longest: float = 60.0

    def pause(self, error: ModelError, attempt: int, draw: float) -> float | None:
        """Return the seconds to wait after a failure; None to give up.

        Args:
            error: Why the attempt failed.
            attempt: Which one it was; starts at 1.
            draw: A random number from 0 to 1.
        """
        if attempt >= self.attempts or not error.details.get("retry", error.retryable):
            return None
        drawn = draw * min(self.most, self.first * 2 ** (attempt - 1))
        asked = error.retry_after or 0.0
        return None if asked > self.longest else max(asked, drawn)
