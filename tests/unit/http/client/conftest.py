"""Servers that follow a script, on both event loops."""

from __future__ import annotations

from harness.scripted_server import answering, anyio_backend, folder, serve

__all__ = ["answering", "anyio_backend", "folder", "serve"]
