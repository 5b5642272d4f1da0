"""Starts the contestants: the bare service, pywatt, the other gateways in front of the service, the original."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import apps
from benchmarks.gateway import peers
from pywatt import procfs

PREFIX = "/api"
BARE = "bare service"
OURS = "pywatt"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A running gateway in front of the service; the bare service is one, too."""

    name: str
    programs: tuple[apps.App, ...]
    """Its processes and the service's."""
    origins: Mapping[str, str]
    """URLs without a path, by `http`, `tls` (HTTP/1.1) and `http2`."""
    prefix: str = PREFIX
    paths: frozenset[str] | None = None
    """The paths that it serves; None: all."""
    own: apps.App
    """The program that serves HTTP without TLS."""

    def cpu_seconds(self) -> float:
        """Return the processor time that its processes have used."""
        return sum(procfs.cpu_seconds(program.tree()) for program in self.programs)

    def check(self) -> None:
        """Raise AppError when one of its programs has ended."""
        for program in self.programs:
            program.check()


def certificate(folder: Path) -> peers.Certificate:
    """Make a certificate for 127.0.0.1 with a key of P-256, as public ones mostly have."""
    found = peers.Certificate(certificate=folder / "server.pem", key=folder / "server.key")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(found.key), "-out", str(found.certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return found


def app_folder(
    folder: Path,
    *,
    gateway: Mapping[str, Any] | None = None,
    proxy: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    root: Mapping[str, Any] | None = None,
    bare: bool = False,
) -> Path:
    """Write an app: the service, and a gateway unless `bare`; the others are keys added to its configuration."""
    service = folder / "api"
    service.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("service.py"), service / "service.py")
    (service / "platformatic.json").write_text(json.dumps({"type": "python", "python": {"module": "service:app"}}))
    services = [{"id": "api", "path": "api"}]
    if not bare:
        application = {"id": "api", "proxy": {"prefix": PREFIX, **(proxy or {})}}
        front: dict[str, Any] = {"type": "gateway", "gateway": {"applications": [application], **(gateway or {})}}
        if server:
            front["server"] = dict(server)
        (folder / "gateway").mkdir()
        (folder / "gateway/platformatic.json").write_text(json.dumps(front))
        services.append({"id": "gateway", "path": "gateway"})
    document = {
        "entrypoint": "api" if bare else "gateway",
        "web": services,
        "logger": {"level": "warn"},
        **(root or {}),
        "server": {"hostname": "127.0.0.1", "port": "{PORT}", **((root or {}).get("server") or {})},
    }
    (folder / "watt.json").write_text(json.dumps(document))
    return folder


@contextmanager
def contestants(folder: Path) -> Iterator[list[Contestant]]:
    """Run all that are installed."""
    with ExitStack() as stack:
        made = certificate(folder)
        bare = _app(stack, app_folder(folder / "bare", bare=True))
        bare.wait_for("/hello")
        found = [Contestant(name=BARE, programs=(bare,), origins={"http": bare.url}, prefix="", own=bare)]
        ours = _app(stack, app_folder(folder / "ours"))
        https = {"https": {"key": {"path": str(made.key)}, "cert": {"path": str(made.certificate)}}, "http2": True}
        secure = _app(stack, app_folder(folder / "secure", root={"server": https}))
        secure_url = f"https://127.0.0.1:{secure.port}"
        origins = {"http": ours.url, "tls": secure_url, "http2": secure_url}
        found.append(Contestant(name=OURS, programs=(ours, secure), origins=origins, own=ours))
        for name in peers.NAMES:
            program = peers.installed(name)
            if program is None:
                print(f"{name} is not installed")
                continue
            peer, ports = stack.enter_context(peers.running(name, program, bare.port, folder, made))
            origins = {
                "http": f"http://127.0.0.1:{ports.http}",
                "tls": f"https://127.0.0.1:{ports.tls}",
                "http2": f"https://127.0.0.1:{ports.http2}",
            }
            found.append(Contestant(name=name, programs=(peer, bare), origins=origins, own=peer))
        if apps.ORIGINAL:
            node = stack.enter_context(apps.running(apps.original_command(apps.ORIGINAL), Path(apps.ORIGINAL)))
            hello = frozenset({"/hello"})
            found.append(
                Contestant(name="original", programs=(node,), origins={"http": node.url}, paths=hello, own=node)
            )
        for contestant in found[1:]:
            contestant.own.wait_for(f"{PREFIX}/hello")
        yield found


def _app(stack: ExitStack, folder: Path, env: Mapping[str, str] | None = None) -> apps.App:
    return stack.enter_context(apps.running([apps.PYWATT, "start"], folder, env))
