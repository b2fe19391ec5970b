"""A request reader: bytes as they arrive become one whole request after another.

The library's parser (llhttp) decides whether a head is one by RFC 9112, and refuses what smuggles
requests. Where a request ends is decided here, so that bytes of the next one are not given to it
before their turn. Whoever keeps a connection often repeats itself: a head equal to the one before
it, byte for byte, means the same again.
"""

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from mlops.hosting.chunked import BLOCK_END, ChunkedBody
from mlops.hosting.exchange import HttpRequest
from mlops.hosting.refusal import RefusedError, malformed
from mlops.hosting.request_head import CHUNKED, LENGTH, Head, HeadParser, RequestLine

_LONGEST_KEPT = 2048
"""Bytes of the longest head that is kept to recognise the next one by."""
_NO_HEAD: Head = RequestLine("", "", b"", False), {}, 0, False, False, False
_LAST_OF_LINE_ENDS = ord("\r")
_NOBODY = object()
"""Whom the library's parser tells what it finds: here it only checks."""


class RequestReader:
    """Reads the requests of one connection.

    Attributes:
        held: Whether bytes were received that no request was made of yet.
        keep: Whether the sender of the last request wants to use the connection again.
        old: Whether the last request is of HTTP/1.0.

    Args:
        heads: Takes heads apart.
        most_head: Largest request line and headers together, in bytes.
        most_body: Largest body, in bytes.
    """

    __slots__ = (
        "_at", "_body", "_checker", "_chunks", "_data", "_head", "_heads", "_last", "_last_head",
        "_most_body", "_most_head", "_part", "_sniffer", "_told", "_uncounted", "held", "keep",
        "old",
    )  # fmt: skip

    def __init__(self, heads: HeadParser, *, most_head: int, most_body: int) -> None:
        self.keep = True
        self.old = False
        self._heads = heads
        self._most_head = most_head
        self._most_body = most_body
        self._checker = HttpRequestParser(_NOBODY)
        self._data, self._at = b"", 0
        self.held = False
        self._part = bytearray()
        self._sniffer: HttpRequestParser | None = None
        self._head: Head | None = None
        self._last = b""
        self._last_head: Head = _NO_HEAD
        self._uncounted = 0
        self._told = False
        self._body = bytearray()
        self._chunks: ChunkedBody | None = None

    @property
    def begun(self) -> bool:
        """Whether a request has begun that is not whole."""
        return self._head is not None or bool(self._part)

    @property
    def size(self) -> int:
        """Bytes that are held of a request that has begun and is not whole."""
        return (
            len(self._part) + len(self._body) + (0 if self._chunks is None else self._chunks.size)
        )

    def hold(self, data: bytes) -> None:
        """Put bytes aside until the next `read`."""
        self._data = self._data[self._at :] + data
        self._at = 0
        self.held = True

    def tell(self) -> bool:
        """Return, once per request, whether its sender waits for `100 Continue`."""
        if self._told or self._head is None or self._body:
            return False
        *_, expects = self._head
        if not expects:
            return False
        self._told = True
        return True

    def close(self) -> None:
        """Let go of what was received."""
        self._keep_rest(b"", 0)
        self._part = self._body = bytearray()
        self._chunks = None

    def read(self, data: bytes, arrived: float) -> HttpRequest | None:
        """Take bytes, and return a request if one is whole now.

        Args:
            data: What was received; may be empty, to go on with what is held.
            arrived: Monotonic seconds at which it was received.

        Raises:
            RefusedError: The request breaks the protocol or a limit; nothing more can be read.
        """
        at = 0
        if self.held:
            if data:
                self.hold(data)
            data, at = self._data, self._at
        head = self._head
        if head is None:
            if data[at] <= _LAST_OF_LINE_ENDS and not self._part:
                data, at = data[at:].lstrip(b"\r\n"), 0  # as RFC 9112, 2.2 wants
            found = data.find(BLOCK_END, at)
            end = found + len(BLOCK_END)
            if found < 0 or self._part or end - at > self._most_head:
                return self._read_part(data, at, arrived)
            sent = data[at:end]
            head = self._last_head if sent == self._last else self._parse(sent)
            at = end
        stop = at + head[LENGTH]
        if stop > len(data) or self._body or head[CHUNKED]:
            return self._read_body(head, data, at, arrived)
        body = data[at:stop]
        if self.held or stop < len(data):
            self._keep_rest(data, stop)
        return self._whole(head, body, arrived)

    def _keep_rest(self, data: bytes, at: int) -> None:
        self.held = at < len(data)
        self._data, self._at = (data, at) if self.held else (b"", 0)

    def _parse(self, sent: bytes) -> Head:
        upgrade = False
        try:
            self._checker.feed_data(sent)
        except HttpParserUpgrade:
            # The parser takes what follows for another protocol. Whoever offers one is content
            # with an answer in this one.
            upgrade = True
        except HttpParserError as error:
            raise malformed(str(error)) from None
        head = self._heads.parse(sent[: -len(BLOCK_END)])
        if upgrade or head[CHUNKED]:
            self._checker = HttpRequestParser(_NOBODY)
        else:
            self._uncounted = head[LENGTH]
            if len(sent) <= _LONGEST_KEPT:
                self._last, self._last_head = sent, head
        return head

    def _whole(self, head: Head, body: bytes, arrived: float) -> HttpRequest:
        line, headers, _, self.keep, _, _ = head
        if self._uncounted:
            # The parser, where it saw the head, waits for the body, and only counts it.
            self._checker.feed_data(body)
            self._uncounted = 0
        self._head = None
        self._told = False
        method, path, query, self.old = line
        # What a named tuple's own constructor does, in half the time.
        return tuple.__new__(HttpRequest, (method, path, query, headers, body, arrived))

    def _read_part(self, data: bytes, at: int, arrived: float) -> HttpRequest | None:
        """Read a head that comes in several parts, or is too large."""
        part = self._part
        searched = max(0, len(part) - len(BLOCK_END) + 1)
        fresh = data[at:]
        part += fresh
        self._keep_rest(b"", 0)
        found = part.find(BLOCK_END, searched)
        if max(found + len(BLOCK_END), len(part) if found < 0 else 0) > self._most_head:
            raise RefusedError(
                431, f"send a request line and headers of at most {self._most_head} bytes"
            )
        if found >= 0:
            self._part = bytearray()
            self._sniffer = None
            return self.read(bytes(part), arrived)
        self._sniff(fresh)
        return None

    def _sniff(self, piece: bytes) -> None:
        """Refuse at once what can become no head, such as a TLS greeting: no more may come."""
        if self._sniffer is None:
            self._sniffer = HttpRequestParser(_NOBODY)
        try:
            self._sniffer.feed_data(piece)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise malformed(str(error)) from None

    def _read_body(self, head: Head, data: bytes, at: int, arrived: float) -> HttpRequest | None:
        """Read a body that comes in several parts or in chunks."""
        self._head = head
        self._keep_rest(b"", 0)
        if head[CHUNKED]:
            if self._chunks is None:
                self._chunks = ChunkedBody(self._most_body, self._most_head)
            at = self._chunks.read(data, at)
            if not self._chunks.whole:
                return None
            body = self._chunks.take()
            self._chunks = None
        else:
            missing = head[LENGTH] - len(self._body)
            self._body += data[at : at + missing]
            if len(self._body) < head[LENGTH]:
                return None
            at += missing
            body = bytes(self._body)
            self._body = bytearray()
        self._keep_rest(data, at)
        return self._whole(head, body, arrived)
