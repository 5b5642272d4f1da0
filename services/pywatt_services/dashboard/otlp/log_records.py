"""Reads exports of log records as the records of the app's log (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pywatt.config.model import LogLevel
from pywatt.logs.lines import OWN_KEYS
from pywatt.telemetry.instance import INSTANCE, instance_of
from pywatt_services.dashboard.otlp.document import (
    PAIRS,
    RESOURCE,
    SCOPE,
    VALUE,
    Field,
    attributes_of,
    cut,
    json_document,
    message,
    number,
    octets,
    read_message,
    text,
    value_of,
)
from pywatt_services.dashboard.otlp.sender import NAME

LONGEST_MESSAGE = 64 * 1024
LEVELS = (LogLevel.TRACE, LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR, LogLevel.FATAL)
"""Of the severities 1-4, 5-8 and so on."""
SEVERITIES_PER_LEVEL = 4
_ERROR = {"exception.type": "type", "exception.message": "message", "exception.stacktrace": "stack"}
_RECORD: Mapping[int, Field] = {
    1: Field("timeUnixNano", number),
    2: Field("severityNumber", number),
    3: Field("severityText", text),
    5: Field("body", message(VALUE)),
    6: PAIRS,
    9: Field("traceId", octets),
    10: Field("spanId", octets),
    11: Field("observedTimeUnixNano", number),
    12: Field("eventName", text),
}
_SCOPED = message({1: Field("scope", message(SCOPE)), 2: Field("logRecords", message(_RECORD), repeated=True)})
_RESOURCE_LOGS = message({1: Field("resource", message(RESOURCE)), 2: Field("scopeLogs", _SCOPED, repeated=True)})
_EXPORT: Mapping[int, Field] = {1: Field("resourceLogs", _RESOURCE_LOGS, repeated=True)}


def read_logs(data: bytes, now_ms: int, *, is_json: bool) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each record for the command `log`. Raises ValueError. `now_ms`: for one without a time."""
    document = json_document(data) if is_json else read_message(_EXPORT, data)
    try:
        for part in document.get("resourceLogs", ()):
            resource = attributes_of(part.get("resource", {}).get("attributes", ()))
            worker = instance_of(str(resource.get(INSTANCE, "")))
            sender: dict[str, Any] = {"name": str(resource.get(NAME, "")), "worker": None, "pid": 0}
            if worker is not None:
                sender = {"name": worker.service, "worker": worker.slot, "pid": worker.pid}
            for scope in part.get("scopeLogs", ()):
                logger = cut(str(scope.get("scope", {}).get("name", "")))
                for record in scope.get("logRecords", ()):
                    yield {**sender, **_record(record, logger, now_ms)}
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no export of log records: {type(error).__name__}: {error}") from error


def _record(record: Mapping[str, Any], logger: str, now_ms: int) -> dict[str, Any]:
    time = int(record.get("timeUnixNano", 0)) or int(record.get("observedTimeUnixNano", 0))
    body = value_of(record.get("body", {}), LONGEST_MESSAGE)
    event = str(record.get("eventName", ""))
    extra: dict[str, Any] = {"logger": logger} if logger else {}
    for name, key in (("traceId", "trace_id"), ("spanId", "span_id")):
        if record.get(name):
            extra[key] = str(record[name]).lower()[:64]
    error: dict[str, Any] = {}
    for key, value in attributes_of(record.get("attributes", ())).items():
        if key in _ERROR:
            error[_ERROR[key]] = value
        else:
            extra[f"attributes.{key}" if key in OWN_KEYS or key in extra else key] = value
    if error:
        extra["err"] = error
    if event:
        extra.setdefault("event.name", cut(event))
    words = body if isinstance(body, str) else "" if body is None else json.dumps(body, ensure_ascii=False)
    return {
        "level": int(_level(record)),
        "time": time // 1_000_000 or now_ms,
        "msg": words or event,
        "extra": extra,
    }


def _level(record: Mapping[str, Any]) -> LogLevel:
    severity = record.get("severityNumber", 0)
    if isinstance(severity, str):  # `SEVERITY_NUMBER_INFO2`
        name = severity.rpartition("_")[2].rstrip("0123456789")
        return LogLevel[name] if name in LogLevel.__members__ else LogLevel.INFO
    found = int(severity)
    return (
        LEVELS[(found - 1) // SEVERITIES_PER_LEVEL]
        if 1 <= found <= len(LEVELS) * SEVERITIES_PER_LEVEL
        else LogLevel.INFO
    )
