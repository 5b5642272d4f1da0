"""Calls the other workers of the same service, each at its own endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pywatt.errors import ConnectFailed, MeshError
from pywatt.http.client.address import UnixAddress
from pywatt.http.client.call import Response
from pywatt.http.client.client import HttpClient
from pywatt.service_type import ServiceContext
from pywatt_services.kafka_hooks.http.responses import HttpResponse

ASK_LIMIT = 2.0
"""Seconds for a GET."""
POST_LIMIT = 15.0
"""Seconds for a POST that has a record written, which takes its time when the brokers are slow."""
UNIX = "unix:"
CLOSE = b"connection: close\r\n"
"""Every call gets a connection of its own: one that cannot be opened shows that the peer has ended."""


async def ask_peers(context: ServiceContext, target: str) -> Sequence[bytes]:
    """Return the bodies of the peers' responses to `GET target`; a response other than 200 is left out."""
    service = context.table.services.get(context.service.id)
    own = context.endpoint.getsockname()
    paths = [
        endpoint.address.removeprefix(UNIX)
        for endpoint in (service.endpoints if service is not None else ())
        if endpoint.address.startswith(UNIX) and endpoint.address.removeprefix(UNIX) != own
    ]
    bodies = await asyncio.gather(*(_ask(context.mesh, path, target) for path in paths))
    return [body for body in bodies if body is not None]


async def _ask(client: HttpClient, path: str, target: str) -> bytes | None:
    try:
        response = await _call(client, "GET", path, target, timeout=ASK_LIMIT)
    except MeshError:
        return None  # it is ending, or new
    return response.body if response.status == 200 else None


class UnreachablePeer(Exception):
    """No worker listens there: nothing was sent."""


class PeerWorkers:
    """Posts to the other workers over a worker's HTTP client."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def post(self, path: str, target: str, body: bytes) -> HttpResponse | None:
        """Return a peer's response to `POST target`; None when it breaks off. Raises UnreachablePeer."""
        try:
            response = await _call(self._client, "POST", path, target, body, timeout=POST_LIMIT)
        except ConnectFailed as error:
            raise UnreachablePeer(path) from error
        except MeshError:
            return None
        headers = [header for header in response.headers if header[0] != b"date"]
        return HttpResponse(response.status, headers, response.body)


async def _call(
    client: HttpClient, method: str, path: str, target: str, body: bytes = b"", *, timeout: float
) -> Response:
    url = f"http://sibling{target}"
    return await client.request(method, url, address=UnixAddress(path), lines=CLOSE, body=body, timeout=timeout)
