"""The one canonical form of JSON values: what digests, journals and approvals are made of."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

__all__ = ["canonical", "digest"]


def canonical(value: Any) -> bytes:
    """Return the one JSON text of `value`: sorted keys, no spaces, UTF-8, shortest numbers.

    Keys are sorted by their UTF-8 bytes. Integers are exact; floats are the shortest text that
    reads back as the same number. NaN and infinities have no JSON text and must be refused
    before (see `callgate.schema.parse`).

    Args:
        value: A JSON value.

    Raises:
        TypeError: Not a JSON value: a foreign type, a key that is not a string, an integer
            beyond 64 bits, a lone surrogate, or nesting beyond 254 levels.
    """
    # Copied, because canonical texts are kept and orjson's own bytes keep a buffer of 4 kB.
    return b"%b" % orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: Any) -> str:
    """Return `sha256:` and the hex SHA-256 of a value's canonical form.

    Args:
        value: A JSON value, or bytes that are canonical already.

    Raises:
        TypeError: Not a JSON value, as `canonical` tells.
    """
    body = value if isinstance(value, bytes) else canonical(value)
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
