from __future__ import annotations

from typing import Any

import pytest

from pywatt.config.logger_model import RedactConfig
from pywatt.config.model import LogLevel
from pywatt.logs.formats.redaction import Redaction, parse_path
from pywatt.logs.lines import LogRecord

EXTRA: dict[str, Any] = {
    "password": "p",
    "user": {"token": "t", "id": 1, "cards": [{"number": 4}, {"number": 5}]},
    "headers": {"set-cookie": "c", "host": "h"},
}


def record(extra: dict[str, Any] | None = None, msg: str = "m") -> LogRecord:
    return LogRecord(level=LogLevel.INFO, time=1, name="api", msg=msg, pid=1, extra=EXTRA if extra is None else extra)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a", ("a",)),
        ("a.b_c.$d", ("a", "b_c", "$d")),
        ('headers["set-cookie"]', ("headers", "set-cookie")),
        ("headers['x.y'].z", ("headers", "x.y", "z")),
        ("a[0].b", ("a", 0, "b")),
        ("a[*].b", ("a", None, "b")),
        ("*.token", (None, "token")),
    ],
)
def test_paths_are_those_of_pino(path: str, parts: tuple[object, ...]) -> None:
    assert parse_path(path) == parts


@pytest.mark.parametrize("path", ["", "a..b", "a[", "a[x]", ".", 'a["b]', "a b"])
def test_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(path)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("password", ("password",)),
        ("user.token", ("user", "token")),
        ("user.cards[1].number", ("user", "cards", 1, "number")),
        ('headers["set-cookie"]', ("headers", "set-cookie")),
        ("user", ("user",)),
    ],
)
def test_value_is_censored_in_a_copy(path: str, place: tuple[Any, ...]) -> None:
    before = repr(EXTRA)
    found: Any = Redaction(RedactConfig(paths=(path,), censor="***")).apply(record()).extra
    for part in place:
        found = found[part]
    assert found == "***"
    assert repr(EXTRA) == before


def test_star_stands_for_every_key_and_item() -> None:
    hidden = Redaction(RedactConfig(paths=("user.cards[*].number", "headers.*"))).apply(record()).extra
    assert [card["number"] for card in hidden["user"]["cards"]] == ["[redacted]"] * 2
    assert set(hidden["headers"].values()) == {"[redacted]"}
    assert hidden["user"]["id"] == 1


def test_keys_are_left_out_on_demand() -> None:
    hidden = Redaction(RedactConfig(paths=("password", "headers.host", "user.cards[0]"), remove=True)).apply(record())
    assert "password" not in hidden.extra
    assert hidden.extra["headers"] == {"set-cookie": "c"}
    assert hidden.extra["user"]["cards"] == [None, {"number": 5}]


def test_message_can_be_hidden() -> None:
    assert Redaction(RedactConfig(paths=("msg",))).apply(record({})).msg == "[redacted]"


@pytest.mark.parametrize("path", ["nothing", "password.x", "user.cards[9].number", "user.cards.number", "headers[0]"])
def test_record_without_the_key_stays_the_same(path: str) -> None:
    original = record()
    assert Redaction(RedactConfig(paths=(path,))).apply(original) is original
