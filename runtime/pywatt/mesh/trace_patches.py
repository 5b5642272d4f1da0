"""Patches HTTP clients in user code, so that calls to `http://<id>.plt.local` carry the trace of their request, and are
counted where the app has metrics.

http.client (urllib, and requests by urllib3), httpx and aiohttp. A `traceparent` that a request has already is left as
it is: the user, or an instrumentation of OpenTelemetry's, has set it.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pywatt.mesh.import_hook import on_import
from pywatt.mesh.resolver import mesh_id
from pywatt.telemetry.outgoing import OutgoingCall, begin_call, has_trace

_CALL = "_pywatt_call"
"""Attribute of a client's object that has the call."""


def install() -> None:
    """Patch each client now or as soon as it is imported."""
    on_import("http.client", _adapt_http_client)
    on_import("httpx._transports.default", _adapt_httpx)
    on_import("aiohttp.client_reqrep", _adapt_aiohttp)


def _adapt_http_client(module: Any) -> None:
    connection = module.HTTPConnection
    putrequest, endheaders, getresponse = connection.putrequest, connection.endheaders, connection.getresponse

    def putrequest_noting(self: Any, method: str, url: str, *args: Any, **options: Any) -> Any:
        self.__dict__.pop(_CALL, None)
        result = putrequest(self, method, url, *args, **options)
        if mesh_id(self.host) is not None:
            setattr(self, _CALL, (method, url))
        return result

    def endheaders_with_trace(self: Any, *args: Any, **options: Any) -> Any:
        noted = self.__dict__.pop(_CALL, None)
        if noted is None:
            return endheaders(self, *args, **options)
        names = [line.partition(b":")[0] for line in getattr(self, "_buffer", ()) if isinstance(line, bytes)]
        method, url = noted
        call = begin_call(method, self.host, url, is_traced=has_trace(names))
        for name, value in call.headers():
            self.putheader(name, value)
        setattr(self, _CALL, call)
        try:
            return endheaders(self, *args, **options)
        except BaseException as error:
            call.failed(error)
            self.__dict__.pop(_CALL, None)
            raise

    def getresponse_noting(self: Any, *args: Any, **options: Any) -> Any:
        call: OutgoingCall | None = self.__dict__.pop(_CALL, None)
        if call is None:
            return getresponse(self, *args, **options)
        try:
            response = getresponse(self, *args, **options)
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(response.status)
        return response

    connection.putrequest, connection.endheaders = putrequest_noting, endheaders_with_trace
    connection.getresponse = getresponse_noting


def _adapt_httpx(module: Any) -> None:
    handle, handle_async = module.HTTPTransport.handle_request, module.AsyncHTTPTransport.handle_async_request

    def handle_with_trace(self: Any, request: Any) -> Any:
        host = request.url.host
        if mesh_id(host) is None:
            return handle(self, request)
        path = request.url.raw_path.decode("latin-1")
        call = begin_call(request.method, host, path, is_traced=has_trace(request.headers))
        request.headers.update(call.headers())
        try:
            response = handle(self, request)
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(response.status_code)
        return response

    async def handle_async_with_trace(self: Any, request: Any) -> Any:
        host = request.url.host
        if mesh_id(host) is None:
            return await handle_async(self, request)
        path = request.url.raw_path.decode("latin-1")
        call = begin_call(request.method, host, path, is_traced=has_trace(request.headers))
        request.headers.update(call.headers())
        try:
            response = await handle_async(self, request)
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(response.status_code)
        return response

    module.HTTPTransport.handle_request = handle_with_trace
    module.AsyncHTTPTransport.handle_async_request = handle_async_with_trace


def _adapt_aiohttp(module: ModuleType) -> None:
    request_class, response_class = module.ClientRequest, module.ClientResponse
    send, start = request_class.send, response_class.start

    async def send_with_trace(self: Any, conn: Any) -> Any:
        host = self.url.host
        if mesh_id(host) is None:
            return await send(self, conn)
        call = begin_call(self.method, host, self.url.raw_path_qs, is_traced=has_trace(self.headers))
        self.headers.update(call.headers())
        try:
            response = await send(self, conn)
        except BaseException as error:
            call.failed(error)
            raise
        setattr(response, _CALL, call)
        return response

    async def start_noting(self: Any, connection: Any) -> Any:
        call: OutgoingCall | None = self.__dict__.pop(_CALL, None)
        if call is None:
            return await start(self, connection)
        try:
            result = await start(self, connection)
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(self.status)
        return result

    request_class.send, response_class.start = send_with_trace, start_noting
