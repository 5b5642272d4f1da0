"""Reads the block `publish`, the rules for `POST /topics/:topic`, into frozen options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywatt_services.diagnostics.problem_report import ReportProblem
from pywatt_services.kafka_hooks.patterns.topic_patterns import matches
from pywatt_services.kafka_hooks.publishing.schema_files import TopicSchema, UnusableSchema, read_schema

BODY_LIMIT = 1024 * 1024  # bytes of a request's body, fastify's default
BUFFER_LIMIT = 32 * 1024 * 1024  # bytes of records that wait for their acknowledgement
IDEMPOTENCY_WINDOW = 300.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """Limits and rules for publishing."""

    topics: frozenset[str] = field(default_factory=frozenset)
    pattern: str | None = None
    """Matches the names of further topics; a regular expression."""
    headers: tuple[str, ...] | None = None
    """Names of request headers that become record headers, in lower case; `x-*` matches a prefix. None: all allowed."""
    body_limit: int = BODY_LIMIT
    """Bytes of a request's body."""
    buffer_limit: int = BUFFER_LIMIT
    """Bytes of records that wait for their acknowledgement; above it clients are told to retry later."""
    idempotency_window: float = IDEMPOTENCY_WINDOW
    """Seconds for which an idempotency key is known."""
    schemas: Mapping[str, TopicSchema] = field(default_factory=dict)
    """JSON Schemas that the records of a topic have to satisfy."""


def publish_options(
    settings: Mapping[str, Any],
    *,
    topics: frozenset[str],
    folder: Path,
    report_problem: ReportProblem,
    pattern: str | None = None,
) -> PublishOptions:
    """Read the block. `topics` and `pattern`: topics that may be published to, unless the block names others."""
    named = settings.get("topics")
    chosen = topics if named is None else frozenset(named)
    pattern = pattern if named is None else None
    headers = settings.get("headers")
    body_limit = settings.get("bodyLimit", BODY_LIMIT)
    buffer_limit = settings.get("bufferLimit", max(BUFFER_LIMIT, 2 * body_limit))
    if buffer_limit < 2 * body_limit:
        report_problem(
            "publish.bufferLimit", "the buffer does not hold two bodies of bodyLimit", "raise it, or lower that"
        )
    return PublishOptions(
        topics=chosen,
        pattern=pattern,
        headers=None if headers is None else tuple(name.lower() for name in headers),
        body_limit=body_limit,
        buffer_limit=buffer_limit,
        idempotency_window=settings.get("idempotencyWindow", IDEMPOTENCY_WINDOW * 1000) / 1000,
        schemas=dict(_schemas(settings.get("schemas", {}), chosen, pattern, folder, report_problem)),
    )


def _schemas(
    entries: Mapping[str, Any], topics: frozenset[str], pattern: str | None, folder: Path, report_problem: ReportProblem
) -> list[tuple[str, TopicSchema]]:
    if not entries:
        return []
    found: list[tuple[str, TopicSchema]] = []
    for topic, entry in entries.items():
        key = f"publish.schemas.{topic}"
        if topic not in topics and not matches(topic, pattern):
            report_problem(key, f"{topic} is not a topic that can be published to", "add it to publish.topics")
        try:
            found.append((topic, read_schema(entry, folder)))
        except UnusableSchema as error:
            report_problem(key, error.message, error.hint)
    return found
