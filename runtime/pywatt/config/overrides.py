"""Which services of an app are run, and on which port: what `pywatt start` is told beside the files (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pywatt.config.diagnostics.hints import suggest
from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.config.services.entries import Declared
from pywatt.errors import NotKnown

GATEWAY = "gateway"
PORT = "PORT"
LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is chosen."""

    services: tuple[str, ...] = ()
    """Run only these, with what they depend on and what they call; none: all."""
    profiles: tuple[str, ...] = ()
    """A service that has `profiles` runs only when one of them is among these, or when it is named."""
    port: int | None = None
    """Where the entrypoint listens, instead of what the files say."""


EVERYTHING = Choice()


def in_profiles(declared: Sequence[Declared], choice: Choice) -> tuple[Declared, ...]:
    """Return the services, with those disabled whose profiles are not chosen."""
    return tuple(
        service
        if not service.profiles or service.id in choice.services or set(service.profiles) & set(choice.profiles)
        else replace(service, enabled=False)
        for service in declared
    )


def unknown_profiles(declared: Sequence[Declared], choice: Choice) -> Iterator[str]:
    """Yield a warning for each chosen profile that no service has: a slip, or meant for another app."""
    known = sorted({profile for service in declared for profile in service.profiles})
    for profile in choice.profiles:
        if profile not in known:
            hint = suggest(profile, known, kind="known profiles", always_list=True) if known else "none has any"
            yield f'no service has the profile "{profile}" ({hint})'


def chosen(config: RuntimeConfig, choice: Choice, variables: Mapping[str, str]) -> RuntimeConfig:
    """Return what is left of an app. Raises NotKnown for a service that it does not have.

    `variables` may have a PORT, which counts where no file says one.
    """
    if choice.services:
        config = _subset(config, choice.services)
    port = choice.port if choice.port is not None else _port(variables.get(PORT, ""))
    return config if port is None else replace(config, server=replace(config.server, port=port))


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
    left = tuple(service for service in config.services if service.id in kept)
    left_out = config.left_out | {name for name in known if name not in kept}
    return replace(config, services=left, entrypoint=_entrypoint(config, left), left_out=left_out)


def _entrypoint(config: RuntimeConfig, left: Sequence[ServiceConfig]) -> str | None:
    """Return the app's own entrypoint if it is left, else the only service, else the only gateway, else None."""
    own = [service for service in left if not service.internal]
    if any(service.id == config.entrypoint for service in own):
        return config.entrypoint
    gateways = [service for service in own if service.type == GATEWAY]
    return next((found[0].id for found in (own, gateways) if len(found) == 1), None)


def _port(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) <= LARGEST_PORT else None
