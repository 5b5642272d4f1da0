"""Parsing of broker addresses from a config value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka import KafkaError, brokers_from

HOST = st.from_regex(r"[a-z][a-z0-9.-]{0,12}", fullmatch=True).filter(lambda host: host != "embedded")
ADDRESS = st.builds(lambda host, port: f"{host}:{port}", HOST, st.integers(1, 65535))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("localhost:9092", ("localhost:9092",)),
        ("a:1,b:2", ("a:1", "b:2")),
        (" a:1 , ,b:2,", ("a:1", "b:2")),
        (["a:1,b:2", "c:3"], ("a:1", "b:2", "c:3")),
        (["a:1", "a:1"], ("a:1",)),
        ("kafka", ("kafka:9092",)),
        ("[::1]:9092", ("[::1]:9092",)),
        ("[::1]", ("[::1]:9092",)),
        (None, ("from-env:1", "two:9092")),
        ("", ("from-env:1", "two:9092")),
        ([], ("from-env:1", "two:9092")),
        ("embedded", ("from-env:1", "two:9092")),
        (["embedded", "a:1"], ("from-env:1", "two:9092", "a:1")),
    ],
)
def test_every_form_a_config_may_have(value: str | list[str] | None, expected: tuple[str, ...]) -> None:
    assert brokers_from(value, {"KAFKA_BROKERS": "from-env:1,two"}) == expected


@pytest.mark.parametrize("value", [None, "embedded", "", " , ", []])
@pytest.mark.parametrize("environ", [{}, {"KAFKA_BROKERS": ""}, {"KAFKA_BROKERS": "embedded"}])
def test_no_address_at_all_is_an_error_that_names_the_variable(
    value: str | list[str] | None, environ: dict[str, str]
) -> None:
    with pytest.raises(KafkaError, match="KAFKA_BROKERS") as caught:
        brokers_from(value, environ)
    assert "KAFKA_BROKERS=host:9092" in caught.value.hint


@pytest.mark.parametrize(
    "value",
    [
        "host:",
        ":9092",
        "host:port",
        "http://host",
        "http://a:9092",
        "PLAINTEXT://a:9092",
        "a:99999",
        "a:0",
        "a:1:2",
        "::1",
        "a b:1",
        "a:1/x",
        "u:p@a:1",
    ],
)
def test_what_is_not_an_address_is_refused(value: str) -> None:
    with pytest.raises(KafkaError, match="not a broker's address"):
        brokers_from(value, {})


@given(st.lists(ADDRESS, min_size=1, unique=True))
def test_commas_and_lists_mean_the_same(addresses: list[str]) -> None:
    expected = tuple(addresses)
    assert brokers_from(",".join(addresses), {}) == expected
    assert brokers_from(addresses, {}) == expected
    assert brokers_from(None, {"KAFKA_BROKERS": ", ".join(addresses)}) == expected
