"""A refusal: what the protocol itself answers to a request that it does not pass on."""

import json

from mlops.hosting.exchange import Reply


class RefusedError(Exception):
    """A request breaks a rule of the protocol or a limit; the connection ends with the answer.

    Args:
        code: Status.
        text: What to do; holds nothing of the request.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def reply(self) -> Reply:
        """Return the answer."""
        body = json.dumps({"error": self.text}).encode()
        return Reply(self.code, body, retry_after_s=1 if self.code == 503 else 0)


def malformed(why: str) -> RefusedError:
    """Return the refusal of what is not a request by RFC 9112.

    Args:
        why: What is wrong, without a byte of the request.
    """
    return RefusedError(400, f"send a well-formed HTTP/1.1 request: {why}")
