"""A fake exchange: a request whose answers a test reads."""

from mlops.hosting.exchange import HttpRequest, Reply


class FakeExchange:
    """Stands in for the HTTP protocol's exchange.

    Args:
        body: The request's body.
        gone: Whether the caller has closed the connection.
    """

    def __init__(self, body: bytes = b"", *, gone: bool = False) -> None:
        self.request = HttpRequest("POST", "/v1/decide", b"", {}, body, 0.0)
        self.gone = gone
        self.replies: list[Reply] = []

    def reply(self, reply: Reply) -> None:
        self.replies.append(reply)
