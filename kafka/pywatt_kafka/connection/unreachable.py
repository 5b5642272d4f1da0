"""Words the error of a cluster that cannot be reached: each address that was tried, and what was seen there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pywatt_kafka.errors import KafkaUnavailable


def unreachable_cluster(
    brokers: Sequence[str], reasons: Mapping[str, str], reached: Collection[str] = ()
) -> KafkaUnavailable:
    """Return the error for bootstrap brokers of which none leads to the cluster.

    `reasons`: what was seen, by address; also at the addresses that the cluster names itself. `reached`: addresses that
    were connected earlier.
    """
    if wrong := wrong_listener(brokers, reasons, reached):
        return KafkaUnavailable(
            wrong,
            hint="set advertised.listeners of the brokers to addresses that this client reaches",
        )
    seen = [(address, reasons[address]) for address in reasons]
    message = f"no Kafka broker answers at {','.join(brokers)}"
    if len(brokers) == 1 and len(seen) == 1 and seen[0][0] == brokers[0]:
        message += f": {seen[0][1]}"
    elif seen:
        message += f" ({'; '.join(f'{address}: {reason}' for address, reason in seen)})"
    return KafkaUnavailable(message, hint="start the broker, or correct KAFKA_BROKERS")


def wrong_listener(brokers: Sequence[str], reasons: Mapping[str, str], reached: Collection[str] = ()) -> str:
    """Return what is wrong with the address that a cluster names itself, if that is why it is not reached."""
    answering = [address for address in brokers if address not in reasons]
    named = [address for address in reasons if address not in brokers and address not in reached]
    if not answering or not named:
        return ""
    return (
        f"a Kafka broker answers at {answering[0]}, but sends its clients to {named[0]} (its advertised.listeners),"
        f" and there: {reasons[named[0]]}"
    )
