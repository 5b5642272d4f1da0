"""Calls the user's functions for requests and responses; what goes wrong in them concerns one request only."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from pywatt.errors import StartError
from pywatt.gateway import Headers as UserHeaders
from pywatt.gateway import Request, Response
from pywatt.http.headers import HOP_BY_HOP, Header, check_header
from pywatt_services.gateway.policies.verdict import Answer, Later, PolicyRequest, Verdict, refusal

logger = logging.getLogger("pywatt.gateway")

Function = Callable[..., Any]
_OURS = HOP_BY_HOP | {b"content-length"}
THREADS = 8
"""For the calls of one function that is not `async`; further ones wait, within their time."""
STATUSES = range(200, 600)
WITHOUT_BODY = (204, 205, 304)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomOptions:
    """The user's functions, as `module:function`."""

    request: str | None = None
    response: str | None = None
    timeout: float = 5.0
    """Seconds that each call may take."""


def read_custom(document: Mapping[str, Any]) -> CustomOptions:
    """Read the block."""
    return CustomOptions(
        request=document.get("request"),
        response=document.get("response"),
        timeout=document.get("timeout", 5000) / 1000,
    )


class HookFailed(Exception):
    """A function that raised, took too long, or returned what cannot be sent: the reason."""


def load_function(target: str, folder: Path) -> Function:
    """Import a function. `folder`: of the gateway, whose modules come first.

    Raises StartError, and whatever the import raises.
    """
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module, _, attribute = target.partition(":")
    try:
        found = attrgetter(attribute)(importlib.import_module(module))
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0] and error.name != module:
            raise
        raise StartError(f"there is no module {error.name!r} in {folder}", hint="correct proxy.custom") from None
    except AttributeError as error:
        raise StartError(f"{target}: {error}", hint='correct proxy.custom: "module:function"') from None
    if not callable(found):
        raise StartError(f"{target} is no function: it is {found!r}", hint="correct proxy.custom")
    return found  # type: ignore[no-any-return]


class Hook:
    """A user's function with its limits: `async def` runs in the event loop, any other in a thread."""

    def __init__(self, target: str, function: Function, timeout: float) -> None:
        """`timeout`: seconds."""
        self._target = target
        self._function = function
        self._timeout = timeout
        is_async = inspect.iscoroutinefunction(function)
        self._threads = None if is_async else ThreadPoolExecutor(THREADS, "custom")

    async def call(self, *arguments: Any) -> Any:
        """Call the function. Raises HookFailed."""
        try:
            async with asyncio.timeout(self._timeout):
                if self._threads is None:
                    return await self._function(*arguments)
                call = partial(copy_context().run, self._function, *arguments)
                returned = await asyncio.get_running_loop().run_in_executor(self._threads, call)
                return await returned if inspect.isawaitable(returned) else returned
        except TimeoutError as error:
            raise HookFailed(f"{self._target} took more than {self._timeout:g} s") from error
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # SystemExit in one of them would end the worker.
            raise HookFailed(f"{self._target} raised {type(error).__name__}: {error}") from error


class RequestHook:
    """Asks the user's function about each request."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def check(self, request: PolicyRequest) -> Later:
        """Return the answer that the function gives in place of the service, if it gives one."""
        return Later(partial(self._check, request))

    async def _check(self, request: PolicyRequest) -> Verdict:
        shown = user_request(request)
        try:
            returned = await self._hook.call(shown)
            if returned is None:
                request.head.headers = checked(shown.headers)
                return None
            return answer_of(returned)
        except HookFailed as error:
            logger.error("%s", error, exc_info=error.__cause__)
            return refusal(500, "the gateway could not decide on the request")


def user_request(request: PolicyRequest) -> Request:
    """Return a request as users see it."""
    head = request.head
    return Request(
        method=head.method.decode("latin-1"),
        path=head.path.decode("latin-1"),
        query=head.query.removeprefix(b"?").decode("latin-1"),
        host=head.authority.decode("latin-1"),
        client=request.ip.decode("latin-1"),
        headers=UserHeaders.decoded(head.headers),
        claims=request.claims,
    )


def answer_of(response: object) -> Answer:
    """Return the answer that a function gave. Raises HookFailed for something that cannot be sent."""
    if not isinstance(response, Response):
        raise HookFailed(f"it returned {response!r:.100}, and not None or a pywatt.gateway.Response")
    body: object = response.body.encode() if isinstance(response.body, str) else response.body
    if not isinstance(body, bytes) or (body and response.status in WITHOUT_BODY):
        raise HookFailed(f"the status {response.status} cannot have the body {body!r:.100}")
    return Answer(_status(response), checked(response.headers), body)


def checked(headers: UserHeaders) -> list[Header]:
    """Return headers as bytes, without those of the connection. Raises HookFailed for some that break their lines."""
    try:
        encoded = headers.encoded()
        for name, value in encoded:
            check_header(name, value)
    except (ValueError, AttributeError, TypeError) as error:
        raise HookFailed(f"its headers cannot be sent: {error}") from error
    return [(name, value) for name, value in encoded if name.lower() not in _OURS]


def changed_status(response: Response, before: int) -> int:
    """Return the status of a service's response that a function has seen. Raises HookFailed."""
    status = _status(response)
    if status != before and (status in WITHOUT_BODY or before in WITHOUT_BODY):
        raise HookFailed(f"the status {before} of a response cannot become {status}")
    return status


def _status(response: Response) -> int:
    if type(response.status) is not int or response.status not in STATUSES:
        raise HookFailed(f"{response.status!r:.100} is no status of a response")
    return response.status
