"""Encoders of the content codings gzip, br and zstd, with little memory for each body."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from pywatt_services.gateway.compression.options import ZSTD_IN_PYTHON

GZIP = 16
"""Added to zlib's window bits: with a header and trailer of gzip."""
GZIP_WINDOW, GZIP_MEMORY = 15, 8
STREAM_WINDOW, STREAM_MEMORY = 13, 6
"""Of a body that may go on for hours: 64 KiB instead of 256 KiB."""
BROTLI_WINDOW = 18
STREAM_BROTLI_WINDOW = 16
ZSTD_WINDOW = 19
STREAM_ZSTD_WINDOW = 16
"""Logarithms of the bytes that an encoder looks back."""
LEVELS = {"gzip": 5, "br": 4, "zstd": 3}


class Encoder(Protocol):
    """Compresses one body."""

    def compress(self, data: bytes) -> bytes:
        """Take data, and return what has come out so far."""
        ...

    def flush(self) -> bytes:
        """Return all that was taken, so that the client can decode it now."""
        ...

    def finish(self) -> bytes:
        """Return the end."""
        ...


MakeEncoder = Callable[[bool], Encoder]
"""Makes an encoder; True for a body that may go on for long."""


def encoder_of(coding: str, level: int | None) -> MakeEncoder:
    """Return what makes encoders of a coding. Raises ImportError."""
    level = LEVELS[coding] if level is None else level
    if coding == "gzip":
        return lambda stream: _Gzip(level, stream=stream)
    if coding == "br":
        return _brotli(level)
    return _zstd(level)


class _Gzip:
    def __init__(self, level: int, *, stream: bool) -> None:
        window, memory = (STREAM_WINDOW, STREAM_MEMORY) if stream else (GZIP_WINDOW, GZIP_MEMORY)
        self._encoder = zlib.compressobj(level, zlib.DEFLATED, window + GZIP, memory)

    def compress(self, data: bytes) -> bytes:
        return self._encoder.compress(data)

    def flush(self) -> bytes:
        return self._encoder.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._encoder.flush()


class _ByFunctions:
    """An encoder of a library whose encoders have other methods."""

    def __init__(
        self, compress: Callable[[bytes], bytes], flush: Callable[[], bytes], finish: Callable[[], bytes]
    ) -> None:
        self._compress = compress
        self._flush = flush
        self._finish = finish

    def compress(self, data: bytes) -> bytes:
        return self._compress(data)

    def flush(self) -> bytes:
        return self._flush()

    def finish(self) -> bytes:
        return self._finish()


def _brotli(level: int) -> MakeEncoder:
    brotli: Any = import_module("brotli")

    def make(stream: bool) -> Encoder:
        encoder: Any = brotli.Compressor(quality=level, lgwin=STREAM_BROTLI_WINDOW if stream else BROTLI_WINDOW)
        return _ByFunctions(encoder.process, encoder.flush, encoder.finish)

    return make


def _zstd(level: int) -> MakeEncoder:
    return _own_zstd(level) if sys.version_info >= ZSTD_IN_PYTHON else _zstandard(level)


def _own_zstd(level: int) -> MakeEncoder:
    zstd: Any = import_module("compression.zstd")
    parameter = zstd.CompressionParameter
    block, frame = zstd.ZstdCompressor.FLUSH_BLOCK, zstd.ZstdCompressor.FLUSH_FRAME

    def make(stream: bool) -> Encoder:
        window = STREAM_ZSTD_WINDOW if stream else ZSTD_WINDOW
        encoder = zstd.ZstdCompressor(options={parameter.compression_level: level, parameter.window_log: window})
        return _ByFunctions(encoder.compress, lambda: encoder.flush(block), lambda: encoder.flush(frame))

    return make


def _zstandard(level: int) -> MakeEncoder:
    zstandard: Any = import_module("zstandard")
    block, frame = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH

    def make(stream: bool) -> Encoder:
        window = STREAM_ZSTD_WINDOW if stream else ZSTD_WINDOW
        parameters = zstandard.ZstdCompressionParameters.from_level(level, window_log=window)
        encoder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return _ByFunctions(encoder.compress, lambda: encoder.flush(block), lambda: encoder.flush(frame))

    return make
