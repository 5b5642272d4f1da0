"""Detection of ASGI and WSGI applications."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from quart import Quart
from starlette.applications import Starlette

from pywatt.errors import StartError
from pywatt_services.python.application import interface_of
from pywatt_services.python.options import Interface


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def sync_asgi(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


async def configured(settings: Any, scope: Any, receive: Any, send: Any) -> None: ...


def configured_wsgi(settings: Any, environ: Any, start_response: Any) -> list[bytes]:
    return []


def anything(inner: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return call


async def anything_async(*args: Any) -> None: ...


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class AsgiVariadicObject:
    async def __call__(self, *args: Any) -> None: ...


class AsgiClass:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> Iterator[None]:
        yield


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Iterator[bytes]:
        yield b""


class WrappedFlask:
    wsgi_app = Flask("wrapped")

    def __call__(self, *args: Any) -> Any:
        return self.wsgi_app(*args)


def kind_and_name(app: object) -> str:
    """Return an id that is the same in every process, unlike repr with its addresses."""
    return f"{type(app).__name__}-{getattr(app, '__name__', '')}"


@pytest.mark.parametrize(
    "app",
    [
        asgi,
        sync_asgi,
        functools.partial(configured, {}),
        functools.wraps(asgi)(anything(asgi)),
        anything_async,
        AsgiObject(),
        AsgiObject().__call__,
        AsgiVariadicObject(),
        AsgiClass,
        Starlette(),
        FastAPI(),
        Quart("q"),
    ],
    ids=kind_and_name,
)
def test_asgi(app: object) -> None:
    assert interface_of(app, "it") is Interface.ASGI


@pytest.mark.parametrize(
    "app",
    [
        wsgi,
        functools.partial(configured_wsgi, {}),
        functools.wraps(wsgi)(anything(wsgi)),
        WsgiClass,
        WrappedFlask(),
        Flask("f"),
        Flask("f").wsgi_app,
    ],
    ids=kind_and_name,
)
def test_wsgi(app: object) -> None:
    assert interface_of(app, "it") is Interface.WSGI


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (anything(wsgi), "cannot tell whether it is ASGI or WSGI"),
        (lambda scope: scope, "ASGI 2"),
        (lambda a, b, c, d: None, "takes neither"),
        (lambda: None, "takes neither"),
        ("app", "no application: it is 'app'"),
        (None, "no application: it is None"),
    ],
)
def test_what_is_neither(app: object, message: str) -> None:
    with pytest.raises(StartError, match=message):
        interface_of(app, "it")
