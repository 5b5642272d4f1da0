"""Validates a document against its JSON Schema and words each violation: key, found value, expected value.

jsonschema takes some 50-100 ms to import, so it is imported here, inside the step, and not before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pywatt.config.diagnostics.hints import closest_match, missing_key_hint, suggest, value_hint
from pywatt.config.files.key_path import KeyPath
from pywatt_schemas import EXPECTS, LATER, SUPPORT

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A place where a document violates its schema."""

    key: KeyPath
    message: str
    hint: str = ""


def violations(
    data: Any, schema: Mapping[str, Any], variables: Mapping[KeyPath, tuple[str, ...]]
) -> tuple[Violation, ...]:
    """Return every violation of the schema; `variables` are those used in each string, by its key path."""
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(data)
    return tuple(found for error in errors for found in _explain(error, variables))


def _explain(error: ValidationError, variables: Mapping[KeyPath, tuple[str, ...]]) -> Iterator[Violation]:
    key: KeyPath = tuple(error.absolute_path)
    keyword = error.validator
    schema: Any = error.schema
    instance: Any = error.instance
    limit: Any = error.validator_value
    if keyword == "additionalProperties" and limit is False:
        known = schema.get("properties", {})
        for name in instance:
            if name not in known:
                yield Violation(key=(*key, name), message="unknown key", hint=_known_keys(name, known))
    elif keyword == "required":
        for name in limit:
            if name not in instance:
                yield Violation(key=(*key, name), message="is missing", hint=missing_key_hint(schema, name))
    elif keyword in {"anyOf", "oneOf"} and error.context:
        inner = _likely_branch(error)
        if inner:
            for child in inner:
                yield from _explain(child, variables)
        else:
            yield _violation(error, key, f"must be {_expected(schema, error)}", variables)
    else:
        yield _violation(error, key, _rule(error), variables)


def _likely_branch(error: ValidationError) -> list[ValidationError]:
    """Return the errors of the one alternative whose outer type fits the value, or an empty list."""
    fitting = _fitting_branches(error, len(error.absolute_path))
    return fitting[0] if len(fitting) == 1 else []


def _fitting_branches(error: ValidationError, depth: int) -> list[list[ValidationError]]:
    """Return the errors of each alternative whose outer type fits the value, which is `depth` keys deep."""
    branches: dict[Any, list[ValidationError]] = {}
    for child in error.context or ():
        branches.setdefault(child.schema_path[0], []).append(child)
    return [children for children in branches.values() if not any(_is_of_other_type(each, depth) for each in children)]


def _is_of_other_type(error: ValidationError, depth: int) -> bool:
    if len(error.absolute_path) != depth:
        return False
    if error.validator in {"anyOf", "oneOf"}:
        return not _fitting_branches(error, depth)
    return error.validator in {"type", "const", "enum"}


def _rule(error: ValidationError) -> str:
    limit = error.validator_value
    match error.validator:
        case "type" | "enum" | "const" | "pattern":
            return f"must be {_expected(error.schema, error)}"
        case "minimum":
            return f"must be at least {limit}"
        case "maximum":
            return f"must be at most {limit}"
        case "exclusiveMinimum":
            return f"must be more than {limit}"
        case "minLength":
            return "must not be empty"
        case "minItems":
            return "must not be an empty list" if limit == 1 else f"must have at least {limit} items"
        case "uniqueItems":
            return "must not have the same item twice"
        case "maxLength":
            return f"must have at most {limit} characters"
        case "maxItems":
            return f"must have at most {limit} items"
        case _:
            # jsonschema's own words would quote the value, which may be a secret.
            return f"must satisfy {error.validator}: {json.dumps(limit)}"


def _violation(
    error: ValidationError, key: KeyPath, rule: str, variables: Mapping[KeyPath, tuple[str, ...]]
) -> Violation:
    from pywatt.redaction import is_secret  # only a mistake pays for this import

    names = variables.get(key, ())
    origin = f" from the variable {' and '.join(names)}" if names else ""
    own = [part for part in key if isinstance(part, str)][-1:]
    found = _found(error.instance, secret=any(is_secret(name) for name in (*own, *names)))
    schema: Any = error.schema
    options = [value for value in schema.get("enum", ()) if isinstance(value, str)]
    meant = closest_match(error.instance, options) if isinstance(error.instance, str) else None
    hint = f'did you mean "{meant}"?' if meant else ""
    if not hint and names:
        hint = f"change the value of {' or '.join(names)}"
    if not hint and isinstance(schema, dict):
        hint = value_hint(schema, error.validator, _expected(schema, error))
    return Violation(key=key, message=f"{rule}, found {found}{origin}", hint=hint)


def _expected(schema: Any, error: ValidationError) -> str:
    """Describe the values that a schema allows."""
    if not isinstance(schema, dict):
        return "something else"
    if EXPECTS in schema:
        return str(schema[EXPECTS])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return _either(json.dumps(value) for value in schema["enum"])
    if "pattern" in schema and error.validator == "pattern":
        return f"text of the form {schema['pattern']}"
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        return _either(_KINDS[name] for name in names)
    branches = schema.get("anyOf") or schema.get("oneOf") or ()
    expected: dict[str, None] = {}
    for index, branch in enumerate(branches):
        child = _error_behind_reference(index, branch, error)
        expected[_expected(branch, error) if child is None else _expected(child.schema, child)] = None
    return _either(expected) or "something else"


def _error_behind_reference(index: int, branch: Any, error: ValidationError) -> ValidationError | None:
    """Return the error that has the schema behind the `$ref` of an alternative; None when it is no `$ref`."""
    if isinstance(branch, dict) and "$ref" in branch:
        for child in error.context or ():
            if child.schema_path[0] == index and len(child.absolute_path) == len(error.absolute_path):
                return child
    return None


def _known_keys(name: str, known: Mapping[str, Any]) -> str:
    """Return a hint with the closest key, or else with all supported keys."""
    if closest_match(name, known) is not None:
        return suggest(name, known, kind="")
    supported = [key for key, schema in known.items() if schema is True or schema.get(SUPPORT) != LATER]
    return suggest(name, supported, kind="known keys")


def _either(words: Iterable[str]) -> str:
    *most, last = list(words) or [""]
    return f"{', '.join(most)} or {last}" if most else last


def _found(value: Any, *, secret: bool) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if secret:
        return "another value (not shown)"
    if value is None or isinstance(value, (str, int, float)):
        from pywatt.redaction import hide

        text = json.dumps(hide(value), ensure_ascii=False)
        return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
    return f"a {type(value).__name__}"
