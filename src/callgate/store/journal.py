"""`SqlJournal`: the journal in a database, over one thread that writes; see `stages.journal`.

A claim is a unique insert, and so is its audit in the same transaction. The start of an attempt is
on disk before anybody is told; a claim and an outcome are on disk with the next start, or some
milliseconds later. What a loss of power can take is an outcome, never an intent that was tried.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import Text, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from callgate.codecs import stored
from callgate.errors import CallgateError, StoreError
from callgate.making import changer, maker
from callgate.stages.journal import Entry, Intent, State, changeable, takeable
from callgate.store.audit import Chain
from callgate.store.database import Database
from callgate.store.json_text import dump, load
from callgate.store.leases import Leases
from callgate.store.links import Link
from callgate.store.tables import journal
from callgate.store.writer import Writer
from callgate.types import Effect, Rider, ToolResult

__all__ = ["SqlJournal", "entry_of"]

_Made = TypeVar("_Made")
_log = logging.getLogger("callgate.store")
_make_entry = maker(Entry)
_changed: Callable[[Entry, State, ToolResult | None, str, float], Entry] = changer(
    Entry, "state", "result", "note", "changed"
)

_FIND = select(journal).where(journal.c.key == bindparam("key"))
_LOCK = _FIND.with_for_update()
_TAKEN = (
    *("session", "version", "effect", "state", "token", "owner", "tries"),
    *("outcome", "note", "changed"),
)
_TAKE = (
    update(journal)
    .where(
        journal.c.key == bindparam("of_key"),
        journal.c.token == bindparam("of_token"),
        journal.c.state == bindparam("of_state"),
    )
    .values({name: bindparam(name) for name in _TAKEN})
)
_CHANGE = (
    update(journal)
    .where(
        journal.c.key == bindparam("of_key"),
        journal.c.token == bindparam("of_token"),
        journal.c.state.in_([bindparam(f"from_{place}", type_=Text()) for place in range(3)]),
    )
    .values({name: bindparam(name) for name in ("state", "outcome", "note", "changed")})
)
_DOUBTS = (
    select(journal)
    .where(journal.c.state.in_((State.IN_DOUBT.value, State.STARTED.value)))
    .order_by(journal.c.created)
)
_COLUMNS = tuple(column.name for column in journal.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """A change that could not be written when it was made."""

    entry: Entry
    state: State
    result: ToolResult | None
    note: str


class SqlJournal:
    """The journal of one process in a database.

    Attributes:
        owner: Who claims: unique among all processes that share the database.
    """

    def __init__(
        self,
        database: Database,
        *,
        owner: str | None = None,
        lease: float = 15.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            database: Where.
            owner: Names this process; by default made of host, process and chance, so that no two
                are the same. Two that live at once under one name are found out.
            lease: Seconds after which a process that does not show itself counts as dead, so that
                others settle what it had begun. Defaults to 15.
            now: Seconds since 1970.
        """
        self.owner = owner or f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        self._database = database
        self._now = now
        self._leases = Leases(database.name, self.owner, lease)
        self._chain = Chain(self._leases.id)
        self._insert = _insert_of(database)
        self._claims = 0
        self._closing = False
        self._unwritten: dict[str, _Outcome] = {}
        self._written: list[str] = []
        self._writer = Writer(
            database, idle=self._keep_up, every=lease / 3, settled=self._settled, now=now
        )

    @property
    def syncs(self) -> int:
        """How many commits were on disk before anybody was told."""
        return self._writer.syncs

    def close(self) -> None:
        """Write what is still to be written, and say that this process ends; blocks."""
        self._closing = True
        self._writer.close()

    # --- the protocol -----------------------------------------------------------------------

    async def find(self, key: str) -> Entry | None:
        """Return the entry under `key`; None if there is none.

        Raises:
            StoreError: It could not be read.
        """
        if (kept := self._kept(key)) is not None:
            return kept
        return await self._writer.submit(lambda link: self._read(link, key, _FIND))

    async def claim(
        self, intent: Intent, riders: Sequence[Rider] = (), *, start: bool = False
    ) -> Entry:
        """Claim an intent if nobody has, or if it may be claimed again; see `Journal.claim`.

        Raises:
            RefusedError: What a rider said; nothing was claimed.
            StoreError: It could not be written; nothing was claimed.
        """
        if (kept := self._kept(intent.key)) is not None:
            return kept
        self._claims += 1
        token = f"{self._leases.id}:{self._claims}"
        state = State.STARTED if start else State.CLAIMED
        now = self._now()
        entry = _make_entry(
            intent=intent, state=state, token=token, mine=True, created=now, changed=now
        )
        return await self._writer.submit(
            lambda link: self._claim(link, entry, riders), sync=start, unwanted=self._let_go
        )

    async def change(
        self, entry: Entry, state: State, result: ToolResult | None = None, *, note: str = ""
    ) -> Entry | None:
        """Bring an entry into another state, if it is as `entry` says; see `Journal.change`.

        Raises:
            StoreError: It could not be written. An outcome is kept and written later.
        """
        outcome = _Outcome(entry=entry, state=state, result=result, note=note)

        def keep(problem: CallgateError) -> None:
            if not state.open:
                self._unwritten[entry.intent.key] = outcome

        return await self._writer.submit(
            lambda link: self._change(link, outcome),
            # What a person decides has to last as well.
            sync=state is State.STARTED or bool(note),
            failed=keep,
        )

    async def doubts(self, *, tenant: str | None = None) -> Sequence[Entry]:
        """Return the intents of which nobody knows what became, the oldest first.

        Args:
            tenant: Only this tenant's; None for all.

        Raises:
            StoreError: They could not be read.
        """

        def read(link: Link) -> list[Entry]:
            entries = [self._entry(link, row) for row in link.fetch(_DOUBTS)]
            own = [entry for entry in entries if tenant in (None, entry.intent.tenant)]
            return [entry for entry in own if entry.doubtful]

        return await self._writer.submit(read)

    def note(
        self, kind: str, *, key: str, tenant: str, principal: str, detail: Mapping[str, Any]
    ) -> asyncio.Future[None]:
        """Add an entry to the audit that belongs to no change of the journal, such as a denial.

        It is on its way at once; who waits for what is returned learns whether it was written.

        Raises:
            StoreError: The store is closed; what is returned raises it if it was not written.
        """
        return self._writer.submit(
            lambda link: self.noted(
                link, kind, key=key, tenant=tenant, principal=principal, detail=detail
            )
        )

    async def transact(self, work: Callable[[Link], _Made]) -> _Made:
        """Do the work of another part of the store, which is on disk when this returns.

        Args:
            work: Is given the connection in a transaction, and adds to the audit by `noted` once
                it has done all that may fail.

        Raises:
            StoreError: It could not be written.
        """

        def job(link: Link) -> _Made:
            with link.savepoint():
                return work(link)

        return await self._writer.submit(job, sync=True)

    def noted(
        self,
        link: Link,
        kind: str,
        *,
        key: str,
        tenant: str,
        principal: str,
        detail: Mapping[str, Any],
    ) -> None:
        """Add an entry to the audit in a transaction of `transact` or of a claim."""
        self._chain.add(
            link,
            kind,
            at=self._now(),
            key=key,
            tenant=tenant,
            principal=principal,
            detail=detail,
        )

    def _let_go(self, entry: Entry) -> None:
        # Nobody waits for the claim any more: nothing will be tried under it.
        if entry.mine:
            self._writer.submit(
                lambda link: self._change(
                    link,
                    _Outcome(entry=entry, state=State.NOT_HAPPENED, result=None, note="given up"),
                )
            )

    # --- in the thread ------------------------------------------------------------------------

    def _kept(self, key: str) -> Entry | None:
        """Return the entry of an outcome that is still to be written."""
        kept = self._unwritten.get(key)
        if kept is None:
            return None
        return replace(kept.entry, state=kept.state, result=kept.result, note=kept.note, mine=False)

    def _read(self, link: Link, key: str, query: Any) -> Entry | None:
        rows = link.fetch(query, {"key": key})
        return self._entry(link, rows[0]) if rows else None

    def _claim(self, link: Link, meant: Entry, riders: Sequence[Rider]) -> Entry:
        intent = meant.intent
        self._leases.hold(link)
        if (kept := self._kept(intent.key)) is not None:
            return kept
        with link.savepoint() if riders else nullcontext():
            entry, before = self._take(link, meant)
            # One that is ours already was committed with its riders; only the answer was lost.
            if not entry.mine or before is entry:
                return entry
            for rider in riders:
                if (error := rider(link, intent, before and before.state.value)) is not None:
                    self._chain.forget()  # what riders before it have added is undone
                    raise error
            self._audit(link, entry, State.CLAIMED.value, tries=entry.tries)
            return entry

    def _take(self, link: Link, entry: Entry) -> tuple[Entry, Entry | None]:
        """Return the entry under the key now, and the one that was there before."""
        intent, token = entry.intent, entry.token
        row = _row_of(entry, self._leases.id)
        if link.execute(self._insert, row):
            return entry, None
        known = self._read(link, intent.key, _LOCK)
        if known is None:
            raise StoreError(f"{self._database.name}: the entry of {intent.key!r} has vanished.")
        if known.token == token:
            known = replace(known, mine=True)
            return known, known
        if not takeable(known, intent):
            return known, known
        where = {"of_key": intent.key, "of_token": known.token, "of_state": known.state.value}
        row["tries"] = known.tries + 1
        link.execute(_TAKE, {name: row[name] for name in _TAKEN} | where)
        return replace(entry, tries=known.tries + 1, created=known.created), known

    def _change(self, link: Link, outcome: _Outcome) -> Entry | None:
        entry, state = outcome.entry, outcome.state
        if state is State.STARTED:
            self._leases.hold(link)
        key, now = entry.intent.key, self._now()
        # Three or one: that one then stands in all three places.
        before = changeable(entry, state)
        values = {
            "of_key": key,
            "of_token": entry.token,
            "from_0": before[0],
            "from_1": before[len(before) // 2],
            "from_2": before[-1],
            "state": state.value,
            "outcome": None
            if outcome.result is None
            else dump(stored.result_to_json(outcome.result)),
            "note": outcome.note,
            "changed": now,
        }
        changed = _changed(entry, state, outcome.result, outcome.note, now)
        if not link.execute(_CHANGE, values):
            known = self._read(link, key, _FIND)
            # Written already, when the connection was lost before anybody was told.
            same = known is not None and (known.token, known.state) == (entry.token, state)
            return known if same else None
        if state is not State.STARTED:
            self._audit(link, changed, state.value, note=outcome.note)
        return changed

    def _audit(self, link: Link, entry: Entry, kind: str, **detail: Any) -> None:
        intent = entry.intent
        self._chain.add(
            link,
            kind,
            at=entry.changed,
            key=intent.key,
            tenant=intent.tenant,
            principal=intent.principal,
            detail={
                "tool": intent.tool,
                "version": intent.version,
                "effect": intent.effect.value,
                "digest": intent.digest,
                **{name: value for name, value in detail.items() if value},
            },
        )

    def _entry(self, link: Link, row: Sequence[Any]) -> Entry:
        entry = entry_of(dict(zip(_COLUMNS, row, strict=True)))
        if not entry.state.open:
            return entry
        return replace(entry, live=self._leases.live(link, entry.token.rpartition(":")[0]))

    def _keep_up(self, link: Link) -> None:
        try:
            self._leases.beat(link, last=self._closing)
        except StoreError as problem:
            # Outcomes are written all the same: their tokens say whether they still may be.
            _log.warning("The lease is lost: %s", problem.message)
        for key, outcome in list(self._unwritten.items()):
            self._change(link, outcome)
            self._written.append(key)

    def _settled(self, done: bool) -> None:
        if done:
            for key in self._written:
                self._unwritten.pop(key, None)
        else:
            self._leases.forget()
            self._chain.forget()
        self._written.clear()


def _insert_of(database: Database) -> Any:
    kind = postgresql if database.postgres else sqlite
    return kind.insert(journal).on_conflict_do_nothing()


def _row_of(entry: Entry, owner: str) -> dict[str, Any]:
    intent = entry.intent
    return {
        "key": intent.key,
        "tenant": intent.tenant,
        "principal": intent.principal,
        "session": intent.session,
        **_place_of(intent.key),
        "tool": intent.tool,
        "version": intent.version,
        "effect": intent.effect.value,
        "arguments": intent.arguments.decode(),
        "digest": intent.digest,
        "state": entry.state.value,
        "token": entry.token,
        "owner": owner,
        "tries": entry.tries,
        "outcome": None,
        "note": entry.note,
        "created": entry.created,
        "changed": entry.changed,
    }


def _place_of(key: str) -> dict[str, Any]:
    """Return the place of a call in its session, or the caller's own id, from its key."""
    parts = key.split("/", 5)
    if len(parts) > 3 and parts[2] == "":
        return {"turn": None, "ordinal": None, "caller": key.split("/", 3)[3]}
    numbers = [int(part) if part.isdecimal() else None for part in parts[3:5]]
    turn, ordinal = (*numbers, None, None)[:2]
    return {"turn": turn, "ordinal": ordinal, "caller": None}


def entry_of(row: Mapping[str, Any]) -> Entry:
    """Make the entry that a row of the table describes; whether its owner lives is not in it."""
    intent = Intent(
        key=row["key"],
        tenant=row["tenant"],
        principal=row["principal"],
        session=row["session"],
        tool=row["tool"],
        version=row["version"],
        effect=Effect(row["effect"]),
        arguments=row["arguments"].encode(),
        digest=row["digest"],
    )
    outcome = row["outcome"]
    return Entry(
        intent=intent,
        state=State(row["state"]),
        token=row["token"],
        result=None if outcome is None else stored.result_from_json(load(outcome)),
        tries=row["tries"],
        created=row["created"],
        changed=row["changed"],
        note=row["note"],
    )
