"""Creates the files of a new service: code, config, test."""

from __future__ import annotations

from collections.abc import Iterator

from pywatt.scaffold.app_plan import AppPlan
from pywatt.scaffold.catalogue import NewService
from pywatt.scaffold.config_documents import service_text
from pywatt.scaffold.file_changes import PlannedFile
from pywatt.scaffold.rendering import render, render_folder

CONFIG = "platformatic.json"
WORKS = {"worker", "command:shell"}
"""Templates whose programs log that they run."""


def service_files(app: AppPlan, service: NewService) -> Iterator[PlannedFile]:
    """Yield the files of a service's folder, then its test."""
    values = {"id": service.id}
    folder = app.path(service)
    yield PlannedFile(path=folder / CONFIG, content=service_text(app, service))
    for name, content in render_folder(service.template.folder, values):
        yield PlannedFile(path=folder / name, content=content)
    test = app.folder / "tests" / f"test_{service.id.replace('-', '_')}.py"
    yield PlannedFile(path=test, content=_test_text(app, service))


def _test_text(app: AppPlan, service: NewService) -> str:
    public = app.public_path(service)
    started = f"'started worker 0 of the service \"{service.id}\"'"
    delivers = app.event_target() is not None
    values = {
        "id": service.id,
        "path": public or "",
        "env": ', env={"KAFKA_BROKERS": "embedded"}' if app.kafka else "",
        "log": f'"{service.id} is at work"' if service.template.spelling in WORKS else started,
        "delivered": '\n        app.wait_for_log("event: something happened")' if delivers else "",
        "delivered_name": "_and_delivered" if delivers else "",
    }
    return render(f"tests/{'log' if public is None else service.template.test}.py", values)
