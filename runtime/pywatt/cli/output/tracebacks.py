"""Shortens Python tracebacks in the output of a program: the log has them in full (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

FIRST_FRAMES = 1
LAST_FRAMES = 2
_BEGIN = "Traceback (most recent call last):"
_FRAME = '  File "'


def shorten_tracebacks(lines: Sequence[str]) -> list[str]:
    """Return the lines with only the outermost and the innermost frames of each long traceback."""
    return list(_shortened(lines))


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    position = 0
    while position < len(lines):
        yield lines[position]
        position += 1
        if lines[position - 1] != _BEGIN:
            continue
        frames: list[list[str]] = []
        while position < len(lines) and lines[position].startswith("  "):
            if lines[position].startswith(_FRAME) or not frames:
                frames.append([])
            frames[-1].append(lines[position])
            position += 1
        hidden = len(frames) - FIRST_FRAMES - LAST_FRAMES
        if hidden > 1:  # a line that says that one frame is hidden takes no less room than that frame
            frames[FIRST_FRAMES:-LAST_FRAMES] = [[f"  ... {hidden} more frames"]]
        for frame in frames:
            yield from frame
