"""Overrides of the files by the command line: the services to run, the profiles, the port (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.diagnostics.hints import suggest
from pywatt.config.files.document import Document
from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.config.services.entries import ServiceEntry
from pywatt.errors import ConfigError, NotKnown, Problem, StartError
from pywatt.http.tls.options import TlsOptions

COMMAND = "command"
GATEWAY = "gateway"
PORT = "PORT"
LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Options of `pywatt start` and `pywatt dev` that take precedence over the files."""

    services: tuple[str, ...] = ()
    """Run only these, with the services they depend on and call; empty: all."""
    profiles: tuple[str, ...] = ()
    """A service with `profiles` runs only if one of them is listed here, or if the service is named."""
    port: int | None = None
    """The port of the entrypoint, instead of `server.port`."""
    https: TlsOptions | None = None
    """TLS of the entrypoint, where the files have none."""


NO_OVERRIDES = Overrides()


def select_profiles(
    entries: Sequence[ServiceEntry], overrides: Overrides, root: Document, diagnostics: Diagnostics
) -> tuple[ServiceEntry, ...]:
    """Return the entries, those without a selected profile disabled; warns of a profile that no service has."""
    known = sorted({profile for entry in entries for profile in entry.profiles})
    for profile in overrides.profiles:
        if profile not in known:
            hint = suggest(profile, known, kind="known profiles", always_list=True) if known else "none has any"
            diagnostics.warn(root, f'no service has the profile "{profile}" ({hint})')
    return tuple(
        entry
        if not entry.profiles or entry.id in overrides.services or set(entry.profiles) & set(overrides.profiles)
        else replace(entry, enabled=False)
        for entry in entries
    )


def apply_overrides(config: RuntimeConfig, overrides: Overrides, variables: Mapping[str, str]) -> RuntimeConfig:
    """Return the app with the overrides applied. Raises NotKnown, ConfigError, StartError.

    A PORT in `variables` applies when the command line has none.
    """
    if overrides.services:
        config = _subset(config, overrides.services)
    given = overrides.port is not None
    port = overrides.port if given else _port(variables.get(PORT, ""))
    server = config.server
    overridden: dict[str, str] = {}
    if port is not None:
        server = replace(server, port=port)
        overridden["server.port"] = "--port" if given else f"variable {PORT}"
    if overrides.https is not None and server.https is None:
        _check_https(config)
        server = replace(server, https=overrides.https)
        overridden["server.https"] = "--https"
    if server.http2 and server.https is None:
        message, hint = "HTTP/2 is spoken with TLS only", "give server.https a certificate, or remove http2"
        raise ConfigError([Problem(message=message, file=str(config.file), key="server.http2", hint=hint)])
    if server.https is not None and not (server.https.allow_http1 or server.http2):
        message, hint = "neither HTTP/1.1 nor HTTP/2 would be spoken", "set server.http2, or remove allowHTTP1"
        raise ConfigError([Problem(message=message, file=str(config.file), key="server.https.allowHTTP1", hint=hint)])
    return (
        config if server == config.server and not overridden else replace(config, server=server, overridden=overridden)
    )


def _check_https(config: RuntimeConfig) -> None:
    if any(service.id == config.entrypoint and service.type == COMMAND for service in config.services):
        raise StartError(
            f'the entrypoint "{config.entrypoint}" is a program, whose connections pywatt passes on byte by byte',
            hint='for HTTPS, put a gateway in front: {"id": "gateway", "type": "gateway"}',
        )


def _subset(config: RuntimeConfig, wanted: Collection[str]) -> RuntimeConfig:
    services = {service.id: service for service in config.services}
    known = [service.id for service in config.services if not service.internal]
    for name in wanted:
        if name in config.left_out:
            raise NotKnown(
                f'the service "{name}" of the app "{config.name}" is disabled', hint='remove "enabled": false'
            )
        if name not in known:
            hint = suggest(name, known, kind="known ids", always_list=True)
            raise NotKnown(f'the app "{config.name}" has no service "{name}"', hint=hint)
    kept: set[str] = set()
    pending = list(wanted)
    while pending:
        service = services.get(pending.pop())
        if service is not None and service.id not in kept:
            kept.add(service.id)
            pending += (*service.dependencies, *service.calls)
    entry = services.get(config.entrypoint or "")
    if entry is not None and entry.internal and kept.intersection(entry.calls):  # the gateway of a plugin
        kept |= {entry.id, *(name for name in entry.calls if name in services and services[name].internal)}
    left = tuple(service for service in config.services if service.id in kept)
    left_out = config.left_out | {name for name in known if name not in kept}
    return replace(config, services=left, entrypoint=_entrypoint(config, left), left_out=left_out)


def _entrypoint(config: RuntimeConfig, left: Sequence[ServiceConfig]) -> str | None:
    """Return the app's own entrypoint if it is left, else the only service, else the only gateway, else None."""
    if any(service.id == config.entrypoint for service in left):
        return config.entrypoint
    own = [service for service in left if not service.internal]
    gateways = [service for service in own if service.type == GATEWAY]
    return next((found[0].id for found in (own, gateways) if len(found) == 1), None)


def _port(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) <= LARGEST_PORT else None
