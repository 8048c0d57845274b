"""Ids of calls that a wire accepts.

An id from another provider may have characters or a length that a wire refuses. It is then
replaced by a digest of itself: the same for a call and its result, in every process and turn, and
different for different ids. The id in our own message stays as it came, so nothing has to be
translated back.
"""

from __future__ import annotations

import hashlib
from re import Pattern

__all__ = ["wire_id"]


def wire_id(own: str, accepted: Pattern[str]) -> str:
    """Return the id of a call on the wire: its own where the wire accepts it.

    Args:
        own: The id as it came, perhaps from another wire.
        accepted: What the wire accepts, in full; it must accept `call_` and 24 hex digits.
    """
    if accepted.fullmatch(own):
        return own
    return f"call_{hashlib.sha256(own.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
