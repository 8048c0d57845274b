"""`Writer`: one thread that writes, so that many who wait share one commit and one sync.

Work is done in the order it was handed in. What was handed in is done also if whoever asked stops
waiting; how long anybody waits is bounded, so a slow disk holds nobody up for ever.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from callgate.errors import CallgateError, StoreError
from callgate.store.database import Database, told
from callgate.store.links import Link, link_to

__all__ = ["Job", "Writer"]

_log = logging.getLogger("callgate.store")

_Made = TypeVar("_Made")

_MOST = 256  # jobs in one transaction
_LINGER = 0.005  # seconds that a commit waits for another one to take it to the disk


class Job(Generic[_Made]):
    """A piece of work, and who waits for it.

    Attributes:
        work: Is given the connection, in a transaction.
        sync: Whether it must be on disk before anybody is told.
        unwanted: Is called in the loop with what was made if nobody waits for it any more.
        failed: Is called in the thread if it could not be done, whoever waits.
        made: What came of it.
        problem: Why nothing came of it.
    """

    __slots__ = (
        "failed",
        "future",
        "loop",
        "made",
        "problem",
        "sync",
        "until",
        "unwanted",
        "work",
    )

    def __init__(
        self,
        work: Callable[[Link], _Made],
        *,
        sync: bool,
        until: float,
        unwanted: Callable[[_Made], None] | None,
        failed: Callable[[CallgateError], None] | None,
    ) -> None:
        self.work = work
        self.sync = sync
        self.until = until
        self.unwanted = unwanted
        self.failed = failed
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[_Made] = self.loop.create_future()
        self.made: Any = None
        self.problem: CallgateError | None = None

    def deliver(self) -> None:
        """Tell whoever waits; in the loop."""
        future = self.future
        if future.done():
            if self.unwanted is not None and self.problem is None:
                self.unwanted(self.made)
        elif self.problem is not None:
            future.set_exception(self.problem)
        else:
            future.set_result(self.made)


class Writer:
    """The thread, its queue and its connection.

    Attributes:
        syncs: Commits so far that were on disk before anybody was told.
    """

    def __init__(
        self,
        database: Database,
        *,
        idle: Callable[[Link], None],
        every: float,
        settled: Callable[[bool], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; the thread starts with the first job.

        Args:
            database: Where to write.
            idle: Is done in a transaction of its own at least `every` seconds, and once after
                commits that nothing took to the disk: what it writes takes them along.
            every: Seconds between two times of `idle`.
            settled: Is called in the thread after every transaction, with whether it was committed.
            now: Seconds since 1970, where the database has no clock of its own.
        """
        self.syncs = 0
        self._database = database
        self._idle = idle
        self._every = every
        self._settled = settled
        self._now = now
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._waiting: set[Job[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._link: Link | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._unsynced = False
        self._due = 0.0

    def submit(
        self,
        work: Callable[[Link], _Made],
        *,
        sync: bool = False,
        unwanted: Callable[[_Made], None] | None = None,
        failed: Callable[[CallgateError], None] | None = None,
    ) -> asyncio.Future[_Made]:
        """Hand in work and return what tells of its end.

        Args:
            work: Is given the connection, in a transaction. What it raises of our errors undoes
                only what it did itself, if it did that in a savepoint.
            sync: Whether the commit must be on disk.
            unwanted: Is called in the loop with what was made if nobody waits for it any more.
            failed: Is called in the thread if it could not be done, whoever waits.

        Raises:
            StoreError: The writer is closed.
        """
        if self._closed:
            raise StoreError(f"{self._database.name}: the store is closed.")
        until = time.monotonic() + self._database.patience
        job = Job(work, sync=sync, until=until, unwanted=unwanted, failed=failed)
        self._waiting.add(job)
        if self._timer is None or self._loop is not job.loop:
            self._loop = job.loop
            self._timer = job.loop.call_later(self._database.patience, self._expire)
        self._queue.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="callgate-writer", daemon=True)
            self._thread.start()
        return job.future

    def close(self) -> None:
        """Do what was handed in, then let thread and connection go; blocks."""
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- in the loop ------------------------------------------------------------------------

    def _expire(self) -> None:
        self._timer = None
        now = time.monotonic()
        for job in [job for job in self._waiting if job.until <= now]:
            self._waiting.discard(job)
            if not job.future.done():
                job.future.set_exception(
                    StoreError(
                        f"{self._database.name}: nothing was written for "
                        f"{self._database.patience:g} s; is another process holding it, or the "
                        "disk too slow?"
                    )
                )
        if self._waiting and self._loop is not None:
            soon = min(job.until for job in self._waiting) - now
            self._timer = self._loop.call_later(max(soon, 0.01), self._expire)

    def _deliver(self, jobs: Sequence[Job[Any]]) -> None:
        # The timer stays: it finds nothing to do, and costs less than a new one for each job.
        for job in jobs:
            self._waiting.discard(job)
            job.deliver()

    # --- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        self._due = time.monotonic() + self._every
        more = True
        while more:
            jobs, more = self._next()
            if jobs:
                self._do(jobs)
            if not more or time.monotonic() >= self._due or (self._unsynced and not jobs):
                self._keep_up()
        if self._link is not None:
            self._link.close()

    def _next(self) -> tuple[list[Job[Any]], bool]:
        """Return the next jobs, none if it is time to keep up; and whether there may be more."""
        patience = _LINGER if self._unsynced else max(self._due - time.monotonic(), 0.0)
        jobs: list[Job[Any]] = []
        try:
            job = self._queue.get(timeout=patience)
            while job is not None:
                jobs.append(job)
                if len(jobs) >= _MOST:
                    return jobs, True
                job = self._queue.get_nowait()
        except Empty:
            return jobs, True
        return jobs, False

    def _do(self, jobs: list[Job[Any]]) -> None:
        if self._attempt(jobs):
            # One of them may be the reason, or the connection was gone: each by itself, once.
            for job in jobs:
                self._attempt([job])
        for job in jobs:
            if job.problem is not None and job.failed is not None:
                job.failed(job.problem)
        for loop in {job.loop for job in jobs}:
            own = [job for job in jobs if job.loop is loop]
            try:
                loop.call_soon_threadsafe(self._deliver, own)
            except RuntimeError:
                _log.debug("The loop that waited for %d changes is closed.", len(own))

    def _attempt(self, jobs: Sequence[Job[Any]]) -> bool:
        """Do jobs in one transaction; return whether a second attempt may help."""

        def work(link: Link) -> None:
            for job in jobs:
                job.problem = None
                try:
                    job.made = job.work(link)
                except CallgateError as problem:
                    job.problem = problem
                except link.error:
                    raise
                except Exception as exc:  # noqa: BLE001 - the boundary to what rides with a claim
                    job.problem = StoreError(f"{type(exc).__name__} within a transaction: {exc}")

        try:
            self._transact(work, sync=any(job.sync for job in jobs))
        except _UndoneError as undone:
            for job in jobs:
                job.problem = undone.problem
            return undone.again
        return False

    def _keep_up(self) -> None:
        self._due = time.monotonic() + self._every
        self._unsynced = False
        try:
            self._transact(self._idle, sync=True)
        except _UndoneError as undone:
            _log.warning("The store could not be kept up: %s", undone.problem.message)

    def _transact(self, work: Callable[[Link], None], *, sync: bool) -> None:
        """Do work in one transaction.

        Raises:
            _UndoneError: It could not be done; nothing of it is in the database, unless the
                connection was lost while it was committed.
        """
        try:
            link = self._link = self._link or link_to(self._database, self._now)
        except StoreError as problem:
            raise _UndoneError(problem, again=False) from problem
        try:
            link.begin(sync=sync)
            work(link)
            link.commit()
        except StoreError as problem:
            self._settled(False)
            self._drop(link)
            raise _UndoneError(problem, again=False) from problem
        except link.error as exc:
            self._settled(False)
            again = link.again(exc)
            self._drop(link)
            raise _UndoneError(told(exc, self._database.name), again=again) from exc
        self._settled(True)
        self.syncs += sync
        self._unsynced = not sync

    def _drop(self, link: Link) -> None:
        # A new connection is cheap beside finding out what is left of the old one.
        self._link = None
        try:
            link.close()
        except link.error:
            _log.debug("A connection could not be closed.", exc_info=True)


class _UndoneError(Exception):
    """A transaction was undone; carries why, and whether a second attempt may help."""

    def __init__(self, problem: StoreError, *, again: bool) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.again = again
