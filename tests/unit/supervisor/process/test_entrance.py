"""The sockets of the entrypoint over a change of the configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pywatt.config.model import RuntimeConfig, ServerConfig
from pywatt.errors import AddressInUse
from pywatt.supervisor.process.entrance import open_entrance

ROOT = Path("/app")
CONFIG = RuntimeConfig(name="app", root=ROOT, file=ROOT / "watt.json", services=(), entrypoint="gateway")


def with_server(server: ServerConfig) -> RuntimeConfig:
    return replace(CONFIG, server=server)


def test_sockets_whose_address_stays_are_kept() -> None:
    old = with_server(ServerConfig(redirect_from=0))
    first = open_entrance(old)
    assert len(first.sockets) == 2
    new = with_server(ServerConfig())
    second = open_entrance(new, old=old, now=first)
    assert second.public is first.public
    assert second.redirect is None
    first.close(but=second)
    assert first.redirect is not None
    assert first.redirect.fileno() == -1
    assert second.public is not None
    assert second.public.fileno() > 0
    second.close()


def test_a_redirect_from_a_port_that_is_taken_opens_nothing() -> None:
    taken = open_entrance(with_server(ServerConfig()))
    assert taken.public is not None
    port = taken.public.getsockname()[1]
    with pytest.raises(AddressInUse, match=str(port)) as raised:
        open_entrance(with_server(ServerConfig(redirect_from=port)))
    assert "server.https.redirectFrom" in raised.value.hint
    taken.close()


def test_an_app_without_an_entrypoint_has_none() -> None:
    assert open_entrance(replace(CONFIG, entrypoint=None)).sockets == ()
