"""Stacks with weights as a tree, bounded in size (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_NODES = 5000
DEEPEST = 200
LONGEST_NAME = 300
OTHERS = "..."
"""The name of the frames of a stack beyond the deepest that is kept."""


@dataclass(slots=True)
class Node:
    """A frame with all that was called from it."""

    name: str
    weight: int = 0
    callees: dict[str, Node] = field(default_factory=dict)


def tree_of(stacks: Iterable[tuple[Sequence[str], int]]) -> dict[str, Any]:
    """Return the tree as JSON values: each node a name, a weight, and the nodes called from it, heaviest first.

    The lightest nodes are left out where there are too many; their weight stays in their callers'.
    """
    root = Node("all")
    for frames, weight in stacks:
        node = root
        node.weight += weight
        for depth, frame in enumerate(frames):
            name = OTHERS if depth == DEEPEST else str(frame)[:LONGEST_NAME]
            node = node.callees.setdefault(name, Node(name))
            node.weight += weight
            if depth == DEEPEST:
                break
    weights = sorted((node.weight for node in _nodes(root)), reverse=True)
    least = weights[MOST_NODES - 1] if len(weights) >= MOST_NODES else 0
    return _document(root, least)


def folded(text: str) -> Iterator[tuple[Sequence[str], int]]:
    """Yield the stacks of lines such as `main;serve;read 12`."""
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        if frames and count.isdecimal():
            yield frames.split(";"), int(count)


def _nodes(root: Node) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending += node.callees.values()


def _document(node: Node, least: int) -> dict[str, Any]:
    kept = sorted((each for each in node.callees.values() if each.weight > least), key=lambda each: -each.weight)
    return {"name": node.name, "weight": node.weight, "callees": [_document(each, least) for each in kept]}
