"""The words of `pywatt dashboard`."""

from __future__ import annotations

import click
import pytest

from pywatt.cli.inspection.dashboard import split


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", (None, "", "")),
        ("shop", ("shop", "", "")),
        ("export a.pywatt", (None, "export", "a.pywatt")),
        ("shop export a.pywatt", ("shop", "export", "a.pywatt")),
        ("import a.pywatt", (None, "import", "a.pywatt")),
        ("open a.pywatt", (None, "import", "a.pywatt")),
    ],
)
def test_words(words: str, expected: tuple[str | None, str, str]) -> None:
    assert split(words.split()) == expected


@pytest.mark.parametrize("words", ["export", "import", "shop other", "shop import a.pywatt", "a b c d"])
def test_others_are_refused(words: str) -> None:
    with pytest.raises(click.UsageError):
        split(words.split())
