"""The stages of a request that is passed on to a service, and the transitions between them."""

from __future__ import annotations

import enum


class ProxyState(enum.Enum):
    """The stage of one request."""

    CONNECTING = enum.auto()
    """Waits for a connection to the service; the client may send on."""
    AWAITING = enum.auto()
    """The request is sent, as far as it has come; the response has not begun."""
    RESPONDING = enum.auto()
    """The head of the response was passed on; its body goes on."""
    TUNNEL = enum.auto()
    """Bytes pass both ways, after an upgrade."""
    ENDED = enum.auto()
    """The response is complete, or the client is not waiting for it any more."""

    following: tuple[ProxyState, ...]
    """The states that may come next."""


# Looking up a member of an enum costs as much as a call.
CONNECTING, AWAITING, RESPONDING, TUNNEL, ENDED = ProxyState

CONNECTING.following = (AWAITING, ENDED)
AWAITING.following = (ENDED, RESPONDING, TUNNEL, CONNECTING)  # CONNECTING: the request is sent once more
RESPONDING.following = TUNNEL.following = (ENDED,)
ENDED.following = ()


class IllegalTransition(Exception):
    """An event that cannot happen in the state of an exchange."""


def transition(state: ProxyState, to: ProxyState) -> ProxyState:
    """Return the next state. Raises IllegalTransition."""
    if to not in state.following:
        raise IllegalTransition(f"{state.name} -> {to.name}")
    return to
