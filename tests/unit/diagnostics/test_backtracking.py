"""Patterns that take very long on a text that nearly matches."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.diagnostics.backtracking import SlowPattern, check_backtracking
from pywatt_services.kafka_hooks.patterns.topic_patterns import check_pattern
from pywatt_services.kafka_hooks.publishing import schema_patterns
from pywatt_services.kafka_hooks.publishing.schema_files import UnusableSchema, read_schema
from pywatt_services.kafka_hooks.publishing.schema_validator import SchemaValidator


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$", "(a*)*", "^(a+)*b", "(a|a)*", "(a|ab)+c", "([a-z]+)*x", r"(\w+\s?)+:", "(.*)*", "(a?a)+", "((a+)b?)+",
        "(?:a+){10,}", "(?i:(a+A)+)", r"^(\d+)+$", "(x+x+)+y", "a*a*a*a*b", "(?=(a+)+b)", ".*a.*b.*c.*d",
        r"(\s|\s\s)*x",
    ],
)  # fmt: skip
def test_slow_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(SlowPattern):
        check_backtracking(pattern)
    with pytest.raises(ValueError, match="may take very long"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "orders", "orders.*", r"orders\..*", ".*-events", ".*-orders-.*", r"^[a-z]+(\.[a-z]+)*$", "([a-z]+-)*[a-z]+",
        "(foo|bar)+", "(foo|fob)*", r"^\d{4}-\d{2}-\d{2}$", "^(?!__).*", "a+", "(a{3})+", "(ab?)+", "^[^@]+@[^@]+$",
        r"^(\+|00)?[0-9 ]{6,20}$", "(?i:orders)-.*", "", "(a+b)*",
        r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", r"^[\w.+-]+@[\w-]+\.[\w.-]+$",
    ],
)  # fmt: skip
def test_usual_patterns_are_taken(pattern: str) -> None:
    check_backtracking(pattern)


@given(st.from_regex(r"[ab()*+?|.{}0-9\\d^$|-]{1,12}", fullmatch=True))
def test_any_pattern_is_judged(pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError):
        return
    with contextlib.suppress(SlowPattern):
        check_backtracking(pattern)


@pytest.fixture(params=["with RE2", "without"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    schema_patterns._matcher.cache_clear()
    if request.param == "without":
        monkeypatch.setitem(sys.modules, "re2", None)
    else:
        pytest.importorskip("re2")
    return str(request.param)


def errors(schema: dict[str, Any], document: object) -> list[str]:
    return [error["message"] for error in SchemaValidator(read_schema(schema, Path("/"))).document_errors(document)]


def test_a_slow_pattern_of_a_schema_is_matched_by_re2_or_refused(engine: str) -> None:
    schema = {"properties": {"name": {"pattern": "^(a+)+$"}}}
    if engine == "without":
        with pytest.raises(UnusableSchema, match="may take very long") as raised:
            read_schema(schema, Path("/"))
        assert "re2" in raised.value.hint
        return
    assert errors(schema, {"name": "a" * 100}) == []
    assert len(errors(schema, {"name": "a" * 100_000 + "b"})) == 1


def test_patterns_of_names_are_refused_when_slow(engine: str) -> None:
    with pytest.raises(UnusableSchema, match="may take very long"):
        read_schema({"patternProperties": {"^(a+)+$": True}}, Path("/"))
    schema = {"patternProperties": {"^a+$": {"type": "string"}}, "additionalProperties": False}
    assert errors(schema, {"aaa": "x"}) == []
    assert len(errors(schema, {"b": "x", "a": 1})) == 2
    assert len(errors(schema, {"a" * 100_000: "x"})) == 1


def test_patterns_of_a_schema_mean_what_they_meant(engine: str) -> None:
    assert errors({"pattern": r"^\d{3}$"}, "123") == []
    assert errors({"pattern": "b"}, "abc") == []
    assert errors({"pattern": "^(?!no)"}, "yes") == []
    assert len(errors({"pattern": "^(?!no)"}, "no")) == 1
    assert len(errors({"pattern": "é"}, "\ud800")) == 1
    assert len(errors({"pattern": r"^\d{3}$"}, "12a")) == 1
    assert (len(errors({"pattern": "a$"}, "a" * 100_000)) == 0) == (engine == "with RE2")
