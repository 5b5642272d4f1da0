"""An exchange that gives back what it holds when it ends, however that happens."""

from __future__ import annotations

from typing import Any, cast

from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import ENDED, ProxyState

_state: Any = ProxyExchange.__dict__["state"]


class ReleasingExchange(ProxyExchange):
    """The base of features that hold something for a request."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    @property
    def state(self) -> ProxyState:
        """The stage of the request; its end is the end of what features hold for it."""
        return cast(ProxyState, _state.__get__(self))

    @state.setter
    def state(self, state: ProxyState) -> None:
        _state.__set__(self, state)
        if state is ENDED:
            self._release()

    def _release(self) -> None:
        """Give back what is held; features that override it call `super()`."""
