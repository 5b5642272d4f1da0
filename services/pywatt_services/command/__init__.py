"""The service type `command`: any program in any language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pywatt.errors import Problem
from pywatt.service_type import Configured, Placement, ServiceContext, ServiceType
from pywatt_schemas import load
from pywatt_services.command.options import CommandOptions, build_command, configure

if TYPE_CHECKING:
    from pywatt.config.model import ServiceConfig

__all__ = ["TYPE", "CommandType"]


class CommandType:
    """Runs a program, and relays connections to it."""

    name = "command"
    aliases = ()
    uses_mesh = False
    imports_code = False
    preload = ("pywatt_services.command.serve",)

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the service's own document."""
        return load("command")

    def detect(self, folder: Path) -> bool:
        """Return False: the start command of a program cannot be detected."""
        return False

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        """Return the options. Raises OptionsError for a missing command, or one that needs a shell."""
        options = configure(document, placement)
        return Configured(options=options, build=build_command(document), http=options.http)

    def preflight(self, service: ServiceConfig) -> Iterable[Problem]:
        """Yield a problem when the program does not exist."""
        from pywatt_services.command.preflight import missing_program

        assert isinstance(service.options, CommandOptions)
        return missing_program(service.options, service)

    async def serve(self, options: CommandOptions, context: ServiceContext) -> None:
        """Run the program until asked to stop. Raises ServiceFailed if it ends earlier."""
        from pywatt_services.command.serve import serve

        await serve(options, context)


TYPE: ServiceType = CommandType()
