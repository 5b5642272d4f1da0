"""Reads what all workers of an app have counted, and adds up what ended ones have left.

A folder is added up exactly once, also if the control worker is killed in between: the totals name the folders that
they contain.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pywatt.metrics.family import Family, Kind, Merge
from pywatt.metrics.readings import Readings, Series, lasting, read_folder
from pywatt.metrics.worker_folders import ENDED, LIVE, METRICS, SEPARATOR, TOTALS, WorkerName


class WorkerTotals:
    """Reads all folders of an app; one process at a time, such as a control worker and its successor."""

    def __init__(
        self, runtime_folder: Path, families: Mapping[str, Family], lives: Callable[[str], bool] | None = None
    ) -> None:
        """`families`: pywatt's own, by the name without `_total`. `lives` tells whether a pid runs."""
        self._folder = runtime_folder / METRICS
        self._families = families
        self._lives = lives or _is_running

    def read(self) -> Readings:
        """Return the values of all workers, also of ended ones. Adds up the folders of those. Raises OSError."""
        with self._locked() as there:
            return self._read_all() if there else Readings()

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the lock of the folder; False: no worker has counted yet."""
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield False
            return
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield True
        finally:
            os.close(folder)

    def _read_all(self) -> Readings:
        totals, contained = self._totals()
        live, ended = _names(self._folder / LIVE), _names(self._folder / ENDED)  # in this order: workers move on
        new = [name for name in ended if name not in contained]
        readings = Readings()
        for name in live:
            if name in ended:
                continue
            try:
                readings.add_all(self._read(LIVE, name))
            except FileNotFoundError:  # it has ended meanwhile
                if (self._folder / ENDED / name).exists():
                    new.append(name)
        for name in new:
            with suppress(FileNotFoundError):
                totals.add_all(lasting(self._read(ENDED, name)))
        if new:
            self._write(totals, sorted({*ended, *new}))
        for name in {*ended, *new}:
            shutil.rmtree(self._folder / ENDED / name, ignore_errors=True)
        readings.add_all(totals)
        return readings

    def _read(self, stage: str, name: str) -> Readings:
        worker = WorkerName(*name.split(SEPARATOR))
        folder = self._folder / stage / name
        return read_folder(folder, worker.service, worker.slot, self._families, lives=self._lives)

    def _totals(self) -> tuple[Readings, set[str]]:
        try:
            document = json.loads((self._folder / TOTALS).read_bytes())
        except FileNotFoundError:
            return Readings(), set()
        return Readings(dict(map(_series, document["numbers"])), document["help"]), set(document["folders"])

    def _write(self, totals: Readings, folders: list[str]) -> None:
        numbers = [[*series, *pair] for series, pair in totals.numbers.items()]
        document = {"folders": folders, "numbers": numbers, "help": totals.help}
        new = self._folder / f"{TOTALS}.new"
        new.write_text(json.dumps(document))
        new.replace(self._folder / TOTALS)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.count(SEPARATOR) + 1 == len(WorkerName._fields))
    except FileNotFoundError:
        return []


def _series(row: list[Any]) -> tuple[Series, tuple[float, float]]:
    service, worker, kind, merge, family, sample, labels, pid, number, time = row
    pairs = tuple((name, value) for name, value in labels)
    return Series(service, worker, Kind(kind), Merge(merge), family, sample, pairs, pid), (number, time)


def _is_running(pid: str) -> bool:
    return Path("/proc", pid).exists()
