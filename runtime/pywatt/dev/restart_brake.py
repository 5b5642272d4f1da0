"""Tells a user's saves from files that a service writes itself when it starts (pure).

Times are seconds since the epoch, since a file's time is what tells whether it was written during a start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DURING_PAUSES = (0.0, 0.0, 1.0, 3.0)
"""Seconds before each restart for a file that was written during one start after the other; then it is the service's.

The pauses keep apart a person, or a program, that saves often: before the next start the file has to be quiet.
"""
AFTER_PAUSES = (*[0.0] * 5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each restart for a file that was written soon after one start after the other."""
SOON = 1.0
"""Seconds after a start within which a write may be the service's own."""
CLOCK_STEP = 0.02
"""Seconds by which a file's time may lag behind the clock."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The restart that a set of changed files is worth."""

    files: frozenset[Path]
    """Files to restart for; none: no restart."""
    pause: float = 0.0
    """Seconds to wait first; a further change begins the wait anew."""
    own: frozenset[Path] = frozenset()
    """Files that are found to be written by each start, and do not count any more when they are."""
    slowed: frozenset[Path] = frozenset()
    """Files that are found to follow each start, so that restarts for them wait."""


class RestartBrake:
    """Watches the starts of one service.

    A file that is written by every start would restart the service for ever.
    """

    def __init__(self) -> None:
        self._during: dict[Path, int] = {}
        """For each file, the number of starts in a row during which it was written."""
        self._after: dict[Path, int] = {}
        """For each file, the number of starts in a row soon after which it was written."""
        self._changed: set[Path] = set()
        """Files that changed since the present start began."""
        self._own: set[Path] = set()
        self._begun = 0.0
        self._ended: float | None = 0.0

    def begin(self, now: float) -> None:
        """Note that a start begins."""
        for counts in (self._during, self._after):
            for file in counts.keys() - self._changed:
                del counts[file]
        self._changed.clear()
        self._begun, self._ended = now, None

    def end(self, now: float) -> None:
        """Note that the start has ended, well or not."""
        self._ended = now

    def judge(self, files: Mapping[Path, float | None]) -> Judgement:
        """Return the restart for changed files, given with their times of modification; None: the file is gone."""
        pauses: dict[Path, float] = {}
        own: set[Path] = set()
        slowed: set[Path] = set()
        for file, written in files.items():
            if written is not None and self._is_during(written):
                count = self._count(file, self._during)
                if count > len(DURING_PAUSES) and file not in self._own:
                    own.add(file)
                    self._own.add(file)
                if file not in self._own:
                    pauses[file] = DURING_PAUSES[count - 1]
            elif written is not None and self._is_soon_after(written):
                count = min(self._count(file, self._after), len(AFTER_PAUSES))
                pauses[file] = AFTER_PAUSES[count - 1]
                if AFTER_PAUSES[count - 1] > 0 and AFTER_PAUSES[count - 2] == 0:
                    slowed.add(file)
            else:
                self._during.pop(file, None)
                self._after.pop(file, None)
                pauses[file] = 0.0
        return Judgement(
            frozenset(pauses), min(pauses.values(), default=0.0), own=frozenset(own), slowed=frozenset(slowed)
        )

    def _count(self, file: Path, counts: dict[Path, int]) -> int:
        if file not in self._changed:
            counts[file] = counts.get(file, 0) + 1
        self._changed.add(file)
        return counts.setdefault(file, 1)

    def _is_during(self, written: float) -> bool:
        return self._begun - CLOCK_STEP <= written and (self._ended is None or written <= self._ended)

    def _is_soon_after(self, written: float) -> bool:
        return self._ended is not None and self._ended < written <= self._ended + SOON
