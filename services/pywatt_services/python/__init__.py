"""The service type `python`: an ASGI or WSGI application, or an async `main()` without HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pywatt.errors import Problem
from pywatt.service_type import Configured, Placement, Requirement, ServiceContext, ServiceType
from pywatt.worker.asgi.engine import EngineName
from pywatt_schemas import load
from pywatt_services.python.detect import find_application
from pywatt_services.python.frameworks import imported_frameworks
from pywatt_services.python.options import Interface, PythonOptions, configure, find_interpreter, neglected

if TYPE_CHECKING:
    from pywatt.config.model import ServiceConfig
    from pywatt_services.python.serve import Prepared

__all__ = ["TYPE", "PythonType"]


class PythonType:
    """Serves a Python application."""

    name = "python"
    aliases = ("@platformatic/python", "@platformatic/python-node")
    uses_mesh = False
    preload = ("pywatt.worker.asgi.uvicorn_engine", "pywatt_services.python.serve")

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the service's own document."""
        return load("python")

    def detect(self, folder: Path) -> bool:
        """Return whether a file in the folder, by one of the usual names, defines an application."""
        return find_application(folder) is not None

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        """Return the options. Raises OptionsError if no application is named or found."""
        options = configure(document, placement)
        interpreter = find_interpreter(document, placement)
        # Another interpreter shares nothing with the one that workers are forked from.
        preload = () if interpreter else imported_frameworks(placement.path, options.module)
        http = options.interface is not Interface.MAIN
        needs = Requirement(
            module="hypercorn", package="hypercorn", extra="hypercorn", needed_by='server.engine "hypercorn"'
        )
        return Configured(
            options=options,
            preload=preload,
            interpreter=interpreter,
            http=http,
            requires=(needs,) if options.engine is EngineName.HYPERCORN and interpreter is None else (),
            warnings=tuple(neglected(document, placement)),
        )

    def preflight(self, service: ServiceConfig) -> Iterable[Problem]:
        """Yield a problem when the module does not exist."""
        from pywatt_services.python.preflight import missing_module

        assert isinstance(service.options, PythonOptions)
        return missing_module(service.options, service)

    def prepare(self, options: PythonOptions) -> Prepared:
        """Import the application. Raises any error of the import."""
        from pywatt_services.python.serve import prepare

        return prepare(options)

    async def serve(self, options: Prepared, context: ServiceContext) -> None:
        """Serve the application that `prepare` imported. Raises any error of its start."""
        from pywatt_services.python.serve import serve

        await serve(options, context)


TYPE: ServiceType = PythonType()
