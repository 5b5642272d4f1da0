"""Labels of HTTP requests that stay few, whatever clients and services send."""

from __future__ import annotations

from collections.abc import Mapping

OTHER = "other"
"""Label of what has no label of its own."""
ABORTED = 0
"""In place of the class of a status: the client has left, or the response broke off."""
_CLASSES = ("aborted", "1xx", "2xx", "3xx", "4xx", "5xx")
_METHODS: Mapping[bytes, str] = {
    method.encode(): method for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
}


def class_label(status_class: int) -> str:
    """Return the label of a class of status, such as 2 for 200 to 299, or of ABORTED."""
    return _CLASSES[status_class] if 0 <= status_class < len(_CLASSES) else OTHER


def method_label(method: bytes) -> str:
    """Return the label of a method: clients may invent any number of unknown ones."""
    return _METHODS.get(method, OTHER)
