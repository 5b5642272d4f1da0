"""Fills URL templates per record: `/customers/{json.customer.id}?tenant={header.x-tenant}`.

`{record.key}`, `{record.topic}`, `{record.partition}`, `{record.offset}`, `{header.<name>}` and `{json.<path>}` (of the
value) stand in the path or the query, never in the part that chooses the host. Each value is percent-encoded whole, so
that it stays one segment or one field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

from pywatt.redaction import hide_webhook
from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.webhooks.json_path import MISSING, JsonPath, document_of, find, read_path
from pywatt_services.kafka_hooks.wire.headers import LONGEST_VALUE, first_header

_PLACE = re.compile(r"\{([^{}]*)\}")
_SHOWN = re.compile(r"(\w+://)(?:[^/?#]*@)?((?:\{[^{}]*\}|[^?#])*)")
_DOTS = re.compile(rb"(?:^|[/\\])\.\.?(?:$|[/\\])")

Part = Callable[[Message], bytes | None]


class TemplateError(ValueError):
    """An unreadable template, or a record without a value that it needs."""


def is_template(url: str) -> bool:
    """Tell whether a URL has placeholders."""
    return "{" in url


def sample(url: str) -> str:
    """Return a URL with samples for its placeholders."""
    return _PLACE.sub("x", url)


def shown(url: str) -> str:
    """Return a URL as it may be shown: without its query and user, which may hold credentials."""
    found = _SHOWN.match(url)
    return "" if found is None else hide_webhook(found[1] + found[2])


def check_template(url: str) -> None:
    """Raise TemplateError for an unusable template."""
    for found in _PLACE.finditer(url):
        _part(found[1])
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "{" in scheme + authority:
        raise TemplateError("a record may not choose the host: the URL has a {...} before its path")
    if "{" in _PLACE.sub("", url):
        raise TemplateError("the URL has a brace without its partner")


class UrlMaker:
    """Fills a template."""

    def __init__(self, url: str) -> None:
        """Raises TemplateError."""
        check_template(url)
        texts = _PLACE.split(url)
        self._literals = texts[::2]
        self._names = texts[1::2]
        self._parts = [_part(name) for name in self._names]

    def __call__(self, message: Message) -> str:
        """Return the URL for a record. Raises TemplateError."""
        made = [self._literals[0]]
        for name, part, literal in zip(self._names, self._parts, self._literals[1:], strict=True):
            value = part(message)
            if not value:
                raise TemplateError(f"the record has no {name}, which its URL needs")
            if _DOTS.search(value):
                raise TemplateError(f"the record's {name} would lead its URL to another path")
            made += (quote(value, safe=""), literal)
        url = "".join(made)
        if len(url) > LONGEST_VALUE:
            raise TemplateError(f"its URL would have {len(url)} characters, and servers take {LONGEST_VALUE} at most")
        return url


def _part(name: str) -> Part:
    kind, _, rest = name.partition(".")
    if kind == "record" and rest in _RECORD:
        return _RECORD[rest]
    if kind == "header" and rest:
        return partial(_header, name=rest.lower())
    if kind == "json" and rest:
        try:
            return partial(_json, path=read_path(rest))
        except ValueError as error:
            raise TemplateError(str(error)) from error
    known = ", ".join(f"{{record.{each}}}" for each in _RECORD)
    raise TemplateError(f"{{{name}}} is none of {known}, {{header.<name>}}, {{json.<path>}}")


def _header(message: Message, name: str) -> bytes | None:
    return first_header(message.headers, name)


def _json(message: Message, path: JsonPath) -> bytes | None:
    value = find(document_of(message), path)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if value is MISSING or value is None or isinstance(value, (dict, list)):
        return None
    return json.dumps(value).encode()


_RECORD: dict[str, Part] = {
    "key": lambda message: message.key,
    "topic": lambda message: message.topic.encode(),
    "partition": lambda message: b"%d" % message.partition,
    "offset": lambda message: b"%d" % message.offset,
}
