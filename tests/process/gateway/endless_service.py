"""A server with endless responses, selected by the path. Prints its port."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading

ANSWER = b"HTTP/1.1 200 OK\r\n"
CHUNKED = ANSWER + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
ENDLESS = {
    b"informational": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    b"fields": (ANSWER, b"a:\r\n"),
    b"trailers": (CHUNKED + b"0\r\n", b"a: b\r\n"),
    b"trailer": (CHUNKED + b"0\r\na: ", b"x" * 64),
    b"extension": (CHUNKED + b"1;", b"x" * 64),
    b"answers": (b"", ANSWER + b"Content-Length: 0\r\n\r\n"),
    b"chunks": (CHUNKED, b"1\r\nx\r\n"),
    b"frames": (b"", b"\x81\x00"),
}
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _switching(head: bytes) -> bytes:
    key = head.lower().partition(b"sec-websocket-key:")[0]
    key = head[len(key) :].partition(b":")[2].partition(b"\r\n")[0].strip()
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    lines = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
    return b"HTTP/1.1 101 Switching Protocols\r\n" + lines


def _serve(sock: socket.socket) -> None:
    with sock, contextlib.suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536) or b"\r\n\r\n"
        path = head.split(b" ")[1].strip(b"/")
        first, again = ENDLESS[path]
        sock.sendall(_switching(head) if path == b"frames" else first)
        block = again * (65536 // len(again))
        while True:
            sock.sendall(block)


def _main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=_serve, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    _main()
