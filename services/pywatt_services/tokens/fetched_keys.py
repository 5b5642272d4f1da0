"""Fetches the keys of a token issuer, and fetches them again for a token with an unknown key."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from anyio.abc import TaskGroup

from pywatt.errors import MeshError
from pywatt.mesh.client import MeshClient
from pywatt_services.tokens.token_keys import TokenKey, UnusableKey, read_jwks

logger = logging.getLogger("pywatt.kafka_hooks")

REFETCH_INTERVAL = 10.0  # seconds from one fetch to the next, whatever tokens come
MAX_AGE = 600.0  # seconds after which keys are fetched again: what was taken out is not trusted for longer
FETCH_TIMEOUT = 5.0  # seconds; less than REFETCH_INTERVAL, so that whoever waited is not made to wait again
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
            logger.warning("the keys for tokens cannot be fetched (auth.jwt.jwks): %s", error.message)
        except Exception:
            # What somebody else answers must not end the worker.
            self.failed = True
            logger.exception("the keys for tokens cannot be read (auth.jwt.jwks)")
        finally:
            self._fetching = False
            waiting, self._waiting = self._waiting, []
        for again in waiting:
            again()


def fetch_from(mesh: MeshClient, url: str) -> Fetch:
    """Return a function that fetches a key set from a URL."""

    async def fetch() -> bytes:
        response = await mesh.request("GET", url, timeout=FETCH_TIMEOUT)
        if response.status != 200:
            raise UnusableKey(f"{url.partition('?')[0]} answered {response.status}")
        return response.body

    return fetch
