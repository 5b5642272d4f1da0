"""The lines of the access log: one per request, whatever a client sends."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.request import RequestHead
from pywatt_services.gateway.access_log.entry import AccessEntry
from pywatt_services.gateway.access_log.formats import ATOMIC, line_format
from pywatt_services.gateway.access_log.options import AccessLogFormat, QueryForm

COMBINED = re.compile(
    r'\S+ - \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "[^"]*" \d{3} \d+ "[^"]*" "[^"]*"'
)
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def entry(*, ip: bytes = b"192.0.2.7", **request: Any) -> AccessEntry:
    fields: dict[str, Any] = {
        "method": b"GET",
        "target": b"/",
        "path": b"/a",
        "query": b"",
        "authority": b"a.example",
        "headers": [],
        "minor": 1,
        "content_length": 0,
        "chunked": False,
        "keep_alive": True,
    }
    return AccessEntry(
        ended_at=1795904135.168,
        seconds=0.0123456,
        ip=ip,
        trusted=False,
        request=RequestHead(**{**fields, **request}),
        status=200,
        sent=17,
        route="api",
        upstream_seconds=0.01,
        head=b"GET /a HTTP/1.1\r\nTraceparent: %b\r\n\r\n" % TRACE,
    )


def document(made: AccessEntry, query: QueryForm = QueryForm.HIDE_SECRETS, *, records: bool = False) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(line_format(AccessLogFormat.JSON, query, records=records)(made))
    return line


def combined(made: AccessEntry) -> str:
    return line_format(AccessLogFormat.COMBINED, QueryForm.HIDE_SECRETS, records=False)(made).decode()


def test_a_line_of_json() -> None:
    headers = [(b"User-Agent", b"curl"), (b"X-Request-Id", b"r1"), (b"Authorization", b"Basic Ym9iOnNlY3JldA==")]
    assert document(entry(headers=headers, query=b"?b=1&token=abc")) == {
        "time": 1795904135168,
        "ip": "192.0.2.7",
        "user": "bob",
        "method": "GET",
        "path": "/a",
        "query": "b=1&token=REDACTED",
        "protocol": "HTTP/1.1",
        "host": "a.example",
        "status": 200,
        "bytes": 17,
        "duration": 12.346,
        "route": "api",
        "upstream": 10.0,
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "requestId": "r1",
        "userAgent": "curl",
    }


def test_a_record_of_the_log_has_a_level_and_a_message() -> None:
    record = document(entry(), records=True)
    assert (record["level"], record["msg"], record["status"]) == (30, "GET /a 200", 200)
    form = line_format(AccessLogFormat.COMBINED, QueryForm.FULL, records=True)
    assert COMBINED.fullmatch(json.loads(form(entry()))["msg"])


@pytest.mark.parametrize(("form", "logged"), [(QueryForm.FULL, "token=abc"), (QueryForm.OMIT, None)])
def test_queries(form: QueryForm, logged: str | None) -> None:
    made = entry(query=b"?token=abc", headers=[(b"Referer", b"http://b/?token=abc")])
    assert document(made, form).get("query") == logged
    assert document(made, form)["referer"] == ("http://b/" if logged is None else "http://b/?token=abc")


def test_secrets_in_referers_are_hidden() -> None:
    assert "abc" not in document(entry(headers=[(b"Referer", b"http://b/?x=1&token=abc")]))["referer"]


def test_the_address_that_a_trusted_proxy_tells() -> None:
    made = entry(headers=[(b"X-Forwarded-For", b"198.51.100.3, 10.0.0.1")])
    assert document(made)["ip"] == "192.0.2.7"
    made.trusted = True
    assert document(made)["ip"] == "198.51.100.3"


@pytest.mark.parametrize(
    "authorization", [b"Bearer abc", b"Basic !", b"Basic bm9jb2xvbg==", b"Basic", "Basic \u00e9".encode()]
)
def test_other_credentials_name_nobody(authorization: bytes) -> None:
    assert "user" not in document(entry(headers=[(b"authorization", authorization)]))


def test_a_combined_line() -> None:
    line = combined(entry(headers=[(b"referer", b"http://b/"), (b"user-agent", b'x" 200 9 "\\\x1b')], query=b"?q"))
    assert COMBINED.fullmatch(line.rstrip("\n"))
    assert line.endswith('"GET /a?q HTTP/1.1" 200 17 "http://b/" "x\\x22 200 9 \\x22\\x5C\\x1B"\n')


def test_a_request_without_a_head() -> None:
    made = entry()
    made.request, made.head = None, b""
    assert ' "-" 200 17 "-" "-"\n' in combined(made)
    assert {"path", "method", "traceId"}.isdisjoint(document(made))


@fuzz
@given(
    st.binary(max_size=400),
    st.binary(max_size=400),
    st.lists(
        st.tuples(
            st.sampled_from([b"user-agent", b"referer", b"authorization", b"x-request-id", b"x-forwarded-for"]),
            st.binary(max_size=3000) | st.binary(max_size=60).map(lambda text: b"Basic " + text),
        ),
        max_size=5,
    ),
    st.booleans(),
    st.sampled_from(QueryForm),
    st.binary(max_size=90).map(lambda text: b"traceparent: " + text),
)
def test_any_request_is_one_line_of_ascii(
    path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], trusted: bool, form: QueryForm, head: bytes
) -> None:
    made = entry(path=path, query=query, headers=headers)
    made.trusted, made.head = trusted, head
    for log_format in AccessLogFormat:
        for records in (False, True):
            line = line_format(log_format, form, records=records)(made).decode("ascii")
            assert line.endswith("\n")
            assert line[:-1].isprintable()
            if records:
                assert len(line) <= ATOMIC
            if log_format is AccessLogFormat.JSON or records:
                found = json.loads(line)
                assert records is ("msg" in found)
                line = found["msg"] if log_format is AccessLogFormat.COMBINED else ""
            if line:
                assert COMBINED.fullmatch(line.rstrip("\n"))
