"""Adapts Django's static files: their public URL, and in development the files themselves."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from typing import Any
from urllib.parse import urlsplit

from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.worker.asgi.lifespan import Application, Receive, Scope, Send

logger = pywatt_logger("pywatt.python")


def at_home(app: Application, *, prefix: str, production: bool) -> Application:
    """Return a Django application adapted to its public path; any other application unchanged.

    `prefix`: the public path. Django remembers STATIC_URL as it was when somebody first asked: that has to be with the
    prefix. In development the static files are served too, as `runserver` does.
    """
    if "django.conf" not in sys.modules:
        return app
    from django.apps import apps
    from django.conf import settings

    if not settings.configured or not apps.ready or not apps.is_installed("django.contrib.staticfiles"):
        return app
    url = urlsplit(_static_url(settings, prefix))
    if production or not settings.DEBUG or url.netloc or not url.path.startswith("/"):
        return app
    return _serving_static(app, url.path, url.path.removeprefix(prefix.rstrip("/")))


def _static_url(settings: Any, prefix: str) -> str:
    """Put the prefix in front of Django's STATIC_URL, and return the result."""
    from django.urls import get_script_prefix, set_script_prefix

    before = get_script_prefix()
    if settings.FORCE_SCRIPT_NAME is None:
        set_script_prefix(f"{prefix.rstrip('/')}/")
    try:
        url: str = settings.STATIC_URL or ""
    finally:
        set_script_prefix(before)
    if prefix != "/" and url.startswith("/") and not url.startswith(f"{prefix}/"):
        logger.warning(
            "STATIC_URL %r begins with a slash: Django puts no %s in front, so browsers look elsewhere (fix: write %r)",
            url,
            prefix,
            url.lstrip("/"),
        )
    return url


def _serving_static(app: Application, public: str, own: str) -> Application:
    """Return an application that also serves the files of `django.contrib.staticfiles`.

    They are below a path of its own, and below the public one: pages at a host name of the service lead there as well.
    """
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
    from django.contrib.staticfiles.views import serve

    class StaticFiles(ASGIStaticFilesHandler):  # type: ignore[misc]  # Django has no types
        """Looks for files by paths without the prefix."""

        def get_base_url(self) -> str:
            return own

        def serve(self, request: Any) -> Any:
            path: str = request.path_info
            found = self.file_path(own + path.removeprefix(public) if path.startswith(public) else path)
            return serve(request, found, insecure=True)

    files = StaticFiles(app)

    def asgi(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"].removeprefix(scope["root_path"]).startswith((own, public)):
            # Past its own __call__, which compares the whole path.
            return super(ASGIStaticFilesHandler, files).__call__(scope, receive, send)  # type: ignore[no-any-return]
        return app(scope, receive, send)

    return asgi
