from __future__ import annotations

import pytest

from pywatt.config.model import LogLevel
from pywatt.logs.lines import LogRecord
from pywatt.logs.search.record_filter import RecordFilter, parse_condition, record_filter

RECORD = LogRecord(
    level=LogLevel.ERROR,
    time=1000,
    name="api",
    msg="order 7 failed",
    pid=4,
    worker=1,
    extra={
        "status": 503,
        "ms": 20.5,
        "ok": False,
        "user": {"id": 7, "roles": ["admin", "buyer"]},
        "http.status_code": 500,
        "none": None,
        "err": {"type": "KeyError", "stack": "Traceback\n  File x\nKeyError: 'price'"},
        "trace_id": "4BF92F3577B34DA6A3CE929D0E0E4736",
    },
)


@pytest.mark.parametrize(
    "condition",
    [
        "status=503",
        "status=503.0",
        "status!=500",
        "status>=500",
        "status<504",
        "ms>20",
        "ok=false",
        "none=null",
        "user.id=7",
        "user.roles=buyer",
        "user.roles.0=admin",
        "http.status_code=500",
        "err.type=KeyError",
        "nothing!=1",
        "level=error",
        "level>info",
        "name=api",
        "worker=1",
        "msg=order 7 failed",
        "err.type>=K",
    ],
)
def test_condition_holds(condition: str) -> None:
    assert parse_condition(condition).holds(RECORD)


@pytest.mark.parametrize(
    "condition",
    [
        "status=50",
        "status!=503",
        "status>503",
        "nothing=1",
        "nothing>1",
        "user=7",
        "user.id.x=7",
        "user.roles=seller",
        "user.roles.5=admin",
        "ok=0",
        "none>1",
        "err.type>5",
        "level=info",
    ],
)
def test_condition_does_not_hold(condition: str) -> None:
    assert not parse_condition(condition).holds(RECORD)


@pytest.mark.parametrize("text", ["status", "=5", "", "!x"])
def test_malformed_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no condition"):
        parse_condition(text)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (record_filter(), True),
        (record_filter(level=LogLevel.FATAL), False),
        (record_filter(since=1001), False),
        (record_filter(services=["api"]), True),
        (record_filter(services=["web"]), False),
        (record_filter(grep="order [0-9]"), True),
        (record_filter(grep="KeyError: 'price'$"), True),
        (record_filter(grep="^503$"), True),
        (record_filter(grep="no such"), False),
        (record_filter(trace="4bf92f3577b34da6a3ce929d0e0e4736"), True),
        (record_filter(trace="4bf92f3577b34da6a3ce929d0e0e4737"), False),
        (record_filter(where=["status>=500", "user.id=7"]), True),
        (record_filter(where=["status>=500", "user.id=8"]), False),
    ],
)
def test_all_parts_of_a_filter_have_to_be_met(wanted: RecordFilter, taken: bool) -> None:
    assert wanted.takes(RECORD) is taken


def test_level_is_the_number_of_a_custom_one() -> None:
    record = LogRecord(level=LogLevel.INFO, number=35, time=0, name="x", msg="", pid=0)
    assert parse_condition("level=35").holds(record)
    assert not parse_condition("level=info").holds(record)
    assert parse_condition("level<warn").holds(record)


def test_trace_is_found_under_the_keys_of_other_loggers() -> None:
    wanted = record_filter(trace="abc")
    for extra in ({"traceId": "ABC"}, {"trace.id": "abc"}, {"trace": {"id": "abc"}}):
        assert wanted.takes(LogRecord(level=LogLevel.INFO, time=0, name="x", msg="", pid=0, extra=extra))
    assert not wanted.takes(LogRecord(level=LogLevel.INFO, time=0, name="x", msg="abc", pid=0))


def test_malformed_expression_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"no regular expression: .* at position 0"):
        record_filter(grep="(")
