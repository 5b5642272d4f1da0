"""The serde of JSON: plain data."""

from __future__ import annotations

import json
from typing import Any

from pywatt_kafka.records import Headers
from pywatt_kafka.serde.protocols import Field


class Json:
    """Writes and reads JSON in UTF-8; None stands for a record without a value (a tombstone), not for `null`."""

    def serialize(self, data: Any, topic: str, field: Field, /) -> bytes | None:
        """Return JSON without spaces. Raises TypeError for a type, ValueError for a number that JSON cannot express."""
        if data is None:
            return None
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    def deserialize(self, data: bytes | None, topic: str, field: Field, headers: Headers, /) -> Any:
        """Return the data; None for None. Raises ValueError."""
        return None if data is None else json.loads(data)
