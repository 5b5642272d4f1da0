"""Requests that all of our HTTP servers reject or accept, independent of the application."""

from __future__ import annotations

from pywatt.http.limits import HeadLimits

HOST = b"Host: example.org\r\n"


def request(first: bytes = b"GET / HTTP/1.1", *headers: bytes, body: bytes = b"", host: bytes = HOST) -> bytes:
    return first + b"\r\n" + host + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


REFUSED = {
    "no Host": (400, request(host=b"")),
    "two Hosts": (400, request(host=HOST + HOST)),
    "two Hosts in HTTP/1.0": (400, request(b"GET / HTTP/1.0", host=HOST + HOST)),
    "empty Host": (400, request(host=b"Host: \r\n")),
    "Host with spaces and a path": (400, request(host=b"Host: a b/c@d\r\n")),
    "Host with user info": (400, request(host=b"Host: user@example.org\r\n")),
    "Host with a list": (400, request(host=b"Host: a, b\r\n")),
    "Content-Length and Transfer-Encoding": (
        400,
        request(b"POST / HTTP/1.1", b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    "Transfer-Encoding and Content-Length": (
        400,
        request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"),
    ),
    "unknown coding before chunked": (501, request(b"POST / HTTP/1.1", b"Transfer-Encoding: gzip, chunked")),
    "unknown coding": (400, request(b"POST / HTTP/1.1", b"Transfer-Encoding: gzip")),
    "identity": (400, request(b"POST / HTTP/1.1", b"Transfer-Encoding: identity")),
    "xchunked": (400, request(b"POST / HTTP/1.1", b"Transfer-Encoding: xchunked")),
    "chunked with a parameter": (400, request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked;q=1")),
    "chunked twice": (400, request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked, chunked")),
    "Transfer-Encoding twice": (
        400,
        request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    ),
    "Transfer-Encoding in HTTP/1.0": (400, request(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked")),
    "two lengths": (400, request(b"POST / HTTP/1.1", b"Content-Length: 3", b"Content-Length: 3", body=b"abc")),
    "list of lengths": (400, request(b"POST / HTTP/1.1", b"Content-Length: 3, 3", body=b"abc")),
    "length with a sign": (400, request(b"POST / HTTP/1.1", b"Content-Length: +3", body=b"abc")),
    "negative length": (400, request(b"POST / HTTP/1.1", b"Content-Length: -3", body=b"abc")),
    "hexadecimal length": (400, request(b"POST / HTTP/1.1", b"Content-Length: 0x3", body=b"abc")),
    "huge length": (400, request(b"POST / HTTP/1.1", b"Content-Length: 9999999999999999999999")),
    "folded header": (400, request(b"GET / HTTP/1.1", b"X: a", b" b")),
    "bare line feed": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "space before the colon": (400, request(b"GET / HTTP/1.1", b"X : a")),
    "control character in a value": (400, request(b"GET / HTTP/1.1", b"X: a\x00b")),
    "bad chunk size": (400, request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"zz\r\n")),
    "chunk without its end": (400, request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"1\r\nab\r\n")),
    **{
        f"chunk extension {extension.decode()!r}": (
            400,
            request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"5%b\r\nhello\r\n0\r\n\r\n" % extension),
        )
        for extension in (
            b";",
            b";;",
            b";a;",
            b";bad[=x",
            b";a=",
            b';a="',
            b';a="b',
            b';a="b"c',
            b";a b",
            b" a",
            b";a=b c",
        )
    },
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "HTTP/0.9 spelled out": (505, request(b"GET / HTTP/0.9")),
    "HTTP/2.0": (505, request(b"GET / HTTP/2.0")),
    "HTTP/2 preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/1.2": (505, request(b"GET / HTTP/1.2")),
    "HTTP/3.0": (505, request(b"GET / HTTP/3.0")),
    "TRACE": (405, request(b"TRACE / HTTP/1.1")),
    "RTSP": (400, request(b"GET / RTSP/1.0")),
    "ICE": (400, request(b"SOURCE / ICE/1.0")),
    "two spaces": (400, request(b"GET  / HTTP/1.1")),
    "method that is no token": (400, request(b"BR(EW / HTTP/1.1")),
    "method without an end": (400, request(b"A" * 100 + b" / HTTP/1.1")),
    "method that a colon ends": (400, request(b"GET: / HTTP/1.1")),
    "unknown method of RTSP": (400, request(b"BREW / RTSP/1.0")),
    "unknown method of HTTP/2.0": (505, request(b"BREW / HTTP/2.0")),
    "CONNECT": (405, request(b"CONNECT example.org:443 HTTP/1.1")),
    "CONNECT with a path": (405, request(b"CONNECT /x HTTP/1.1")),
    "asterisk on GET": (400, request(b"GET * HTTP/1.1")),
    "fragment": (400, request(b"GET /a#b HTTP/1.1")),
    "fragment behind a query": (400, request(b"GET /?a#b HTTP/1.1")),
    "space in the target": (400, request(b"GET /a b HTTP/1.1")),
    "tab in the path": (400, request(b"GET /a\tb HTTP/1.1")),
    "form feed in the query": (400, request(b"GET /?\x0c HTTP/1.1")),
    "NUL in the path": (400, request(b"GET /a\0b HTTP/1.1")),
    "DEL in the query": (400, request(b"GET /?\x7f HTTP/1.1")),
    "escape in a target beyond ASCII": (400, request(b"GET /\xc3\xa4\x1b HTTP/1.1")),
    "target without a slash": (400, request(b"GET \xc3\xa4 HTTP/1.1")),
    "method beyond ASCII": (400, request(b"G\xc3\xa4T / HTTP/1.1")),
    "version beyond ASCII": (400, request(b"GET / HTTP/1.\xc3")),
    "authority beyond ASCII": (400, request(b"GET http://\xc3\xa4.example/ HTTP/1.1")),
    "name of a header beyond ASCII": (400, request(b"GET /\xc3\xa4 HTTP/1.1", b"\xc3\xa4: b")),
    "Host beyond ASCII": (400, request(host=b"Host: \xc3\xa4\r\n")),
    "bad percent sign": (400, request(b"GET /%zz HTTP/1.1")),
    "absolute target of another scheme": (400, request(b"GET ftp://example.org/ HTTP/1.1")),
    "absolute target with user info": (400, request(b"GET http://a@b/ HTTP/1.1")),
    "unknown expectation": (417, request(b"POST / HTTP/1.1", b"Expect: foo", b"Content-Length: 1", body=b"x")),
}


def refused(limits: HeadLimits) -> dict[str, tuple[int, bytes]]:
    """Return the rejected requests within limits: the status and the bytes of each."""
    large, many = limits.size + 1000, limits.fields + 1
    return {
        **REFUSED,
        "large header": (431, request(b"GET / HTTP/1.1", b"X: " + b"a" * large)),
        "large target": (431, request(b"GET /" + b"a" * large + b" HTTP/1.1")),
        "many headers": (431, request(b"GET / HTTP/1.1", *[b"X: a"] * many)),
        "many empty lines": (431, b"\r\n" * large),
        "large trailer": (
            431,
            request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"0\r\nX: " + b"a" * large),
        ),
        "large chunk extension": (
            431,
            request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"1;" + b"a" * large),
        ),
    }


ACCEPTED = {
    "plain": request(),
    "method of WebDAV": request(b"PROPFIND / HTTP/1.1"),
    "method that nobody knows": request(b"BREW / HTTP/1.1"),
    "method of many characters": request(b"x-1.a_!#$%&'*+^`|~ / HTTP/1.1", b"X: \xe4"),
    "method of another protocol": request(b"DESCRIBE / HTTP/1.1"),
    "HTTP/1.0 without Host": request(b"GET / HTTP/1.0", b"Connection: keep-alive", host=b""),
    "leading empty lines": b"\r\n\r\n" + request(),
    "length": request(b"POST / HTTP/1.1", b"Content-Length: 003", body=b"abc"),
    "chunks": request(b"POST / HTTP/1.1", b"Transfer-Encoding: Chunked", body=b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
    "chunk extensions": request(
        b"POST / HTTP/1.1",
        b"Transfer-Encoding: chunked",
        body=b'1;a\r\nx\r\n1;a=b;c="d;\\"\xe4 e"\r\ny\r\n1 ; a\t= b ;c\r\nz\r\n0;end\r\n\r\n',
    ),
    "empty lines in chunks": request(
        b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"8\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n"
    ),
    "trailers": request(
        b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nAuthorization: y\r\nHost: z\r\n\r\n"
    ),
    "upgrade with a length": request(
        b"POST / HTTP/1.1", b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 3", body=b"abc"
    ),
    "upgrade with chunks": request(
        b"POST / HTTP/1.1",
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"Transfer-Encoding: chunked",
        body=b"3\r\nabc\r\n0\r\n\r\n",
    ),
    "upgrade without a body": request(b"GET / HTTP/1.1", b"Connection: upgrade", b"Upgrade: h2c"),
    "optional whitespace": request(b"GET / HTTP/1.1", b"X: \t a \t"),
    "bytes beyond ASCII in a value": request(b"GET / HTTP/1.1", b"X: \xe4"),
    "browser's query": request(b"GET /?q={a|b}^100% HTTP/1.1"),
    "browser's path": request(b'GET /a[b]|c^d\\e"f{g}`<h> HTTP/1.1'),
    "quotation marks and brackets in the query": request(b'GET /?a[]="b"<c>\\ HTTP/1.1'),
    "target in UTF-8": request("GET /ä/日本?q=ü HTTP/1.1".encode(), b"X: \xe4"),
    "target in no encoding": b"\r\n" + request(b"GET /\xff\xfe?\xc3 HTTP/1.1"),
    "asterisk": request(b"OPTIONS * HTTP/1.1"),
    "expectation": request(b"POST / HTTP/1.1", b"Expect: 100-Continue", b"Content-Length: 1", body=b"x"),
}
