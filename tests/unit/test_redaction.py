from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.redaction import HIDDEN, hide, hide_in_text, is_secret

SECRETS = [
    "PASSWORD", "DB_PASSWORD", "dbPassword", "password_file", "API_KEY", "apiKey", "APIKEY", "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN", "clientSecret", "SASL_PASSWD", "credentials", "Authorization", "session-cookie", "privateKey",
    "accesskeyid", "PGPASSFILE_PWD", "JWT", "jwtValue", "GITHUB_PAT", "SENTRY_DSN", "dsn", "SSHKEY", "STRIPE_KEY_2",
    "AZURE_CREDENTIAL", "DBPASS", "MYSQL_PWD", "dbPwd", "AUTH", "TOKEN_A", "MY_SECRET_X", "AWS_CREDS", "KEY",
]  # fmt: skip
OPEN = [
    "PATH", "HOME", "PORT", "monkey", "KEYBOARD", "turkey", "hostname", "username", "keyed", "author", "passenger",
    "PYTHONPATH", "PWD", "OLDPWD", "PATH_INFO", "BYPASS", "KEYCLOAK_URL", "PATTERN", "COMPASS",
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


@pytest.mark.parametrize(
    "text",
    [
        "postgres://app:s3/cret@db/x",
        "postgres://app:s3cret?x#y@db/x",
        "postgres://app:1/s3cret@db/x",
        "postgres://app:a@s3cret@db/x",
        "postgres:/app:s3cret@db",
        "//app:s3cret@db/x",
        "app:s3cret@db:5432",
        "https://:s3cret@h",
        "https://u:s3cret@[::1]:80/x",
        "jdbc:postgresql://h/d?user=a&password=s3cret",
        "jdbc:oracle:thin:scott/s3cret@db:1521/x",
        "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=s3cret=;EntityPath=p",
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=s3cret==",
        "Uid=a;Pwd='s3cret x';Db=y",
        '{"user": "a", "password": "s3cret"}',
        "{'user': 'a', 'password': 's3cret'}",
        '{"a": {"apiKey": "s3cret", "b": [1]}}',
        '{"a": [{"token": "s3cret"}]',
        '{"text": "{\\"password\\": \\"s3cret\\"}"}',
        '{"password": "s3cret',
        '{"secrets": ["s3cret", "a"], ',
        '{"pin": 1, "secret": s3cret}',
        '{"u": "redis://:s3cret@h"}',
        'curl -H "Authorization: Bearer s3cret" http://h',
        "Cookie: s3cret=1",
        "run --jwt s3cret",
        "https://hooks.slack.com/services/T0/B0/s3cret",
        "see https://discord.com/api/webhooks/1/s3cret and more",
        "https://discordapp.com/api/v10/webhooks/1/s3cret",
        "https://x.webhook.office.com/webhookb2/s3cret",
        "https://api.telegram.org/bots3cret:1/sendMessage",
        "https://h/x?sig=s3cret",
    ],
)
def test_no_secret_is_left_in_a_text(text: str) -> None:
    for shown in (hide_in_text(text), hide(text), hide({"VALUE": text})["VALUE"], hide_in_text(f"it is {text!r}")):
        assert "s3cret" not in shown
        assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "ghp_0123456789abcdefghij",
        "github_pat_0123456789abcdefghij",
        "glpat-0123456789abcdefghij",
        "xoxb-0123456789-abcdef",
        "sk_live_0123456789abcdefghij",
    ],
)
def test_what_has_the_form_of_a_secret_is_hidden(text: str) -> None:
    assert hide({"VALUE": text}) == {"VALUE": HIDDEN}
    assert hide_in_text(f"it is {text}, is it?") == f"it is {HIDDEN}, is it?"


@pytest.mark.parametrize(
    "text",
    [
        "http://api:3000/@scope/package",
        "http://[::1]:80/a@b",
        "http://api.plt.local/webhooks/orders",
        "node@sha256:0123",
        "nginx:1.2@sha256:0123",
        "mailto:me@example.com",
        "me@example.com, at 12:30",
        "no JSON: {a b}",
        '{"port": 1, "ordering": "key", "token": null, "maxRetries": 3}',
        '"security": {"sasl": {"mechanism": "plain", "password": "${DB_PASSWORD:-}"}}',
        "key=customer",
        "the key is missing",
        "/srv/app/lib:/usr/bin@2",
        "a:9092,b:9092",
        "{record.key}",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert hide_in_text(text) == text
    assert hide({"VALUE": text}) == {"VALUE": text}


def test_the_address_of_a_webhook_is_hidden_by_its_name_too() -> None:
    shown = hide({"SLACK_WEBHOOK_URL": "https://chat.example/in/s3cret?a=1", "WEBHOOK": "http://api.plt.local/orders"})
    assert shown == {"SLACK_WEBHOOK_URL": f"https://chat.example/{HIDDEN}", "WEBHOOK": "http://api.plt.local/orders"}


VISIBLE = st.characters(min_codepoint=33, exclude_categories=["Z", "C"])


@given(
    st.text(VISIBLE, min_size=8).filter(lambda text: "://" not in text),
    st.sampled_from(["amqp", "postgresql+a", "redis"]),
)
def test_the_password_of_a_url_is_never_shown(password: str, scheme: str) -> None:
    assert password not in hide_in_text(f"{scheme}://user:{password}@host/path")


@given(st.text(min_size=8), st.sampled_from(["amqp://", "mongodb:", "x:/"]))
def test_the_password_of_a_url_that_is_a_value_is_never_shown(password: str, scheme: str) -> None:
    assert password not in hide({"A": f"{scheme}user:{password}@host/path"})["A"]


@given(st.text(min_size=8).filter(lambda text: not any(text in word for word in ("password", HIDDEN))), st.booleans())
def test_a_password_inside_json_is_never_shown(password: str, whole: bool) -> None:
    text = json.dumps({"a": [{"password": password}], "b": 1}, ensure_ascii=whole)
    for shown in (hide_in_text(text), hide({"A": text})["A"], hide_in_text(text[: len(text) - 9])):
        assert json.dumps(password, ensure_ascii=whole)[1:-1] not in shown


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    hide_in_text(text)
    hide({"A": text, "B": [text]})
