"""Log records as lines of JSON with pino's keys, and back (pure)."""

from __future__ import annotations

import json

from pywatt.logs.lines import LogRecord, nearest_level

_OWN = {"level", "time", "pid", "hostname", "name", "worker", "msg"}


def to_line(record: LogRecord, hostname: str) -> str:
    """Return the record's line, without a line break."""
    line: dict[str, object] = {
        "level": int(record.level),
        "time": record.time,
        "pid": record.pid,
        "hostname": hostname,
        "name": record.name,
    }
    if record.worker is not None:
        line["worker"] = record.worker
    line["msg"] = record.msg
    line.update(record.extra)
    return json.dumps(line, default=str, ensure_ascii=False)


def from_line(line: str | bytes) -> LogRecord | None:
    """Read what `to_line` made; None for anything else, such as a line that was cut off when its writer was killed."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    level, time, msg, name = (document.get(key) for key in ("level", "time", "msg", "name"))
    pid, worker = document.get("pid"), document.get("worker")
    if not (isinstance(level, int) and isinstance(time, int) and isinstance(msg, str) and isinstance(name, str)):
        return None
    return LogRecord(
        level=nearest_level(level),
        time=time,
        name=name,
        msg=msg,
        pid=pid if isinstance(pid, int) else 0,
        worker=worker if isinstance(worker, int) else None,
        extra={key: value for key, value in document.items() if key not in _OWN},
    )
