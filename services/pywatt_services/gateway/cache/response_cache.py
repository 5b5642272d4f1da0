"""The cache of one worker: lookups, writes by a thread, and one request at a time that fetches what many want."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pywatt.http.headers import Headers
from pywatt.http.server.fair_queue import FairQueue
from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.options import StoreOptions
from pywatt_services.gateway.cache.rules import variant_key
from pywatt_services.gateway.cache.store import WRITER_SECONDS, Store

WAIT_SECONDS = 5.0
"""Time for which requests wait for another one that fetches the same; then each goes to the service itself."""
POLL_SECONDS = 0.02
"""Time between two looks whether another worker has fetched it."""
PASS_SECONDS = 30.0
"""Time for which requests do not wait for each other after a response that must not be stored."""
MOST_PASSES = 10_000
MOST_PENDING = 32 * 1024 * 1024
"""Bytes of responses that wait to be written; above that, further ones are not stored."""
TOUCH_SECONDS = 1.0
MOST_TOUCHES = 10_000

logger = logging.getLogger("pywatt.gateway")
Wake = Callable[[], None]


@dataclass(slots=True, eq=False)
class Fill:
    """A response that is being fetched, and the requests that wait for it."""

    resource: bytes
    waiting: list[Wake] = field(default_factory=list)
    elsewhere: bool = False
    """True when another worker fetches it."""
    over: bool = False


@dataclass(slots=True, frozen=True)
class _Woken:
    """A request that may go on, in line with others."""

    wake: Wake

    def read_held(self) -> None:
        self.wake()


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a response in the cache."""

    resource: bytes
    """A hash of all by which resources differ."""
    host: str
    target: str
    """The public path with its query."""


class ResponseCache:
    """The responses of all workers, as one worker sees them."""

    def __init__(
        self,
        reader: Store,
        writer: Store,
        fair_queue: FairQueue,
        call_soon_threadsafe: Callable[[Wake], object],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.refreshing: set[bytes] = set()
        """The keys of responses that are fetched anew while they are used."""
        self._reader = reader
        self._writer = writer
        self._fair_queue = fair_queue
        self._call_soon_threadsafe = call_soon_threadsafe
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="response-cache")
        self._pending: dict[bytes, dict[bytes, Entry]] = {}
        """Entries that the thread has not written yet, by resource and key."""
        self._pending_size = 0
        self._fills: dict[bytes, Fill] = {}
        self._passes: dict[bytes, float] = {}
        self._touched: set[bytes] = set()
        self._failed = False

    def close(self) -> None:
        """Write what is left."""
        self._touch()
        self._thread.shutdown()

    # Lookups.

    def find(self, resource: bytes, headers: Headers) -> tuple[bytes, Entry] | None:
        """Return the response for a request, and its key."""
        for key, entry in self._pending.get(resource, {}).items():
            if variant_key(resource, entry.vary, headers) == key:
                return key, entry
        try:
            found = self._reader.find(resource, headers)
        except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
            self._report(error)
            return None
        if found is not None and len(self._touched) < MOST_TOUCHES:
            if not self._touched:
                self._fair_queue.call_later(TOUCH_SECONDS, self._touch)
            self._touched.add(found[0])
        return found

    # Fetching.

    def begin(self, resource: bytes, wake: Wake) -> Fill | None:
        """Return the fetching of a resource that the caller does; None: `wake` is called once somebody has done it.

        The caller has to call `end` once.
        """
        fill = self._fills.get(resource)
        if fill is None:
            fill = Fill(resource, elsewhere=not self._lease(resource))
            self._fills[resource] = fill
            self._fair_queue.call_later(WAIT_SECONDS, lambda: self._wake(fill))
            if not fill.elsewhere:
                return fill
            self._poll(fill)
        fill.waiting.append(wake)
        return None

    def passes(self, resource: bytes) -> bool:
        """Tell whether responses to a request for it are known not to be stored."""
        until = self._passes.get(resource)
        return until is not None and self.clock() < until

    def end(self, fill: Fill, *, stores: bool) -> None:
        """Let others go on. `stores`: False when such responses must not be stored."""
        if not stores:
            if len(self._passes) >= MOST_PASSES:
                self._passes.clear()
            self._passes[fill.resource] = self.clock() + PASS_SECONDS
        self._wake(fill)
        self._write(lambda store: store.release(fill.resource))

    # Changes.

    def put(self, place: Place, headers: Headers, entry: Entry) -> None:
        """Store a response. `headers`: of the request."""
        size = entry.size
        if self._pending_size + size > MOST_PENDING:
            return
        key = variant_key(place.resource, entry.vary, headers)
        pending = self._pending.setdefault(place.resource, {})
        pending[key] = entry
        self._pending_size += size
        self._passes.pop(place.resource, None)
        now = self.clock()

        def written() -> None:
            self._pending_size -= size
            if pending.get(key) is entry:
                del pending[key]
            if not pending and self._pending.get(place.resource) is pending:
                del self._pending[place.resource]

        self._write(lambda store: store.put(place.resource, place.host, place.target, key, entry, now), written)

    def invalidate(self, host: str, target: str) -> None:
        """Remove the responses of a target that was changed."""
        self._pending.clear()
        self._write(lambda store: store.purge(host=host, target=target))

    # Inside.

    def _lease(self, resource: bytes) -> bool:
        try:
            return self._reader.lease(resource, self.clock(), WAIT_SECONDS)
        except sqlite3.Error as error:
            self._report(error)
            return True

    def _poll(self, fill: Fill) -> None:
        if fill.over:
            return
        try:
            leased = self._reader.is_leased(fill.resource, self.clock())
        except sqlite3.Error as error:
            self._report(error)
            leased = False
        if leased:
            self._fair_queue.call_later(POLL_SECONDS, lambda: self._poll(fill))
        else:
            self._wake(fill)

    def _wake(self, fill: Fill) -> None:
        if fill.over:
            return
        fill.over = True
        if self._fills.get(fill.resource) is fill:
            del self._fills[fill.resource]
        for wake in fill.waiting:
            self._fair_queue.add(_Woken(wake))

    def _touch(self) -> None:
        keys, self._touched = self._touched, set()
        if keys:
            now = self.clock()
            self._write(lambda store: store.touch(keys, now))

    def _write(self, change: Callable[[Store], object], written: Wake | None = None) -> None:
        def work() -> None:
            try:
                change(self._writer)
                self._failed = False
            except sqlite3.Error as error:
                self._report(error)
            finally:
                if written is not None:
                    with suppress(RuntimeError):  # the event loop has ended
                        self._call_soon_threadsafe(written)

        try:
            self._thread.submit(work)
        except RuntimeError:  # it is closed
            if written is not None:
                written()

    def _report(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            logger.warning("the response cache cannot be used, and responses come from the services: %s", error)


@contextmanager
def open_response_cache(
    path: Path, options: StoreOptions, fair_queue: FairQueue, call_soon_threadsafe: Callable[[Wake], object]
) -> Iterator[ResponseCache]:
    """Open the cache while the context is open. Raises sqlite3.Error."""
    reader = Store(path, options)
    writer = Store(path, options, wait=WRITER_SECONDS)
    cache = ResponseCache(reader, writer, fair_queue, call_soon_threadsafe)
    try:
        yield cache
    finally:
        cache.close()
        reader.close()
        writer.close()
