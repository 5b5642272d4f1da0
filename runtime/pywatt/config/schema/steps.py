"""The steps that the root file and every service file go through alike: placeholders, types, schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pywatt.config.diagnostics.diagnostics import Findings
from pywatt.config.files.document import Document
from pywatt.config.files.formats import Format
from pywatt.config.files.key_path import Key, spell
from pywatt.config.schema.coerce import conform
from pywatt.config.schema.placeholders import Expansion, Lookup, Unset, expand, nothing
from pywatt.config.schema.validate import mismatches

ROOT_VARIABLE = "PLT_ROOT"
"""Stands for the folder of the file it is written in."""


def expanded(document: Document, env: Mapping[str, str], findings: Findings, fallback: Lookup = nothing) -> Expansion:
    """Return the document with its placeholders replaced; every missing variable is a problem."""
    variables = {**env, ROOT_VARIABLE: str(document.file.parent)}
    expansion = expand(document.data, variables.get, fallback)
    for key, unset in expansion.missing:
        said = f": {unset.message}" if unset.message else ""
        findings.problem(document, key, f"the variable {unset.name} is not set{said}", _remedy(document, unset))
    return expansion


def _remedy(document: Document, unset: Unset) -> str:
    if unset.written.startswith("$"):
        return (
            "set it in the environment or in a .env file, or write ${NAME:-default};"
            " what a shell is to replace is written $${NAME}"
        )
    remedy = "set it in the environment or in a .env file, or write {NAME:-default}"
    if unset.name.isupper():
        return remedy
    # As in awk '{print}', which may be no variable.
    backslash = "\\" if document.format is Format.YAML else "\\\\"
    return f"{remedy}; braces that mean no variable are written {backslash}{{{unset.name}}}"


def checked(
    document: Document,
    data: Mapping[str, Any],
    schema: Mapping[str, Any],
    variables: Mapping[Key, tuple[str, ...]],
    findings: Findings,
) -> dict[str, Any]:
    """Return the expanded `data` in the types of its schema; what does not fit is a problem."""
    conformed = conform(data, schema)
    for key, reason in conformed.later.items():
        name = spell(part for part in key if isinstance(part, str))
        findings.warn(
            document, f"{name} does nothing: {reason}" if reason else f"{name} is not supported yet and does nothing"
        )
    for mismatch in mismatches(conformed.data, schema, variables):
        # a placeholder left over from a missing variable is of the wrong type as well: one problem is enough
        if not findings.spoiled(document, mismatch.key):
            findings.problem(document, mismatch.key, mismatch.message, mismatch.hint)
    result: dict[str, Any] = conformed.data
    return result
