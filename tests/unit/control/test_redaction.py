from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.control.redaction import HIDDEN, hide, hide_in_text, is_secret

SECRETS = [
    "PASSWORD", "DB_PASSWORD", "dbPassword", "password_file", "API_KEY", "apiKey", "APIKEY", "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN", "clientSecret", "SASL_PASSWD", "credentials", "Authorization", "session-cookie", "privateKey",
    "accesskeyid", "PGPASSFILE_PWD",
]  # fmt: skip
OPEN = [
    "PATH", "HOME", "PORT", "monkey", "KEYBOARD", "turkey", "hostname", "username", "keyed", "author", "passenger",
    "PYTHONPATH",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)
    assert hide({name: "value"}) == {name: HIDDEN}


@pytest.mark.parametrize("name", OPEN)
def test_other_names(name: str) -> None:
    assert hide({name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://app:s3cret@db:5432/x?y=1", f"postgres://app:{HIDDEN}@db:5432/x?y=1"),
        ("redis://:s3cret@cache/0", f"redis://:{HIDDEN}@cache/0"),
        ("a:9092,https://u:p@h/ and http://u2:p2@h2/", f"a:9092,https://u:{HIDDEN}@h/ and http://u2:{HIDDEN}@h2/"),
        ("http://user@host/", "http://user@host/"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("https://x/?access_token=abc&a=1", f"https://x/?access_token={HIDDEN}&a=1"),
        ("Server=db;Password=s3cret;Database=x", f"Server=db;Password={HIDDEN};Database=x"),
        ("serve --db-password s3cret --port 1", f"serve --db-password {HIDDEN} --port 1"),
        ("serve --token=s3cret --no-password --port 1", f"serve --token={HIDDEN} --no-password --port 1"),
        ("https://ghp_0123456789abcdef0123@github.com/x", f"https://{HIDDEN}@github.com/x"),
        ("https://x/hook?key=abc&auth=d%20e&page=2#top", f"https://x/hook?key={HIDDEN}&auth={HIDDEN}&page=2#top"),
        ("http://x/?api%5Fkey=abc", f"http://x/?api%5Fkey={HIDDEN}"),
        ("http://x/?key={record.key}&keys={a}{b}", "http://x/?key={record.key}&keys={a}{b}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n", f"{HIDDEN}\n"),
    ],
)
def test_secrets_inside_a_text(text: str, expected: str) -> None:
    assert hide_in_text(text) == expected


def test_documents_are_gone_through() -> None:
    document = {
        "kafka": {"sasl": {"username": "me", "password": "x"}, "brokers": ["kafka://u:p@h"]},
        "keys": ["a", "b"],
    }
    assert hide(document) == {
        "kafka": {"sasl": {"username": "me", "password": HIDDEN}, "brokers": [f"kafka://u:{HIDDEN}@h"]},
        "keys": [HIDDEN, HIDDEN],
    }


HEADERS = {
    "authorization": HIDDEN,
    "proxy-authorization": HIDDEN,
    "cookie": HIDDEN,
    "x-api-key": HIDDEN,
    "x-functions-key": HIDDEN,
    "x-access-token": HIDDEN,
    "x-hook-secret": HIDDEN,
    "x-tenant": "value",
    "content-type": "value",
}


def test_headers_are_hidden_by_their_names() -> None:
    pairs = [[name, "value"] for name in HEADERS]
    assert hide({"webhooks": [{"headers": pairs}]}) == {"webhooks": [{"headers": [list(h) for h in HEADERS.items()]}]}
    assert hide({"headers": dict(pairs)}) == {"headers": HEADERS}
    assert hide({"headers": ["content-type", "x-*"]}) == {"headers": ["content-type", "x-*"]}


def test_credentials_in_a_header_of_another_name() -> None:
    pairs = [["x-forward", "Bearer eyJ.abc-1"], ["x-forward", "Basic dTpwYXNzd29yZA=="], ["x-level", "Basic"]]
    assert hide({"headers": pairs}) == {
        "headers": [["x-forward", f"Bearer {HIDDEN}"], ["x-forward", f"Basic {HIDDEN}"], ["x-level", "Basic"]]
    }


def test_a_command_line_in_words() -> None:
    words = ["serve", "--api-key", "abc", "--port", "1", "--token=abc", "last"]
    assert hide({"command": words}) == {
        "command": ["serve", "--api-key", HIDDEN, "--port", "1", f"--token={HIDDEN}", "last"]
    }


def test_what_is_not_set_is_shown_as_such() -> None:
    assert hide({"password": "", "token": None, "key": False}) == {"password": "", "token": None, "key": False}


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/?#@ :"), min_size=8))
def test_the_password_of_a_url_is_never_shown(password: str) -> None:
    assert password not in hide_in_text(f"amqp://user:{password}@host/path")
