"""Watches an app's files: reports each set of files that changed together, whatever happens to their folders."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.to_thread
from watchfiles import awatch

from pywatt.dev.file_scan import Snapshot, changed_files, scan, stamp_of
from pywatt.dev.watch_rules import WatchRules, changes_rules

SETTLE = 20
"""Milliseconds without a further change after which changes are taken as one save."""
LONGEST_SETTLE = 200
SCAN_AGAIN = 60_000
"""Milliseconds after which the files are scanned without an event: the kernel drops events when there are too many."""
POLL_SECONDS = 1.0
"""Pause between two scans where the kernel reports nothing."""
CLOCK_STEP = 20_000_000
"""Nanoseconds by which a file's time may lag behind the clock."""
FORCE_POLLING = "WATCHFILES_FORCE_POLLING"
"""Environment variable of watchfiles, for file systems that report nothing."""

Make = Callable[[], WatchRules]
Report = Callable[[Iterable[Path], anyio.Event], AsyncGenerator[set[Path]]]


class Watcher:
    """Follows the files of an app through one configuration after the other.

    inotify follows inodes: it loses a folder that is replaced (`git checkout`, `mv`) and does not tell. So each folder
    is watched by itself, an event of a folder renews all watches, and a scan decides which files differ.
    """

    def __init__(
        self,
        make_watch_rules: Make,
        *,
        since: int,
        polling: bool,
        warn: Callable[[str], None],
        report: Report | None = None,
    ) -> None:
        """`since`: time from which on a save counts, in nanoseconds since the epoch. `warn` tells the user.

        `report` yields an empty set once it watches the folders, then the kernel's reports.
        """
        self.over = anyio.Event()
        """Set at the end: no cancellation reaches the thread that waits for events."""
        self.watch_rules = make_watch_rules()
        """The files that were looked for when the last changes were found."""
        self._make_watch_rules = make_watch_rules
        self._since: int | None = since
        self._polling = polling
        self._report = report or _reported
        self._warn = warn

    def follow(self, make_watch_rules: Make, since: int) -> None:
        """Follow the files of another configuration, which was read at the time `since`."""
        self._make_watch_rules, self._since = make_watch_rules, since

    async def changes(self) -> AsyncGenerator[set[Path]]:
        """Yield the files that changed together."""
        seen = Snapshot({}, {})
        while not self.over.is_set():
            watch_rules = self.watch_rules = self._make_watch_rules()
            since = self._take_since()
            watched = await anyio.to_thread.run_sync(scan, watch_rules)
            changed = changed_files(seen, watched, since and since - CLOCK_STEP)
            seen = watched
            if changed:
                yield changed
            async with aclosing(self._events(watched)) as events:
                async for paths in events:
                    now = await self._look(watch_rules, seen, paths)
                    changed, seen = changed_files(seen, now), now
                    if changed:
                        yield changed
                    if self._since is not None or any(changes_rules(path) for path in paths):
                        break  # other files count now
                    if now.folders != watched.folders or any(path in watched.folders for path in paths):
                        break  # a folder came, went or was replaced, perhaps by one of the same inode

    def _take_since(self) -> int | None:
        since, self._since = self._since, None
        return since

    async def _look(self, watch_rules: WatchRules, seen: Snapshot, paths: set[Path]) -> Snapshot:
        """Return the files as they are after these events; no paths: after unknown ones."""
        if not paths or any(path in seen.folders or (watch_rules.holds(path) and path.is_dir()) for path in paths):
            return await anyio.to_thread.run_sync(scan, watch_rules, seen.files)
        concerned = [path for path in paths if watch_rules.concerns(path)]
        if not concerned:
            return seen
        files = dict(seen.files)
        for path in concerned:
            stamp = stamp_of(path)
            if stamp is not None:
                files[path] = stamp
            else:
                files.pop(path, None)
        return Snapshot(files, seen.folders)

    async def _events(self, watched: Snapshot) -> AsyncGenerator[set[Path]]:
        """Yield the paths that the kernel reports together; an empty set: anything may have changed."""
        if not self._polling:
            try:
                async with aclosing(self._report(watched.folders, self.over)) as reported:
                    async for paths in reported:
                        yield paths
                return
            except FileNotFoundError:
                return  # a folder has gone meanwhile
            except (OSError, RuntimeError) as error:
                self._polling = True
                self._warn(_limit_reached(error, len(watched.folders)))
        while True:
            yield set()
            await anyio.sleep(POLL_SECONDS)


class _Stop:
    """Event that ends one watch; also set when all watching is over."""

    def __init__(self, over: anyio.Event) -> None:
        self._over = over
        self._ended = False

    def set(self) -> None:
        self._ended = True

    def is_set(self) -> bool:
        return self._ended or self._over.is_set()


async def _reported(folders: Iterable[Path], over: anyio.Event) -> AsyncGenerator[set[Path]]:
    """Yield the paths that the kernel reports together; first an empty set, once the folders are watched.

    Nobody reports a change between the scan that found the folders and the watch.
    """
    stop = _Stop(over)
    watcher = awatch(
        *folders,
        watch_filter=None,
        debounce=LONGEST_SETTLE,
        step=SETTLE,
        rust_timeout=SCAN_AGAIN,
        yield_on_timeout=True,
        stop_event=stop,
        recursive=False,
        force_polling=False,
        ignore_permission_denied=True,
    )
    first = asyncio.ensure_future(anext(watcher))
    try:
        await asyncio.sleep(0)  # its first step begins to watch, and then waits in a thread
        if not first.done():
            yield set()
        yield {Path(path) for _, path in await first}
        async for changes in watcher:
            yield {Path(path) for _, path in changes}
    except StopAsyncIteration:
        return  # it is over
    finally:
        stop.set()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(first, return_exceptions=True)  # its thread looks at `stop` every few milliseconds
            await watcher.aclose()


def wants_polling(environ: Mapping[str, str]) -> bool:
    """Return whether the user says that the kernel reports nothing, as for some network and container file systems."""
    return environ.get(FORCE_POLLING, "").lower() not in {"", "false", "disable", "disabled"}


def _limit_reached(error: Exception, folders: int) -> str:
    """Return the warning for folders that cannot be watched."""
    limit = (
        "instances" if isinstance(error, RuntimeError) or getattr(error, "errno", None) == errno.EMFILE else "watches"
    )
    return (
        f"the kernel watches no more folders for this user ({error}), so the app's files are scanned every"
        f" {POLL_SECONDS:g} s. Raise fs.inotify.max_user_{limit} by sysctl, or leave some of the {folders} folders out"
        ' by .gitignore or "watch": {"ignore": [...]}'
    )
