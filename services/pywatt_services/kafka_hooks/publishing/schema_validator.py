"""Validates the records of a topic against its JSON Schema."""

from __future__ import annotations

import json
from typing import Any

from pywatt_services.kafka_hooks.publishing.schema_files import TopicSchema, resource, schema_class
from pywatt_services.kafka_hooks.publishing.schema_patterns import LONGEST, long_name

SHOWN_ERRORS = 20


class SchemaValidator:
    """The JSON Schema of one topic."""

    def __init__(self, schema: TopicSchema) -> None:
        from referencing import Registry  # of what is known already: it fetches nothing

        root = schema.documents[schema.uri]
        registry: Registry[Any] = Registry().with_resources(
            (uri, resource(document, root)) for uri, document in schema.documents.items()
        )
        self._by_name = any("patternProperties" in json.dumps(each) for each in schema.documents.values())
        self._validator = schema_class(root)({"$ref": schema.uri}, registry=registry.crawl())

    def errors(self, value: bytes) -> list[dict[str, str]]:
        """Return the errors of a value, each with its JSON path; none if it is valid."""
        try:
            document = json.loads(value)
        except (ValueError, RecursionError) as error:
            return [{"path": "$", "message": f"not JSON: {error}"}]
        return self.document_errors(document)

    def document_errors(self, document: Any) -> list[dict[str, str]]:
        """Return the errors of a parsed value."""
        if self._by_name and long_name(document):
            return [{"path": "$", "message": f"a name in it is longer than {LONGEST} characters"}]
        found: list[dict[str, str]] = []
        try:
            for error in self._validator.iter_errors(document):
                found.append({"path": error.json_path, "message": error.message})
                if len(found) == SHOWN_ERRORS:
                    break
        except RecursionError:
            found.append({"path": "$", "message": "it is nested too deeply"})
        return found
