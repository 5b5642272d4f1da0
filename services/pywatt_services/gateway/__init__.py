"""The service type `gateway`: one entrypoint in front of the app's services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pywatt_schemas

if TYPE_CHECKING:
    from pywatt.service_type import Configured, Placement, ServiceContext, ServiceType
    from pywatt_services.gateway.options import GatewayOptions


@dataclass(frozen=True, slots=True)
class GatewayType:
    """Routes requests by prefix or host name."""

    name: str = "gateway"
    aliases: tuple[str, ...] = ("composer", "@platformatic/gateway", "@platformatic/composer")
    imports_code: bool = False
    preload: tuple[str, ...] = ("pywatt_services.gateway.serve", "pywatt.mesh.client")

    @property
    def schema(self) -> Mapping[str, Any]:
        return pywatt_schemas.load("gateway")

    def detect(self, folder: Path) -> bool:
        return False

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        from pywatt_services.gateway.options import configure

        return configure(document, placement)

    async def serve(self, options: GatewayOptions, context: ServiceContext) -> None:
        from pywatt_services.gateway.serve import serve

        await serve(options, context)


TYPE = GatewayType()


def _is_a_service_type(value: GatewayType) -> ServiceType:
    return value
