"""Reads the JSON Schema of a topic with all of its references, so that nothing is looked up later.

A `$ref` leads to a file, relative to its own file. With an absolute `$id`, URIs beside that are files of the schema's
folder. All others are refused: schemas are never fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from pywatt_services.kafka_hooks.publishing.schema_patterns import check_patterns, pattern

if TYPE_CHECKING:
    from jsonschema.protocols import Validator
    from referencing import Resource
    from referencing._core import Resolver

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
FILE = "file"


class UnusableSchema(ValueError):
    """An unusable schema: the problem and a hint."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class TopicSchema:
    """The JSON Schema of one topic."""

    uri: str
    """URI of the root document."""
    documents: Mapping[str, Any]
    """The root and the documents it refers to, by URI."""


def read_schema(entry: str | Mapping[str, Any], folder: Path) -> TopicSchema:
    """Return a schema that is given by itself or as the path of its file. Raises UnusableSchema."""
    return _Reader(folder.absolute()).read(entry)


def schema_class(document: Any) -> type[Validator]:
    """Return what validates by a schema; 2020-12 where it does not say."""
    from jsonschema import Draft202012Validator  # dear, and rarely needed
    from jsonschema.validators import validator_for

    found = validator_for(document if isinstance(document, Mapping) else {}, default=Draft202012Validator)
    return _with_safe_patterns(found)


@cache
def _with_safe_patterns(validator: type[Validator]) -> type[Validator]:
    from jsonschema.validators import extend

    made: type[Validator] = extend(validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
    return made


def resource(document: Any, like: Any) -> Resource[Any]:
    """Return a document for a registry; `like`: the document whose dialect it has by default."""
    from referencing import Resource
    from referencing.jsonschema import DRAFT202012

    return Resource.from_contents(document, default_specification=DRAFT202012.detect(like))


class _Reader:
    """Follows the references of one schema."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._seen: set[int] = set()
        self._beside: tuple[str, Path] | None = None
        """Beginning of the URIs that an absolute `$id` makes of relative references, and the folder that it means."""
        self._root: Any = None

    def read(self, entry: str | Mapping[str, Any]) -> TopicSchema:
        """Return a schema with its documents."""
        from referencing import Registry

        if isinstance(entry, str):
            path = Path(normpath(self._folder / entry))
            uri, name, document = path.as_uri(), entry, self._load(path, entry)
        else:
            path, uri, name, document = self._folder / "_", f"{self._folder.as_uri()}/", "the schema", entry
        self._root = document
        self._check(document, name)
        root = resource(document, document)
        uri = urljoin(uri, root.id() or "")
        if urlsplit(uri).scheme != FILE:
            self._beside = uri.rpartition("/")[0] + "/", path.parent
        self._documents[uri], self._names[uri] = document, name
        empty: Registry[Any] = Registry(retrieve=self._retrieve)  # type: ignore[call-arg]  # made by attrs
        registry = empty.with_resource(uri, root).combine(_known())
        self._follow(root, registry.resolver(uri))
        return TopicSchema(uri, self._documents)

    def _retrieve(self, uri: str) -> Resource[Any]:
        if uri not in self._documents:
            path = self._path(uri)
            name = str(path.relative_to(self._folder)) if path.is_relative_to(self._folder) else str(path)
            document = self._load(path, name)
            self._check(document, name)
            self._documents[uri], self._names[uri] = document, name
        return resource(self._documents[uri], self._root)

    def _path(self, uri: str) -> Path:
        parts = urlsplit(uri)
        if parts.scheme == FILE and parts.netloc in ("", "localhost"):
            return Path(url2pathname(parts.path))
        if self._beside is not None and uri.startswith(self._beside[0]):
            return self._beside[1] / url2pathname(uri.removeprefix(self._beside[0]))
        raise UnusableSchema(f"{uri} is not a file", "schemas are never fetched: keep a copy in the service's folder")

    def _load(self, path: Path, name: str) -> Any:
        try:
            return json.loads(path.read_text("utf-8"))
        except OSError as error:
            hint = "the path begins at the service's folder, that of a $ref where the file is that it stands in"
            raise UnusableSchema(f"{name} cannot be read: {error.strerror}", hint) from error
        except (ValueError, RecursionError) as error:
            raise UnusableSchema(f"{name} is not JSON: {error}", "it has to hold a JSON Schema") from error

    def _check(self, document: Any, name: str) -> None:
        from jsonschema.exceptions import SchemaError

        try:
            schema_class(document).check_schema(document)
        except SchemaError as error:
            message = f"the JSON Schema is not valid: {error.message}"
            where = "it" if document is self._root else name
            raise UnusableSchema(message, f"see {error.json_path} in {where}") from error

    def _follow(self, part: Resource[Any], resolver: Resolver[Any]) -> None:
        """Check that every reference in a part of a schema, and in the parts it leads to, can be followed."""
        content = part.contents
        if id(content) in self._seen:
            return
        self._seen.add(id(content))
        if isinstance(content, Mapping):
            self._check_patterns(content)
        for key in REFERENCES if isinstance(content, Mapping) else ():
            if isinstance(reference := content.get(key), str):
                self._look_up(content, key, reference, resolver)
        for inner in part.subresources():
            self._follow(inner, resolver.in_subresource(inner))

    def _check_patterns(self, content: Mapping[str, Any]) -> None:
        try:
            check_patterns(content)
        except ValueError as error:
            hint = "each repeat has to end where what comes after it begins; or: pip install 'pywatt[re2]'"
            raise UnusableSchema(f"{self._place(content)}: {error}", hint) from error

    def _look_up(self, content: Any, key: str, reference: str, resolver: Resolver[Any]) -> None:
        from referencing.exceptions import Unresolvable

        try:
            found = resolver.lookup(reference)
            if not isinstance(found.contents, Mapping | bool):
                raise UnusableSchema("that is no schema", "it has to lead to an object, or to true or false")
            self._check(found.contents, reference)
        except (Unresolvable, ValueError, TypeError, LookupError) as error:
            reason = _reason(error)
            message = f"{self._place(content)}: {key} {reference!r} cannot be followed: {reason.message}"
            raise UnusableSchema(message, reason.hint) from error
        self._follow(resource(found.contents, self._root), found.resolver)

    def _place(self, content: Any) -> str:
        """Return in which document, and where in it, a part is."""
        for uri, document in self._documents.items():
            for path in _paths(document, content, "$"):
                return f"{self._names[uri]}, {path}"
        return "the schema"


def _known() -> Any:
    """Return the registry of the dialects' own schemas."""
    from jsonschema_specifications import REGISTRY

    return REGISTRY


def _reason(error: BaseException) -> UnusableSchema:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnusableSchema):
            return cause
        cause = cause.__cause__
    return UnusableSchema("there is no such part", "is it spelt as where it leads to?")


def _paths(document: Any, wanted: Any, path: str) -> Iterator[str]:
    if document is wanted:
        yield path
    elif isinstance(document, Mapping):
        for name, inner in document.items():
            yield from _paths(inner, wanted, f"{path}.{name}")
    elif isinstance(document, list):
        for number, inner in enumerate(document):
            yield from _paths(inner, wanted, f"{path}[{number}]")
