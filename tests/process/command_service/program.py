"""The program that the tests of the `command` type run. Usage: program.py BEHAVIOUR..."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import sys

behaviours = sys.argv[1:]

if "fail" in behaviours:
    sys.exit(3)
if "crash" in behaviours:
    os.kill(os.getpid(), signal.SIGSEGV)
if "stubborn" in behaviours:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
# Not printed: a signal may interrupt print, which its handler cannot call then.
if "polite" in behaviours:
    signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"bye\n"), sys.exit(7)))
os.write(1, b"pid %d\n" % os.getpid())
if "silent" in behaviours:
    signal.pause()

listener = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))

if "bytes" in behaviours:
    # Speaks first, then sends back what it gets until the client has said all, and ends with its length.
    connection, _ = listener.accept()
    while connection.recv(1) == b"":
        connection, _ = listener.accept()  # connections that only look whether there is somebody
    connection.sendall(b"hello")
    received = 1
    while data := connection.recv(65536):
        received += len(data)
        connection.sendall(data)
    connection.sendall(b"%d" % received)
    connection.close()
    signal.pause()


class Handler(http.server.BaseHTTPRequestHandler):
    probes = 0

    def do_GET(self) -> None:
        status = 200
        if self.path == "/warming":
            Handler.probes += 1
            status = 200 if Handler.probes > 2 else 503
        if self.path == "/exit":
            os._exit(0)
        body = (os.environ.get(self.path[1:], "") or f"{Handler.probes}").encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


server = http.server.ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = listener
server.serve_forever()
