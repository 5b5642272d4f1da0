"""Composes the OpenAPI documents of services into one (pure).

Names that two services give to different things are told apart by the ids of the services: both are renamed, so that
the names do not depend on an order. What cannot be a part is left out, and a report says why.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pywatt_services.gateway.openapi.document import ApiDocument
from pywatt_services.gateway.openapi.options import METHODS
from pywatt_services.gateway.openapi.paths import PARAMETER
from pywatt_services.gateway.openapi.references import Rewriting, component_of, references

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
Component = tuple[str, str]
"""A section and a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The document of one service."""

    service: str
    document: ApiDocument
    public_path: Callable[[str], str | None]
    """Returns the path at the gateway for one of the service; None: it has none."""
    reaches: Callable[[str, str], bool]
    """Returns whether the gateway passes requests of a method for a public path on to the service."""
    ignored: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True)
class Composed:
    """The document, and what is to be said about it."""

    document: dict[str, Any]
    reports: list[str] = field(default_factory=list)
    operations: dict[str, int] = field(default_factory=dict)
    """The number of operations by service."""


def compose(
    parts: Sequence[Part], info: Mapping[str, Any], servers: Sequence[Mapping[str, Any]] = ({"url": "/"},)
) -> Composed:
    """Return one document for all parts."""
    version = "3.1.0" if any(not part.document.is_3_0 for part in parts) else "3.0.3"
    document: dict[str, Any] = {"openapi": version, "info": dict(info), "servers": list(servers)}
    composed = Composed(document)
    components_apart = _conflicting_components(parts)
    operation_ids_apart = _conflicting_operation_ids(parts)
    _report_names(composed, components_apart, operation_ids_apart)
    names = _Names(parts, components_apart, operation_ids_apart)
    tags: dict[str, dict[str, Any]] = {}
    paths: dict[str, dict[str, Any]] = {}
    webhooks: dict[str, dict[str, Any]] = {}
    components: dict[str, dict[str, Any]] = defaultdict(dict)
    owners: dict[str, str] = {}
    for part in parts:
        rewriting = names.rewriting(part, to_3_1=version == "3.1.0" and part.document.is_3_0)
        composed.operations[part.service] = 0
        for own, item in part.document.paths.items():
            public = part.public_path(own)
            if public is None:
                composed.reports.append(
                    f"{own} of {part.service!r} is left out: the gateway has no path that leads there"
                )
                continue
            copied = _path_item(part, own, public, item, rewriting, composed)
            shape = PARAMETER.sub("{}", public)
            other = owners.setdefault(shape, part.service)
            if other != part.service:
                message = f"{public} of {part.service!r} is left out: {other!r} has the same path"
                composed.reports.append(message)
            elif any(method in copied for method in METHODS):
                paths[public] = copied
                composed.operations[part.service] += sum(method in copied for method in METHODS)
        for name, item in part.document.webhooks.items():
            webhooks[name if name not in webhooks else f"{part.service}_{name}"] = rewriting.copy(item)
        for section, named in part.document.components.items():
            for name, value in named.items():
                components[section][rewriting.component(section, name)] = rewriting.copy(value)
        for tag in part.document.tags:
            tags.setdefault(tag["name"], tag)
    operations = (item[method] for item in paths.values() for method in METHODS if method in item)
    used = {tag for operation in operations for tag in operation["tags"] if isinstance(tag, str)}
    document["tags"] = [*tags.values(), *({"name": name} for name in sorted(used - tags.keys()))]
    document["paths"] = paths
    if webhooks and version == "3.1.0":
        document["webhooks"] = webhooks
    if components:
        document["components"] = dict(components)
    return composed


def _path_item(
    part: Part, own: str, public: str, item: Mapping[str, Any], rewriting: Rewriting, composed: Composed
) -> dict[str, Any]:
    """Return a path item with the operations that the gateway has."""
    copied: dict[str, Any] = rewriting.copy(item)
    copied.pop("servers", None)
    for method in METHODS:
        if method not in copied:
            continue
        operation = copied[method]
        if {(own, "*"), (own, method)} & part.ignored:
            del copied[method]
        elif not part.reaches(method.upper(), public):
            del copied[method]
            message = (
                f"{method.upper()} {public} of {part.service!r} is left out: the gateway does not pass it on there"
            )
            composed.reports.append(message)
        else:
            operation.pop("servers", None)
            operation["tags"] = operation.get("tags") or [part.service]
            security = operation.get("security", part.document.security)
            if security is not None:
                operation["security"] = [
                    {rewriting.component("securitySchemes", name): scopes for name, scopes in requirement.items()}
                    for requirement in security
                ]
    return copied


def _conflicting_components(parts: Sequence[Part]) -> set[Component]:
    """Return the components that are not the same in all services that have one of that name."""
    values: dict[Component, list[Any]] = defaultdict(list)
    users: dict[Component, set[Component]] = defaultdict(set)
    for part in parts:
        for section, named in part.document.components.items():
            for name, value in named.items():
                component = section, name
                values[component].append((part.document.is_3_0, value))
                for reference in references(value):
                    used = component_of(reference)
                    if used is not None:
                        users[used].add(component)
    left = [component for component, found in values.items() if any(value != found[0] for value in found)]
    conflicting = set(left)
    while left:  # equal texts that refer to different things are different
        for user in users[left.pop()] - conflicting:
            if len(values[user]) > 1:
                conflicting.add(user)
                left.append(user)
    return conflicting


def _conflicting_operation_ids(parts: Sequence[Part]) -> set[str]:
    services: dict[str, set[str]] = defaultdict(set)
    for part in parts:
        for operation in part.document.operations():
            if "operationId" in operation:
                services[operation["operationId"]].add(part.service)
    return {operation_id for operation_id, found in services.items() if len(found) > 1}


class _Names:
    """The names that services get for what is not the same in all of them."""

    def __init__(self, parts: Sequence[Part], components: set[Component], operation_ids: set[str]) -> None:
        self._components = components
        self._operation_ids = operation_ids
        self._taken = {
            (section, name) for part in parts for section, named in part.document.components.items() for name in named
        }
        self._taken |= {
            ("", operation["operationId"])
            for part in parts
            for operation in part.document.operations()
            if "operationId" in operation
        }
        self._given: dict[tuple[str, Component], str] = {}

    def rewriting(self, part: Part, *, to_3_1: bool) -> Rewriting:
        """Return what copies the document of a part."""

        def component(section: str, name: str) -> str:
            return self._own(part.service, (section, name)) if (section, name) in self._components else name

        def operation_id(name: str) -> str:
            return self._own(part.service, ("", name)) if name in self._operation_ids else name

        return Rewriting(component, part.public_path, operation_id, to_3_1=to_3_1)

    def _own(self, service: str, component: Component) -> str:
        given = self._given.get((service, component))
        if given is None:
            section, name = component
            given = f"{_NOT_IN_NAMES.sub('_', service)}_{name}"
            while (section, given) in self._taken:
                given += "_"
            self._taken.add((section, given))
            self._given[service, component] = given
        return given


def _report_names(composed: Composed, components: set[Component], operation_ids: set[str]) -> None:
    for section, name in sorted(components):
        composed.reports.append(f"{section} {name!r} is not the same in all services, and has the service in its name")
    for operation_id in sorted(operation_ids):
        message = f"several services have the operationId {operation_id!r}, which has the service in its name"
        composed.reports.append(message)
