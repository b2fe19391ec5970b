"""A chunked body: decoded as it arrives, within bounds, up to its exact last byte."""

from httptools import HttpParserError, HttpRequestParser

from mlops.hosting.refusal import RefusedError, malformed

BLOCK_END = b"\r\n\r\n"
"""Ends a request's head, and the trailers of a chunked body."""

_HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


def block_end(tail: bytes, data: bytes, at: int) -> int:
    r"""Find where a block ends that may have begun in earlier data.

    Args:
        tail: The block's last bytes before `data`, at most three.
        data: Bytes.
        at: Where in `data` the block goes on.

    Returns:
        Place behind the block's empty line, or -1 if it is not in `data`.

    >>> block_end(b"a\r\n", b"\r\nrest", 0), block_end(b"", b"a\r\n\r\nb", 0)
    (2, 5)
    >>> block_end(b"", b"a", 0)
    -1
    """
    if tail:
        seam = (tail + data[at : at + 3]).find(BLOCK_END)
        if seam >= 0:
            return at + seam + len(BLOCK_END) - len(tail)
    found = data.find(BLOCK_END, at)
    return found + len(BLOCK_END) if found >= 0 else -1


class ChunkedBody:
    """Decodes one chunked body.

    The library's parser does not tell where in its input a body ended, and what stands behind it
    is another request. A body ends only where an empty line does, so the parser is given no more
    than up to the next one.

    Args:
        most: Largest body, in bytes.
        most_framing: Bytes of chunk sizes, extensions and trailers beyond those of the body itself.
    """

    __slots__ = ("_body", "_most", "_most_framing", "_parser", "_raw", "_tail", "whole")

    def __init__(self, most: int, most_framing: int) -> None:
        self.whole = False
        self._most = most
        self._most_framing = most_framing
        self._body = bytearray()
        self._raw = 0
        self._tail = b""
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._parser.feed_data(_HEAD)

    @property
    def size(self) -> int:
        """Bytes of the body that are decoded so far."""
        return len(self._body)

    def on_body(self, piece: bytes) -> None:
        """Take a decoded piece from the parser."""
        self._body += piece

    def on_message_complete(self) -> None:
        """Learn from the parser that the last chunk and the trailers were read."""
        self.whole = True

    def read(self, data: bytes, at: int) -> int:
        """Take bytes of the body.

        Args:
            data: Bytes.
            at: Where in `data` the body goes on.

        Returns:
            Place behind what was taken: all of `data` unless `whole` is true now.

        Raises:
            RefusedError: The framing is malformed (400), or the body is too large (413).
        """
        while at < len(data) and not self.whole:
            end = block_end(self._tail, data, at)
            piece = data[at:end] if end >= 0 else data[at:]
            self._tail = b"" if end >= 0 else (self._tail + piece[-3:])[-3:]
            self._feed(piece, last=end >= 0)
            at += len(piece)
        return at

    def take(self) -> bytes:
        """Return the whole body, and let go of the parser."""
        self._parser = None
        return bytes(self._body)

    def _feed(self, piece: bytes, *, last: bool) -> None:
        assert self._parser is not None
        try:
            self._parser.feed_data(piece)
        except HttpParserError as error:
            self._parser = None
            raise malformed(str(error)) from None
        if self.whole and not last:
            raise malformed("its end is ambiguous")
        self._raw += len(piece)
        size = len(self._body)
        if size > self._most or self._raw > 2 * size + self._most_framing:
            self._parser = None
            raise RefusedError(413, f"send a body of at most {self._most} bytes, in fewer chunks")
