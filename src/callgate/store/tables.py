"""The tables. What is in them is written by the module that owns each.

Times are seconds since 1970, JSON is text as we write it, keys are `ToolCall.key`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = [
    "METADATA",
    "approvals",
    "audit",
    "blobs",
    "controls",
    "grant_uses",
    "grants",
    "journal",
    "owners",
    "records",
    "run_events",
    "switches",
]

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

# Counts up by itself on both: SQLite does so for INTEGER primary keys alone.
_Counter = BigInteger().with_variant(Integer, "sqlite")

_UNKNOWN = text("state IN ('started', 'in_doubt')")

journal = Table(
    "journal",
    METADATA,
    Column("key", Text, primary_key=True),
    # The parts of the key: a place in a turn of a session, or the caller's own id.
    Column("tenant", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("turn", BigInteger),
    Column("ordinal", BigInteger),
    Column("caller", Text),
    # What was meant. Version and digest stand beside the key, never in it.
    Column("tool", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("digest", Text, nullable=False),
    # Where it stands, and whose it is.
    Column("state", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("tries", BigInteger, nullable=False),
    Column("outcome", Text),
    Column("note", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("changed", Double, nullable=False),
    # Small, whatever the journal has grown to: an entry is in it only while it is not known.
    Index(
        "ix_journal_unknown",
        "state",
        "created",
        sqlite_where=_UNKNOWN,
        postgresql_where=_UNKNOWN,
    ),
    # Fewer pages to write for each effect: the key is the table.
    sqlite_with_rowid=False,
)
"""Effects: one row an intent, for ever. Written by `store.journal`."""

owners = Table(
    "owners",
    METADATA,
    Column("owner", Text, primary_key=True),
    Column("nonce", Text, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("expires", Double, nullable=False),
)
"""Who claims, and until when each is known to be alive."""

audit = Table(
    "audit",
    METADATA,
    Column("writer", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    # No index over keys: it would be a fifth of the pages that an effect writes.
    sqlite_with_rowid=False,
)
"""Who was allowed, who approved, what became of it: a chain of hashes for each writer."""

run_events = Table(
    "run_events",
    METADATA,
    Column("run", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("at", Double, nullable=False),
    Column("line", Text, nullable=False),
)
"""Run logs, one event a row, as the lines of `agents.runlog`."""

records = Table(
    "records",
    METADATA,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "at"),
    Index(None, "session", "at"),
    sqlite_autoincrement=True,
)
"""Evidence: one closed call a row, redacted."""

blobs = Table(
    "blobs",
    METADATA,
    Column("id", _Counter, primary_key=True, autoincrement=True),
    Column("handle", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("scope", "handle"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)
"""Results too long to show; each is readable by whom it was made for."""

approvals = Table(
    "approvals",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Column("body", Text, nullable=False),
    UniqueConstraint("key"),
    Index(None, "state", "asked_at"),
)
"""Questions to people, one for each call that needed it. Written by `store.approvals`; a claim of
the journal changes state, revision and `used_at`, so these are the truth beside the body."""

grants = Table(
    "grants",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("given_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("uses", BigInteger),
    Column("used", BigInteger, nullable=False),
    Column("revoked_by", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "tenant", "tool"),
)
"""Standing approvals; `used` and `revoked_by` are the truth beside the body."""

grant_uses = Table(
    "grant_uses",
    METADATA,
    Column("grant_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("at", Double, nullable=False),
)
"""Which calls a grant has covered."""
controls = Table(
    "controls",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("changed", Double, nullable=False),
    Index(None, "changed"),
)
"""What limits have counted, for all processes that share the store. Written by `store.cells`."""

switches = Table(
    "switches",
    METADATA,
    Column("tool", Text, primary_key=True),
    # Empty for all tenants: a part of a primary key cannot be NULL.
    Column("tenant", Text, primary_key=True),
    Column("everyone", Boolean, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Double, nullable=False),
)
"""Which tools are switched off. Written by `store.switches`."""
