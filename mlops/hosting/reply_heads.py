"""A reply's head: status line and headers, ready to be sent with the body in one write."""

from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus

from mlops.hosting.exchange import Reply

KEEP = b""
"""Says nothing: in HTTP/1.1 the connection stays open."""
KEEP_OLD = b"connection: keep-alive\r\n"
"""Says to a sender of HTTP/1.0 that the connection stays open."""
CLOSE = b"connection: close\r\n"
"""Says that this is the connection's last answer."""

_MOST_KNOWN = 256
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class ReplyHeads:
    """Makes the heads of replies; those of a second differ only in length, so they are kept.

    Args:
        now: Time of day in UTC.
    """

    __slots__ = ("_date", "_known", "_second")

    def __init__(self, now: datetime) -> None:
        self._second = -1
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """Let the `Date` be `now`; to be called a few times each second."""
        second = int(now.timestamp())
        if second != self._second:
            self._second = second
            self._date = format_datetime(now, usegmt=True).encode()
            self._known: dict[tuple[int, bytes, bytes], bytes] = {}

    def render(self, reply: Reply, connection: bytes, *, without_body: bool = False) -> bytes:
        """Return all bytes of an answer.

        Args:
            reply: The answer.
            connection: `KEEP`, `KEEP_OLD` or `CLOSE`.
            without_body: Leave the body out, as an answer to HEAD does.
        """
        code, body, kind, retry_after_s, allow = reply
        begin = self._known.get((code, kind, connection))
        if begin is None:
            begin = self._begin(reply, connection)
        length = len(body)
        if without_body:
            body = b""
        if retry_after_s or allow:
            return b"%b%d\r\n%b\r\n%b" % (begin, length, _extra(reply), body)
        return b"%b%d\r\n\r\n%b" % (begin, length, body)

    def _begin(self, reply: Reply, connection: bytes) -> bytes:
        phrase = _PHRASES.get(reply.code, "").encode()
        begin = b"HTTP/1.1 %d %b\r\ndate: %b\r\n%bcontent-type: %b\r\ncontent-length: " % (
            reply.code, phrase, self._date, connection, reply.kind,
        )  # fmt: skip
        if len(self._known) < _MOST_KNOWN:
            self._known[reply.code, reply.kind, connection] = begin
        return begin


def _extra(reply: Reply) -> bytes:
    retry = b"retry-after: %d\r\n" % reply.retry_after_s if reply.retry_after_s else b""
    return retry + (b"allow: %b\r\n" % reply.allow if reply.allow else b"")
