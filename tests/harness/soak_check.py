"""Checks of a soak run (pure): compares the written records with requests to the target and dead letters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that the target answered."""

    at: float
    place: Place
    attempt: int
    status: int

    @property
    def taken(self) -> bool:
        return self.status == 200


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A disturbance of the app or the broker; seconds of the same clock as `Seen.at`."""

    what: str
    begun: float
    over: float
    """The time from which accepted records are again committed within the usual time."""


@dataclass(kw_only=True)
class Run:
    """The recorded data of a run."""

    written: Mapping[Place, bytes]
    """The key of each record."""
    poisonous: frozenset[Place]
    """Records that the target never accepts."""
    seen: Sequence[Seen]
    letters: Mapping[Place, int]
    """Attempts that each dead letter reports."""
    disturbances: Sequence[Disturbance]
    attempts: int
    """Maximum number of attempts per record."""
    committed_after: float
    """Seconds before a disturbance; records accepted earlier than that have been committed."""
    problems: list[str] = field(default_factory=list)

    def check(self) -> list[str]:
        """Return the violations found."""
        taken: dict[Place, float] = {}
        first: dict[Place, float] = {}
        for request in self.seen:
            first.setdefault(request.place, request.at)
            if request.taken:
                taken.setdefault(request.place, request.at)
        self._tell("lost", self.written.keys() - taken.keys() - self.letters.keys())
        self._tell("not in the topic", (taken.keys() | self.letters.keys()) - self.written.keys())
        self._tell("poisonous and without a dead letter", self.poisonous - self.letters.keys())
        self._tell("out of order", self._inversions(first))
        self._tell("repeated without cause", self._repeats(taken))
        self._tell("more attempts than allowed", {each.place for each in self.seen if each.attempt > self.attempts})
        counts = Counter(request.place for request in self.seen)
        most = self.attempts + len(self.disturbances)
        self._tell("more requests than attempts and disturbances", {p for p, count in counts.items() if count > most})
        wrong = {place for place, attempts in self.letters.items() if attempts != self.attempts}
        self._tell("dead letters after another number of attempts", wrong)
        return self.problems

    @property
    def repeated(self) -> int:
        """The number of requests for records that had been accepted before."""
        taken: set[Place] = set()
        count = 0
        for request in self.seen:
            count += request.place in taken
            if request.taken:
                taken.add(request.place)
        return count

    def _inversions(self, first: Mapping[Place, float]) -> set[Place]:
        """Return records whose first request came before that of one with the same key and a lower offset."""
        keys: dict[tuple[int, bytes], list[Place]] = defaultdict(list)
        for place in sorted(self.written.keys() & first.keys()):
            keys[place[0], self.written[place]].append(place)
        return {
            later for places in keys.values() for earlier, later in pairwise(places) if first[later] < first[earlier]
        }

    def _repeats(self, taken: Mapping[Place, float]) -> set[Place]:
        """Return records that were delivered again although they were accepted without a disturbance."""
        again = {request.place for request in self.seen if request.at > taken.get(request.place, request.at)}
        return {place for place in again if not self._disturbed(taken[place])}

    def _disturbed(self, moment: float) -> bool:
        return any(each.begun - self.committed_after <= moment <= each.over for each in self.disturbances)

    def _tell(self, what: str, places: Iterable[Place]) -> None:
        if found := sorted(places):
            self.problems.append(f"{len(found)} {what}: {found[:5]}")
