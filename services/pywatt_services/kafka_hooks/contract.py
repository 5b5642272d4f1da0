"""What the records of a topic have to look like: a JSON Schema, and what is wrong with a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SHOWN_ERRORS = 20


class Contract:
    """The JSON Schema of one topic."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from jsonschema.validators import validator_for

        self._validator = validator_for(schema)(schema)

    def errors(self, value: bytes) -> list[dict[str, str]]:
        """Return what is wrong with a value, each with its JSON path; nothing if all is well."""
        try:
            document = json.loads(value)
        except (ValueError, RecursionError) as error:
            return [{"path": "$", "message": f"not JSON: {error}"}]
        return self.document_errors(document)

    def document_errors(self, document: Any) -> list[dict[str, str]]:
        """Return what is wrong with a value that was read already."""
        found: list[dict[str, str]] = []
        for error in self._validator.iter_errors(document):
            found.append({"path": error.json_path, "message": error.message})
            if len(found) == SHOWN_ERRORS:
                break
        return found
