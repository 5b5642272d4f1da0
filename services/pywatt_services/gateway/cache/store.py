"""The responses of a gateway in an SQLite file that all its workers, and `pywatt cache`, share.

A lookup takes some microseconds. Each change is one transaction, made by a thread; SQLite brings the file back in order
when a worker is killed meanwhile. Nothing here has to outlive the app, so nothing waits for the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.options import DEFAULT_STORE, StoreOptions
from pywatt_services.gateway.cache.rules import variant_key

BUSY_SECONDS = 0.05
"""Time that a lookup waits for another process; then it has found nothing."""
WRITER_SECONDS = 2.0
EVICTED = 32
"""Responses that make room at once."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS variants (resource BLOB PRIMARY KEY, vary TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
  key BLOB PRIMARY KEY, resource BLOB NOT NULL, host TEXT NOT NULL, target TEXT NOT NULL,
  size INTEGER NOT NULL, used REAL NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_used ON entries (used);
CREATE INDEX IF NOT EXISTS entries_target ON entries (target);
CREATE INDEX IF NOT EXISTS entries_resource ON entries (resource);
CREATE TABLE IF NOT EXISTS tags (tag TEXT, key BLOB, PRIMARY KEY (tag, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_key ON tags (key);
CREATE TABLE IF NOT EXISTS leases (key BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER, count INTEGER);
INSERT OR IGNORE INTO total VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON entries BEGIN
  UPDATE total SET size = size + NEW.size, count = count + 1;
END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON entries BEGIN
  UPDATE total SET size = size - OLD.size, count = count - 1;
  DELETE FROM tags WHERE key = OLD.key;
  DELETE FROM variants WHERE resource = OLD.resource
    AND NOT EXISTS (SELECT 1 FROM entries WHERE resource = OLD.resource);
END;
"""


class Store:
    """One connection to the file; its calls raise sqlite3.Error."""

    def __init__(self, path: Path, options: StoreOptions = DEFAULT_STORE, *, wait: float = BUSY_SECONDS) -> None:
        self._options = options
        self._database = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def find(self, resource: bytes, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, Entry] | None:
        """Return the response for a request, and its key. `headers`: of the request, names in lower case."""
        execute = self._database.execute
        found = execute("SELECT vary FROM variants WHERE resource = ?", (resource,)).fetchone()
        if found is None:
            return None
        vary = tuple(name.encode("latin-1") for name in found[0].split(",") if name)
        key = variant_key(resource, vary, list(headers))
        row = execute("SELECT head, body FROM entries WHERE key = ?", (key,)).fetchone()
        return None if row is None else (key, Entry.read(row[0], row[1]))

    def put(self, resource: bytes, host: str, target: str, key: bytes, entry: Entry, now: float) -> None:
        """Store a response, and remove what was not used for the longest time if there is too much."""
        head, size = entry.head(), entry.size
        if size > self._options.max_size:
            return
        execute = self._database.execute
        execute("BEGIN IMMEDIATE")
        try:
            vary = ",".join(name.decode("latin-1") for name in entry.vary)
            execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (key, resource, host, target, size, now, head, entry.body))  # fmt: skip
            execute("INSERT OR REPLACE INTO variants VALUES (?, ?)", (resource, vary))
            self._database.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, key) for tag in entry.tags])
            self._make_room()
            execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def touch(self, keys: Iterable[bytes], now: float) -> None:
        """Note that responses were used."""
        self._database.executemany("UPDATE entries SET used = ? WHERE key = ?", [(now, key) for key in keys])

    def purge(self, *, host: str | None = None, target: str | None = None, tags: Iterable[str] = ()) -> int:
        """Remove the responses of a target, of tags, or with neither all; return their number."""
        removed = 0
        execute = self._database.execute
        execute("BEGIN IMMEDIATE")
        try:
            if target is not None:
                removed += execute(
                    "DELETE FROM entries WHERE target = ? AND host = coalesce(?, host)", (target, host)
                ).rowcount
            for tag in (wanted := list(tags)):
                removed += execute(
                    "DELETE FROM entries WHERE key IN (SELECT key FROM tags WHERE tag = ?)", (tag,)
                ).rowcount
            if target is None and not wanted:
                removed = execute("DELETE FROM entries WHERE 1").rowcount
            execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return removed

    def totals(self) -> tuple[int, int]:
        """Return the bytes and the number of all responses."""
        size, count = self._database.execute("SELECT size, count FROM total").fetchone()
        return size, count

    def lease(self, key: bytes, now: float, seconds: float) -> bool:
        """Tell whether the caller fetches a response, and no other worker does."""
        return bool(
            self._database.execute(
                "INSERT INTO leases VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET until = ?2 WHERE until < ?3",
                (key, now + seconds, now),
            ).rowcount
        )

    def is_leased(self, key: bytes, now: float) -> bool:
        """Tell whether a worker fetches a response."""
        found = self._database.execute("SELECT 1 FROM leases WHERE key = ? AND until >= ?", (key, now)).fetchone()
        return found is not None

    def release(self, key: bytes) -> None:
        """Let others fetch a response."""
        self._database.execute("DELETE FROM leases WHERE key = ?", (key,))

    def _prepare(self) -> None:
        execute = self._database.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = OFF")
        execute("PRAGMA recursive_triggers = ON")  # so that what a REPLACE removes is counted
        if not execute("SELECT 1 FROM sqlite_master WHERE name = 'removed'").fetchone():
            self._database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")

    def _make_room(self) -> None:
        while True:
            size, count = self.totals()
            if size <= self._options.max_size and count <= self._options.max_count:
                return
            much = size > 2 * self._options.max_size or count > self._options.max_count + EVICTED
            oldest = "SELECT key FROM entries ORDER BY used LIMIT ?"
            self._database.execute(f"DELETE FROM entries WHERE key IN ({oldest})", (EVICTED if much else 1,))  # noqa: S608

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self._database.execute("ROLLBACK")
