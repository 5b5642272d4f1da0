"""Puts the services together: options, the embedded broker, dependencies, the entrypoint, and the frozen result."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pywatt.config.diagnostics.diagnostics import Findings
from pywatt.config.diagnostics.hints import suggest
from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.config.services.entries import Declared, autoload_config
from pywatt.config.services.service import App, ReadService, configured, note_missing
from pywatt.config.services.supervision import check, restart_of, total_memory, total_workers
from pywatt.config.services.topology import find_cycle, public_paths
from pywatt.service_type import Placement

GATEWAY = "gateway"
BROKER = "kafka-broker"
"""Id and type of the broker that pywatt starts itself."""
BROKERS_VARIABLE = "KAFKA_BROKERS"
EMBEDDED = "embedded"
"""The value of BROKERS_VARIABLE that asks for that broker."""


def assemble(
    data: Mapping[str, Any],
    declared: Sequence[Declared],
    listed: Sequence[str],
    read: Sequence[ReadService],
    app: App,
    findings: Findings,
) -> RuntimeConfig:
    """Return the finished configuration. Raises ConfigError with all problems noted so far and found here.

    `data` is the root's document, `declared` its sound entries, `listed` the ids of all its entries, `read` the enabled
    services without problems.
    """
    ids = tuple(service.id for service in declared if service.enabled)
    known = tuple(dict.fromkeys((*listed, *(service.id for service in declared))))
    disabled = frozenset(service.id for service in declared if not service.enabled)
    results = [(service, configured(service, app, ids, disabled, findings)) for service in read]
    made = [(service, result[0]) for service, result in results if result is not None]
    services = [config for _, config in made]
    wants_broker = any(result[1].needs_broker for _, result in results if result is not None) or any(
        config.env.get(BROKERS_VARIABLE, "").strip() == EMBEDDED for config in services
    )
    if not known and not findings.spoiled(app.root):
        hint = 'list them: "web": [{"id": "api", "path": "web/api"}]'
        findings.problem(app.root, (), "the app has no services", hint)
    elif known and disabled.issuperset(known):
        findings.problem(app.root, (), "every service is disabled", 'remove "enabled": false from one')
    check(app.settings.supervision, app.root, (), findings)
    _check_dependencies(made, declared, (*known, BROKER) if wants_broker else known, disabled, app, findings)
    _warn_of_vain_probes(services, app, findings)
    entrypoint = _entrypoint(data, services, known, disabled, app, findings)
    leads = {result[0].id: result[1].public_paths for _, result in results if result is not None}
    paths = public_paths(leads, entrypoint, app.settings.base_path)
    services = [replace(service, public_path=paths.get(service.id)) for service in services]
    if wants_broker:
        services = _with_broker(services, declared, app, findings)
    findings.raise_problems()
    return RuntimeConfig(
        name=app.folder.name,
        root=app.folder,
        file=app.root.file,
        services=tuple(services),
        entrypoint=entrypoint,
        left_out=disabled,
        server=app.settings.server,
        log_level=app.settings.log_level,
        log_history=app.settings.log_history,
        base_path=app.settings.base_path,
        start_timeout=app.settings.start_timeout,
        shutdown=app.settings.shutdown,
        total_workers=total_workers(app.settings.supervision),
        total_memory=total_memory(app.settings.supervision),
        autoload=autoload_config(app.root, data),
        warnings=findings.warnings,
    )


def _entrypoint(
    data: Mapping[str, Any],
    services: Sequence[ServiceConfig],
    known: Sequence[str],
    disabled: Collection[str],
    app: App,
    findings: Findings,
) -> str | None:
    """Return the id named in the root file, else the only service, else the only gateway, else None."""
    name = data.get("entrypoint")
    if name is None:
        gateways = [service for service in services if service.type == GATEWAY]
        only = next((found for found in (services, gateways) if len(found) == 1), None)
        return only[0].id if only else None
    if name not in known:
        hint = suggest(name, known, kind="known ids", always_list=True)
        findings.problem(app.root, ("entrypoint",), f'there is no service with the id "{name}"', hint)
    elif name in disabled:
        findings.problem(app.root, ("entrypoint",), f'the service "{name}" is disabled', "enable it or name another")
    return str(name)


def _enabling(service_id: str, declared: Sequence[Declared]) -> str:
    """Return what has a service run that is left out."""
    profiles = next((service.profiles for service in declared if service.id == service_id), ())
    return f"start the app with --profile {profiles[0]}, or enable it" if profiles else "enable it"


def _check_dependencies(
    made: Sequence[tuple[ReadService, ServiceConfig]],
    declared: Sequence[Declared],
    known: Sequence[str],
    disabled: Collection[str],
    app: App,
    findings: Findings,
) -> None:
    """Note dependencies on services that are not there, and circles."""
    for service, config in made:
        for name in config.dependencies:
            if name in known and name not in disabled:
                continue
            hint = suggest(name, [one for one in known if one != config.id], kind="known ids", always_list=True)
            problem = f'the service "{config.id}" depends on "{name}", which is no service of this app'
            if name in disabled:
                problem, hint = (
                    f'the service "{config.id}" depends on "{name}", which is disabled',
                    _enabling(name, declared),
                )
            key = (*service.declared.key, "dependencies", config.dependencies.index(name))
            findings.problem(app.root, key, problem, hint)
    loaded = {config.id for _, config in made}
    cycle = find_cycle({config.id: [name for name in config.dependencies if name in loaded] for _, config in made})
    if cycle:
        first = next(service.declared for service, config in made if config.id == cycle[0])
        message = f"services wait for each other: {' -> '.join(cycle)}"
        findings.problem(app.root, (*first.key, "dependencies"), message, "remove one of these dependencies")


def _warn_of_vain_probes(services: Sequence[ServiceConfig], app: App, findings: Findings) -> None:
    """Warn of services that can never become ready, and of those which wait for them."""
    limit = app.settings.start_timeout
    for service in services:
        first = [probe for probe in (service.probes.startup, service.probes.readiness) if probe is not None]
        if not service.http and any(probe.http for probe in (*first, service.probes.liveness) if probe is not None):
            why = "its probe asks by HTTP, which it does not answer"
        elif limit is not None and sum(probe.initial_delay for probe in first) >= limit:
            why = f"its probes begin after startTimeout ({limit:g} s)"
        else:
            continue
        waiting = ", ".join(f'"{other.id}"' for other in services if service.id in other.dependencies)
        then = f"; {waiting} would wait for it in vain" if waiting else ""
        findings.warn(app.root, f'the service "{service.id}" can never be ready: {why}{then}')


def _with_broker(
    services: Sequence[ServiceConfig], declared: Iterable[Declared], app: App, findings: Findings
) -> list[ServiceConfig]:
    """Return the services with the broker in front, on which all others depend."""
    taken = next((service for service in declared if service.id == BROKER and service.enabled), None)
    if taken is not None:
        message = f'two services have the id "{BROKER}": this one and the broker that pywatt starts itself'
        hint = f"give this one another id, or set {BROKERS_VARIABLE} to its address instead of {EMBEDDED}"
        findings.problem(app.root, taken.id_key, message, hint)
        return list(services)
    if BROKER not in app.types:
        message = f"{BROKERS_VARIABLE}={EMBEDDED} needs the service type {BROKER}, which is not installed"
        findings.problem(app.root, (), message, "pip install 'pywatt[embedded]'")
        return list(services)
    ids = tuple(service.id for service in services)
    placement = Placement(id=BROKER, path=app.folder, services=ids, production=app.production)
    made = app.types[BROKER].configure({}, placement)
    note_missing(made, app.root, findings)
    broker = ServiceConfig(
        id=BROKER,
        path=app.folder,
        type=BROKER,
        options=made.options,
        env=app.environment({}, {}),
        restart=restart_of((app.settings.supervision,), production=app.production),
        shutdown=app.settings.shutdown.service,
        log_level=app.settings.log_level,
        internal=True,
    )
    others = [
        replace(service, dependencies=tuple(dict.fromkeys((BROKER, *service.dependencies)))) for service in services
    ]
    return [broker, *others]
