"""W3C baggage."""

from __future__ import annotations

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt.telemetry.baggage import MAX_BYTES, format_baggage, parse_baggage, valid_baggage

NAMES = st.text(alphabet="abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8)


@fuzz
@given(st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=10))
def test_members_are_read_as_they_were_written(members: dict[str, str]) -> None:
    text = format_baggage(members)
    assert text.isascii()
    assert parse_baggage(text) == members
    assert valid_baggage(text) == text


@fuzz
@given(st.text(max_size=40) | st.text(alphabet='a=;, \t"\\%é', max_size=40))
def test_whatever_is_passed_on_is_valid(text: str) -> None:
    valid = valid_baggage(text)
    assert valid_baggage(valid) == valid
    assert valid.isascii()
    assert not {"\n", "\r", "\0", '"', "\\"} & set(valid)


def test_properties_stay_and_invalid_members_are_left_out() -> None:
    text = 'userId=Am%C3%A9lie;secret;ttl=3 , "bad"=1,key = value2, x'
    assert valid_baggage(text) == "userId=Am%C3%A9lie;secret;ttl=3,key = value2"
    assert parse_baggage(text) == {"userId": "Amélie", "key": "value2"}


def test_limits() -> None:
    assert valid_baggage("a=" + "v" * MAX_BYTES) == ""
    assert len(valid_baggage(",".join(f"k{n}=1" for n in range(500))).split(",")) == 180
    with pytest.raises(ValueError, match="token"):
        format_baggage({"a b": "1"})
