"""An exchange: one request and the one answer to it, between the HTTP protocol and its handler."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

JSON = b"application/json"


class HttpRequest(NamedTuple):
    """A request, whole and within the limits.

    Attributes:
        method: Such as `POST`.
        path: Without the query, as sent, such as `/v1/decide`.
        query: What stands behind `?`, as sent; empty if there is none.
        headers: By name in lower case; of a name sent twice the values joined by `, `.
        body: The body; empty if there is none.
        arrived: Monotonic seconds at which the last byte was received.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    arrived: float


class Reply(NamedTuple):
    """An answer.

    Attributes:
        code: Status.
        body: Content.
        kind: Its content type.
        retry_after_s: Seconds for `Retry-After`; 0 sends none.
        allow: Methods for `Allow` beside a 405; empty sends none.
    """

    code: int
    body: bytes
    kind: bytes = JSON
    retry_after_s: int = 0
    allow: bytes = b""


class Exchange(Protocol):
    """What a handler is given."""

    @property
    def request(self) -> HttpRequest:
        """The request."""
        ...

    @property
    def gone(self) -> bool:
        """Whether the caller closed the connection, so that nobody waits for the answer."""
        ...

    def reply(self, reply: Reply) -> None:
        """Send the answer, exactly once; to a caller that is gone nothing is sent."""
        ...


Handler = Callable[[Exchange], None]
"""Takes an exchange and replies to it, then or later; it neither blocks nor raises."""
