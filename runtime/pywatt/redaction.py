"""Hides secrets in the output about an app: its configuration, its environment, errors and log lines (pure).

A secret is told by the name that it stands under, by where it stands (the password of a URL), or by its form (a JWT).
In doubt it is hidden: `--secrets` shows everything.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

HIDDEN = "[hidden]"
HEADERS = "headers"
"""The key of HTTP headers, which may be pairs of a name and a value: an order and names that come twice matter."""

_WORDS = {
    "auth", "authorization", "bearer", "cookie", "creds", "pass", "pat", "pats", "private", "pwd", "salt", "sas",
    "signature",
}  # fmt: skip
"""A name that has one of these words is that of a secret."""
_PARTS = re.compile(r"password|passwd|passphrase|passcode|secret|token|credential", re.IGNORECASE)
"""And so is a name that contains one of these, for names that run words together."""
_ENDS = ("pass", "pwd", "jwt", "dsn")
_HARMLESS = {
    "bypass", "compass", "donkey", "hockey", "jockey", "keyboard", "keycloak", "keyed", "keynote", "keyspace",
    "keyword", "keywords", "monkey", "oldpwd", "surpass", "trespass", "turkey", "underpass", "whiskey",
}  # fmt: skip
"""Words that only look like those of secrets."""
_WORKING_FOLDER = "PWD"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_JSON_NAME = re.compile(r"""(?P<quote>\\{0,8}["'])(?P<name>[^"'\\\n]{1,80})(?P=quote)\s*:\s*""")
_JSON_VALUE = re.compile(
    r"""(?P<quote>\\{0,8}["'])(?P<text>(?:\\.|.)*?)(?:(?P=quote)|\Z) | \[[^\]]*(?:\]|\Z) | [^\s,}\]"'{\[]+""",
    re.VERBOSE | re.DOTALL,
)
"""A name and a value of an object that is written in a text, whole or cut off."""
_JSON_WORDS = {"true", "false", "null", "None", "True", "False"}
_SCHEME = r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,30}:/{1,3}|(?<![:\w/])//)"
_URL_USER = re.compile(
    rf"{_SCHEME}(?P<user>(?!\[)[^\s/:@?#]*):(?P<password>(?:(?!://)\S){{0,4096}})@",
    re.IGNORECASE,
)
"""A password reaches to the last `@`, for one that is not percent-encoded may hold any character."""
_WHOLE_URL = re.compile(
    r"\A\s*[a-z][a-z0-9+.-]*:/*(?P<user>(?!\[)[^/:@?#\s]*):(?P<password>.*)@", re.IGNORECASE | re.DOTALL
)
"""A value that is a URL as a whole: its password may even hold spaces."""
_PORT = re.compile(r"\d{1,5}(?=[/?#,;]|\Z)")
_WEB_SCHEMES = ("http:", "https:", "ws:", "wss:")
_BARE_USER = re.compile(
    r"(?<![\w/@.-])(?!mailto:|sip:|acct:)(?P<user>[^\s/:@?#\"'=,;&\[\]{}]{1,256}):(?P<password>[^\s/@:]{1,1024})@(?!sha256:)(?=[\w\[])",
    re.IGNORECASE,
)
"""`user:password@host` without a scheme."""
_ORACLE = re.compile(r"(?P<before>:(?:thin|oci8?):[^\s/@:]+/)[^\s@]+(?=@)", re.IGNORECASE)
"""Login and password as in `jdbc:oracle:thin:scott/tiger@db`."""
_URL_TOKEN = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,30}://)(?!\[hidden\])[^\s/:@?#]{20,}@", re.IGNORECASE)
"""So long a user without a password is a token, as in `https://ghp_...@github.com`."""
_PAIR = re.compile(
    r"(?P<name>(?<![\w.-])[\w.-]{1,100}(?:[ ]?(?:key|password))?)=(?P<value>\"[^\"]*\"?|'[^']*'?|[^\s&;,]+)",
    re.IGNORECASE,
)
_FLAG = re.compile(
    r"(?P<flag>(?<!\S)--?[\w-]{0,64}?(?:password|passwd|passphrase|pwd|secret|token|jwt|dsn|api-?key|access-?key)[\w-]{0,64})"
    r"(?P<space>[ ]+)(?![-\s])\S+",
    re.IGNORECASE,
)
"""Option of a command line, as in `--password s3cret`."""
_QUERY = re.compile(r"(?P<name>(?<=[?&])[^\s=&#?]+)=(?P<value>[^\s&;#,\[][^\s&;#]*)")
"""One pair of a URL's query; its name may be a word that tells of a secret only there, as in `?key=...`."""
_TEMPLATE = re.compile(r"(?:\$?\{[^{}]*\})+")
"""A placeholder for a value of a record or a variable."""
_CREDENTIALS = re.compile(r"(?P<scheme>\b(?:Bearer|Basic|Digest|Token)) +[\w+/=.~-]{6,}", re.IGNORECASE)
"""Credentials as in a header `authorization`."""
_HEADER = re.compile(
    r"(?P<name>\b(?:proxy-)?authorization\s*:\s*(?:\w+[ ]+)?|\b(?:set-)?cookie\s*:\s*)(?!\[hidden\])[^\s\"']+",
    re.IGNORECASE,
)
_FORMS = re.compile(
    r"""\beyJ[\w-]{6,}\.[\w-]{4,}\.[\w-]*              # JWT
      | \b(?:gh[oprsu]|github_pat)_\w{16,}             # GitHub
      | \bglpat-[\w-]{16,}                             # GitLab
      | \bxox[abeoprs]-[\w-]{8,} | \bxapp-[\w-]{8,}    # Slack
      | \bsk[-_](?:live_|test_|proj-|ant-)?[\w-]{16,}  # Stripe, OpenAI, Anthropic
      | \b(?:rk|whsec)_(?:live_|test_)?\w{16,}
      | \bAIza[\w-]{30,}                               # Google
      | \bnpm_\w{30,} | \bpypi-[\w-]{30,} | \bhf_\w{30,} | \bdckr_pat_[\w-]{16,}
      | \bSG\.[\w-]{16,}\.[\w-]{16,}                   # SendGrid
    """,
    re.VERBOSE,
)
"""Secrets that are recognised by their form."""
_HOOK = re.compile(
    r"""(?P<host>https?://(?:
            hooks\.slack(?:-gov)?\.com | (?:[\w-]+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks
          | [\w.-]+\.webhook\.office\.com | outlook\.office(?:365)?\.com/webhook
          | [\w.-]+\.logic\.azure\.com(?::\d+)? | [\w.-]+\.powerplatform\.com(?::\d+)?
          | chat\.googleapis\.com/v1/spaces | api\.telegram\.org | hooks\.zapier\.com | maker\.ifttt\.com
          | hooks\.(?:[\w-]+\.)?make\.com | hook\.[\w-]+\.make\.com | events\.pagerduty\.com/integration
          | (?:[\w-]+\.)?webhook\.site | open\.feishu\.cn/open-apis/bot | oapi\.dingtalk\.com
        )/)[^\s"'<>\\]+""",
    re.VERBOSE | re.IGNORECASE,
)
"""Addresses to which everybody who knows them may send."""
_HOOK_NAME = re.compile(r"web_?hook", re.IGNORECASE)
_OUTSIDE = re.compile(
    r"(?P<host>https?://(?!localhost\b|127\.|\[::1\]|[\w-]+\.plt\.local\b)[^\s/?#]+/)[^\s\"']+", re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Return whether a variable or key of that name holds a secret."""
    if _PARTS.search(name):
        return True
    return name != _WORKING_FOLDER and any(map(_tells, (word.lower() for word in _WORD.findall(name))))


def hide_in_text(text: str) -> str:
    """Return the text with its secrets hidden: passwords in URLs, pairs and JSON, keys, tokens, webhooks."""
    text = _PEM.sub(HIDDEN, text)
    text = _hide_in_json(text)
    if "@" in text:
        text = _URL_USER.sub(_hide_password, text)
        text = _URL_TOKEN.sub(lambda match: f"{match['scheme']}{HIDDEN}@", text)
        text = _BARE_USER.sub(lambda match: f"{match['user']}:{HIDDEN}@", text)
    text = _ORACLE.sub(lambda match: f"{match['before']}{HIDDEN}", text)
    text = _HOOK.sub(lambda match: f"{match['host']}{HIDDEN}", text)
    text = _HEADER.sub(lambda match: f"{match['name']}{HIDDEN}", text)
    text = _FLAG.sub(lambda match: f"{match['flag']}{match['space']}{HIDDEN}", text)
    text = _QUERY.sub(_hide_in_query, text)
    text = _PAIR.sub(_hide_in_pair, text)
    return _FORMS.sub(HIDDEN, text)


def hide_webhook(url: str) -> str:
    """Return the URL of a target with its path hidden when everybody who knows it may send there.

    A mark tells targets apart: they are labels of metrics.
    """
    return _HOOK.sub(lambda match: f"{match['host']}{HIDDEN}-{zlib.crc32(match[0].encode()):08x}", url)


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
    return _hide_in_value(value, name) if isinstance(value, str) else value


def _tells(word: str) -> bool:
    """Return whether a word of a name, in small letters, is that of a secret."""
    return word not in _HARMLESS and (word in _WORDS or "key" in word or word.endswith(_ENDS))


def _hide_in_value(text: str, name: str) -> str:
    """Return a whole value with its secrets hidden."""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            # It only begins like JSON.
            pass
        else:
            shown = hide(document)
            return text if shown == document else json.dumps(shown, ensure_ascii=False)
    url = _WHOLE_URL.match(text)
    if url is not None and not _is_port(url[0].lstrip().lower(), url["password"]):
        text = f"{text[: url.start('password')]}{HIDDEN}{text[url.end('password') :]}"
    if name and _HOOK_NAME.search(name):
        text = _OUTSIDE.sub(lambda match: f"{match['host']}{HIDDEN}", text)
    return hide_in_text(text)


def _hide_password(url: re.Match[str]) -> str:
    if _is_port(url["scheme"].lower(), url["password"]):
        return url[0]
    return f"{url['scheme']}{url['user']}:{HIDDEN}@"


def _is_port(url: str, text: str) -> bool:
    """Return whether the text behind a host and `:` is a port, as in `http://api:3000/@scope`."""
    return url.startswith(_WEB_SCHEMES) and _PORT.match(text) is not None


def _hide_in_json(text: str) -> str:
    made, position = "", 0
    while (name := _JSON_NAME.search(text, position)) is not None:
        made += text[position : name.end()]
        position = name.end()
        value = _JSON_VALUE.match(text, position) if is_secret(name["name"]) else None
        if value is not None and not _TEMPLATE.fullmatch(value["text"] or "") and value[0] not in _JSON_WORDS:
            quote = value["quote"] or name["quote"]
            made += f"{quote}{HIDDEN}{quote}"
            position = value.end()
    return made + text[position:]


def _is_pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(part, str) for part in value)


def _hide_header(name: str, value: Any) -> Any:
    hidden = hide(value, name)
    return _CREDENTIALS.sub(lambda found: f"{found['scheme']} {HIDDEN}", hidden) if isinstance(hidden, str) else hidden


def _hide_in_query(pair: re.Match[str]) -> str:
    name, value = pair["name"], pair["value"]
    return f"{name}={HIDDEN}" if is_secret(unquote(name)) and not _TEMPLATE.fullmatch(value) else pair[0]


def _hide_in_pair(pair: re.Match[str]) -> str:
    name, value = pair["name"], pair["value"]
    # A lone word such as `key` is that of many harmless things outside of a query.
    telling = _PARTS.search(name) or (is_secret(name) and len(_WORD.findall(name)) > 1) or name.lower() in _LONE
    return f"{name}={HIDDEN}" if telling and not _TEMPLATE.fullmatch(value) and value != HIDDEN else pair[0]


_LONE = {"pwd", "pass", "sig", "signature", "jwt", "dsn", "apikey", "accesskey", "accountkey", "pat"}
