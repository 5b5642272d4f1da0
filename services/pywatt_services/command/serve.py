"""Runs a program in a worker, which represents it to pywatt and holds the service's sockets."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NoReturn

from pywatt.errors import ServiceFailed
from pywatt.service_type import ServiceContext
from pywatt.telemetry.settings import service_variables
from pywatt_services.command.connection_relay import relaying
from pywatt_services.command.listening import Address, listening_addresses
from pywatt_services.command.options import CommandOptions
from pywatt_services.command.program import Program, running
from pywatt_services.command.readiness import free_port, is_taken, wait_until_ready

HOST = "127.0.0.1"
STOP_SHARE = 0.9
"""Share of a stop's limit after which a program that has not ended is killed, before the worker itself is."""
FLUSH_LIMIT = 0.5
"""Seconds for the last bytes of an ended program to reach their clients."""


async def serve(options: CommandOptions, context: ServiceContext) -> None:
    """Run the program until asked to stop. Raises an ExceptionGroup with ServiceFailed if it fails."""
    port = _port(options, context) if options.http else None
    env = {**context.env, **options.env}
    env |= service_variables(context.service.telemetry, env, app=context.app_name, service=context.service.id)
    if port is not None:
        env |= {"HOST": HOST, "PORT": str(port)}
    async with running(options, env, context.service) as program, asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(_fail_at_end(program, context.service.id))
        if port is None:
            await context.ready(http=False)
            request = await context.stop_requested()
            watch.cancel()
            await program.stop(request.timeout * STOP_SHARE)
        else:
            started = wait_until_ready(
                Address(HOST, port),
                options.probe,
                name=program.name,
                listening=partial(listening_addresses, program.pid),
            )
            starting, stopping = tasks.create_task(started), tasks.create_task(context.stop_requested())
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await _lead(program, starting.result(), context, watch)
            else:
                starting.cancel()
                watch.cancel()
                await program.stop(stopping.result().timeout * STOP_SHARE)


async def _lead(program: Program, address: Address, context: ServiceContext, watch: asyncio.Task[NoReturn]) -> None:
    # Callers inside the app go to the program itself; its stand-in serves those who know only the service's address.
    async with relaying(address, context.loopback, context.public) as relay:
        await context.ready(address=f"tcp:{address}")
        request = await context.stop_requested()
        watch.cancel()
        relay.stop_accepting()
        await program.stop(request.timeout * STOP_SHARE)
        await relay.flushed(FLUSH_LIMIT)


async def _fail_at_end(program: Program, service: str) -> NoReturn:
    await program.ended.wait()
    raise ServiceFailed(service, program.outcome)


def _port(options: CommandOptions, context: ServiceContext) -> int:
    if options.port is None:
        return free_port()
    if is_taken(options.port):
        raise ServiceFailed(
            context.service.id,
            f"port {options.port} (command.port) is taken",
            hint="a service with a fixed port has one worker, and no second one at a reload",
        )
    return options.port
