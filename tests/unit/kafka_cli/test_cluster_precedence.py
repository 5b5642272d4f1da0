"""Selection of a command's cluster: the user's choice comes first, and no password goes to another cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pywatt_kafka import KafkaError, Mechanism, Sasl, Security, Tls
from pywatt_kafka.security.options import NONE
from pywatt_services.kafka_cli.cluster.precedence import (
    Cluster,
    ServiceCluster,
    cluster_of,
    default_cluster,
    given_brokers,
    resolve_cluster,
)

BLOCK = Security(tls=Tls(), sasl=Sasl(mechanism=Mechanism.PLAIN, username="app", password="p"))
ENV_LOGIN = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_USERNAME": "me", "KAFKA_SASL_PASSWORD": "m"}
AS_ENV_LOGIN = Security(sasl=Sasl(mechanism=Mechanism.PLAIN, username="me", password="m"))
HOOKS = ServiceCluster(service="hooks", is_kafka_hooks=True, brokers=("a:1", "b"), security=BLOCK)


@pytest.mark.parametrize(
    ("brokers", "environ", "own", "expected"),
    [
        ((), {}, HOOKS, Cluster(brokers=("a:1", "b:9092"), security=BLOCK)),
        (("a:1",), {}, HOOKS, Cluster(brokers=("a:1",), security=BLOCK)),
        ((), ENV_LOGIN, HOOKS, Cluster(brokers=("a:1", "b:9092"), security=AS_ENV_LOGIN)),
        (("c:1",), ENV_LOGIN, HOOKS, Cluster(brokers=("c:1",), security=AS_ENV_LOGIN)),
        (("c:1",), {}, None, Cluster(brokers=("c:1",), security=NONE)),
        (
            (),
            {"KAFKA_BROKERS": "embedded"},
            ServiceCluster(brokers=("embedded",), variables={"KAFKA_BROKERS": "127.0.0.1:5"}),
            Cluster(brokers=("127.0.0.1:5",), security=NONE),
        ),
        (
            (),
            {},
            ServiceCluster(variables={"KAFKA_BROKERS": "v:1", **ENV_LOGIN}),
            Cluster(brokers=("v:1",), security=AS_ENV_LOGIN),
        ),
    ],
)
def test_choice(
    brokers: Sequence[str], environ: Mapping[str, str], own: ServiceCluster | None, expected: Cluster
) -> None:
    assert resolve_cluster(brokers, environ, own) == expected


@pytest.mark.parametrize("own", [HOOKS, ServiceCluster(variables={"KAFKA_BROKERS": "v:1", **ENV_LOGIN})])
def test_what_the_app_logs_in_with_goes_to_its_own_brokers_only(own: ServiceCluster) -> None:
    cluster = resolve_cluster(("stranger:1",), {}, own)
    assert cluster.security == NONE
    assert "stranger:1 is none of its brokers" in cluster.note


def test_no_brokers_at_all() -> None:
    for own in (None, ServiceCluster()):
        with pytest.raises(KafkaError, match="no Kafka broker is given"):
            resolve_cluster((), {}, own)


def test_named_by_the_user() -> None:
    assert given_brokers("a,b:2", {}) == ("a:9092", "b:2")
    assert given_brokers(None, {"KAFKA_BROKERS": "c:1"}) == ("c:1",)
    assert given_brokers(None, {"KAFKA_BROKERS": "embedded"}) == given_brokers(None, {}) == ()


def test_service_that_is_default_cluster() -> None:
    api = ServiceCluster(service="api", variables={"KAFKA_BROKERS": "x:1"})
    same = ServiceCluster(service="same", is_kafka_hooks=True, brokers=("a:1", "b:9092"), security=BLOCK)
    other = ServiceCluster(service="other", is_kafka_hooks=True, brokers=("o:1",))
    assert default_cluster([], ()) is None
    assert default_cluster([api], ()) is api
    assert default_cluster([api, HOOKS, same], ()) is HOOKS, "both reach the same cluster in the same way"
    assert default_cluster([HOOKS, other], ("o:1",)) is other
    assert default_cluster([HOOKS, other], ("z:1",)) is None
    with pytest.raises(KafkaError, match="the services hooks, other reach Kafka in different ways"):
        default_cluster([HOOKS, other], ())
    assert cluster_of([HOOKS, other], "other") is other
    with pytest.raises(KafkaError, match="no service nix") as caught:
        cluster_of([HOOKS, other], "nix")
    assert "hooks, other" in caught.value.hint


def test_secrets_are_not_shown() -> None:
    assert "KAFKA_SASL_PASSWORD" not in repr(ServiceCluster(variables=ENV_LOGIN))
    assert "'p'" not in repr(HOOKS)
