"""Asks the other workers of the same service, each at its own endpoint: whoever asks one of them means all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pywatt.service_type import ServiceContext
from pywatt_services.kafka_hooks.http.responses import HttpResponse

ASK_LIMIT = 2.0  # seconds for all of them
POST_LIMIT = 15.0  # seconds for one that has a record written, which takes its time when the brokers are slow
OF_THE_CONNECTION = frozenset({b"connection", b"content-length", b"date", b"keep-alive"})
UNIX = "unix:"


async def ask_peers(context: ServiceContext, target: str) -> Sequence[bytes]:
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


class UnreachablePeer(Exception):
    """Nobody listens there: what was to be sent was not."""


async def post(path: str, target: str, body: bytes) -> HttpResponse | None:
    """Return what a sibling answers to `POST target`; None when it breaks off. Raises UnreachablePeer."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        raise UnreachablePeer(path) from error
    try:
        async with asyncio.timeout(POST_LIMIT):
            lines = (
                f"POST {target} HTTP/1.1\r\nhost: sibling\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            writer.write(lines.encode() + body)
            answer = await reader.read(-1)
    except (OSError, TimeoutError):
        return None
    finally:
        writer.close()
    return _answer(answer)


def _answer(message: bytes) -> HttpResponse | None:
    """Return an answer that one of us wrote, if it is complete."""
    head, end, body = message.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    if not end or int(dict(fields).get(b"content-length", b"0")) != len(body):
        return None
    return HttpResponse(
        int(start.split(b" ")[1]), [field for field in fields if field[0] not in OF_THE_CONNECTION], body
    )
