"""Asks the upstreams outside the app regularly whether they are well."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable

from pywatt.errors import MeshError
from pywatt.http.client.address import TcpAddress
from pywatt.http.client.get_status import get_status
from pywatt_services.gateway.upstreams.options import HealthCheck
from pywatt_services.gateway.upstreams.upstream import Upstream

logger = logging.getLogger("pywatt.gateway")


class HealthState:
    """The verdict of the answers to the checks of one upstream (pure)."""

    def __init__(self, options: HealthCheck) -> None:
        self._options = options
        self._streak = 0
        self._last = True
        self.healthy = True
        """True until checks fail: a gateway that has just started must not refuse everything."""

    def answered(self, passed: bool) -> bool:
        """Note an answer; return whether the verdict changes."""
        self._streak = self._streak + 1 if passed is self._last else 1
        self._last = passed
        needed = self._options.success_threshold if passed else self._options.failure_threshold
        if passed is self.healthy or self._streak < needed:
            return False
        self.healthy = passed
        return True


def checked(upstreams: Iterable[Upstream]) -> list[Upstream]:
    """Return the upstreams that have health checks; services of the app have probes of their own."""
    return [each for each in upstreams if each.health_check is not None and isinstance(each.destination, TcpAddress)]


async def check_health(upstreams: Iterable[Upstream]) -> None:
    """Check these upstreams until the task is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        context: ssl.SSLContext | None = None
        for upstream in upstreams:
            address, options = upstream.destination, upstream.health_check
            assert isinstance(address, TcpAddress)
            assert options is not None
            if address.tls and context is None:
                context = ssl.create_default_context()
            tasks.create_task(_check(upstream, address, options, context))


async def _check(upstream: Upstream, address: TcpAddress, options: HealthCheck, tls: ssl.SSLContext | None) -> None:
    state = HealthState(options)
    while True:
        problem = await _problem(upstream, address, options, tls)
        if state.answered(not problem):
            upstream.healthy = state.healthy
            if state.healthy:
                logger.info("the upstream %s is healthy again", upstream.name)
            else:
                logger.warning("the upstream %s gets no requests: %s", upstream.name, problem)
        await asyncio.sleep(options.interval)


async def _problem(upstream: Upstream, address: TcpAddress, options: HealthCheck, tls: ssl.SSLContext | None) -> str:
    try:
        async with asyncio.timeout(options.timeout):
            status = await get_status(address, upstream.authority, options.path, tls=tls)
    except TimeoutError:
        return f"no answer to {options.path} within {options.timeout:g} s"
    except (OSError, MeshError) as error:
        return str(error)
    return "" if 200 <= status < 400 else f"{options.path} was answered {status}"
