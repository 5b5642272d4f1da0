"""The ids of the clusters that clients of this process have metadata of, by the addresses of their brokers."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 1000
"""Addresses that are kept."""

_ids: dict[str, str] = {}


def note_cluster(addresses: Iterable[str], cluster_id: str | None) -> None:
    """Note the cluster that clients with these addresses are connected to."""
    if not cluster_id:
        return
    if len(_ids) >= MOST:
        _ids.clear()
    _ids.update(dict.fromkeys(addresses, cluster_id))


def cluster_of(address: str | None) -> str | None:
    """Return the id of the cluster at an address (`host:port`); None while no metadata has told it."""
    return None if address is None else _ids.get(address)
