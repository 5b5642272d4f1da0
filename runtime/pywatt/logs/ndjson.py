"""Log records as lines of JSON with pino's keys, and back (pure).

Neither way raises, whatever a record holds: a history may have been written by another version or program.
"""

from __future__ import annotations

import json
import re

from pywatt.logs.json_object import SURROGATE, is_level, is_time, read_object
from pywatt.logs.levels import LEVELS, nearest_level
from pywatt.logs.lines import OWN_KEYS, LogRecord

_ESCAPED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")
"""Characters that a terminal obeys or many programs take for a line break. JSON itself escapes all below U+0020."""


def to_line(record: LogRecord, hostname: str) -> str:
    """Return the record's line, without a line break: valid JSON that encodes as UTF-8."""
    line: dict[str, object] = {
        "level": int(record.level) if record.number is None else record.number,
        "time": record.time,
        "pid": record.pid,
        "hostname": hostname,
        "name": record.name,
    }
    if record.worker is not None:
        line["worker"] = record.worker
    line["msg"] = record.msg
    line.update(record.extra)
    return escaped(json.dumps(line, default=str, ensure_ascii=False))


def escaped(text: str) -> str:
    """Return JSON in which everything is escaped that a terminal obeys or that cannot be encoded."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", SURROGATE.sub("\ufffd", text))


def from_line(line: str | bytes) -> LogRecord | None:
    """Read the result of `to_line`; None for anything else, such as a line cut off when its writer was killed."""
    document = read_object(line if isinstance(line, str) else line.decode("utf-8", "replace"))
    if document is None:
        return None
    level, time, msg, name = (document.get(key) for key in ("level", "time", "msg", "name"))
    pid, worker = document.get("pid"), document.get("worker")
    if not (is_level(level) and is_time(time) and isinstance(msg, str) and isinstance(name, str)):
        return None
    return LogRecord(
        level=LEVELS.get(level) or nearest_level(level),
        number=None if level in LEVELS else level,
        time=int(time),
        name=name,
        msg=msg,
        pid=pid if isinstance(pid, int) else 0,
        worker=worker if isinstance(worker, int) else None,
        extra={key: value for key, value in document.items() if key not in OWN_KEYS},
    )
