"""Parses YAML documents: no duplicate keys, text keys only; a bare `{NAME}` is a placeholder, not a mapping."""

from __future__ import annotations

import re
from typing import Any

import yaml

from pywatt.config.files.key_path import KeyPath
from pywatt.config.files.malformed import MalformedError
from pywatt.config.files.syntax_hints import yaml_hint

_STRING = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"
_NAME = re.compile(r"[A-Za-z0-9_]+(:-.*)?", re.DOTALL)

MOST_FROM_ALIASES = 10_000
"""Limit of values that aliases may add: a few lines of nested aliases expand to billions."""

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader if PyYAML was built with it: several times faster."""


def parse_yaml(text: str) -> Any:
    """Return the parsed YAML text; an empty text is an empty document. Raises MalformedError."""
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return {}
        return loader.construct_document(_as_json(node, (), (), _Size(len(text) + MOST_FROM_ALIASES)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        said = _without_secret(" ".join(part for part in (error.context, error.problem) if part), text, line)
        raise MalformedError(
            f"is not valid YAML: {said}", line=line, column=column, hint=_hint(said, text, line)
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, MalformedError):
            raise
        said = str(error).splitlines()[0]
        raise MalformedError(f"is not valid YAML: {said}", hint=yaml_hint(said, "")) from error
    finally:
        loader.dispose()


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every key and list item of a valid YAML text."""
    found: dict[KeyPath, int] = {}
    node = yaml.compose(text, Loader=Loader)
    pending: list[tuple[Any, KeyPath]] = [(node, ())] if node is not None else []
    while pending:
        node, key = pending.pop()
        if isinstance(node, yaml.MappingNode):
            children = [(name, child, (*key, name.value)) for name, child in node.value if _is_scalar(name)]
        elif isinstance(node, yaml.SequenceNode):
            children = [(child, child, (*key, index)) for index, child in enumerate(node.value)]
        else:
            continue
        for mark_of, child, child_key in children:
            found[child_key] = mark_of.start_mark.line + 1
            pending.append((child, child_key))
    return found


class _Size:
    """Counts the values of a document; values that aliases repeat count each time."""

    def __init__(self, most: int) -> None:
        self._left = most

    def count(self, node: Any, key: KeyPath) -> None:
        """Count a value. Raises MalformedError if there are too many."""
        self._left -= 1
        if self._left < 0:
            message = f"its aliases repeat more than {MOST_FROM_ALIASES:,} values"
            hint = "write it without aliases that hold aliases that hold aliases"
            raise MalformedError(message, line=node.start_mark.line + 1, key=key, hint=hint)


def _as_json(node: Any, key: KeyPath, above: tuple[Any, ...], size: _Size) -> Any:
    """Return the node with types that JSON lacks turned into text, and placeholders restored. Raises MalformedError."""
    size.count(node, key)
    if node in above:
        message = "an alias points to something it is part of"
        raise MalformedError(
            message, line=node.start_mark.line + 1, key=key, hint="write the value in place of the alias"
        )
    placeholder = _placeholder(node)
    if placeholder is not None:
        return yaml.ScalarNode(_STRING, placeholder, node.start_mark, node.end_mark)
    if isinstance(node, yaml.SequenceNode):
        node.value = [_as_json(child, (*key, index), (*above, node), size) for index, child in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, _ in node.value:
            _check_name(name, key, seen)
        node.value = [(name, _as_json(child, (*key, name.value), (*above, node), size)) for name, child in node.value]
    elif node.tag == _TIMESTAMP:
        node.tag = _STRING
    return node


def _check_name(name: Any, key: KeyPath, seen: set[str]) -> None:
    line, column = name.start_mark.line + 1, name.start_mark.column + 1
    if not _is_scalar(name) or name.tag not in {_STRING, _MERGE}:
        written = name.value if _is_scalar(name) else "this"
        hint = f'write "{written}" with quotes' if _is_scalar(name) else "write the key as text"
        raise MalformedError(f"the key {written} is not text", line=line, column=column, key=key, hint=hint)
    if name.value in seen and name.tag != _MERGE:
        message = f'the key "{name.value}" is there twice'
        raise MalformedError(message, line=line, column=column, key=(*key, name.value), hint="keep one of them")
    seen.add(name.value)


def _placeholder(node: Any) -> str | None:
    """Return `{NAME}` for the mapping that YAML parses it into, or None for any other node."""
    if not isinstance(node, yaml.MappingNode) or not node.flow_style or len(node.value) != 1:
        return None
    name, value = node.value[0]
    if not _is_scalar(value) or value.tag != _NULL or value.value:
        return None
    inner = name.value if _is_scalar(name) and _NAME.fullmatch(name.value) else _placeholder(name)
    return None if inner is None else f"{{{inner}}}"


def _is_scalar(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode)


def _without_secret(said: str, text: str, line: int) -> str:
    """Return the parser's message without the value that it quotes, if that is a secret: `key: *s3cret`."""
    from pywatt.redaction import is_secret  # only a mistake pays for this import

    lines = text.splitlines()
    name = lines[line - 1].partition(":")[0] if 0 < line <= len(lines) else ""
    return re.sub(r"['\"].*['\"]", "(not shown)", said) if is_secret(name) else said


def _hint(said: str, text: str, number: int) -> str:
    lines = text.splitlines()
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    if "{" in line:
        return 'put quotes around a value that begins with a placeholder: "{NAME}:8080"'
    return yaml_hint(said, line)
