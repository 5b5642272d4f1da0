"""An exchange whose response is compressed on its way to the client.

Large pieces are compressed in parts, one in each turn of the event loop. The service waits meanwhile, as it does for a
client that is slow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, cast
from weakref import WeakSet

from pywatt.errors import MeshError
from pywatt.http.headers import chunk
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.compression.encoders import Encoder, MakeEncoder, encoder_of
from pywatt_services.gateway.compression.options import CompressionOptions, available
from pywatt_services.gateway.compression.selection import (
    NOT_MODIFIED,
    Selection,
    choose,
    compressed_headers,
    weak,
    with_vary,
)
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import RESPONDING, TUNNEL

PER_TURN = 32 * 1024
"""Bytes that are compressed in one turn of the event loop."""
MOST_STREAMS = 1000
"""Bodies of unknown length that one worker compresses at the same time; further ones are passed on as they are."""


class CompressingExchange(ProxyExchange):
    """Passes a request on, and compresses the response."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    selection: ClassVar[Selection]
    codings: ClassVar[dict[bytes, MakeEncoder]]
    order: ClassVar[tuple[bytes, ...]]
    streams: ClassVar[WeakSet[CompressingExchange]] = WeakSet()
    _encoder: Encoder | None = None
    _encoder_flushes = False
    """True where the client gets all that has come, as soon as it has come: the end is not known."""
    _uncoded = b""
    """Bytes that have come, and are not compressed yet."""
    _uncoded_ended = False
    """True when nothing follows it."""
    _encoding_waits = False
    """True while it is in line to compress more."""

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on, with the part of the body that came with it."""
        length = len(body) if ended and self._request.method != b"HEAD" else head.content_length
        if head.status == NOT_MODIFIED:
            head = replace(head, headers=weak(with_vary(head.headers)))
        elif self.selection.takes(head.status, head.lower_headers(), length):
            coding = choose(self._accepted_codings(), self.order)
            if coding is None or (length is None and len(self.streams) >= MOST_STREAMS):
                head = replace(head, headers=with_vary(head.headers))
            else:
                self._begin_encoding(
                    replace(head, headers=compressed_headers(head.headers, coding)), coding, body, ended, length
                )
                return
        super().on_response(head, body, ended)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass more of the body on."""
        if self._encoder is None:
            super().on_body(body, ended)
            return
        self._uncoded += body
        self._note_end(ended)
        self._encode()

    def read_held(self) -> None:
        """Compress more of what is held."""
        if self.state is TUNNEL:
            super().read_held()
        elif self._encoder is not None and self.state is RESPONDING:
            self._encode(queued=True)

    def end_events(self) -> None:
        """End a stream of server-sent events as the service would."""
        encoder = self._encoder
        if encoder is not None and self.state is RESPONDING and self._response.is_event_stream:
            rest = encoder.compress(self._uncoded) + encoder.finish()
            self._drop_encoder()
            self._downstream.write(chunk(rest) if self._chunked else rest)
        super().end_events()

    def cancel(self) -> None:
        """Give up: the client is gone, or was responded to."""
        self._drop_encoder()
        super().cancel()

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Try again where nothing can have happened, else end the response or respond with an error."""
        self._drop_encoder()
        super().on_failure(error, retriable)

    def _accepted_codings(self) -> bytes:
        return b",".join([value for name, value in self._request.headers if name.lower() == b"accept-encoding"])

    def _begin_encoding(self, head: ResponseHead, coding: bytes, body: bytes, ended: bool, length: int | None) -> None:
        if self._request.method == b"HEAD":
            super().on_response(replace(head, content_length=None), body, ended)
            return
        encoder = self.codings[coding](length is None)
        head = replace(head, content_length=None)
        if ended and len(body) <= PER_TURN:
            super().on_response(head, encoder.compress(body) + encoder.finish(), ended=True)
            return
        self._encoder = encoder
        self._encoder_flushes = length is None
        if self._encoder_flushes:
            self.streams.add(self)
        super().on_response(head, b"", ended=False)
        self._uncoded = body
        self._note_end(ended)
        self._encode()

    def _note_end(self, ended: bool) -> None:
        if ended:
            self._uncoded_ended = True
            self._connection = None  # it may serve somebody else already

    def _encode(self, *, queued: bool = False) -> None:
        """Compress a part of what is held, and get in line with the rest."""
        waits = self._encoding_waits
        encoder, held = self._encoder, self._uncoded
        assert encoder is not None
        if waits and not queued:
            return  # it is in line already
        piece, self._uncoded = held[:PER_TURN], held[PER_TURN:]
        data = encoder.compress(piece) if piece else b""
        if self._uncoded:
            if data:
                super().on_body(data, ended=False)
        elif self._uncoded_ended:
            data += encoder.finish()
            self._drop_encoder()
            super().on_body(data, ended=True)
        else:
            if self._encoder_flushes and piece:
                data += encoder.flush()
            if data:
                super().on_body(data, ended=False)
        self._encoding_waits = bool(self._uncoded) and self._encoder is not None
        if self._encoding_waits:
            self._context.fair_queue.add(self)
        if self._encoding_waits is not waits:
            self._steer()

    def _steer(self) -> None:
        """Resume or pause reading from the service."""
        wait = self._downstream_is_slow or self._encoding_waits
        if self.state is TUNNEL or self._encoder is None:
            super()._steer()
        elif self._connection is not None and wait is not self._upstream_paused:
            self._upstream_paused = wait
            if wait:
                self._connection.pause_reading()
            else:
                self._connection.resume_reading()

    def _drop_encoder(self) -> None:
        self._encoder = None
        self._uncoded = b""
        self.streams.discard(self)


def compressing_exchange(options: CompressionOptions) -> type[ProxyExchange]:
    """Return the class of exchanges that compress their responses."""
    codings = {coding.encode(): encoder_of(coding, options.level) for coding in available(options)}
    members: dict[str, Any] = {
        "selection": Selection(options.types, options.min_size),
        "codings": codings,
        "order": tuple(codings),
    }
    return cast("type[ProxyExchange]", type("CompressingExchange", (CompressingExchange,), members))
