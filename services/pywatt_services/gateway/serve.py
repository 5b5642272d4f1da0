"""Serves a gateway in one worker."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from pywatt.http.server.client_limit import raise_open_files_limit
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.listening import open_tls
from pywatt.mesh.client import MeshClient
from pywatt.service_type import ServiceContext
from pywatt.telemetry.tracing import active_tracing
from pywatt.worker.asgi.drain import drain
from pywatt.worker.heartbeat import WAITING
from pywatt_services.gateway.access_log.access_log import AccessLog, open_access_log
from pywatt_services.gateway.cache.options import CACHE_FILE
from pywatt_services.gateway.cache.response_cache import ResponseCache, open_response_cache
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics
from pywatt_services.gateway.local_answers.options import StaticOptions
from pywatt_services.gateway.openapi.documents import ApiDocuments
from pywatt_services.gateway.openapi.options import ApiSource, DocumentationOptions
from pywatt_services.gateway.openapi.paths import PARAMETER, DocumentedPaths
from pywatt_services.gateway.options import GatewayOptions, ProxyOptions
from pywatt_services.gateway.policies.route_policy import PolicyContext
from pywatt_services.gateway.policies.shared_times import SharedFiles
from pywatt_services.gateway.routes import RouteTable
from pywatt_services.gateway.server import GatewayServer
from pywatt_services.gateway.upstreams.health_checks import check_health, checked
from pywatt_services.tokens.fetched_keys import FetchedKeys, fetch_keys
from pywatt_services.tokens.token_options import TokenOptions

DRAIN_SHARE = 0.95
"""Part of a stop's time that clients may take."""

logger = logging.getLogger("pywatt.gateway")


async def serve(options: GatewayOptions, context: ServiceContext) -> None:
    """Pass requests on to the services, from every socket the worker has, until it is asked to stop."""
    raise_open_files_limit()
    with ExitStack() as resources:
        log_options = options.access_log
        call_later = asyncio.get_running_loop().call_later
        log = None if log_options is None else resources.enter_context(open_access_log(log_options, call_later))
        fair_queue = FairQueue()
        cache = _open_cache(options, context, resources, fair_queue)
        async with anyio.create_task_group() as tasks:
            await _serve(options, context, log, cache, fair_queue, tasks)
            tasks.cancel_scope.cancel()


def _open_cache(
    options: GatewayOptions, context: ServiceContext, resources: ExitStack, fair_queue: FairQueue
) -> ResponseCache | None:
    if all(proxy.cache is None for proxy in options.proxies):
        return None
    path = _shared_file(context, CACHE_FILE)
    threadsafe = asyncio.get_running_loop().call_soon_threadsafe
    try:
        return resources.enter_context(open_response_cache(path, options.cache_store, fair_queue, threadsafe))
    except sqlite3.Error as error:
        logger.warning("the response cache %s cannot be used, and responses come from the services: %s", path, error)
        return None


async def _serve(
    options: GatewayOptions,
    context: ServiceContext,
    access_log: AccessLog | None,
    cache: ResponseCache | None,
    fair_queue: FairQueue,
    tasks: TaskGroup,
) -> None:
    services = context.table.services.values()
    internal = {service.id for service in services if service.internal}
    telemetry = context.service.telemetry
    routes = RouteTable(proxy for proxy in options.proxies if proxy.plugin or proxy.id not in internal)
    documents = None if options.documentation is None else _documents(options.documentation, routes, context.mesh)
    files = SharedFiles(Path(context.endpoint.getsockname()).parent, context.service.id)
    server = GatewayServer(
        routes,
        context.mesh,
        documents=documents,
        cache=cache,
        fair_queue=fair_queue,
        base_path=context.base_path.rstrip("/") + options.base_path,
        trust_proxy=options.trust_proxy,
        metrics=None if context.metrics is None else GatewayMetrics(context.metrics),
        access_log=access_log,
        tracing=active_tracing(),
        creates_trace=telemetry is not None and telemetry.creates_trace,
        escaped_slashes=options.escaped_slashes,
        policies=PolicyContext(
            folder=context.service.path,
            shared_file=files.path,
            fetched_keys=_keys_of_issuers(context.mesh, tasks),
        ),
    )
    context.gauge(WAITING, lambda: server.waiting)
    async with server.on(
        (context.endpoint, context.loopback),
        public=context.public,
        backlog=context.server.backlog,
        tls=open_tls(context.server.https, http2=context.server.http2),
    ):
        await context.ready()
        files.remove_others()
        _warn_of_missing_folders(options.proxies)
        tasks.start_soon(_tell, options.proxies, context.mesh)
        if documents is not None:
            tasks.start_soon(documents.run)
        to_check = checked(server.registry.upstreams.values())
        if to_check:
            tasks.start_soon(check_health, to_check)
        await drain(server, context, share=DRAIN_SHARE)


def _keys_of_issuers(mesh: MeshClient, tasks: TaskGroup) -> Callable[[TokenOptions], FetchedKeys]:
    """Return a function that gives the keys of an issuer, the same ones to all routes."""
    known: dict[tuple[str | None, bool], FetchedKeys] = {}

    def keys_of(options: TokenOptions) -> FetchedKeys:
        place = options.jwks_url, options.discovery
        if place not in known:
            known[place] = FetchedKeys(fetch_keys(mesh, options), tasks)
            known[place].refresh()
        return known[place]

    return keys_of


def _shared_file(context: ServiceContext, name: str) -> Path:
    """Return the path of a file of all workers, beside their sockets in the folder of the running app."""
    return Path(context.endpoint.getsockname()).with_name(f"{context.service.id}-{name}")


def _documents(options: DocumentationOptions, routes: RouteTable, mesh: MeshClient) -> ApiDocuments:
    def reaches(source: ApiSource, method: str, path: str) -> bool:
        sample = PARAMETER.sub("x", path).encode()
        route = routes.find(method.encode(), source.hostname.encode(), sample)
        return route is not None and route.id == source.service

    documented = [route.paths for route in routes.routes if isinstance(route.paths, DocumentedPaths)]
    return ApiDocuments(options, mesh, reaches, documented)


def _warn_of_missing_folders(proxies: Iterable[ProxyOptions]) -> None:
    """Say which folders of files are not there; a build may still make them."""
    for proxy in proxies:
        if isinstance(proxy.local, StaticOptions) and not proxy.local.root.is_dir():
            logger.warning("the folder %s, whose files %s serves, does not exist", proxy.local.root, proxy.id)


async def _tell(proxies: Iterable[ProxyOptions], mesh: MeshClient) -> None:
    """Log where each service is served, once it is ready and has HTTP."""
    left = list(proxies)
    while left:
        for proxy in tuple(left):
            service = mesh.table.services.get(proxy.id)
            if service is not None and ((service.internal and not proxy.plugin) or service.port is None):
                left.remove(proxy)
            elif service is None or service.endpoints:
                left.remove(proxy)
                logger.info("%s is served at %s", proxy.id, proxy.hostname + (proxy.prefix or "/"))
        await mesh.changed()
