"""Plans the services of an app: the public one, the gateway, and the path of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pywatt.config.model import RuntimeConfig
from pywatt.errors import CreateRefused
from pywatt.scaffold.catalogue import NewService, find_template, id_problem

GATEWAY = "gateway"
KAFKA_HOOKS = "kafka-hooks"
BROKERS_VARIABLE = "KAFKA_BROKERS"
GATEWAY_IDS = ("gateway", "front", "entry")
WEB = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPlan:
    """An app with its new services."""

    folder: Path
    name: str
    new_services: tuple[NewService, ...]
    services_folder: Path
    """Parent folder of the new services."""
    present: RuntimeConfig | None = None
    """The existing app; None: the app is new."""
    entrypoint: str | None = None
    gateway: str | None = None
    """Id of the gateway in front of the others, new or not."""

    @property
    def kafka(self) -> bool:
        """True if the app uses Kafka."""
        named = self.present is not None and any(BROKERS_VARIABLE in service.env for service in self.present.services)
        return named or any(service.template.kind == KAFKA_HOOKS for service in self.new_services)

    @property
    def others(self) -> tuple[str, ...]:
        """Ids of the existing services."""
        if self.present is None:
            return ()
        return tuple(service.id for service in self.present.services if not service.internal)

    def path(self, service: NewService) -> Path:
        """Return a new service's folder."""
        return self.services_folder / service.id

    def public_path(self, service: NewService) -> str | None:
        """Return the public prefix of a new service; None: it has no public path."""
        if not service.template.http or service.id == self.entrypoint:
            return "" if service.template.http else None
        return f"/{service.id}" if self.gateway is not None and self.gateway == self.entrypoint else None

    def event_target(self) -> str | None:
        """Return the id of a new service whose template accepts the deliveries of kafka-hooks."""
        return next((service.id for service in self.new_services if service.template.test == "http"), None)


def plan_new_app(folder: Path, name: str, new_services: Sequence[NewService]) -> AppPlan:
    """Return the app of a new app. Several services that answer HTTP get a gateway. Raises CreateRefused."""
    _check_ids(new_services, ())
    asked = [service for service in new_services if service.template.http]
    gateways = [service.id for service in new_services if service.template.kind == GATEWAY]
    added: tuple[NewService, ...] = ()
    if not gateways and len(asked) > 1:
        free = next(each for each in GATEWAY_IDS if each not in {service.id for service in new_services})
        added = (NewService(id=free, template=find_template(GATEWAY, "")),)
        gateways = [free]
    return AppPlan(
        folder=folder,
        name=name,
        new_services=(*added, *new_services),
        services_folder=folder / WEB,
        entrypoint=gateways[0] if gateways else asked[0].id if asked else None,
        gateway=gateways[0] if gateways else None,
    )


def plan_grown_app(
    present: RuntimeConfig, taken: Sequence[str], services_folder: Path, new_services: Sequence[NewService]
) -> AppPlan:
    """Return the app of an app that gets further services; `taken`: every id it has. Raises CreateRefused."""
    _check_ids(new_services, taken)
    old = {service.id: service.type for service in present.services}
    new = [service.id for service in new_services if service.template.kind == GATEWAY]
    entrypoint = present.entrypoint or (new[0] if new else None)
    front = [service_id for service_id, name in old.items() if name == GATEWAY] + new
    return AppPlan(
        folder=present.root,
        name=present.name,
        new_services=tuple(new_services),
        services_folder=services_folder,
        present=present,
        entrypoint=entrypoint,
        gateway=entrypoint if entrypoint in front else next(iter(front), None),
    )


def _check_ids(new_services: Sequence[NewService], taken: Sequence[str]) -> None:
    seen = list(taken)
    for service in new_services:
        problem = id_problem(service.id, seen)
        if problem:
            raise CreateRefused(
                problem, hint=f"give the new one another id, as in {service.id}-2={service.template.spelling}"
            )
        seen.append(service.id)
