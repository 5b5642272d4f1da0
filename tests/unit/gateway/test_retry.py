"""The rule for sending a request a second time, and the states of an exchange."""

from __future__ import annotations

import pytest

from pywatt_services.gateway.proxy_state import (
    AWAITING,
    CONNECTING,
    ENDED,
    RESPONDING,
    TUNNEL,
    IllegalTransition,
    ProxyState,
    transition,
)
from pywatt_services.gateway.retry import may_retry


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"])
def test_idempotent_request_without_a_body_is_sent_once_more(method: bytes) -> None:
    assert may_retry(method, body_length=0, retriable=True, retried=False)
    assert not may_retry(method, body_length=0, retriable=True, retried=True)
    assert not may_retry(method, body_length=0, retriable=False, retried=False)
    assert not may_retry(method, body_length=1, retriable=True, retried=False)
    assert not may_retry(method, body_length=None, retriable=True, retried=False)


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"get", b"CUSTOM"])
def test_other_requests_are_sent_once(method: bytes) -> None:
    assert not may_retry(method, body_length=0, retriable=True, retried=False)


LEGAL = {
    (CONNECTING, AWAITING),
    (CONNECTING, ENDED),
    (AWAITING, CONNECTING),
    (AWAITING, RESPONDING),
    (AWAITING, TUNNEL),
    (AWAITING, ENDED),
    (RESPONDING, ENDED),
    (TUNNEL, ENDED),
}


@pytest.mark.parametrize("state", list(ProxyState))
@pytest.mark.parametrize("to", list(ProxyState))
def test_transitions(state: ProxyState, to: ProxyState) -> None:
    if (state, to) in LEGAL:
        assert transition(state, to) is to
    else:
        with pytest.raises(IllegalTransition):
            transition(state, to)
