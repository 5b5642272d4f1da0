"""The public name of a target."""

from __future__ import annotations

import pytest

from pywatt_kafka.dlq.redrive_headers import ORIGINAL_ID, TARGET, redrive_headers
from pywatt_kafka.records import Header
from pywatt_services.kafka_hooks.publishing.record_headers import RecordHeaders
from pywatt_services.kafka_hooks.webhooks.target_name import id_text, named_target, shown_url, target_name
from pywatt_services.kafka_hooks.webhooks.templates import shown
from pywatt_services.kafka_hooks.wire.headers import is_reserved


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://api.plt.local/orders", "http://api.plt.local/orders"),
        ("https://me:secret@example.org:8443/a@b?token=secret#x", "https://example.org:8443/a@b"),
        ("https://example.org?token=secret", "https://example.org"),
        ("http://api.plt.local/{record.key}?t={json.a}", "http://api.plt.local/{record.key}"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, expected: str) -> None:
    assert shown_url(url) == expected


def test_an_id_is_read_as_it_was_written() -> None:
    first, second = (target_name("http://a/", duplicate_index).id for duplicate_index in (0, 1))
    assert first != second
    assert named_target([("a", b"b"), (TARGET, id_text(first).encode())]) == first
    for value in (b"", None, b"xyz"):
        assert named_target([(TARGET, value)]) is None
    assert named_target([]) is None


@pytest.mark.parametrize(
    ("before", "target", "webhook_id", "after"),
    [
        ([("a", b"b")], "0a", "t-0-1", [("a", b"b"), (ORIGINAL_ID, b"t-0-1"), (TARGET, b"0a")]),
        ([(ORIGINAL_ID, b"t-0-1"), (TARGET, b"0a"), ("a", b"b")], "0b", "t-0-9",
         [("a", b"b"), (ORIGINAL_ID, b"t-0-1"), (TARGET, b"0b")]),
        ([(TARGET, b"0a")], None, None, []),
    ],
)  # fmt: skip
def test_a_record_on_its_way_back_has_one_target_and_its_first_id(
    before: list[Header], target: str | None, webhook_id: str | None, after: list[Header]
) -> None:
    assert redrive_headers(before, target=target, webhook_id=webhook_id) == after


def test_http_clients_cannot_claim_to_redrive() -> None:
    sent = [(TARGET.encode(), b"0a"), (ORIGINAL_ID.encode(), b"t-0-1"), (b"a", b"b")]
    assert RecordHeaders().of(sent) == [("a", b"b")]
    assert is_reserved(TARGET)


def test_the_address_of_a_webhook_that_anybody_may_call_is_not_shown() -> None:
    urls = [f"https://hooks.slack.com/services/T0/B0/s3cret{number}" for number in (1, 2)]
    for show in (shown_url, shown):
        names = [show(url) for url in urls]
        assert not any("s3cret" in name for name in names)
        assert len(set(names)) == 2
