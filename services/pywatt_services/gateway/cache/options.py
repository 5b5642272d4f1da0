"""The options of the response cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEGABYTE = 1024 * 1024
SECONDS = 1000
"""Milliseconds."""
CACHE_FILE = "responses.sqlite"
"""End of the name of the file, beside the sockets of a running gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """The cache of one route. Original: `httpCache`, for calls between services."""

    default_ttl: float | None = None
    """Seconds for which responses are fresh that do not say it; None: they are not stored.

    Original: `cacheByDefault`.
    """
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    """Seconds after the end of freshness, for responses that do not say it themselves (RFC 5861)."""
    max_entry_size: int = MEGABYTE
    """Bytes of a body."""
    tags_header: bytes | None = None
    """The header that names tags, in lower case; None: Cache-Tag and Surrogate-Key. Original: `cacheTagsHeader`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """The store of one gateway, for all routes and workers."""

    max_size: int = 100 * MEGABYTE
    """Bytes of all responses."""
    max_count: int = 100_000


DEFAULT_STORE = StoreOptions()


def cache_options(value: bool | Mapping[str, Any] | None) -> CacheOptions | None:
    """Return the options in a valid block; None: nothing is cached."""
    if value is None or isinstance(value, bool):
        return CacheOptions() if value else None
    ttl = value.get("cacheByDefault")
    tags = value.get("cacheTagsHeader")
    return CacheOptions(
        default_ttl=None if not ttl else ttl / SECONDS,
        stale_while_revalidate=value.get("staleWhileRevalidate", 0) / SECONDS,
        stale_if_error=value.get("staleIfError", 0) / SECONDS,
        max_entry_size=value.get("maxEntrySize", MEGABYTE),
        tags_header=None if tags is None else tags.lower().encode(),
    )


def store_options(block: Mapping[str, Any]) -> StoreOptions:
    """Return the options of the store in a valid block `gateway`."""
    value = block.get("httpCache", {})
    return StoreOptions(
        max_size=value.get("maxSize", DEFAULT_STORE.max_size), max_count=value.get("maxCount", DEFAULT_STORE.max_count)
    )
