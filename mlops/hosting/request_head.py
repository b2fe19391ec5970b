"""A request's head: what its lines say, once the library's parser has found nothing wrong in it."""

import re
from typing import Final, NamedTuple

from mlops.hosting.refusal import RefusedError, malformed

_RARE = frozenset((b"connection", b"content-encoding", b"expect", b"transfer-encoding"))
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_MOST_KNOWN = 512
_LONGEST_KNOWN = 120
_MOST_DIGITS = 20
"""Digits of a 64 bit number; `int` raises for texts of thousands of leading zeros."""


class RequestLine(NamedTuple):
    """A request line.

    Attributes:
        method: Such as `POST`.
        path: As sent, without query.
        query: As sent; empty if there is none.
        old: Whether it is of HTTP/1.0.
    """

    method: str
    path: str
    query: bytes
    old: bool


Head = tuple[RequestLine, dict[bytes, bytes], int, bool, bool, bool]
"""A request's head: the request line; headers by name in lower case, of a name sent twice the
values joined by `, `; bytes of the body, 0 if it is chunked; whether the sender wants to use the
connection again; whether the body is chunked; whether the sender waits for `100 Continue`. A plain
tuple, since a named one, of which each request needs one, takes eight times as long to make."""
LENGTH: Final = 2
"""Place of the body's length in a head."""
CHUNKED: Final = 4
"""Place of whether the body is chunked."""


class _RequestLines(dict[bytes, RequestLine]):
    """Request lines by their bytes; those without a query are kept, in a limited number."""

    def __missing__(self, sent: bytes) -> RequestLine:
        parts = [part for part in sent.split(b" ") if part]
        if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise malformed("this server speaks HTTP/1.1 and HTTP/1.0")
        target = parts[1] if parts[1].startswith(b"/") else origin_form(parts[1])
        path, found, query = target.partition(b"?")
        old = parts[2] == b"HTTP/1.0"
        line = RequestLine(parts[0].decode(), path.decode("latin-1"), query, old)
        if not found and len(sent) <= _LONGEST_KNOWN:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[sent] = line
        return line


class HeadParser:
    """Takes heads apart.

    It relies on lines that end with CRLF, and on names and values of allowed characters.

    Args:
        most_body: Largest body, in bytes.
    """

    __slots__ = ("_most_body", "_request_lines")

    def __init__(self, most_body: int) -> None:
        self._most_body = most_body
        self._request_lines = _RequestLines()

    def parse(self, sent: bytes) -> Head:
        """Take a head apart.

        Args:
            sent: The head without the empty line at its end.

        Raises:
            RefusedError: The version, the framing or a coding is not served (400, 415), or the
                body is too large (413).
        """
        lines = sent.split(b"\r\n")
        line = self._request_lines[lines.pop(0)]
        headers: dict[bytes, bytes] = {}
        for each in lines:
            name, _, value = each.partition(b":")
            headers[name.lower()] = value.strip()
        if len(headers) != len(lines):
            headers = _joined(lines)
        length = self._length(headers[b"content-length"]) if b"content-length" in headers else 0
        if line.old or b"host" not in headers or not _RARE.isdisjoint(headers):
            return self._rare(line, headers, length)
        return line, headers, length, True, False, False

    def _length(self, sent: bytes) -> int:
        if len(sent) > _MOST_DIGITS or not sent.isdigit():
            raise malformed("its Content-Length is no length")
        length = int(sent)
        if length > self._most_body:
            raise RefusedError(413, f"send a body of at most {self._most_body} bytes")
        return length

    def _rare(self, line: RequestLine, headers: dict[bytes, bytes], length: int) -> Head:
        if not line.old and b"host" not in headers:
            raise malformed("it has no Host")
        if headers.get(b"content-encoding", b"").lower() not in (b"", b"identity"):
            raise RefusedError(415, "send the body as it is, without a Content-Encoding")
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (coding.lower() != b"chunked" or line.old):
            raise malformed("the only Transfer-Encoding known is chunked, in HTTP/1.1")
        options = headers.get(b"connection", b"").lower().split(b",")
        wishes = {option.strip() for option in options}
        keep = b"close" not in wishes and (not line.old or b"keep-alive" in wishes)
        expects = not line.old and headers.get(b"expect", b"").lower() == b"100-continue"
        return line, headers, length, keep, coding is not None, expects


def _joined(lines: list[bytes]) -> dict[bytes, bytes]:
    """Join the values of a name sent twice.

    Raises:
        RefusedError: It is `Host`, and two readers may believe different ones.
    """
    values: dict[bytes, list[bytes]] = {}
    for each in lines:
        name, _, value = each.partition(b":")
        values.setdefault(name.lower(), []).append(value.strip())
    if len(values.get(b"host", ())) > 1:
        raise malformed("it has more than one Host")
    return {name: b", ".join(several) for name, several in values.items()}


def origin_form(target: bytes) -> bytes:
    """Take scheme and authority off a target in absolute form; leave others as sent.

    >>> [origin_form(target) for target in (b"http://a:80/b?c", b"http://a?b", b"http://a", b"*")]
    [b'/b?c', b'/?b', b'/', b'*']
    """
    found = _ABSOLUTE.match(target)
    if found is None:
        return target
    rest = target[found.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest
