"""The client of a schema registry: its address, login, TLS and cache. Its requests are never made in an event loop."""

from __future__ import annotations

import importlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from pywatt_kafka.errors import ClientClosed, KafkaError, KafkaUnavailable, MissingDependency, NotAuthorized
from pywatt_kafka.security.options import Tls

URL_VARIABLE = "SCHEMA_REGISTRY_URL"
DEFAULTS: Mapping[str, Any] = {"timeout": 10, "max.retries": 2, "retries.wait.ms": 200, "retries.max.wait.ms": 2000}
"""Seconds without an answer, and retries: a registry that is away is known to be so after a few seconds."""
REFUSED = (401, 403)
TRY_LATER = (408, 429)
SERVER_ERROR = 500


class CacheMiss(BaseException):
    """The registry must be asked, which this thread may not do; passes `except Exception` of the library."""


class SchemaRegistry:
    """A schema registry with Confluent's API, and a cache of its schemas that the serdes of this object share.

        registry = SchemaRegistry("https://registry:8081", username="orders", password=...)
        order = Avro(registry, schema, Order)

    `mock://name` is a registry inside this object, for tests. `close` it, or use it as a context manager, to end its
    connections; they also end with the object.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        username: str | None = None,
        password: str = "",
        token: str | Callable[[], str] | None = None,
        tls: Tls | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """`url`: one address or several, separated by commas; None: the variable `SCHEMA_REGISTRY_URL`.

        `token`: a bearer token, or a function that returns one, which is called in a thread for each request. `tls`
        None: the authorities of the system. `options`: those of confluent_kafka's SchemaRegistryClient, which go before
        all others. Raises MissingDependency, and KafkaError for options that do not fit together.
        """
        self._url = url or os.environ.get(URL_VARIABLE, "")
        if not self._url:
            raise KafkaError(
                f"no schema registry is given: there is no url, and {URL_VARIABLE} is not set",
                hint=f"set {URL_VARIABLE}=http://host:8081, or give the url",
            )
        settings = {
            "url": self._url,
            **DEFAULTS,
            **_login(username, password, token),
            **_tls(tls),
            **(options or {}),
        }
        library = registry_module("schema_registry")
        try:
            self._client = library.SchemaRegistryClient.new_client(settings)
        except (ValueError, TypeError, OSError) as error:
            raise KafkaError(f"the schema registry {self._url} cannot be used: {error}") from error
        self._error: type[Exception] = library.SchemaRegistryError
        self._thread = threading.local()
        self._end_connections: weakref.finalize[..., SchemaRegistry] | None = None
        # The mock's client makes no requests; each call of a client without this attribute would go to a thread.
        if not self._url.startswith("mock://"):
            requests = self._client._rest_client
            self._end_connections = weakref.finalize(self, requests.session.close)
            self._client._rest_client = _GuardedRequests(requests, self._request)

    def close(self) -> None:
        """End its connections. After that only what is in its cache can be used. Closing again does nothing."""
        if self._end_connections is not None:
            self._end_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def client(self) -> Any:
        """The SchemaRegistryClient of confluent_kafka; raises CacheMiss outside of `requests_allowed`."""
        return self._client

    @contextmanager
    def requests_allowed(self) -> Iterator[None]:
        """Let this thread make requests."""
        self._thread.allowed = True
        try:
            yield
        finally:
            self._thread.allowed = False

    def _request(self, send: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Make a request, with the errors of this library. Raises CacheMiss in a thread that may not."""
        if not getattr(self._thread, "allowed", False):
            raise CacheMiss
        if self._end_connections is not None and not self._end_connections.alive:
            raise ClientClosed(f"the schema registry {self._url} is closed", hint="make another SchemaRegistry")
        try:
            return send(*args, **named)
        except self._error as error:
            status = getattr(error, "http_status_code", 0)
            if status in REFUSED:
                raise NotAuthorized(
                    f"the schema registry {self._url} refuses this client: {error}", hint="check its username or token"
                ) from error
            if status >= SERVER_ERROR or status in TRY_LATER:
                raise KafkaUnavailable(f"the schema registry {self._url} has failed: {error}") from error
            raise  # about the schema: it is unknown, or does not fit the others of its subject
        except Exception as error:
            raise KafkaUnavailable(
                f"the schema registry {self._url} does not answer: {type(error).__name__}: {error}",
                hint="check its address, and that it runs",
            ) from error


class _GuardedRequests:
    """The HTTP client of a registry client, whose requests go through a function."""

    def __init__(self, requests: Any, request: Callable[..., Any]) -> None:
        self._requests = requests
        self._request = request

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._requests, name)
        if name not in {"get", "post", "put", "delete"}:
            return found
        return lambda *args, **named: self._request(found, *args, **named)


def registry_module(name: str) -> Any:
    """Import a module of confluent_kafka. Raises MissingDependency when it, or what it needs, is not installed."""
    try:
        return importlib.import_module(f"confluent_kafka.{name}")
    except ImportError as error:
        raise MissingDependency(
            f"a schema registry needs the package confluent-kafka with its extras ({error})",
            hint="pip install 'pywatt[kafka-registry]'",
        ) from error


def _login(username: str | None, password: str, token: str | Callable[[], str] | None) -> dict[str, Any]:
    if username is not None and token is not None:
        raise KafkaError("a schema registry takes a username or a token, not both")
    if username is not None:
        return {"basic.auth.user.info": f"{username}:{password}"}
    if token is None:
        return {}

    def fields(_: Mapping[str, Any]) -> dict[str, str]:
        return {
            "bearer.auth.token": token if isinstance(token, str) else token(),
            "bearer.auth.logical.cluster": "",
            "bearer.auth.identity.pool.id": "",
        }

    return {
        "bearer.auth.credentials.source": "CUSTOM",
        "bearer.auth.custom.provider.function": fields,
        "bearer.auth.custom.provider.config": {},
    }


def _tls(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    given = {
        "ssl.ca.location": tls.ca if tls.verify else False,
        "ssl.certificate.location": tls.cert,
        "ssl.key.location": tls.key,
        "ssl.key.password": tls.key_password,
    }
    return {name: value for name, value in given.items() if value is not None}
