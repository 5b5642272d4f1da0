"""The options of the service type `kafka-broker`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """The checked document."""

    brokers: int = 1
    """Number of nodes of the cluster in memory."""
