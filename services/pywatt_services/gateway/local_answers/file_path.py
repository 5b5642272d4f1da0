"""From the path of a request to a file below a folder (pure)."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes


def segments(path: bytes, *, dotfiles: bool) -> list[str] | None:
    """Return the names on the way to a file, None for a path that names no file that may be served.

    `path`: encoded, in normal form. A name may hold neither a slash nor a zero byte, however it is encoded.
    """
    found: list[str] = []
    for segment in path.split(b"/"):
        name = unquote_to_bytes(segment)
        if not name:
            continue
        if name in (b".", b"..") or b"/" in name or b"\\" in name or b"\0" in name or len(name) > 255:
            return None
        if name.startswith(b".") and not dotfiles:
            return None
        try:
            found.append(name.decode())
        except UnicodeDecodeError:
            return None
    return found
