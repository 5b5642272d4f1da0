"""The lines of the access log (pure). Whatever clients send, an entry is one line of printable ASCII."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pywatt.config.model import LogLevel
from pywatt_services.gateway.access_log.entry import AccessEntry, RequestFields, read_fields
from pywatt_services.gateway.access_log.options import AccessLogFormat, QueryForm

ATOMIC = 4096
"""Bytes that a pipe takes at once (PIPE_BUF of Linux): a longer line may be torn apart by that of another thread."""
LONGEST = 8192
SHORT = 80
"""Characters of each field of a line that would be longer than ATOMIC otherwise."""
_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_encode = json.JSONEncoder(separators=(",", ":")).encode
Format = Callable[[AccessEntry], bytes]


def line_format(form: AccessLogFormat, query: QueryForm, *, records: bool) -> Format:
    """Return the function that makes a line. `records`: it becomes a record of the app's log."""
    if not records:
        render = combined if form is AccessLogFormat.COMBINED else json_line
        return lambda entry: render(entry, read_fields(entry, query, LONGEST)).encode() + b"\n"
    message = combined if form is AccessLogFormat.COMBINED else None

    def record(entry: AccessEntry) -> bytes:
        line = record_line(entry, read_fields(entry, query, LONGEST), message)
        if len(line) >= ATOMIC:
            line = record_line(entry, read_fields(entry, query, SHORT), message)
        return line.encode() + b"\n"

    return record


def combined(entry: AccessEntry, fields: RequestFields) -> str:
    """Return a line in the combined format of Apache and nginx."""
    request = f"{fields.method} {fields.path}{fields.query} {fields.protocol}" if fields.method else ""
    return (
        f"{_bare(fields.ip)} - {_bare(fields.user)} [{_local_time(int(entry.ended_at))}] "
        f'"{_quoted(request)}" {entry.status} {entry.sent} "{_quoted(fields.referer)}" "{_quoted(fields.user_agent)}"'
    )


def json_line(entry: AccessEntry, fields: RequestFields) -> str:
    """Return a line of JSON."""
    return _encode({"time": round(entry.ended_at * 1000), **_document(entry, fields)})


def record_line(
    entry: AccessEntry, fields: RequestFields, message: Callable[[AccessEntry, RequestFields], str] | None
) -> str:
    """Return a line that becomes a record of the app's log. `message`: its whole text, in place of single fields."""
    start = {"level": int(LogLevel.INFO), "time": round(entry.ended_at * 1000)}
    if message is not None:
        return _encode({**start, "msg": message(entry, fields)})
    text = f"{fields.method or '-'} {fields.path or '-'} {entry.status}"
    return _encode({**start, "msg": text, **_document(entry, fields)})


def _document(entry: AccessEntry, fields: RequestFields) -> dict[str, Any]:
    document: dict[str, Any] = {
        "ip": fields.ip,
        "user": fields.user,
        "method": fields.method,
        "path": fields.path,
        "query": fields.query[1:],
        "protocol": fields.protocol,
        "host": fields.host,
        "status": entry.status,
        "bytes": entry.sent,
        "duration": round(entry.seconds * 1000, 3),
        "route": entry.route,
        "upstream": None if entry.upstream_seconds is None else round(entry.upstream_seconds * 1000, 3),
        "traceId": fields.trace_id,
        "requestId": fields.request_id,
        "referer": fields.referer,
        "userAgent": fields.user_agent,
    }
    if not entry.complete:
        document["aborted"] = True
    return {key: value for key, value in document.items() if value not in ("", None)}


@lru_cache(maxsize=4)
def _local_time(second: int) -> str:
    moment = time.localtime(second)
    return time.strftime(f"%d/{_MONTHS[moment.tm_mon - 1]}/%Y:%H:%M:%S %z", moment)


def _quoted(text: str) -> str:
    """Return a text that neither ends its quotes nor its line; `-` for an empty one."""
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02X}", text) if text else "-"


def _bare(text: str) -> str:
    """Return a text that is one word."""
    return _quoted(text).replace(" ", "\\x20")
