"""The description of a client's certificate is one header value, whatever names it has."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.headers import check_header
from pywatt.http.tls.client_certificate import distinguished_name, forwarded_form

TEXT = st.text(min_size=1, max_size=40)
ELEMENT = re.compile(r'Hash=[0-9a-f]{64};Subject="(?:[^"\\]|\\.)*"(?:;(?:URI|DNS)=(?:"(?:[^"\\]|\\.)*"|[^";, ]*))*')


def test_the_form_of_envoy() -> None:
    seen = {
        "subject": ((("countryName", "DE"),), (("organizationName", 'A, "B"'),), (("commonName", "client"),)),
        "subjectAltName": (("DNS", "c.example"), ("URI", "spiffe://a/b"), ("IP Address", "127.0.0.1")),
    }
    value = forwarded_form(seen, b"der").decode()
    assert value.endswith(';Subject="CN=client,O=A\\\\, \\\\\\"B\\\\\\",C=DE";DNS=c.example;URI=spiffe://a/b')
    assert ELEMENT.fullmatch(value)


def test_names_that_are_no_ascii_are_escaped() -> None:
    assert distinguished_name(((("commonName", "Jürgen"),),)) == "CN=J\\C3\\BCrgen"


@given(name=TEXT, uris=st.lists(TEXT, max_size=3))
def test_no_name_breaks_out_of_the_header_or_its_quotes(name: str, uris: list[str]) -> None:
    seen = {
        "subject": ((("commonName", name),),),
        "subjectAltName": tuple(("URI", uri) for uri in uris),
    }
    value = forwarded_form(seen, b"der")
    check_header(b"x-forwarded-client-cert", value)
    assert value.isascii()
    assert ELEMENT.fullmatch(value.decode())
