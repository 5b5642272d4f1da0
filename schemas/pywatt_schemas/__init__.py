"""The JSON Schemas of pywatt's config files; `load(name)` is the only reader.

`runtime` describes the root file, `service` the keys that every service file may have, and there is one schema per
built-in service type. Annotations of ours, which JSON Schema validators ignore:

- `x-pywatt-support: later`: a key of the original that is accepted but does nothing yet; the loader warns once.
- `x-pywatt-reason`: beside it, why the key will do nothing later either; the warning says it.
- `x-pywatt-split: ","`: an array whose strings are split, so that one variable may hold several items.
- `x-pywatt-include`: names of schemas whose `$defs` are added to this one's, when it is loaded.
- `x-pywatt-expects`: what a valid value looks like, in words for the error message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["EXPECTS", "LATER", "REASON", "SPLIT", "SUPPORT", "load", "service_file"]

SUPPORT = "x-pywatt-support"
LATER = "later"
REASON = "x-pywatt-reason"
SPLIT = "x-pywatt-split"
EXPECTS = "x-pywatt-expects"
_INCLUDE = "x-pywatt-include"


@cache
def load(name: str) -> Mapping[str, Any]:
    """Return the schema with that name. Raises FileNotFoundError."""
    schema: dict[str, Any] = json.loads(Path(__file__).with_name(f"{name}.json").read_bytes())
    for included in schema.pop(_INCLUDE, ()):
        schema["$defs"] = {**schema.get("$defs", {}), **load(included)["$defs"]}
    return schema


def service_file(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a whole service file: the keys of its type, then the keys common to all service files."""
    shared = load("service")
    return {
        **schema,
        "properties": {**shared["properties"], **schema.get("properties", {})},
        "$defs": {**shared["$defs"], **schema.get("$defs", {})},
    }
