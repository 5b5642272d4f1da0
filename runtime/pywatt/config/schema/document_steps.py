"""Steps that the root file and every service file share: expand placeholders, coerce types, validate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.files.document import Document
from pywatt.config.files.formats import Format
from pywatt.config.files.key_path import format_key_path
from pywatt.config.schema.coerce import coerce
from pywatt.config.schema.placeholders import Expansion, Lookup, Unset, expand, nothing
from pywatt.config.schema.validate import violations

ROOT_VARIABLE = "PLT_ROOT"
"""Expands to the folder of the file it is written in."""


def expand_document(
    document: Document, env: Mapping[str, str], diagnostics: Diagnostics, fallback: Lookup = nothing
) -> Expansion:
    """Return the document with its placeholders replaced; reports every variable that is not set."""
    variables = {**env, ROOT_VARIABLE: str(document.file.parent)}
    expansion = expand(document.data, variables.get, fallback)
    for key, unset in expansion.missing:
        said = f": {unset.message}" if unset.message else ""
        diagnostics.problem(document, key, f"the variable {unset.name} is not set{said}", _hint(document, unset))
    return expansion


def _hint(document: Document, unset: Unset) -> str:
    if unset.written.startswith("$"):
        return (
            "set it in the environment or in a .env file, or write ${NAME:-default};"
            " what a shell is to replace is written $${NAME}"
        )
    hint = "set it in the environment or in a .env file, or write {NAME:-default}"
    if unset.name.isupper():
        return hint
    # As in awk '{print}', which may be no variable.
    backslash = "\\" if document.format is Format.YAML else "\\\\"
    return f"{hint}; braces that mean no variable are written {backslash}{{{unset.name}}}"


def validate_document(
    document: Document, expansion: Expansion, schema: Mapping[str, Any], diagnostics: Diagnostics
) -> dict[str, Any]:
    """Return the expanded document, coerced to its schema's types; reports every violation of the schema."""
    coerced = coerce(expansion.data, schema)
    for key, reason in coerced.later.items():
        name = format_key_path(part for part in key if isinstance(part, str))
        diagnostics.warn(
            document, f"{name} does nothing: {reason}" if reason else f"{name} is not supported yet and does nothing"
        )
    for violation in violations(coerced.data, schema, expansion.variables):
        # a placeholder left over from a missing variable is of the wrong type as well: one problem is enough
        if not diagnostics.spoiled(document, violation.key):
            diagnostics.problem(document, violation.key, violation.message, violation.hint)
    result: dict[str, Any] = coerced.data
    return result
