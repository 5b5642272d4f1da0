"""What one worker of a gateway does."""

from __future__ import annotations

import logging

from pywatt.service_type import ServiceContext
from pywatt_services.gateway.options import GatewayOptions
from pywatt_services.gateway.routes import RouteTable
from pywatt_services.gateway.server import GatewayServer, serving

STOP_MARGIN = 0.5
"""Seconds before the worker would be killed by which it ends on its own."""

logger = logging.getLogger("pywatt.gateway")


async def serve(options: GatewayOptions, context: ServiceContext) -> None:
    """Pass requests on to the services, from every socket the worker has, until it is asked to stop."""
    services = context.table.services.values()
    internal = {service.id for service in services if service.internal}
    server = GatewayServer(
        RouteTable(proxy for proxy in options.proxies if proxy.id not in internal),
        context.mesh,
        base_path=context.base_path,
        trust_proxy=options.trust_proxy,
    )
    public = [] if context.public is None else [context.public]
    async with serving(server, [*public, context.loopback, context.endpoint]):
        await context.ready()
        for proxy in options.proxies:
            logger.info("%s is served at %s", proxy.id, proxy.hostname or proxy.prefix or "/")
        stop = await context.stop_requested()
        await server.drain(max(0.0, stop.timeout - STOP_MARGIN))
