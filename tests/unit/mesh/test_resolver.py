"""Mesh names without a network."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.mesh.resolver import MeshResolver, bypass_proxies, mesh_id
from pywatt.mesh.table import MeshService, MeshTable, ServiceState


def names(**ports: int | None) -> MeshResolver:
    services = {name: MeshService(name, ServiceState.READY, port) for name, port in ports.items()}
    return MeshResolver(lambda: MeshTable(1, services))


@pytest.mark.parametrize("host", ["api.plt.local", "API.PLT.local", "api.plt.local.", b"api.plt.local"])
def test_a_mesh_name_is_a_loopback_port(host: object) -> None:
    assert names(api=4242).address(host) == ("127.0.0.1", 4242)


@given(st.one_of(st.none(), st.text(), st.binary(), st.integers()))
def test_any_other_host_is_left_alone(host: object) -> None:
    assert mesh_id(host) is None or str(host).lower().rstrip("'.").endswith(".plt.local")
    if mesh_id(host) is None:
        assert names(api=4242).address(host) is None


@pytest.mark.parametrize("host", ["plt.local", "api.plt.local.example.org", "localhost", "", None, 7])
def test_what_only_looks_like_a_mesh_name_is_none(host: object) -> None:
    assert mesh_id(host) is None


def test_the_newest_table_counts() -> None:
    ports = [1]
    mesh = MeshResolver(lambda: MeshTable(1, {"api": MeshService("api", ServiceState.READY, ports[-1])}))
    assert mesh.address("api.plt.local") == ("127.0.0.1", 1)
    ports.append(2)
    assert mesh.address("api.plt.local") == ("127.0.0.1", 2)


def test_an_unknown_id_lists_the_known_ones() -> None:
    with pytest.raises(socket.gaierror, match="no service 'wep'; it has: api, web"):
        names(web=1, api=2).address("wep.plt.local")


def test_an_empty_app_has_none() -> None:
    with pytest.raises(socket.gaierror, match="it has: none"):
        names().address("api.plt.local")


def test_a_service_without_http_is_told() -> None:
    with pytest.raises(socket.gaierror, match="'worker' does not answer HTTP"):
        names(worker=None).address("worker.plt.local")


def test_infos_have_the_form_of_getaddrinfo() -> None:
    expected = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 4242))]
    assert names(api=4242).infos("api.plt.local", socket.AF_UNSPEC, 0) == expected


@pytest.mark.parametrize(("family", "kind"), [(socket.AF_INET6, 0), (socket.AF_INET, socket.SOCK_DGRAM)])
def test_there_is_only_tcp_over_ipv4(family: int, kind: int) -> None:
    with pytest.raises(socket.gaierror, match="TCP over IPv4 only"):
        names(api=4242).infos("api.plt.local", family, kind)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"NO_PROXY": "x"}, {"NO_PROXY": "x"}),
        ({"http_proxy": "p"}, {"http_proxy": "p", "no_proxy": ".plt.local", "NO_PROXY": ".plt.local"}),
        (
            {"HTTPS_PROXY": "p", "no_proxy": "*", "NO_PROXY": "x"},
            {"HTTPS_PROXY": "p", "no_proxy": "*", "NO_PROXY": "x,.plt.local"},
        ),
        ({"all_proxy": "p", "no_proxy": "x", "NO_PROXY": ""}, None),
    ],
)
def test_proxies_are_bypassed_where_there_are_any(before: dict[str, str], after: dict[str, str] | None) -> None:
    environ = dict(before)
    bypass_proxies(environ)
    once = dict(environ)
    bypass_proxies(environ)
    assert environ == once
    if after is not None:
        assert environ == after
