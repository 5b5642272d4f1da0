"""Detects patterns that take very long on a text that nearly matches, such as `(a+)+$`; pure.

Python's `re` tries every way in which a pattern can match. There are many ways where a repeat and the part after it
take the same characters, and exponentially many where that happens inside another repeat.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

MOST_LOOSE = 2
"""Maximum number of unnested repeats that overlap with the part after them: the time is that power of the length."""
_OTHER = 128
"""Stands for all characters beyond ASCII."""
_ALL = frozenset(range(_OTHER + 1))
_MANY = 8
"""Repetitions from which on a repeat counts as unbounded."""

Characters: TypeAlias = frozenset[int]
Node: TypeAlias = tuple[Any, Any]


class SlowPattern(ValueError):
    """A pattern that may take very long."""


def check_backtracking(pattern: str) -> None:
    """Raise SlowPattern for a pattern that may take very long, re.error for one that is none."""
    parser: Any = importlib.import_module("re._parser")
    loose = _Analysis().walk(list(parser.parse(pattern)), frozenset(), in_repeat=False)
    if loose > MOST_LOOSE:
        raise SlowPattern(f"{loose} of its repeats can take what those after them could take as well")


@dataclass(frozen=True, slots=True)
class _Start:
    """The possible first characters of a matching text."""

    characters: Characters
    empty: bool
    """True if the text may be empty."""


class _Analysis:
    """One walk over a pattern."""

    def walk(self, nodes: Sequence[Node], after: Characters, *, in_repeat: bool) -> int:
        """Return the number of loose repeats; `after`: the characters that may follow. Raises SlowPattern."""
        loose = 0
        for node in reversed(nodes):
            loose += self._node(node, after, in_repeat=in_repeat)
            start = _start_of(node)
            after = start.characters | after if start.empty else start.characters
        return loose

    def _node(self, node: Node, after: Characters, *, in_repeat: bool) -> int:
        name, value = str(node[0]), node[1]
        match name:
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self._repeat(value[0], value[1], list(value[2]), after, in_repeat=in_repeat)
            case "BRANCH":
                branches = [list(branch) for branch in value[1]]
                if in_repeat:
                    _check_apart([_start(branch) for branch in branches])
                return max((self.walk(branch, after, in_repeat=in_repeat) for branch in branches), default=0)
            case "SUBPATTERN":
                return self.walk(list(value[3]), after, in_repeat=in_repeat)
            case "ATOMIC_GROUP":
                return self.walk(list(value), after, in_repeat=in_repeat)
            case "ASSERT" | "ASSERT_NOT":
                return self.walk(list(value[1]), frozenset(), in_repeat=in_repeat)
            case "GROUPREF_EXISTS":
                return sum(self.walk(list(part or ()), after, in_repeat=in_repeat) for part in value[1:])
            case _:
                return 0

    def _repeat(self, least: int, most: int, body: Sequence[Node], after: Characters, *, in_repeat: bool) -> int:
        start = _start(body)
        again = after | start.characters if most > 1 else after
        many = most >= _MANY
        loose = self.walk(body, again, in_repeat=in_repeat or many)
        if least == most or not start.characters & after:
            return loose
        if in_repeat:
            raise SlowPattern("a repeat inside a repeat can take what comes after it as well, as in (a+)+")
        return loose + (1 if many else 0)


def _check_apart(starts: Sequence[_Start]) -> None:
    taken: Characters = frozenset()
    for start in starts:
        if start.empty or start.characters & taken:
            raise SlowPattern("two alternatives inside a repeat can begin alike, as in (a|ab)+")
        taken |= start.characters


def _start(nodes: Iterable[Node]) -> _Start:
    characters: Characters = frozenset()
    for node in nodes:
        start = _start_of(node)
        characters |= start.characters
        if not start.empty:
            return _Start(characters, empty=False)
    return _Start(characters, empty=True)


def _start_of(node: Node) -> _Start:
    name, value = str(node[0]), node[1]
    match name:
        case "LITERAL":
            return _Start(_letter(value), empty=False)
        case "IN":
            return _Start(_set(value), empty=False)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            inner = _start(value[2])
            return _Start(inner.characters, empty=value[0] == 0 or inner.empty)
        case "BRANCH":
            inners = [_start(branch) for branch in value[1]]
            return _Start(frozenset().union(*(each.characters for each in inners)), any(each.empty for each in inners))
        case "SUBPATTERN":
            return _start(value[3])
        case "ATOMIC_GROUP":
            return _start(value)
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return _Start(frozenset(), empty=True)
        case "GROUPREF" | "GROUPREF_EXISTS":
            return _Start(_ALL, empty=True)
        case _:
            return _Start(_ALL, empty=False)


def _letter(code: int) -> Characters:
    """Return a character in both cases, as flags are ignored."""
    return frozenset(min(ord(each), _OTHER) for text in (chr(code).lower(), chr(code).upper()) for each in text)


def _set(items: Sequence[Node]) -> Characters:
    found: set[int] = set()
    for kind, value in items:
        match str(kind):
            case "LITERAL":
                found |= _letter(value)
            case "RANGE":
                low, high = value
                for code in range(low, min(high, _OTHER) + 1):
                    found |= _letter(code)
                if high >= _OTHER:
                    found.add(_OTHER)
            case "CATEGORY":
                found |= _category(str(value))
            case _:
                pass
    negated = bool(items) and str(items[0][0]) == "NEGATE"
    return _ALL - found | {_OTHER} if negated else frozenset(found)


def _is_word(text: str) -> bool:
    return text.isalnum() or text == "_"


def _category(name: str) -> Characters:
    tests: Mapping[str, Callable[[str], bool]] = {"DIGIT": str.isdigit, "SPACE": str.isspace, "WORD": _is_word}
    kind = name.rpartition("_")[2]
    inside = frozenset(code for code in range(_OTHER) if tests[kind](chr(code)))
    return (_ALL - inside if "_NOT_" in name else inside) | {_OTHER}
