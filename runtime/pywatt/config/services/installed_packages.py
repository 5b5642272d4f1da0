"""Checks that the optional packages that services need are installed."""

from __future__ import annotations

from importlib.util import find_spec

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.files.document import Document
from pywatt.service_type import Configured


def check_packages(made: Configured, document: Document, diagnostics: Diagnostics) -> None:
    """Report each package that a service needs and that is not installed."""
    for one in made.requires:
        if find_spec(one.module) is not None:
            continue
        message = f"{one.needed_by} needs the package {one.package}, which is not installed"
        diagnostics.problem(document, (), message, f"pip install 'pywatt[{one.extra}]'")
