"""Fetches the keys of a token issuer, and fetches them again for a token with an unknown key."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from anyio.abc import TaskGroup

from pywatt.errors import MeshError
from pywatt.mesh.client import MeshClient
from pywatt_services.tokens.token_keys import TokenKey, UnusableKey, read_jwks
from pywatt_services.tokens.token_options import TokenOptions, is_safe

logger = logging.getLogger("pywatt.tokens")

REFETCH_INTERVAL = 10.0  # seconds from one fetch to the next, whatever tokens come
MAX_AGE = 600.0  # seconds after which keys are fetched again: what was taken out is not trusted for longer
FETCH_TIMEOUT = 4.5  # seconds; less than half of REFETCH_INTERVAL, since it may take two requests
MAX_WAITING = 1000  # requests

Fetch = Callable[[], Awaitable[bytes]]


class FetchedKeys:
    """The keys of one worker."""

    def __init__(self, fetch: Fetch, tasks: TaskGroup, *, clock: Callable[[], float] = monotonic) -> None:
        """`fetch` returns a JSON Web Key Set; raises MeshError or UnusableKey."""
        self._fetch = fetch
        self._tasks = tasks
        self._clock = clock
        self._keys: Sequence[TokenKey] = ()
        self._tried_at = self._fetched_at = -math.inf
        self._fetching = False
        self._waiting: list[Callable[[], None]] = []
        self.failed = True
        """True if the last fetch failed, or there was none: then an unknown key proves nothing about a token."""

    @property
    def newest(self) -> Sequence[TokenKey]:
        """The known keys; old ones are fetched again meanwhile."""
        if self._clock() - self._fetched_at >= MAX_AGE:
            self.refresh()
        return self._keys

    def refresh(self) -> bool:
        """Fetch the keys if it is time; tell whether a fetch is in progress."""
        if not self._fetching and self._clock() - self._tried_at >= REFETCH_INTERVAL:
            self._fetching = True
            self._tried_at = self._clock()
            self._tasks.start_soon(self._renew)
        return self._fetching

    def wait(self, again: Callable[[], None]) -> bool:
        """Call `again` after the fetch in progress, or after one that begins now; False: there is none."""
        if len(self._waiting) >= MAX_WAITING or not self.refresh():
            return False
        self._waiting.append(again)
        return True

    async def _renew(self) -> None:
        try:
            self._keys = read_jwks(await self._fetch())
            self._fetched_at = self._clock()
            self.failed = False
        except (MeshError, UnusableKey) as error:
            self.failed = True
            logger.warning("the keys for tokens cannot be fetched (auth.jwt): %s", error.message)
        except Exception:
            # What somebody else answers must not end the worker.
            self.failed = True
            logger.exception("the keys for tokens cannot be read (auth.jwt)")
        finally:
            self._fetching = False
            waiting, self._waiting = self._waiting, []
        for again in waiting:
            again()


def fetch_keys(mesh: MeshClient, options: TokenOptions) -> Fetch:
    """Return a function that fetches the key set of these options, which have a URL for it."""
    assert options.jwks_url is not None
    return _discover(mesh, options) if options.discovery else fetch_from(mesh, options.jwks_url)


def fetch_from(mesh: MeshClient, url: str) -> Fetch:
    """Return a function that fetches a key set from a URL."""

    async def fetch() -> bytes:
        return await _get(mesh, url)

    return fetch


def _discover(mesh: MeshClient, options: TokenOptions) -> Fetch:
    """Return a function that asks the issuer for the URL of its keys, and fetches them from there."""
    url, issuer = options.jwks_url or "", options.issuer

    async def fetch() -> bytes:
        body = await _get(mesh, url)
        try:
            metadata = json.loads(body)
        except ValueError as error:
            raise UnusableKey(f"{url} is not JSON") from error
        if not isinstance(metadata, dict) or metadata.get("issuer") != issuer:
            raise UnusableKey(f"{url} does not name the issuer {issuer!r}")
        keys_url = metadata.get("jwks_uri")
        if not isinstance(keys_url, str) or not is_safe(keys_url):
            raise UnusableKey(f"{url} names no https:// address of keys")
        return await _get(mesh, keys_url)

    return fetch


async def _get(mesh: MeshClient, url: str) -> bytes:
    response = await mesh.request("GET", url, timeout=FETCH_TIMEOUT)
    if response.status != 200:
        raise UnusableKey(f"{url.partition('?')[0]} answered {response.status}")
    return response.body
