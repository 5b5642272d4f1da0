"""An exchange that serves a file.

Files are opened and read in threads, piece by piece, as fast as the client takes them.
"""

from __future__ import annotations

import asyncio
import logging
from email.utils import formatdate
from functools import partial
from typing import ClassVar, cast

from pywatt.errors import ConnectionLost
from pywatt.http.client.connection import ClientConnection
from pywatt.http.headers import Header, Headers
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.local.local_exchange import LocalExchange
from pywatt_services.gateway.forwarding import outer_prefix
from pywatt_services.gateway.local_answers.conditions import Part, selected_part
from pywatt_services.gateway.local_answers.content_types import accepted_codings
from pywatt_services.gateway.local_answers.file_path import segments
from pywatt_services.gateway.local_answers.open_file import Found, OpenFile, find
from pywatt_services.gateway.local_answers.options import StaticOptions
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import CONNECTING

PIECE = 128 * 1024
"""Bytes that are read at a time."""
METHODS = (b"GET", b"HEAD")
ALLOW: Header = (b"allow", b"GET, HEAD")

logger = logging.getLogger("pywatt.gateway")


class StaticExchange(LocalExchange):
    """Answers with a file of a folder."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    files: ClassVar[StaticOptions]

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Look for the file."""
        self._request_ended = ended
        self.client = client
        request, options = self._request, self.files
        if request.method not in METHODS:
            self._respond_error(405, f"files are only read here, and {request.method.decode()} is not", ALLOW)
            return
        if client.trusted:
            self._base_path = outer_prefix(request) + self._base_path
        rest = path[len(self._route.prefix) :]
        names = segments(rest, dotfiles=options.dotfiles)
        if names is None:
            self._not_found()
            return
        page = bool(options.fallback) and _accepts_html(request.headers)
        codings = accepted_codings(request.headers) if options.precompressed else []
        in_parts = request.method != b"GET" or any(name.lower() == b"range" for name, _ in request.headers)
        look = partial(find, options, names, folder=rest.endswith(b"/"), page=page, codings=codings)
        looking = asyncio.get_running_loop().run_in_executor(None, partial(look, read=0 if in_parts else PIECE))
        looking.add_done_callback(lambda done: self._found(done, path))

    def _found(self, looking: asyncio.Future[Found], path: bytes) -> None:
        if self.state is not CONNECTING:
            # The client is gone.
            if not looking.cancelled() and looking.exception() is None and (left := looking.result().file) is not None:
                left.close()
            return
        error = looking.exception()
        if error is not None:
            logger.warning("%s: %s cannot be read: %s", self._route.id, path.decode("latin-1"), error)
            self._respond_error(500, "the file cannot be read")
            return
        found = looking.result()
        if found.is_folder:
            self._respond(308, [(b"location", self._base_path + path + b"/" + self._request.query)])
        elif found.file is None:
            self._not_found()
        else:
            self._serve(found.file, found.beginning)

    def _serve(self, file: OpenFile, beginning: bytes) -> None:
        part = selected_part(self._request.headers, file.selected, ranges=self._request.method == b"GET")
        headers = self._headers(file, part)
        body = beginning[part.start : part.start + part.length]
        if self._request.method == b"HEAD" or len(body) == part.length:
            file.close()
            self._respond(part.status, headers, body, length=part.length)
            return
        rest = FileBody(self, file, part.start + len(body), part.length - len(body))
        # It stands for the connection to a service: it is paused, resumed and given up as one.
        self._connection = cast(ClientConnection, rest)
        self._respond(part.status, headers, body, length=part.length, ended=False)
        rest.read_on()

    def _headers(self, file: OpenFile, part: Part) -> list[Header]:
        selected, options = file.selected, self.files
        headers: list[Header] = [(b"etag", selected.etag)]
        if part.status < 400:
            headers.append((b"last-modified", formatdate(selected.modified, usegmt=True).encode()))
            headers.append((b"accept-ranges", b"bytes"))
            if options.cache_control:
                headers.append((b"cache-control", options.cache_control.encode()))
        if part.status in (200, 206):
            headers.append((b"content-type", file.content_type))
            if file.coding:
                headers.append((b"content-encoding", file.coding.encode()))
        if file.varies:
            headers.append((b"vary", b"Accept-Encoding"))
        if part.status == 206:
            end = part.start + part.length - 1
            headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, end, selected.size)))
        elif part.status == 416:
            headers.append((b"content-range", b"bytes */%d" % selected.size))
        return headers

    def _not_found(self) -> None:
        self._respond_error(404, "there is no such file")


class FileBody:
    """The rest of a file that is being sent; closes it."""

    __slots__ = ("_closed", "_exchange", "_file", "_left", "_paused", "_position", "_reading")

    def __init__(self, exchange: ProxyExchange, file: OpenFile, position: int, left: int) -> None:
        self._exchange = exchange
        self._file = file
        self._position = position
        self._left = left
        self._paused = False
        self._reading = False
        self._closed = False

    def pause_reading(self) -> None:
        """Wait for a slow client."""
        self._paused = True

    def resume_reading(self) -> None:
        """Go on."""
        self._paused = False
        self.read_on()

    def abandon(self) -> None:
        """Close the file: the client is gone."""
        self._close()

    def read_on(self) -> None:
        """Read the next piece, unless the client is slow."""
        if not (self._paused or self._reading or self._closed):
            self._reading = True
            reading = asyncio.get_running_loop().run_in_executor(
                None, self._file.read, self._position, min(PIECE, self._left)
            )
            reading.add_done_callback(self._came)

    def _came(self, reading: asyncio.Future[bytes]) -> None:
        self._reading = False
        if self._closed:
            self._file.close()
            return
        error = None if reading.cancelled() else reading.exception()
        piece = b"" if reading.cancelled() or error is not None else reading.result()
        if not piece:  # the file became shorter, or cannot be read any more
            self._close()
            self._exchange.on_failure(ConnectionLost(f"a file could not be sent to its end ({error})"), False)
            return
        self._position += len(piece)
        self._left -= len(piece)
        if not self._left:
            self._close()
        self._exchange.on_body(piece, not self._left)
        self.read_on()

    def _close(self) -> None:
        """Close the file; one that is being read is closed after that: its number may serve another file then."""
        if not self._closed:
            self._closed = True
            if not self._reading:
                self._file.close()


def static_exchange(options: StaticOptions) -> type[ProxyExchange]:
    """Return the class of exchanges that serve these files."""
    return cast("type[ProxyExchange]", type("StaticExchange", (StaticExchange,), {"files": options}))


def _accepts_html(headers: Headers) -> bool:
    return any(name.lower() == b"accept" and b"text/html" in value.lower() for name, value in headers)
