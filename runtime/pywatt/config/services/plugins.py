"""The block `plugins` of the root file and of services: pywatt makes a service of it, which the entrypoint leads to.

A plugin is a service type that names its package as an alias and has a `plugin_path`. All blocks of one type become one
service. If the app has a service of the type already, that one takes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.files.document import Document
from pywatt.config.files.key_path import KeyPath, format_key_path, parse_key_path
from pywatt.config.model import ServiceConfig
from pywatt.config.services.installed_packages import check_packages
from pywatt.config.services.service_config import ConfiguredService, LoadContext, LoadedService
from pywatt.config.supervision import WATCHDOG, restart_of
from pywatt.service_type import Configured, IsPlugin, OptionsError, Placement, ServiceType
from pywatt.telemetry.settings import merged

PLUGINS = "plugins"
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginBlock:
    """One item of a block `plugins`."""

    document: Document
    key: KeyPath
    value: Mapping[str, Any]

    @property
    def package(self) -> str:
        """The package that it names."""
        return str(self.value["package"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginService:
    """A service that carries out the blocks of one plugin."""

    id: str
    type: ServiceType
    path: str
    """Path at the entrypoint that leads to it."""
    blocks: tuple[PluginBlock, ...]
    own: bool = False
    """True for a service of the user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedServices:
    """Services that pywatt adds to an app for its plugins."""

    services: tuple[ServiceConfig, ...] = ()
    entrypoint: str | None = None
    """The new entrypoint, if there is another."""
    leads: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By id of an added gateway: the paths of the services that it leads to."""


def take_plugins(
    root: Document,
    data: Mapping[str, Any],
    loaded: Sequence[LoadedService],
    ids: Sequence[str],
    context: LoadContext,
    diagnostics: Diagnostics,
) -> tuple[tuple[LoadedService, ...], tuple[PluginService, ...]]:
    """Return the services, with the blocks that one of them takes, and the services of plugins."""
    by_type: dict[str, list[PluginBlock]] = {}
    types: dict[str, ServiceType] = {}
    for block in _blocks(root, data, loaded, diagnostics):
        found = next((each for each in context.types.values() if block.package in each.aliases), None)
        if found is None or not isinstance(found, IsPlugin):
            name = format_key_path(block.key)
            diagnostics.warn(block.document, f"{name} does nothing: pywatt has no plugin {block.package}")
        else:
            types[found.name] = found
            by_type.setdefault(found.name, []).append(block)
    services = list(loaded)
    plugins: list[PluginService] = []
    for name, blocks in by_type.items():
        values = [block.value for block in blocks]
        service_type = types[name]
        if not _are_sound(service_type, blocks, ids, context, diagnostics):
            continue
        assert isinstance(service_type, IsPlugin)
        path = service_type.plugin_path(values)
        taker = next((index for index, service in enumerate(services) if service.type.name == name), None)
        if taker is not None:
            service = services[taker]
            own = {**service.own, PLUGINS: [*service.own.get(PLUGINS, ()), *values]}
            services[taker] = replace(service, own=own)
            id_ = service.entry.id
        else:
            id_ = name if name not in ids else f"{name}-plugin"
        plugins.append(PluginService(id=id_, type=types[name], path=path, blocks=tuple(blocks), own=taker is not None))
    return tuple(services), tuple(plugins)


def _are_sound(
    service_type: ServiceType,
    blocks: Sequence[PluginBlock],
    ids: Sequence[str],
    context: LoadContext,
    diagnostics: Diagnostics,
) -> bool:
    """Return whether the type takes these blocks; reports its problems where the blocks are."""
    document = {PLUGINS: [block.value for block in blocks]}
    try:
        service_type.configure(document, Placement(id=service_type.name, path=context.folder, services=tuple(ids)))
    except OptionsError as error:
        for problem in error.problems:
            _, index, *rest = parse_key_path(problem.key, document)
            block = blocks[int(index)]
            diagnostics.problem(block.document, (*block.key, *rest), problem.message, problem.hint)
        return False
    return True


def plugin_services(
    plugins: Sequence[PluginService],
    entry: ConfiguredService | None,
    ids: Sequence[str],
    context: LoadContext,
    diagnostics: Diagnostics,
) -> AddedServices:
    """Return the services of plugins and what leads to them; `entry` is the entrypoint so far, if there is one.

    A gateway there has a route for them. Anything else gets a gateway in front, and without an entrypoint that answers
    HTTP the first plugin is it.
    """
    mine = [plugin for plugin in plugins if not plugin.own]
    if entry is None or not entry.config.http:
        services = _made(mine, ids, None, context, diagnostics)
        return AddedServices(services=services, entrypoint=services[0].id if services else None)
    if entry.config.type == GATEWAY:
        shadowed = next((name for name, path in entry.made.public_paths.items() if path == "/"), None)
        return AddedServices(services=_made(mine, ids, shadowed, context, diagnostics))
    routes = {plugin.path: plugin.id for plugin in plugins if plugin.id != entry.config.id}
    if not routes:
        return AddedServices()
    services = _made(mine, ids, entry.config.id, context, diagnostics)
    gateway_id = GATEWAY if GATEWAY not in ids else f"{GATEWAY}-of-plugins"
    document = {"gateway": {"applications": [{"id": entry.config.id, "proxy": {"prefix": "/"}}]}}
    placement = Placement(
        id=gateway_id, path=context.folder, services=tuple(ids), production=context.production, routes=routes
    )
    made = context.types[GATEWAY].configure(document, placement)
    gateway = replace(internal_service(gateway_id, context.types[GATEWAY], made, context), workers=entry.config.workers)
    return AddedServices(services=(*services, gateway), entrypoint=gateway_id, leads={gateway_id: made.public_paths})


def _made(
    plugins: Sequence[PluginService],
    ids: Sequence[str],
    shadowed: str | None,
    context: LoadContext,
    diagnostics: Diagnostics,
) -> tuple[ServiceConfig, ...]:
    services: list[ServiceConfig] = []
    for plugin in plugins:
        placement = Placement(
            id=plugin.id,
            path=context.folder,
            services=tuple(ids),
            production=context.production,
            plugin_path=plugin.path,
            shadowed=shadowed,
        )
        made = plugin.type.configure({PLUGINS: [block.value for block in plugin.blocks]}, placement)
        check_packages(made, plugin.blocks[0].document, diagnostics)
        services.append(internal_service(plugin.id, plugin.type, made, context))
    return tuple(services)


def internal_service(
    service_id: str, service_type: ServiceType, made: Configured, context: LoadContext
) -> ServiceConfig:
    """Return a service that pywatt adds to an app."""
    settings = context.settings
    return ServiceConfig(
        id=service_id,
        path=context.folder,
        type=service_type.name,
        options=made.options,
        env=context.environment({}, {}),
        calls=made.calls,
        preload=(*service_type.preload, *made.preload),
        restart=restart_of((settings.supervision,), production=context.production),
        watchdog=WATCHDOG,
        shutdown=settings.shutdown.service,
        drain=settings.shutdown.drain,
        log_level=settings.log_level,
        telemetry=merged(settings.telemetry, folder=context.folder) if service_type.name == GATEWAY else None,
        internal=True,
    )


def _blocks(
    root: Document, data: Mapping[str, Any], loaded: Sequence[LoadedService], diagnostics: Diagnostics
) -> Iterator[PluginBlock]:
    places: list[tuple[Document, KeyPath, Any]] = [(root, (PLUGINS,), data.get(PLUGINS))]
    runtime = data.get("runtime")
    if isinstance(runtime, dict):
        places.append((root, ("runtime", PLUGINS), runtime.get(PLUGINS)))
    places += [(service.document, (PLUGINS,), service.plugins) for service in loaded]
    for document, key, plugins in places:
        for index, value in enumerate(plugins if isinstance(plugins, (list, tuple)) else ()):
            if isinstance(value, dict) and "package" in value and not diagnostics.spoiled(document, (*key, index)):
                yield PluginBlock(document=document, key=(*key, index), value=value)
