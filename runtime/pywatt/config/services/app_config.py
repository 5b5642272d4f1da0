"""Builds the app's configuration from its services: entrypoint, public paths, the embedded broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.config.services.entries import ServiceEntry, autoload_config
from pywatt.config.services.installed_packages import check_packages
from pywatt.config.services.plugins import GATEWAY, PluginService, plugin_services, take_plugins
from pywatt.config.services.service_config import (
    NO_ROUTES,
    ConfiguredService,
    LoadContext,
    LoadedService,
    configure_service,
)
from pywatt.config.services.topology import public_paths
from pywatt.config.supervision import WATCHDOG, restart_of, total_memory, total_workers
from pywatt.service_type import Placement

BROKER = "kafka-broker"
"""Id and type of the broker that pywatt starts itself."""
BROKERS_VARIABLE = "KAFKA_BROKERS"
EMBEDDED = "embedded"
"""The value of BROKERS_VARIABLE that asks for that broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An app before validation; services with problems are missing from `loaded` and `services`."""

    context: LoadContext
    data: Mapping[str, Any]
    """The valid part of the root's document."""
    entries: tuple[ServiceEntry, ...]
    ids: tuple[str, ...]
    """All ids in the files, including those of disabled services and of invalid entries."""
    loaded: tuple[LoadedService, ...]
    services: tuple[ConfiguredService, ...]
    plugins: tuple[PluginService, ...]

    @property
    def disabled(self) -> frozenset[str]:
        """The ids of disabled services."""
        return frozenset(entry.id for entry in self.entries if not entry.enabled)

    @property
    def needs_broker(self) -> bool:
        """True if a service asks for the embedded broker."""
        return any(
            service.made.needs_broker or service.config.env.get(BROKERS_VARIABLE, "").strip() == EMBEDDED
            for service in self.services
        )


def configure_services(
    data: Mapping[str, Any],
    entries: tuple[ServiceEntry, ...],
    listed: Sequence[str],
    loaded: tuple[LoadedService, ...],
    context: LoadContext,
    diagnostics: Diagnostics,
) -> Draft:
    """Return the app with each service configured; `listed` are the ids of all entries, including invalid ones."""
    enabled = tuple(entry.id for entry in entries if entry.enabled)
    disabled = frozenset(entry.id for entry in entries if not entry.enabled)
    ids = tuple(dict.fromkeys((*listed, *(entry.id for entry in entries))))
    loaded, plugins = take_plugins(context.root, data, loaded, ids, context, diagnostics)
    entrypoint = _entrypoint(data, [(service.entry.id, service.type.name) for service in loaded])
    routes = {plugin.path: plugin.id for plugin in plugins}
    results = [
        configure_service(
            service, context, enabled, disabled, diagnostics, routes if service.entry.id == entrypoint else NO_ROUTES
        )
        for service in loaded
    ]
    return Draft(
        context=context,
        data=data,
        entries=entries,
        ids=ids,
        loaded=loaded,
        plugins=plugins,
        services=tuple(result for result in results if result is not None),
    )


def build(draft: Draft, diagnostics: Diagnostics) -> RuntimeConfig:
    """Return the finished configuration. Raises ConfigError with all problems noted so far and found here."""
    context, settings = draft.context, draft.context.settings
    entrypoint = entrypoint_of(draft)
    leads = {service.config.id: service.made.public_paths for service in draft.services}
    configs = [service.config for service in draft.services]
    if draft.plugins and not diagnostics.failed:
        entry = next((service for service in draft.services if service.config.id == entrypoint), None)
        added = plugin_services(draft.plugins, entry, draft.ids, context, diagnostics)
        configs += added.services
        entrypoint = added.entrypoint or entrypoint
        leads.update(added.leads)
    paths = public_paths(leads, entrypoint, settings.base_path)
    services = [replace(config, public_path=paths.get(config.id)) for config in configs]
    if draft.needs_broker:
        services = _with_broker(services, draft, diagnostics)
    diagnostics.raise_problems()
    return RuntimeConfig(
        name=context.folder.name,
        root=context.folder,
        file=context.root.file,
        services=tuple(services),
        entrypoint=entrypoint,
        left_out=draft.disabled,
        server=settings.server,
        log_level=settings.log_level,
        logger=settings.logger,
        log_history=settings.log_history,
        health_probes=settings.health_probes,
        base_path=settings.base_path,
        start_timeout=settings.start_timeout,
        shutdown=settings.shutdown,
        dashboard=settings.dashboard,
        repl=settings.repl,
        total_workers=total_workers(settings.supervision),
        total_memory=total_memory(settings.supervision),
        metrics=settings.metrics,
        autoload=autoload_config(context.root, draft.data),
        warnings=diagnostics.warnings,
    )


def entrypoint_of(draft: Draft) -> str | None:
    """Return the id of the entrypoint; None: the app has none."""
    return _entrypoint(draft.data, [(service.config.id, service.config.type) for service in draft.services])


def _entrypoint(data: Mapping[str, Any], services: Sequence[tuple[str, str]]) -> str | None:
    """Return the id named in the root file, else the only service, else the only gateway, else None.

    `services`: id and type of each.
    """
    name = data.get("entrypoint")
    if name is not None:
        return str(name)
    ids = [service_id for service_id, _ in services]
    gateways = [service_id for service_id, type_name in services if type_name == GATEWAY]
    return next((found[0] for found in (ids, gateways) if len(found) == 1), None)


def _with_broker(services: Sequence[ServiceConfig], draft: Draft, diagnostics: Diagnostics) -> list[ServiceConfig]:
    """Return the services with the broker first; all others depend on it."""
    context = draft.context
    taken = next((entry for entry in draft.entries if entry.id == BROKER and entry.enabled), None)
    if taken is not None:
        message = f'two services have the id "{BROKER}": this one and the broker that pywatt starts itself'
        hint = f"give this one another id, or set {BROKERS_VARIABLE} to its address instead of {EMBEDDED}"
        diagnostics.problem(context.root, taken.id_key, message, hint)
        return list(services)
    if BROKER not in context.types:
        message = f"{BROKERS_VARIABLE}={EMBEDDED} needs the service type {BROKER}, which is not installed"
        diagnostics.problem(context.root, (), message, "pip install 'pywatt[embedded]'")
        return list(services)
    ids = tuple(service.id for service in services)
    placement = Placement(id=BROKER, path=context.folder, services=ids, production=context.production)
    made = context.types[BROKER].configure({}, placement)
    check_packages(made, context.root, diagnostics)
    broker = ServiceConfig(
        id=BROKER,
        path=context.folder,
        type=BROKER,
        options=made.options,
        env=context.environment({}, {}),
        restart=restart_of((context.settings.supervision,), production=context.production),
        watchdog=WATCHDOG,
        shutdown=context.settings.shutdown.service,
        log_level=context.settings.log_level,
        logger=context.settings.logger,
        internal=True,
    )
    others = [
        replace(service, dependencies=tuple(dict.fromkeys((BROKER, *service.dependencies)))) for service in services
    ]
    return [broker, *others]
