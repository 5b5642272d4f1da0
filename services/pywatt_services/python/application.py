"""Imports the application and detects its interface."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from pywatt.errors import StartError
from pywatt.worker.asgi.lifespan import Application
from pywatt_services.python.detect import NAMES
from pywatt_services.python.options import Interface, PythonOptions

if TYPE_CHECKING:
    from pywatt.worker.wsgi.response import WsgiApplication

FACTORY = "create_app"
MAIN = "main"


@dataclass(frozen=True, slots=True)
class AsgiApplication:
    """An ASGI application."""

    app: Application


@dataclass(frozen=True, slots=True)
class MainFunction:
    """A coroutine function that is the whole service."""

    main: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class AsyncFactory:
    """A factory that creates the application in the event loop."""

    make: Callable[[], Awaitable[object]]
    where: str
    options: PythonOptions

    async def made(self) -> AsgiApplication:
        """Return the application. Raises any error of the factory, StartError."""
        return _application(await self.make(), self.where, self.options)


def load_application(options: PythonOptions) -> AsgiApplication | MainFunction | AsyncFactory:
    """Import the module and return what it holds; no event loop may run meanwhile, or the module could not run one.

    Raises what the import raises, StartError.
    """
    target, name = _find(_imported(options.module), options)
    where = f"{options.module}:{name}"
    interface = options.interface
    if not callable(target):
        raise StartError(f"{where} is no application: it is {target!r}", hint="name another one in python.module")
    if name == FACTORY or _needs_nothing(target):
        if inspect.iscoroutinefunction(target) and name != FACTORY and interface in (Interface.AUTO, Interface.MAIN):
            return MainFunction(target)
        if name == MAIN:
            raise StartError(
                f"{where} must be `async def {MAIN}()`", hint='or run it as a program: a "command" service'
            )
        where = f"what {where}() returned"
        if inspect.iscoroutinefunction(target):
            return AsyncFactory(target, where, options)
        made: Any = target()
        if inspect.isawaitable(made):
            return AsyncFactory(lambda: made, where, options)
        target = made
    return _application(target, where, options)


def _imported(name: str) -> ModuleType:
    """Import the module. Raises any error of the import; StartError if the module itself is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        where = f"in {Path.cwd()} or among the installed packages"
        raise StartError(f"there is no module {error.name!r} {where}", hint="correct python.module") from None


def _application(target: Any, where: str, options: PythonOptions) -> AsgiApplication:
    interface = options.interface
    if interface is Interface.AUTO:
        interface = interface_of(target, where)
    if interface is Interface.MAIN:
        raise StartError(f"{where} is no coroutine function without parameters, as python.interface says")
    if interface is Interface.WSGI:
        return AsgiApplication(_from_wsgi(target, options.threads))
    return AsgiApplication(cast("Application", target))


def interface_of(app: object, where: str) -> Interface:
    """Return whether an object has the interface of ASGI 3 or of WSGI. Raises StartError if that is not clear."""
    if not callable(app):
        raise StartError(f"{where} is no application: it is {app!r}")
    two, three = _takes(app, 2), _takes(app, 3)
    if three and not two:
        return Interface.ASGI
    if two and not three:
        return Interface.WSGI
    if three:
        # It takes anything, as decorators do: what else it is decides.
        if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
            return Interface.ASGI
        if hasattr(app, "wsgi_app"):
            return Interface.WSGI
        if hasattr(app, "asgi_app"):
            return Interface.ASGI
        raise StartError(
            f"cannot tell whether {where} is ASGI or WSGI", hint='say {"python": {"interface": "asgi"}}, or "wsgi"'
        )
    if _takes(app, 1):
        raise StartError(f"{where} looks like ASGI 2, which is not supported", hint="wrap it: asgiref.compatibility")
    raise StartError(f"{where} takes neither (scope, receive, send) nor (environ, start_response)")


def _find(module: object, options: PythonOptions) -> tuple[Any, str]:
    if options.attribute is None:
        for name in NAMES:
            if hasattr(module, name):
                return getattr(module, name), name
        raise StartError(
            f"the module {options.module} has none of {', '.join(NAMES)}", hint='python.module: "module:attribute"'
        )
    target: Any = module
    for part in options.attribute.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            raise StartError(
                f"the module {options.module} has no attribute {options.attribute!r}", hint="correct python.module"
            ) from None
    return target, options.attribute


def _needs_nothing(target: Callable[..., object]) -> bool:
    """Return whether it is a function without required arguments, which an application is not."""
    if inspect.isclass(target) or not _takes(target, 0):
        return False
    return not any(it.kind is it.VAR_POSITIONAL for it in inspect.signature(target).parameters.values())


def _takes(target: Callable[..., object], count: int) -> bool:
    """Return whether it accepts that number of positional arguments; False if unknown."""
    try:
        inspect.signature(target).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def _from_wsgi(app: object, threads: int) -> Application:
    from pywatt.worker.wsgi.asgi_adapter import AsgiAdapter

    return AsgiAdapter(cast("WsgiApplication", app), threads=threads)
