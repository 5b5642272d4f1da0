"""Validators of a whole app: each reports the problems of one kind. `pywatt.config.pipeline` lists them in order."""

from __future__ import annotations

from collections.abc import Sequence

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.diagnostics.hints import suggest
from pywatt.config.files.key_path import KeyPath, parse_key_path
from pywatt.config.health_probes import policy_services
from pywatt.config.https_settings import check_block
from pywatt.config.logger_settings import check_logger
from pywatt.config.services.app_config import BROKER, Draft, entrypoint_of
from pywatt.config.services.entries import ServiceEntry
from pywatt.config.services.installed_packages import check_packages
from pywatt.config.services.topology import find_cycle
from pywatt.config.supervision import check_layer
from pywatt.service_type import Preflight
from pywatt.telemetry import package
from pywatt.telemetry.settings import exporters_for

COMMAND = "command"


def check_requirements(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report optional packages that services need and that are not installed."""
    for service in draft.services:
        check_packages(service.made, service.loaded.document, diagnostics)


def check_telemetry(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report that OpenTelemetry is configured but not installed, once. Programs bring their own."""
    for service in draft.services:
        config, telemetry = service.config, service.config.telemetry
        if config.interpreter is not None or config.type == COMMAND or telemetry is None:
            continue
        if not telemetry.configured or not exporters_for(telemetry, config.env):
            continue
        if not package.is_installed():
            root = draft.context.root
            document = root if draft.context.settings.telemetry is not None else service.loaded.document
            message = f"telemetry needs the package {package.PACKAGE}, which is not installed"
            hint = f"pip install 'pywatt[{package.EXTRA}]', or set \"enabled\": false"
            diagnostics.problem(document, ("telemetry",), message, hint)
        return


def check_supervision(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report contradictions in supervision keys, at each place where they may be given."""
    root = draft.context.root
    check_layer(draft.context.settings.supervision, root, (), diagnostics)
    for service in draft.loaded:
        check_layer(service.supervision, service.document, (), diagnostics)
        check_layer(service.entry.supervision, root, service.entry.key, diagnostics)


def check_services(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report an app without services, or with disabled services only."""
    root = draft.context.root
    if not draft.ids and not diagnostics.spoiled(root):
        hint = 'list them: "web": [{"id": "api", "path": "web/api"}]'
        diagnostics.problem(root, (), "the app has no services", hint)
    elif draft.ids and draft.disabled.issuperset(draft.ids):
        diagnostics.problem(root, (), "every service is disabled", 'remove "enabled": false from one')


def check_dependencies(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report dependencies on services that do not exist or are disabled."""
    known = (*draft.ids, BROKER) if draft.needs_broker else draft.ids
    for service in draft.services:
        config = service.config
        for index, name in enumerate(config.dependencies):
            if name in draft.disabled:
                problem = f'the service "{config.id}" depends on "{name}", which is disabled'
                hint = _enabling(name, draft.entries)
            elif name not in known:
                problem = f'the service "{config.id}" depends on "{name}", which is no service of this app'
                others = [one for one in known if one != config.id]
                hint = suggest(name, others, kind="known ids", always_list=True)
            else:
                continue
            key = (*service.loaded.entry.key, "dependencies", index)
            diagnostics.problem(draft.context.root, key, problem, hint)


def check_dependency_cycles(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report services that wait for each other."""
    configs = {service.config.id: service.config for service in draft.services}
    cycle = find_cycle({key: [name for name in one.dependencies if name in configs] for key, one in configs.items()})
    if cycle:
        first = next(service.loaded.entry for service in draft.services if service.config.id == cycle[0])
        message = f"services wait for each other: {' -> '.join(cycle)}"
        key = (*first.key, "dependencies")
        diagnostics.problem(draft.context.root, key, message, "remove one of these dependencies")


def check_probes(draft: Draft, diagnostics: Diagnostics) -> None:
    """Warn of services that can never become ready, and of the services that wait for them."""
    limit = draft.context.settings.start_timeout
    services = [service.config for service in draft.services]
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
        diagnostics.warn(draft.context.root, f'the service "{service.id}" can never be ready: {why}{then}')


def check_health_probes(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report policies of health endpoints that name services which do not exist, or are disabled."""
    root = draft.context.root
    for above, block in (((), draft.data), (("runtime",), draft.data.get("runtime", {}))):
        for below, service in policy_services(block.get("healthProbes")):
            key = (*above, "healthProbes", *below)
            if service not in draft.ids:
                hint = suggest(service, draft.ids, kind="known ids", always_list=True)
                diagnostics.problem(root, key, f'there is no service with the id "{service}"', hint)
            elif service in draft.disabled:
                hint = _enabling(service, draft.entries)
                diagnostics.problem(root, key, f'the service "{service}" is disabled', hint)


def check_loggers(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report settings of loggers that contradict each other, and packages that they need and that are missing."""
    levels = draft.context.settings.logger.custom_levels
    root = draft.context.root
    for above, block in (((), draft.data), (("runtime",), draft.data.get("runtime", {}))):
        check_logger(block.get("logger"), root, (*above, "logger"), levels, diagnostics)
    for service in draft.loaded:
        check_logger(service.logger, service.document, ("logger",), levels, diagnostics)


def check_entrypoint(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report an entrypoint that does not exist or is disabled."""
    name, root = draft.data.get("entrypoint"), draft.context.root
    if name is None:
        return
    if name not in draft.ids:
        hint = suggest(name, draft.ids, kind="known ids", always_list=True)
        diagnostics.problem(root, ("entrypoint",), f'there is no service with the id "{name}"', hint)
    elif name in draft.disabled:
        message = f'the service "{name}" is disabled'
        diagnostics.problem(root, ("entrypoint",), message, "enable it or name another")


def check_https(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report TLS settings of the entrypoint that cannot be used."""
    root, options = draft.context.root, draft.context.settings.server.https
    if options is None:
        return
    above: KeyPath = () if "https" in draft.data.get("server", {}) else ("runtime",)
    key = (*above, "server", "https")
    if diagnostics.spoiled(root, key):
        return
    block = draft.data if not above else draft.data["runtime"]
    check_block(block["server"]["https"], options, root, above, diagnostics)
    entrypoint = entrypoint_of(draft)
    if any(service.config.id == entrypoint and service.config.type == COMMAND for service in draft.services):
        message = f'the entrypoint "{entrypoint}" is a program, whose connections pywatt passes on byte by byte'
        diagnostics.problem(root, key, message, 'put a gateway in front: {"id": "gateway", "type": "gateway"}')


def check_programs_and_modules(draft: Draft, diagnostics: Diagnostics) -> None:
    """Report programs and modules that services name and that do not exist.

    A service with commands that run before it, such as a build, is left out: they may make what is missing.
    """
    for service in draft.services:
        loaded, config = service.loaded, service.config
        if isinstance(loaded.type, Preflight) and not (config.build or config.before_start):
            for problem in loaded.type.preflight(config):
                key = parse_key_path(problem.key, loaded.document.data)
                diagnostics.problem(loaded.document, key, f"service {config.id}: {problem.message}", problem.hint)


def _enabling(service_id: str, entries: Sequence[ServiceEntry]) -> str:
    """Return how to run a service that is disabled."""
    profiles = next((entry.profiles for entry in entries if entry.id == service_id), ())
    return f"start the app with --profile {profiles[0]}, or enable it" if profiles else "enable it"
