"""Records why librdkafka cannot reach its brokers, as its error callback reports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pywatt_kafka.connection.unreachable import unreachable_cluster, wrong_listener
from pywatt_kafka.errors import Fenced, KafkaError, KafkaUnavailable, NotAuthorized
from pywatt_kafka.rdkafka.errors import translate

_PLACE = re.compile(r"(?:\w+://)?(?P<address>[^/\s]+:\d+)/(?:bootstrap|\d+): (?P<reason>.*)", re.DOTALL)
"""Begins librdkafka's words about a broker."""
_AFTER = re.compile(r" \((?:after|\w+ identical).*\Z", re.DOTALL)
_REASONS = (
    (re.compile(r"Failed to resolve '[^']*': (.*)"), r"the name cannot be resolved (\1)"),
    (re.compile(r"Connect to \S+ failed: Connection refused"), "connection refused"),
    (re.compile(r"Connect to \S+ failed: (.*)"), r"\1"),
    (re.compile(r"Connection setup timed out.*"), "no answer"),
)


class ClientHealth:
    """The state of one client as its error callback reports it."""

    def __init__(self, brokers: Sequence[str]) -> None:
        self.brokers = tuple(brokers)
        self._addresses = ",".join(brokers)
        self._connect_error: KafkaError | None = None
        self._reasons: dict[str, str] = {}
        """The last failure to connect, by address."""
        self.down = False
        """No broker is connected, as far as reported."""
        self.fatal = False
        """The client can never work again."""
        self.fenced = False
        """It is fatal because another client has taken its static member id or transactional id."""

    def failed_for_good(self, *, fenced: bool) -> None:
        """Record a fatal error whose report was lost."""
        self.fatal = True
        self.fenced = self.fenced or fenced

    def report(self, error: Any) -> None:
        """Record an error from librdkafka's callback; called in any thread."""
        from confluent_kafka import KafkaError as Native

        code = error.code()
        if code == Native._AUTHENTICATION and Native(Native._TRANSPORT).str() in error.str():
            code = Native._TRANSPORT  # the connection was lost during the login
        if error.fatal() or code == Native._FATAL:
            self.fatal = True
            self.fenced = self.fenced or isinstance(translate(error, during=""), Fenced)
        if code == Native._ALL_BROKERS_DOWN:
            self.down = True
        elif code in (Native._AUTHENTICATION, Native.SASL_AUTHENTICATION_FAILED):
            self._connect_error = NotAuthorized(
                f"{self._addresses} refuses this client: {error.str()}", hint="check username, password and token"
            )
        elif code == Native._SSL:
            self._connect_error = KafkaUnavailable(
                f"no TLS with {self._addresses}: {error.str()}", hint="check ca, cert and key, or whether it wants TLS"
            )
        elif code in (Native._RESOLVE, Native._TRANSPORT) and (found := _PLACE.match(error.str())):
            self._reasons[found["address"]] = _reason(found["reason"])

    @property
    def refusal(self) -> NotAuthorized | None:
        """The reason why the brokers refuse this client, if they do."""
        return self._connect_error if isinstance(self._connect_error, NotAuthorized) else None

    def answered(self) -> None:
        """Record that a broker answers."""
        self.down = False
        self._connect_error = None
        for address in self.brokers:
            self._reasons.pop(address, None)

    def unreachable(self) -> KafkaError:
        """Return an error with the addresses that were tried, and the reasons as far as they are known."""
        return self._connect_error or unreachable_cluster(self.brokers, dict(self._reasons))

    def wrong_listener(self) -> str:
        """Return what is wrong with the address that the cluster names itself, if it is not reached there."""
        return wrong_listener(self.brokers, dict(self._reasons))


def _reason(text: str) -> str:
    text = _AFTER.sub("", text)
    for pattern, words in _REASONS:
        if found := pattern.match(text):
            return found.expand(words)
    return text
