"""The app as commands show it: its services and their workers, as JSON values."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pywatt.config.model import RuntimeConfig
from pywatt.control.control_service import CONTROL_ID
from pywatt.supervisor.monitor.usage import Usage
from pywatt.supervisor.process.sockets import LOOPBACK
from pywatt.supervisor.process.worker import Worker
from pywatt.supervisor.publication import Publication
from pywatt.supervisor.service import Service


def service_row(service: Service, *, entrypoint: bool, usage: Mapping[int, Usage]) -> dict[str, Any]:
    """Return one service."""
    seen = service.snapshot()
    return {
        "id": seen.id,
        "type": service.config.type,
        "state": seen.state.value,
        "detail": seen.detail,
        "entrypoint": entrypoint,
        "internal": seen.internal,
        "url": f"http://{LOOPBACK}:{seen.port}" if seen.port is not None else None,
        "path": str(service.config.path),
        "ready": seen.ready,
        "metricsPage": service.config.metrics_page if service.config.metrics else None,
        "restarts": service.factory.restarts[service.config.id],
        "workers": [_worker_row(worker, usage.get(worker.pid)) for worker in service.workers()],
    }


def _worker_row(worker: Worker, usage: Usage | None) -> dict[str, Any]:
    gone = worker.exited.done()
    return {
        "slot": worker.slot,
        "pid": None if gone else worker.pid,
        "state": worker.state.value,
        "uptime": round(worker.ready_seconds(), 3),
        "endpoint": worker.endpoint.address,
        "memory": None if usage is None else {"pss": usage.pss, "rss": usage.rss},
        "cpu": None if usage is None else usage.cpu,
    }


class HealthSource(Protocol):
    """The part of a supervisor that tells of the app's health."""

    @property
    def services(self) -> Mapping[str, Service]: ...

    @property
    def mesh(self) -> Publication: ...


def health_rows(app: HealthSource) -> dict[str, Any]:
    """Return the state of each service, and the last answer of its readiness probe."""
    return {
        "leaving": app.mesh.stopping or app.mesh.versions.table.leaving,
        "services": [_health_row(service) for service_id, service in app.services.items() if service_id != CONTROL_ID],
    }


def _health_row(service: Service) -> dict[str, Any]:
    seen = service.snapshot()
    answers = [worker.readiness for worker in service.workers() if worker.readiness is not None]
    # A worker that fails is more to the point than one that passes.
    answer = next((answer for answer in answers if answer.problem), answers[0] if answers else None)
    return {
        "id": seen.id,
        "state": seen.state.value,
        "ready": seen.ready,
        "workers": seen.workers,
        "detail": seen.detail,
        "check": None if answer is None else {"status": answer.status, "body": answer.body, "decides": answer.decides},
    }


def config_document(config: RuntimeConfig) -> dict[str, Any]:
    """Return the whole configuration without the services' environments, which are a command of their own."""
    document: dict[str, Any] = plain(config)
    for service in document["services"]:
        del service["env"]
    document["services"] = [service for service in document["services"] if not service["internal"]]
    return document


def plain(value: object) -> Any:
    """Return a configuration value as JSON: dataclasses as objects, everything else that JSON lacks as text."""
    if isinstance(value, enum.Enum):
        return value.name.lower() if isinstance(value, int) else value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {spec.name: plain(getattr(value, spec.name)) for spec in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value) if isinstance(value, Path) else getattr(value, "pattern", None) or str(value)
