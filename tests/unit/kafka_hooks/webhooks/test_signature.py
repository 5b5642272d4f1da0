"""Signatures of Standard Webhooks 1.0, verified as its libraries do."""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pywatt_services.kafka_hooks.webhooks.signature import Signer, SigningKey, read_key

EXAMPLE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""A case of the reference implementations' tests, with its expected signature."""


def test_signature_is_the_one_that_the_reference_libraries_make() -> None:
    signature = Signer([read_key(EXAMPLE)]).sign(
        b"msg_p5jXN8AQM9LWM0D4loKWxJek", b"1614265330", b'{"test": 2432232314}'
    )
    assert signature == b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("with_public_half", [True, False])
def test_asymmetric_signature_is_verified_by_the_public_key(with_public_half: bool) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    raw = private.private_bytes_raw() + (public.public_bytes_raw() if with_public_half else b"")
    signature = Signer([read_key("whsk_" + base64.b64encode(raw).decode())]).sign(b"id", b"1", b"body")
    scheme, _, value = signature.partition(b",")
    assert scheme == b"v1a"
    public.verify(base64.b64decode(value), b"id.1.body")
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(value), b"id.1.other")


def test_each_key_makes_a_signature_so_that_keys_can_be_replaced() -> None:
    keys = [SigningKey(asymmetric=False, secret=bytes([number]) * 32) for number in (1, 2)]
    both = Signer(keys).sign(b"id", b"1", b"body")
    assert both.split(b" ") == [Signer([key]).sign(b"id", b"1", b"body") for key in keys]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("secret", "begins with whsec_"),
        ("whsec_not base64!", "not base64"),
        ("whsec_" + base64.b64encode(b"short").decode(), "5 bytes, not 24 to 64"),
        ("whsk_" + base64.b64encode(b"short").decode(), "5 bytes, not 32"),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_key(text)
    assert text.partition("_")[2] not in str(caught.value) or "_" not in text


def test_key_is_not_shown() -> None:
    assert "secret" not in repr(read_key(EXAMPLE))
