"""A connection: one caller's requests, answered one after another and in order."""

import asyncio
import logging
from typing import cast

from mlops.hosting.exchange import HttpRequest, Reply
from mlops.hosting.refusal import RefusedError, malformed
from mlops.hosting.reply_heads import CLOSE, KEEP, KEEP_OLD
from mlops.hosting.request_reader import RequestReader
from mlops.hosting.roster import NEVER, Roster

_log = logging.getLogger(__name__)

_READING, _ASKED, _WAITING, _LEAVING = range(4)
"""What a connection does: it reads a request or is idle; the handler has one; input is held back
until there is room for an answer or other connections had their turn; no more is answered."""

_IDLE, _FRESH, _BEGUN = range(3)
"""What a connection's time is for: none yet, or being idle; its first request; a request."""

_UNSTAMPED = 0.0
"""Due time of a connection that became idle since the last sweep, which then notes the time."""
_LINGER_S = 2.0
"""Seconds that a caller is read after its last answer, lest a reset overtakes that answer."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Exchange:
    """A request and the way back for its answer; implements `mlops.hosting.exchange.Exchange`."""

    __slots__ = ("_connection", "answered", "gone", "request")

    def __init__(self, connection: "Connection", request: HttpRequest) -> None:
        self.request = request
        self.gone = False
        self.answered = False
        self._connection = connection

    def reply(self, reply: Reply) -> None:
        """Send the answer.

        Raises:
            RuntimeError: It was answered before.
        """
        if self.answered:
            raise RuntimeError("an exchange is answered once")
        self.answered = True
        self._connection.answer(self.request, reply)


class Connection(asyncio.Protocol):
    """Speaks HTTP/1.1 with one caller.

    Nothing in here grows with what a caller sends: while a request is with the handler, or an
    answer is not taken, reading stops after at most what was received at once.

    Args:
        roster: The server's connections, and what they share.
    """

    __slots__ = (
        "_asked", "_blocked", "_discarded", "_ended", "_paused", "_reader", "_roster",
        "_stage", "_timed", "_transport", "due",
    )  # fmt: skip

    def __init__(self, roster: Roster) -> None:
        self.due = NEVER
        self._roster = roster
        self._reader = RequestReader(
            roster.head_parser,
            most_head=roster.settings.max_header_bytes,
            most_body=roster.settings.max_body_bytes,
        )
        self._stage = _READING
        self._asked: _Exchange | None = None
        self._discarded = 0
        self._blocked = self._paused = self._ended = False
        self._timed = _FRESH

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the caller in, if there is room."""
        self._transport = cast("asyncio.Transport", transport)
        # Whatever the caller does not take at once counts as not taken, and nothing more is read.
        self._transport.set_write_buffer_limits(high=0)
        self.due = self._roster.monotonic() + self._roster.settings.request_s
        if self._roster.enter(self):
            self._roster.idle[self] = None
        else:
            self._refuse(RefusedError(503, "try again: all connections are busy"))

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self._stage = _LEAVING
        self._roster.leave(self)
        self._reader.close()
        if self._asked is not None:
            self._asked.gone = True
            self._asked = None

    def data_received(self, data: bytes) -> None:
        """Take what the caller sent; nothing means to go on with what was held back."""
        if self._stage != _READING:
            self._put_aside(data)
            return
        roster = self._roster
        try:
            request = self._reader.read(data, roster.monotonic())
        except RefusedError as refused:
            self._refuse(refused)
            return
        if request is None:
            self._expect_rest()
            return
        roster.idle.pop(self, None)
        if self._timed == _BEGUN:
            roster.received(self)
        self._stage = _ASKED
        exchange = self._asked = _Exchange(self, request)
        try:
            roster.handler(exchange)
        except Exception as error:
            self._fail(exchange, error)

    def eof_received(self) -> bool:
        """Learn that the caller sends no more; what it asked before is answered.

        Returns:
            Whether the connection stays open for an answer.
        """
        self._ended = True
        self._end()
        return self._stage in (_ASKED, _WAITING)

    def pause_writing(self) -> None:
        """Learn that the caller does not take an answer."""
        self._blocked = True
        self._roster.idle.pop(self, None)
        if self._stage == _READING:
            self._stage = _WAITING
        self.due = self._roster.monotonic() + self._roster.settings.request_s

    def resume_writing(self) -> None:
        """Learn that the caller took all that was sent."""
        self._blocked = False
        if self._stage == _WAITING:
            asyncio.get_running_loop().call_soon(self._go_on)

    def answer(self, request: HttpRequest, reply: Reply) -> None:
        """Send the answer to the request that the handler has, unless the caller is gone.

        Args:
            request: The request.
            reply: The answer.
        """
        if self._stage != _ASKED or self._transport.is_closing():
            return  # the caller is gone, or is being cut off
        roster = self._roster
        reader = self._reader
        self._asked = None
        if not reader.keep or ((roster.leaving or self._ended) and not reader.held):
            self._answer_last(request, reply)
            return
        ending = KEEP_OLD if reader.old else KEEP
        answer = roster.heads.render(reply, ending, without_body=request.method == "HEAD")
        self._stage = _READING
        self._timed = _IDLE
        self.due = _UNSTAMPED
        roster.idle[self] = None
        self._transport.write(answer)
        if reader.held or self._paused:
            self._yield()

    def _answer_last(self, request: HttpRequest, reply: Reply) -> None:
        without_body = request.method == "HEAD"
        answer = self._roster.heads.render(reply, CLOSE, without_body=without_body)
        self._transport.write(answer)
        self._leave(linger=self._reader.keep or self._reader.held)

    def expire(self, now: float) -> None:
        """Act on a time that is over: an idle time, a slow request, an answer not taken."""
        roster = self._roster
        if self._stage == _LEAVING or self._blocked:
            if self._blocked:
                roster.watcher.closed("slow")
            self.abort()
        elif self in roster.idle:
            if self.due == _UNSTAMPED:
                self.due = now + roster.settings.idle_s
            else:
                roster.watcher.closed("idle")
                self.dismiss()
        elif self._stage == _READING:
            roster.watcher.closed("slow")
            self._refuse(RefusedError(408, "send the request faster"))

    def dismiss(self) -> None:
        """Close while idle."""
        self._leave(linger=False)

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._stage = _LEAVING
        self._transport.abort()

    def _expect_rest(self) -> None:
        """Note when the rest of a request is due."""
        if self._timed != _BEGUN and self._reader.begun:
            roster = self._roster
            roster.idle.pop(self, None)
            if self._timed != _FRESH:
                self.due = roster.monotonic() + roster.settings.request_s
            self._timed = _BEGUN
        if self._timed == _BEGUN:
            self._roster.receive(self, self._reader.size)
        if self._stage == _READING and self._reader.tell():
            self._transport.write(_CONTINUE)

    def _fail(self, exchange: _Exchange, error: Exception) -> None:
        # Its text, with which a traceback ends, may hold what was sent.
        _log.error("a handler raised %s instead of replying", type(error).__name__)
        if not exchange.answered:
            exchange.answered = True
            self._asked = None
            self._refuse(RefusedError(500, "try again: the server failed"))

    def _yield(self) -> None:
        """Go on with what is held back after other connections had their turn."""
        self._roster.idle.pop(self, None)
        if self._stage == _READING:
            self._stage = _WAITING
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Go on with what is held back."""
        if self._stage != _WAITING or self._blocked:
            return
        self._stage = _READING
        if self._reader.held:
            self.data_received(b"")
        elif not self._reader.begun:
            self.due = _UNSTAMPED
            self._roster.idle[self] = None
        if self._reader.held or self._stage in (_WAITING, _LEAVING):
            return
        if self._ended:
            self._end()
        else:
            self._resume()

    def _end(self) -> None:
        """Close after the caller closed, unless an answer is owed."""
        if self._stage != _READING:
            return
        if self._reader.begun:
            self._refuse(malformed("it ended before it was whole"))
        else:
            self._leave(linger=False)

    def _put_aside(self, data: bytes) -> None:
        if self._stage == _LEAVING:
            self._discard(len(data))
            return
        self._reader.hold(data)
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _refuse(self, refused: RefusedError) -> None:
        """Answer what is not passed on to the handler, and end."""
        watcher = self._roster.watcher
        watcher.refused(refused.code)
        if refused.code == 400:
            watcher.closed("malformed")
        if not self._transport.is_closing():
            self._transport.write(self._roster.heads.render(refused.reply(), CLOSE))
        self._leave(linger=True)

    def _discard(self, size: int) -> None:
        """Read on, within bounds: an answer to a sender that is not done is lost by a reset."""
        self._discarded += size
        if self._discarded > 8 * self._roster.settings.max_body_bytes:
            self.abort()

    def _leave(self, *, linger: bool) -> None:
        """Answer no more, and close.

        Args:
            linger: Whether the caller may still be sending.
        """
        roster = self._roster
        self._stage = _LEAVING
        self._reader.close()
        roster.idle.pop(self, None)
        if linger and not self._ended and not self._transport.is_closing():
            self.due = roster.monotonic() + min(_LINGER_S, roster.settings.request_s)
            self._transport.write_eof()
            self._resume()
            roster.linger(self)
        else:
            self.due = roster.monotonic() + roster.settings.request_s
            self._transport.close()
