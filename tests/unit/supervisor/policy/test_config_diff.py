"""A change of the entrypoint's TLS replaces its workers, and keeps its address."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from harness.restart_config import RESTART

from pywatt.config.model import RuntimeConfig, ServerConfig, ServiceConfig
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions
from pywatt.supervisor.policy.config_diff import config_diff

ROOT = Path("/app")


def tls(text: bytes) -> TlsOptions:
    pem = Pem(key="server.https.cert", text=text)
    return TlsOptions(certificates=(CertifiedKey(cert=pem, key=pem),))


def app(server: ServerConfig) -> RuntimeConfig:
    services = tuple(ServiceConfig(id=name, path=ROOT, type="python", restart=RESTART) for name in ("gateway", "api"))
    return RuntimeConfig(
        name="app", root=ROOT, file=ROOT / "watt.json", services=services, entrypoint="gateway", server=server
    )


PLAIN = ServerConfig(port=1)
SECURE = replace(PLAIN, https=tls(b"one"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PLAIN, SECURE),
        (SECURE, PLAIN),
        (SECURE, replace(SECURE, https=tls(b"two"))),
        (SECURE, replace(SECURE, http2=True)),
        (SECURE, replace(SECURE, redirect_from=2)),
    ],
)
def test_other_tls_replaces_the_entrypoint_alone(old: ServerConfig, new: ServerConfig) -> None:
    change = config_diff(app(old), app(new))
    assert [service.id for service in change.changed] == ["gateway"]
    assert not change.rebound
    assert not change.empty


def test_the_same_tls_changes_nothing() -> None:
    assert config_diff(app(SECURE), app(replace(PLAIN, https=tls(b"one")))).empty


def test_another_port_is_another_address() -> None:
    assert config_diff(app(SECURE), app(replace(SECURE, port=2))).rebound
