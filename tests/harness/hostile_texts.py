"""Texts that a page must show as they are: as HTML, script, style or control characters they would do harm."""

from __future__ import annotations

HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><iframe src=javascript:alert(1)>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "</textarea><script>alert(1)</script>",
    "<a href=https://evil.example/>x</a>",
    "<style>*{display:none}</style>",
    "<b>bold</b> & &lt;escaped&gt;",
    "\u202egnp.exe\u202c",
    "__proto__",
)
