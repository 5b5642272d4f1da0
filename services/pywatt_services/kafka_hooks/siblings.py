"""Asks the other workers of the same service, each at its own endpoint: whoever asks one of them means all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pywatt.service_type import ServiceContext

ASK_LIMIT = 2.0  # seconds for all of them
UNIX = "unix:"


async def ask_siblings(context: ServiceContext, target: str) -> Sequence[bytes]:
    """Return the bodies of what the others answer to `GET target`; of those that do not answer 200, nothing."""
    service = context.table.services.get(context.service.id)
    own = context.endpoint.getsockname()
    paths = [
        endpoint.address.removeprefix(UNIX)
        for endpoint in (service.endpoints if service is not None else ())
        if endpoint.address.startswith(UNIX) and endpoint.address.removeprefix(UNIX) != own
    ]
    answers = await asyncio.gather(*(_ask(path, target) for path in paths))
    return [body for body in answers if body is not None]


async def _ask(path: str, target: str) -> bytes | None:
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(ASK_LIMIT):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(f"GET {target} HTTP/1.1\r\nhost: sibling\r\nconnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    except (OSError, TimeoutError):
        return None  # it is ending, or new
    finally:
        if writer is not None:
            writer.close()
    return body if head.startswith(b"HTTP/1.1 200 ") else None
