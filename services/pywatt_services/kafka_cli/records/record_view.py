"""Records as lines for a terminal, and as JSON (pure)."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import click

from pywatt.logs.escapes import for_terminal
from pywatt_kafka.json_bytes import headers_by_name, text_or_base64
from pywatt_kafka.records import NO_TIMESTAMP, Message

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b')
KEY_COLOUR, TEXT_COLOUR, NUMBER_COLOUR, WORD_COLOUR = "blue", "green", "cyan", "magenta"
INDENT = "  "


def matches(message: Message, pattern: re.Pattern[str]) -> bool:
    """Return whether key, value, or a header `name: value` of a record has the pattern."""
    texts = [message.key, message.value, *(f"{name}: ".encode() + (value or b"") for name, value in message.headers)]
    return any(pattern.search(_text(data)) for data in texts if data is not None)


def record_document(message: Message) -> dict[str, Any]:
    """Return a record as JSON: keys, values and headers as text, or `{"base64": ...}` where they are not UTF-8."""
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "key": text_or_base64(message.key),
        "value": text_or_base64(message.value),
        "headers": headers_by_name(message.headers),
    }


def record_lines(message: Message, *, colour: bool) -> list[str]:
    """Return the place, time and key of a record, its headers, and its value, as lines for a terminal."""
    place = f"{message.topic}[{message.partition}]@{message.offset}"
    first = [_styled(place, colour, bold=True), _styled(_time(message.timestamp), colour, dim=True)]
    if message.key is not None:
        first.append(_styled(_shown(message.key), colour, fg="yellow"))
    lines = [INDENT.join(filter(None, first))]
    for name, value in message.headers:
        shown = "null" if value is None else _shown(value)
        lines.append(f"{INDENT}{_styled(for_terminal(name, colour=False) + ':', colour, dim=True)} {shown}")
    if message.value is None:
        lines.append(INDENT + _styled("null (a tombstone)", colour, dim=True))
    else:
        text = coloured_json(message.value) if colour else _shown(message.value)
        lines.extend(INDENT + line for line in text.split("\n"))
    return lines


def coloured_json(value: bytes) -> str:
    """Return a value for a terminal; JSON in colours, anything else plain."""
    text = _shown(value)
    try:
        document = json.loads(value)
    except ValueError:
        return text
    return _TOKEN.sub(_coloured, text) if isinstance(document, dict | list) else text


def _coloured(match: re.Match[str]) -> str:
    text, colon, number, word = match.groups()
    if text is not None:
        return click.style(text, fg=KEY_COLOUR if colon is not None else TEXT_COLOUR) + (colon or "")
    return click.style(number or word, fg=NUMBER_COLOUR if number is not None else WORD_COLOUR)


def _styled(text: str, colour: bool, **style: Any) -> str:
    return click.style(text, **style) if colour and text else text


def _time(timestamp: int) -> str:
    if timestamp == NO_TIMESTAMP:
        return ""
    try:
        moment = datetime.fromtimestamp(timestamp / 1000).astimezone()
    except (OverflowError, OSError, ValueError):  # a time that is none: a producer may write any number
        return str(timestamp)
    return moment.isoformat(" ", "milliseconds")[: len("2026-03-01 12:30:00.000")]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _shown(data: bytes) -> str:
    return for_terminal(_text(data), colour=False)
