"""Hides secrets in what is shown of an app's configuration and environment (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"

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
    return _PAIR.sub(lambda match: f"{match['name']}={HIDDEN}", text)


def hide(value: Any, name: str = "") -> Any:
    """Return a JSON value with the secrets in it hidden; `name` is the key that it stands under."""
    if isinstance(value, Mapping):
        # A mapping under a telling name (`credentials: {user, ...}`) is gone through all the same: it has names.
        return {key: hide(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
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
