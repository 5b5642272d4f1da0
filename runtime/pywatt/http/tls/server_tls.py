"""The TLS of one server while it runs: its current contexts, and their renewal when certificate files change."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pywatt.http.tls.contexts import TlsContexts
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions, TlsProblem

INTERVAL = 5.0
"""Seconds between two looks at the files. A look, because links are replaced too (certbot, Kubernetes)."""
MAX_PEM = 1024 * 1024
"""Bytes of a file above which it is none of ours."""
SOON = timedelta(days=14)
HTTP1, HTTP2 = "http/1.1", "h2"

Stamp = tuple[int, int, int]

logger = logging.getLogger("pywatt.http")


def read_pem(path: Path) -> bytes:
    """Return the text of a file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(MAX_PEM)


class ServerTls:
    """Certificates and settings of one server."""

    def __init__(
        self,
        options: TlsOptions,
        *,
        protocols: Sequence[str] = (HTTP1,),
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`protocols`: for ALPN, the preferred one first. Raises TlsProblem."""
        self.options = options
        self._protocols = protocols
        self._wall_clock = wall_clock
        self._contexts = TlsContexts(options, protocols)
        self._stamps: Mapping[Path, Stamp | None] = {}
        self._failed = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def speaks_http2(self) -> bool:
        """True if clients may agree on HTTP/2."""
        return HTTP2 in self._protocols

    @property
    def context(self) -> ssl.SSLContext:
        """The context of a new connection."""
        return self._contexts.default

    def start(self) -> None:
        """Look at the files now, and again every few seconds, until `close`."""
        if not any(pem.path for pem in self.options.pems):
            return
        self.look()
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self.start)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """Take new certificates if files have changed; keep the old ones, and say so, if the new cannot be used.

        A failure is said at the second look only: a certificate and its key are replaced one after the other.
        """
        stamps = {pem.path: _stamp(pem.path) for pem in self.options.pems if pem.path}
        if stamps == self._stamps and not self._failed:
            return
        again, self._stamps = stamps == self._stamps, stamps
        try:
            options = _read_again(self.options)
            if options != self.options:
                self._contexts = TlsContexts(options, self._protocols)
                self.options = options
                logger.info("new certificates are served: %s", self.summary)
        except (OSError, TlsProblem) as error:
            if self._failed and again:
                self._failed = False  # said once, until the files change again
                hint = f" (fix: {error.hint})" if isinstance(error, TlsProblem) else ""
                logger.error("new certificates are not served: %s%s; the old ones stay: %s", error, hint, self.summary)
            else:
                self._failed = True
        else:
            self._failed = False

    @property
    def summary(self) -> str:
        """The certificates: for whom, until when."""
        return ", ".join(
            f"{' '.join(sorted(each.names)) or each.pair.cert.where} until {each.expires:%Y-%m-%d %H:%M} UTC"
            for each in self._contexts.certificates
        )

    @property
    def warnings(self) -> list[str]:
        """Faults of certificates that can be served all the same."""
        now = self._wall_clock()
        found = []
        for each in self._contexts.certificates:
            when = f"{each.expires:%Y-%m-%d %H:%M} UTC"
            if each.expires <= now:
                found.append(f"{each.pair.cert.where}: the certificate has expired on {when}; renew it")
            elif each.expires - now < SOON:
                found.append(f"{each.pair.cert.where}: the certificate expires on {when}; renew it")
        return found


def _stamp(path: Path) -> Stamp | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_ino, seen.st_size


def _read_again(options: TlsOptions) -> TlsOptions:
    """Return the options with what the files hold now. Raises OSError."""

    def fresh(pem: Pem) -> Pem:
        return pem if pem.path is None else replace(pem, text=read_pem(pem.path))

    return replace(
        options,
        certificates=tuple(CertifiedKey(cert=fresh(pair.cert), key=fresh(pair.key)) for pair in options.certificates),
        ca=tuple(fresh(pem) for pem in options.ca),
    )
