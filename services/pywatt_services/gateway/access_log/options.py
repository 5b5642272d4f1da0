"""The options of the access log."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pywatt.config.logger_model import Rotation
from pywatt.config.logger_settings import file_rotation
from pywatt.logs.transports.built_in import FILE

ROTATION: Mapping[str, Any] = {"maxSize": 256, "maxFiles": 8}
"""Megabytes of all files together, and their number."""


class AccessLogFormat(enum.StrEnum):
    """The form of a line."""

    COMBINED = "combined"
    """The format of Apache and nginx."""
    JSON = "json"


class QueryForm(enum.StrEnum):
    """The part of a request's query that is logged."""

    HIDE_SECRETS = "hideSecrets"
    """All of it, without the values of parameters whose names are those of secrets."""
    FULL = "full"
    OMIT = "omit"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogOptions:
    """Place and format of the log of requests."""

    format: AccessLogFormat = AccessLogFormat.JSON
    file: Path | None = None
    """None: each request is a record of the app's log."""
    rotation: Rotation | None = None
    """Of the file; None: it grows."""
    query: QueryForm = QueryForm.HIDE_SECRETS


def access_log_options(value: bool | str | Mapping[str, Any], folder: Path) -> AccessLogOptions | None:
    """Return the options in a valid `server.accessLog`; None: no access log. `folder`: where relative paths begin."""
    if isinstance(value, bool):
        return AccessLogOptions() if value else None
    if isinstance(value, str):
        return AccessLogOptions(format=AccessLogFormat(value))
    if not value.get("enabled", True):
        return None
    file = value.get("file")
    return AccessLogOptions(
        format=AccessLogFormat(value.get("format", AccessLogFormat.JSON)),
        file=None if file is None else folder / file,
        rotation=None if file is None else file_rotation(FILE, {**ROTATION, **value}),
        query=QueryForm(value.get("query", QueryForm.HIDE_SECRETS)),
    )
