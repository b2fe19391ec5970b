"""The admin face: reload, drain, breaker, events and the fault switch, on a port of its own."""

import hmac
import re
from collections.abc import Callable
from typing import Annotated, Protocol

import msgspec

from mlops.base.errors import ConfigError
from mlops.hosting.exchange import Exchange, HttpRequest, Reply
from mlops.serving.faults import Fault, parse
from mlops.serving.spec import BreakerMode

_MOST_TEXT = 256
_MOST_REFERENCE = 1024
"""Letters of a bundle's reference: errors and events repeat it, and have to fit into a message."""
_ADDRESS = re.compile(rb"(localhost|[0-9.]+|\[[0-9a-f:.]+\])(:[0-9]+)?", re.IGNORECASE)
"""A `Host` that no foreign name server can answer for."""
_PATHS = ("/faults", "/breaker", "/fallback", "/reload", "/drain", "/events", "/status")
_FALLBACK = {"PUT": "latch", "DELETE": "release", "GET": "fallback"}
_REBOUND = "without a token, ask by `localhost` or an IP address: a name may be another's"
_CHALLENGE = "the admin port asks for `Authorization: Bearer TOKEN`"


class ReloadOrder(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /reload` may say.

    Attributes:
        bundle: A pointer's name, a digest, or a folder inside the bundles' folder; empty for what
            the settings name.
        allow_downgrade: Whether it may have been signed earlier than the one that runs.
    """

    bundle: Annotated[str, msgspec.Meta(max_length=_MOST_REFERENCE)] = ""
    allow_downgrade: bool = False


class Controls(Protocol):
    """What the admin face moves."""

    @property
    def fault(self) -> Fault:
        """The fault that is played."""
        ...

    def play(self, fault: Fault) -> None:
        """Play a fault, or none."""
        ...

    @property
    def breaker_mode(self) -> BreakerMode:
        """The mode of all breakers."""
        ...

    def set_breakers(self, mode: BreakerMode) -> None:
        """Give all breakers a mode."""
        ...


Ask = Callable[[str, ReloadOrder, Callable[[int, bytes], None]], None]
"""Asks the supervisor for something by its name; the last one gets status and body."""


class AdminApp:
    """Answers on the admin port.

    Args:
        controls: What it moves.
        ask: Asks the supervisor.
        faults_allowed: Whether faults may be played.
        token: What callers must bear; None for nothing, which only loopback allows.
    """

    def __init__(
        self, controls: Controls, ask: Ask, *, faults_allowed: bool, token: bytes | None
    ) -> None:
        self._controls = controls
        self._ask_supervisor = ask
        self._faults_allowed = faults_allowed
        self._token = token

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request, now or when the supervisor has answered."""
        request = exchange.request
        if b"origin" in request.headers:  # a page in the operator's browser asks, not the operator
            exchange.reply(_told(403, "error", "browsers are not served here"))
            return
        if self._token is None and not _names_an_address(request):
            exchange.reply(_told(403, "error", _REBOUND))
            return
        if not self._may(request):
            exchange.reply(_told(401, "error", _CHALLENGE))
            return
        match request.method, request.path:
            case ("PUT" | "GET", "/faults"):
                exchange.reply(self._faults(request))
            case ("PUT" | "GET", "/breaker"):
                exchange.reply(self._breaker(request))
            case ("PUT" | "DELETE" | "GET", "/fallback"):
                self._ask(exchange, _FALLBACK[request.method])
            case ("POST", "/reload" | "/drain") | ("GET", "/events" | "/status"):
                self._ask(exchange, request.path.removeprefix("/"))
            case (_, path) if path in _PATHS:
                exchange.reply(_told(405, "error", "no such method here"))
            case _:
                exchange.reply(_told(404, "error", f"no such path; there are {', '.join(_PATHS)}"))

    def _may(self, request: HttpRequest) -> bool:
        if self._token is None:
            return True
        given = request.headers.get(b"authorization", b"")
        # In constant time, so that its first letters cannot be found out one by one.
        return hmac.compare_digest(given, b"Bearer " + self._token)

    def _faults(self, request: HttpRequest) -> Reply:
        if not self._faults_allowed:
            return _told(403, "error", "drills need serving.faults_allowed=true")
        if request.method == "PUT":
            try:
                self._controls.play(parse(_text(request)))
            except ConfigError as error:
                return _told(422, "error", f"{error.message}; {error.hint}")
        return _told(200, "faults", str(self._controls.fault))

    def _breaker(self, request: HttpRequest) -> Reply:
        if request.method == "PUT":
            try:
                self._controls.set_breakers(BreakerMode(_text(request)))
            except ValueError:
                return _told(422, "error", f"one of: {', '.join(BreakerMode)}")
        return _told(200, "breaker", self._controls.breaker_mode.value)

    def _ask(self, exchange: Exchange, what: str) -> None:
        request = exchange.request
        try:
            order = msgspec.json.decode(request.body or b"{}", type=ReloadOrder)
        except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
            exchange.reply(
                _told(422, "error", 'the body is JSON: {"bundle": TEXT, "allow_downgrade": BOOL}')
            )
            return

        def then(code: int, body: bytes) -> None:
            exchange.reply(Reply(code, body))

        self._ask_supervisor(what, order, then)


def _names_an_address(request: HttpRequest) -> bool:
    """Tell whether a request is for this host as such.

    A page may have a name of its own point here (DNS rebinding). Its browser then takes this port
    for the page's own, sends GET without `Origin` and lets the page read the answer; but it sends
    that name as `Host`.
    """
    host = request.headers.get(b"host")
    return host is None or _ADDRESS.fullmatch(host) is not None


def _text(request: HttpRequest) -> str:
    return request.body[:_MOST_TEXT].decode(errors="replace").strip()


def _told(code: int, name: str, text: str) -> Reply:
    return Reply(code, msgspec.json.encode({name: text}))
