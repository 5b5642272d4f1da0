"""Runs a Python application in a worker."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from pywatt.service_type import ServiceContext
from pywatt.worker.asgi.engine import EngineName
from pywatt.worker.asgi.serve_asgi import serve_asgi
from pywatt.worker.heartbeat import KAFKA_LAG
from pywatt_services.python.application import AsgiApplication, AsyncFactory, MainFunction, load_application
from pywatt_services.python.django_static import at_home
from pywatt_services.python.options import PythonOptions


@dataclass(frozen=True, slots=True)
class Prepared:
    """An imported application."""

    application: AsgiApplication | MainFunction | AsyncFactory
    engine: EngineName


def prepare(options: PythonOptions) -> Prepared:
    """Import the application without an event loop, like a script. Raises any error of the import."""
    try:
        return Prepared(load_application(options), options.engine)
    except RuntimeError as error:
        if "no running event loop" in str(error):
            error.add_note(
                "The application is imported before the event loop runs. Make what needs one in the lifespan, or in an "
                "`async def create_app()`."
            )
        raise


async def serve(prepared: Prepared, context: ServiceContext) -> None:
    """Serve the application until asked to stop. Raises any error of its start."""
    context.gauge(KAFKA_LAG, _records_behind)
    application = prepared.application
    if isinstance(application, AsyncFactory):
        application = await application.made()
    context.prompt_names["app"] = application.app if isinstance(application, AsgiApplication) else application
    match application:
        case AsgiApplication(app):
            prefix = context.service.public_path or "/"
            await serve_asgi(
                at_home(app, prefix=prefix, production=context.production), context, engine=prepared.engine
            )
        case MainFunction() as function:
            await _run_main(function, context)


def _records_behind() -> float:
    """Return the lag of the application's consumers, if it has any of pywatt_kafka."""
    consumer = sys.modules.get("pywatt_kafka.consuming.group_reader")
    behind: float = consumer.records_behind() if consumer is not None else 0
    return behind


async def _run_main(function: MainFunction, context: ServiceContext) -> None:
    """Run a `main()` until it ends, or cancel it when asked to stop; it may use the time of the stop to clean up."""

    left: SystemExit | None = None

    async def main() -> None:
        nonlocal left
        try:
            await function.main()
        except SystemExit as error:  # out of a task it would tear down the loop, with all that runs on it
            left = error

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(main())
        stopping = tasks.create_task(context.stop_requested())
        await asyncio.sleep(0)  # lets it begin: one that ends or raises at once never gets ready
        if not running.done():
            await context.ready(http=False)
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        stopping.cancel()
    if left is not None:
        raise left
