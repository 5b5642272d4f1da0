"""Parses the query of a request for dead letters; errors name the parameter."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl

from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_kafka.dlq.durations import LONGEST, parse_duration

LIMIT = 100  # letters, unless the client asks for fewer or more
MOST = 10_000
SLOWEST, FASTEST = 0.1, 1_000_000.0  # records per second
FILTERS = frozenset({"from", "error", "key", "olderThan", "newerThan"})
YES, NO = frozenset({"", "1", "true"}), frozenset({"0", "false"})

_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_PLACE = re.compile(r"([0-9]{1,9})@([0-9]{1,19})")
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")


class Query:
    """The parameters of one request."""

    def __init__(self, raw: bytes, known: Collection[str]) -> None:
        """Raises ValueError for an unknown parameter: a misspelt filter would mean all letters."""
        self._given: Mapping[str, str] = dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))
        if unknown := set(self._given) - set(known):
            listed = ", ".join(sorted(known)) or "none"
            raise ValueError(f"{min(unknown)} is not known here; the parameters are: {listed}.")

    def filter(self) -> Filter:
        """Return the filter for letters. Raises ValueError."""
        key = self._given.get("key")
        return Filter(
            topic=self._given.get("from"),
            error=self._given.get("error"),
            key=None if key is None else key.encode(),
            older_than=self.age("olderThan"),
            newer_than=self.age("newerThan"),
        )

    def age(self, name: str) -> float | None:
        """Return a length of time in seconds. Raises ValueError."""
        if name not in self._given:
            return None
        text = self._given[name]
        if _NUMBER.fullmatch(text) and float(text) <= LONGEST:
            return float(text)
        try:
            return parse_duration(text)
        except ValueError:
            raise ValueError(f"{name} is {text!r}; it takes seconds (90) or a duration (90s, 15m, 12h, 7d).") from None

    def rate(self) -> float | None:
        """Return the records per second that are allowed, None without a limit. Raises ValueError."""
        if "rate" not in self._given:
            return None
        text = self._given["rate"]
        if not _NUMBER.fullmatch(text) or not SLOWEST <= float(text) <= FASTEST:
            raise ValueError(
                f"rate is {text!r}; it takes a number of records per second from {SLOWEST:g} to {FASTEST:.0f}."
            )
        return float(text)

    def limit(self) -> int:
        """Return the maximum number of letters. Raises ValueError."""
        text = self._given.get("limit", str(LIMIT))
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) and 0 < int(text) <= MOST):
            raise ValueError(f"limit is {text!r}; it takes a number from 1 to {MOST}.")
        return int(text)

    def is_set(self, name: str) -> bool:
        """Tell whether a flag is set. Raises ValueError for neither yes nor no."""
        if name not in self._given:
            return False
        text = self._given[name].lower()
        if text not in YES | NO:
            raise ValueError(f"{name} is {text!r}; it takes true, 1 or nothing for yes, false or 0 for no.")
        return text in YES

    def topic(self, name: str) -> str | None:
        """Return a topic's name. Raises ValueError for an illegal one, and for Kafka's own topics."""
        text = self._given.get(name)
        if text is not None and (not _TOPIC.fullmatch(text) or text.startswith("__")):
            raise ValueError(
                f"{name} is {text!r}; it takes the name of a topic: up to 249 letters, digits, '.', '_' and '-', not "
                "beginning with '__'."
            )
        return text


def read_place(text: str) -> tuple[int, int]:
    """Return the partition and offset of a letter. Raises ValueError."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no letter; write partition@offset, such as 0@17.")
    return int(found[1]), int(found[2])
