"""Hides secrets in what is shown of an app's configuration and environment (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

HIDDEN = "[hidden]"
HEADERS = "headers"
"""The key of HTTP headers, which may be pairs of a name and a value: an order and names that come twice matter."""

_WORDS = {
    "apikey", "auth", "authorization", "cookie", "credential", "credentials", "key", "keys", "pass", "passphrase",
    "passwd", "password", "private", "pwd", "salt", "secret", "secrets", "signature", "token", "tokens",
}  # fmt: skip
"""A name that has one of these words is that of a secret."""
_PARTS = re.compile(r"password|passwd|passphrase|secret|token|credential|apikey|accesskey|privatekey", re.IGNORECASE)
"""And so is a name that contains one of these, for names that run words together."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_URL_USER = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^\s/:@?#]*):(?P<password>[^\s/?#]*)@", re.IGNORECASE)
_PAIR = re.compile(
    r"(?P<name>\b[\w.-]*(?:password|passwd|pwd|secret|token|apikey|api_key|access_key|sig|signature)[\w.-]*)=(?P<value>[^\s&;,]+)",
    re.IGNORECASE,
)
_FLAG = re.compile(
    r"(?P<flag>(?<!\S)--?[\w-]*(?:password|passwd|passphrase|pwd|secret|token|api-?key|access-?key)[\w-]*)"
    r"(?P<space>[ ]+)(?![-\s])\S+",
    re.IGNORECASE,
)
"""Of a command line, as in `--password s3cret`."""
_QUERY = re.compile(r"(?P<name>(?<=[?&])[^\s=&#?]+)=(?P<value>[^\s&;#,\[][^\s&;#]*)")
"""One pair of a URL's query; its name may be a word that tells of a secret only there, as in `?key=...`."""
_TEMPLATE = re.compile(r"(?:\{[^{}]*\})+")
"""What stands for a value of a record, and is none itself."""
_CREDENTIALS = re.compile(r"(?P<scheme>\b(?:Bearer|Basic|Digest|Token)) +[\w+/=.~-]{6,}", re.IGNORECASE)
"""As in a header `authorization`."""
_URL_TOKEN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s/:@?#]{20,}@", re.IGNORECASE)
"""So long a user without a password is a token, as in `https://ghp_...@github.com`."""
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def is_secret(name: str) -> bool:
    """Whether a variable or key of that name holds a secret."""
    return bool(_PARTS.search(name)) or any(word.lower() in _WORDS for word in _WORD.findall(name))


def hide_in_text(text: str) -> str:
    """Return the text with passwords in URLs, secrets in `name=value` pairs and flags, and private keys hidden."""
    text = _PEM.sub(HIDDEN, text)
    text = _URL_USER.sub(lambda match: f"{match['scheme']}{match['user']}:{HIDDEN}@", text)
    text = _URL_TOKEN.sub(lambda match: f"{match['scheme']}{HIDDEN}@", text)
    text = _FLAG.sub(lambda match: f"{match['flag']}{match['space']}{HIDDEN}", text)
    text = _QUERY.sub(_hide_in_query, text)
    return _PAIR.sub(lambda match: f"{match['name']}={HIDDEN}", text)


def hide(value: Any, name: str = "") -> Any:
    """Return a JSON value with the secrets in it hidden; `name` is the key that it stands under."""
    if isinstance(value, Mapping):
        # A mapping under a telling name (`credentials: {user, ...}`) is gone through all the same: it has names.
        if name.lower() == HEADERS:
            return {key: _hide_header(str(key), item) for key, item in value.items()}
        return {key: hide(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if name.lower() == HEADERS and all(map(_is_pair, value)):
            return [[each[0], _hide_header(*each)] for each in value]
        # `["--token", "abc"]` is a command line: a flag tells of the word behind it.
        flags = ["", *(item if isinstance(item, str) and item.startswith("-") else "" for item in value)]
        return [
            HIDDEN if flag and is_secret(flag) and "=" not in flag and isinstance(item, str) else hide(item, name)
            for flag, item in zip(flags, value, strict=False)
        ]
    if isinstance(value, (bool, type(None))) or value == "":
        return value
    if name and is_secret(name):
        return HIDDEN
    return hide_in_text(value) if isinstance(value, str) else value


def _is_pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(part, str) for part in value)


def _hide_header(name: str, value: Any) -> Any:
    hidden = hide(value, name)
    return _CREDENTIALS.sub(lambda found: f"{found['scheme']} {HIDDEN}", hidden) if isinstance(hidden, str) else hidden


def _hide_in_query(pair: re.Match[str]) -> str:
    name, value = pair["name"], pair["value"]
    return f"{name}={HIDDEN}" if is_secret(unquote(name)) and not _TEMPLATE.fullmatch(value) else pair[0]
