"""Records why librdkafka cannot reach its brokers, as its error callback reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pywatt_kafka.errors import Fenced, KafkaError, KafkaUnavailable, NotAuthorized
from pywatt_kafka.rdkafka.errors import translate


class ClientHealth:
    """The state of one client as its error callback reports it."""

    def __init__(self, brokers: Sequence[str]) -> None:
        self._addresses = ",".join(brokers)
        self._connect_error: KafkaError | None = None
        self.down = False
        """No broker is connected, as far as reported."""
        self.fatal = False
        """The client can never work again."""
        self.fenced = False
        """It is fatal because another client has taken its static member id or transactional id."""

    def report(self, error: Any) -> None:
        """Record an error from librdkafka's callback; called in any thread."""
        from confluent_kafka import KafkaError as Native

        code = error.code()
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

    def answered(self) -> None:
        """Record that a broker answers."""
        self.down = False
        self._connect_error = None

    def unreachable(self) -> KafkaError:
        """Return an error with the addresses that were tried, and the reason if it is known."""
        return self._connect_error or KafkaUnavailable(
            f"no Kafka broker answers at {self._addresses}", hint="start the broker, or correct KAFKA_BROKERS"
        )
