"""A request reader: bytes as they arrive become one whole request after another.

The library's parser (llhttp) decides what a head means and refuses what RFC 9112 forbids. Where a
request ends is decided here, so that bytes of the next one are never given to it, and a request
that both do not see alike is refused.
"""

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from mlops.hosting.chunked import ChunkedBody, block_end
from mlops.hosting.exchange import HttpRequest
from mlops.hosting.refusal import RefusedError, malformed
from mlops.hosting.settings import HttpSettings

_RARE = frozenset((b"connection", b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"))
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_VERSIONS = ("1.0", "1.1")
_MOST_DIGITS = 20
"""Digits of a 64 bit number; `int` refuses texts of thousands of leading zeros by an exception."""


class RequestReader:
    """Reads the requests of one connection.

    Attributes:
        whole: Whether a request is complete and waits for `take`.
        begun: Whether some bytes of a request that is not whole were read.
        expects: Whether the sender waits for `100 Continue` before it sends the body.
        keep: Whether the sender of the last request wants to use the connection again.
        old: Whether the last request speaks HTTP/1.0.

    Args:
        settings: Limits.
    """

    __slots__ = (
        "_body", "_chunks", "_headers", "_heads", "_length", "_most_body", "_most_head", "_pairs",
        "_parser", "_read", "_spent", "_tail", "_target", "expects", "keep", "old", "whole",
    )  # fmt: skip

    def __init__(self, settings: HttpSettings) -> None:
        self._most_head = settings.max_header_bytes
        self._most_body = settings.max_body_bytes
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._spent = False
        self.keep = True
        self.old = self.expects = False
        self._clear()

    def _clear(self) -> None:
        self.whole = False
        self._target = b""
        self._pairs: list[tuple[bytes, bytes]] = []
        self._headers: dict[bytes, bytes] | None = None
        self._heads = 0
        self._read = 0
        self._tail = b""
        self._length = 0
        self._body: bytes | bytearray = b""
        self._chunks: ChunkedBody | None = None

    @property
    def begun(self) -> bool:
        """Whether some bytes of a request that is not whole were read."""
        return self._read > 0

    def on_url(self, piece: bytes) -> None:
        """Take a piece of the target from the parser."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header from the parser."""
        self._pairs.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Learn from the parser that a head ended."""
        self._heads += 1

    def read(self, data: bytes, at: int) -> int:
        """Take bytes, up to the end of one request.

        Args:
            data: Bytes.
            at: Where in `data` to go on.

        Returns:
            Place behind what was taken: all of `data` unless `whole` is true now.

        Raises:
            RefusedError: The request breaks the protocol or a limit; nothing more can be read.
        """
        while self._headers is None:
            if at >= len(data):
                return at
            at = self._read_head(data, at)
        return self._read_body(data, at)

    def take(self, arrived: float) -> HttpRequest:
        """Return the whole request and go on to the next.

        Args:
            arrived: Monotonic seconds at which its last byte was received.
        """
        parser = self._parser
        assert parser is not None
        assert self._headers is not None
        path, _, query = self._target.partition(b"?")
        request = HttpRequest(
            parser.get_method().decode(),
            path.decode("latin-1"),
            query,
            self._headers,
            bytes(self._body),
            arrived,
        )
        if self._spent:
            self._parser = HttpRequestParser(self)
            self._spent = False
        elif self._length:
            # The parser waits for a body. It has nobody to give it to and only counts it.
            parser.feed_data(request.body)
        self._clear()
        return request

    def close(self) -> None:
        """Let go of the parser, which refers back to this object."""
        self._parser = self._chunks = None

    def _read_head(self, data: bytes, at: int) -> int:
        end = block_end(self._tail, data, at)
        stop = end if end >= 0 else len(data)
        self._read += stop - at
        if self._read > self._most_head:
            raise RefusedError(
                431, f"send a request line and headers of at most {self._most_head} bytes"
            )
        piece = data[at:stop]
        self._feed(piece)
        if end < 0:
            self._tail = (self._tail + piece[-3:])[-3:]
            if self._heads:
                raise malformed("its head does not end with an empty line")
        elif self._heads == 1:
            self._settle()
        elif self._heads or self._target:
            raise malformed("its head has an empty line inside")
        else:
            self._tail = b""  # empty lines before the request line, which RFC 9112, 2.2 tolerates
        return stop

    def _feed(self, piece: bytes) -> None:
        assert self._parser is not None
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade:
            # Whoever offers another protocol is content with an answer in this one. The parser
            # takes the rest for that protocol.
            self._spent = True
        except HttpParserError as error:
            raise malformed(str(error)) from None

    def _settle(self) -> None:
        """Conclude from a whole head how the body is framed and whether it is welcome."""
        assert self._parser is not None
        pairs = self._pairs
        headers = dict(pairs)
        if len(headers) != len(pairs):
            headers = _joined(pairs)
        self.keep = self._parser.should_keep_alive()
        self.old = self.expects = False
        if not self.keep or b"host" not in headers or not _RARE.isdisjoint(headers):
            self._settle_rarities(headers)
        if not self._target.startswith(b"/"):
            self._target = _origin_form(self._target)
        length = headers.get(b"content-length")
        if length is not None:
            if len(length) > _MOST_DIGITS:
                raise malformed("its Content-Length has too many digits")
            self._length = int(length)
            if self._length > self._most_body:
                raise RefusedError(413, f"send a body of at most {self._most_body} bytes")
        self._headers = headers

    def _settle_rarities(self, headers: dict[bytes, bytes]) -> None:
        assert self._parser is not None
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            raise malformed("this server speaks HTTP/1.1 and HTTP/1.0")
        self.old = version == "1.0"
        if not self.old and b"host" not in headers:
            raise malformed("it has no Host")
        if headers.get(b"content-encoding", b"").lower() not in (b"", b"identity"):
            raise RefusedError(415, "send the body as it is, without a Content-Encoding")
        coding = headers.get(b"transfer-encoding")
        if coding is not None:
            if coding.lower() != b"chunked" or self.old:
                raise malformed("the only Transfer-Encoding known is chunked, in HTTP/1.1")
            self._chunks = ChunkedBody(self._most_body, self._most_head)
            self._spent = True
        options = headers.get(b"connection", b"").lower().split(b",")
        if b"close" in (option.strip() for option in options):
            self.keep = False
        self.expects = not self.old and headers.get(b"expect", b"").lower() == b"100-continue"

    def _read_body(self, data: bytes, at: int) -> int:
        if self._chunks is not None:
            return self._read_chunks(self._chunks, data, at)
        missing = self._length - len(self._body)
        if len(data) - at >= missing:
            self.whole = True
            if self._body:
                self._body += data[at : at + missing]
            else:
                self._body = data[at : at + missing]
            return at + missing
        if not self._body:
            self._body = bytearray()
        self._body += data[at:]
        return len(data)

    def _read_chunks(self, chunks: ChunkedBody, data: bytes, at: int) -> int:
        at = chunks.read(data, at)
        if chunks.whole:
            self._body = chunks.take()
            self.whole = True
        return at


def _joined(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Join the values of a name sent twice.

    Raises:
        RefusedError: It is `Host`, and two readers may believe different ones.
    """
    values: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    if len(values.get(b"host", ())) > 1:
        raise malformed("it has more than one Host")
    return {name: b", ".join(several) for name, several in values.items()}


def _origin_form(target: bytes) -> bytes:
    """Take scheme and authority off a target in absolute form; leave others as sent.

    >>> [_origin_form(target) for target in (b"http://a:80/b?c", b"http://a?b", b"http://a", b"*")]
    [b'/b?c', b'/?b', b'/', b'*']
    """
    found = _ABSOLUTE.match(target)
    if found is None:
        return target
    rest = target[found.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest
