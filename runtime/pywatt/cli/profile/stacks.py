"""Writes stacks with weights: a flame graph, a document for speedscope, folded lines (pure)."""

from __future__ import annotations

import html
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pywatt.cli.output.table import megabytes
from pywatt.profiling.output_file import ProfileForm

Stacks = Sequence[tuple[Sequence[str], int]]
"""Frames, the outermost first, and bytes."""
WIDTH, ROW, LETTER = 1200, 18, 6.6
"""Pixels of the flame graph, of a row of it, of a letter."""
NARROWEST = 0.5
_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


@dataclass(slots=True)
class Node:
    """A frame with all that was called from it."""

    weight: int = 0
    callees: dict[str, Node] = field(default_factory=dict)


def write(stacks: Stacks, form: ProfileForm, title: str) -> str:
    """Return the stacks in a form of files; their weights are bytes."""
    if form is ProfileForm.SPEEDSCOPE:
        return speedscope(stacks, title)
    return flame_graph(stacks, title) if form is ProfileForm.FLAME_GRAPH else folded(stacks)


def folded(stacks: Stacks) -> str:
    """Return a line for each stack: frames between semicolons, and the weight."""
    return "".join(f"{';'.join(frame.replace(';', ',') for frame in frames)} {weight}\n" for frames, weight in stacks)


def speedscope(stacks: Stacks, title: str) -> str:
    """Return the document that https://www.speedscope.app reads."""
    numbers: dict[str, int] = {}
    samples = [[numbers.setdefault(frame, len(numbers)) for frame in frames] for frames, _ in stacks]
    weights = [weight for _, weight in stacks]
    profile = {"type": "sampled", "name": title, "unit": "bytes", "startValue": 0, "endValue": sum(weights)}
    document = {
        "$schema": _SCHEMA,
        "name": title,
        "exporter": "pywatt",
        "shared": {"frames": [{"name": frame} for frame in numbers]},
        "profiles": [{**profile, "samples": samples, "weights": weights}],
    }
    return json.dumps(document)


def flame_graph(stacks: Stacks, title: str) -> str:
    """Return an SVG with callers above callees; the width of each is its weight, the tooltip tells its bytes."""
    root = Node()
    deepest = 0
    for frames, weight in stacks:
        node, deepest = root, max(deepest, len(frames))
        node.weight += weight
        for frame in frames:
            node = node.callees.setdefault(frame, Node())
            node.weight += weight
    height = (deepest + 2) * ROW
    boxes = "".join(_boxes(title, root, 0.0, 0, WIDTH / max(1, root.weight), root.weight))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
        f'font-size="11">{boxes}</svg>\n'
    )


def _boxes(name: str, node: Node, left: float, row: int, scale: float, total: int) -> Iterator[str]:
    width = node.weight * scale
    if width < NARROWEST:
        return
    text = f"{name}: {size(node.weight)}, {node.weight / total:.1%}" if total else name
    shown = html.escape(name[: int((width - 4) / LETTER)]) if width > 3 * LETTER else ""
    hue = 10 + zlib.crc32(name.partition(":")[0].encode()) % 50
    yield (
        f'<g><title>{html.escape(text)}</title><rect x="{left:.1f}" y="{row * ROW}" width="{width:.1f}" '
        f'height="{ROW - 1}" rx="2" fill="hsl({hue},80%,70%)"/>'
        f'<text x="{left + 3:.1f}" y="{row * ROW + 13}">{shown}</text></g>'
    )
    for frame, callee in sorted(node.callees.items(), key=lambda each: each[1].weight, reverse=True):
        yield from _boxes(frame, callee, left, row + 1, scale, total)
        left += callee.weight * scale


def size(count: int) -> str:
    """Return bytes: `512 B`, `12 KB`, `3 MB`."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.0f} KB" if count < 1024**2 else megabytes(count)
