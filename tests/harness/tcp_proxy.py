"""A TCP proxy with a network that the test can cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK = 65536


class TcpProxy:
    """Passes bytes between its port and a server's."""

    def __init__(self) -> None:
        self.port = 0
        self._target = ("127.0.0.1", 0)
        self._open = asyncio.Event()
        self._open.set()
        self._connections: set[asyncio.StreamWriter] = set()

    def leads_to(self, port: int) -> None:
        """Set the server's address."""
        self._target = ("127.0.0.1", port)

    def cut(self) -> None:
        """Break all connections; new ones are accepted but not forwarded until `mend`."""
        self._open.clear()
        for writer in self._connections:
            writer.transport.abort()

    def mend(self) -> None:
        """Forward bytes again."""
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        self._connections.add(writer)
        try:
            await self._open.wait()
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            self._connections.add(there_writer)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_carry(reader, there_writer))
                    tasks.create_task(_carry(there_reader, writer))
            finally:
                there_writer.close()
                self._connections.discard(there_writer)
        except OSError:
            pass  # the server is away: so is this connection
        finally:
            writer.close()
            self._connections.discard(writer)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward one direction until its end, which also ends the other one."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def tcp_proxy() -> AsyncIterator[TcpProxy]:
    """Run a proxy on a free loopback port."""
    proxy = TcpProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        proxy.mend()
