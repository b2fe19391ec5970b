"""The admin app: the fault switch for drills, on a loopback port of its own."""

import msgspec

from mlops.base.errors import ConfigError
from mlops.serving.app import Receive, Scope, Send
from mlops.serving.faults import parse
from mlops.serving.model_client import ModelClient

_MAX_BODY = 256


class AdminApp:
    """`PUT /faults` with a fault as text; `GET /faults` tells the present one.

    Args:
        model: The model process whose fault is switched.
    """

    def __init__(self, model: ModelClient) -> None:
        self._model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        code, text = 404, "no such path; PUT or GET /faults"
        if scope["path"] == "/faults":
            code, text = await self._faults(scope["method"], receive)
        body = msgspec.json.encode({"faults" if code == 200 else "error": text})
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _faults(self, method: str, receive: Receive) -> tuple[int, str]:
        if method == "PUT":
            event = await receive()
            text = event.get("body", b"")[:_MAX_BODY].decode(errors="replace")
            try:
                self._model.fault = parse(text)
            except ConfigError as error:
                return 422, f"{error.message}; {error.hint}"
        elif method != "GET":
            return 405, "only PUT and GET"
        kind, amount_ms = self._model.fault
        return 200, f"{kind.value}:{amount_ms}" if amount_ms else kind.value
