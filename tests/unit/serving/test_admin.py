"""The admin face: what it moves, what it asks the supervisor, and whom it refuses."""

from collections.abc import Callable
from typing import Any

import pytest

from mlops.serving.admin import AdminApp, ReloadOrder
from mlops.serving.faults import Fault, FaultKind
from mlops.serving.spec import BreakerMode
from tests.components.front import FakeExchange, post

TOKEN = b"0123456789abcdef"


class FakeControls:
    def __init__(self) -> None:
        self.fault = Fault()
        self.breaker_mode = BreakerMode.AUTO

    def play(self, fault: Fault) -> None:
        self.fault = fault

    def set_breakers(self, mode: BreakerMode) -> None:
        self.breaker_mode = mode


class Admin:
    def __init__(self, *, faults_allowed: bool = True, token: bytes | None = None) -> None:
        self.controls = FakeControls()
        self.orders: list[tuple[str, ReloadOrder]] = []
        self.thens: list[Callable[[int, bytes], None]] = []
        self.app = AdminApp(self.controls, self._ask, faults_allowed=faults_allowed, token=token)

    def _ask(self, what: str, order: ReloadOrder, then: Callable[[int, bytes], None]) -> None:
        self.orders.append((what, order))
        self.thens.append(then)

    def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> FakeExchange:
        exchange = post(body, path=path, method=method, headers=headers)
        self.app(exchange)
        return exchange


def test_fault_is_switched_and_told() -> None:
    it = Admin()
    reply = it.call("PUT", "/faults", b"slow_ms:80\n")
    assert (reply.code, reply.json) == (200, {"faults": "slow_ms:80"})
    assert it.controls.fault == Fault(FaultKind.SLOW_MS, 80)
    assert it.call("GET", "/faults").json == {"faults": "slow_ms:80"}


def test_unknown_fault_changes_nothing() -> None:
    it = Admin()
    reply = it.call("PUT", "/faults", b"fire")
    assert reply.code == 422
    assert "model_hang" in reply.json["error"]
    assert it.controls.fault == Fault()


def test_no_fault_is_played_where_drills_are_not_allowed() -> None:
    it = Admin(faults_allowed=False)
    assert it.call("PUT", "/faults", b"model_hang").code == 403
    assert it.controls.fault == Fault()


@pytest.mark.parametrize("mode", BreakerMode)
def test_breakers_are_switched(mode: BreakerMode) -> None:
    it = Admin()
    assert it.call("PUT", "/breaker", mode.value.encode()).json == {"breaker": mode.value}
    assert it.controls.breaker_mode is mode


def test_unknown_breaker_mode_is_refused() -> None:
    assert Admin().call("PUT", "/breaker", b"ajar").code == 422


def test_reload_is_asked_of_the_supervisor_and_answered_when_it_answers() -> None:
    it = Admin()
    exchange = it.call("POST", "/reload", b'{"bundle":"abcdef12","allow_downgrade":true}')
    assert it.orders == [("reload", ReloadOrder("abcdef12", allow_downgrade=True))]
    assert exchange.replies == []
    it.thens[0](409, b'{"reason":"older"}')
    assert (exchange.code, exchange.json) == (409, {"reason": "older"})


def test_reload_without_a_body_means_what_the_settings_name() -> None:
    it = Admin()
    it.call("POST", "/reload")
    assert it.orders == [("reload", ReloadOrder())]


@pytest.mark.parametrize(
    "body",
    [
        b"latest", b'{"bundel":"x"}', b"[" * 5000, b'{"bundle":1}',
        b'{"bundle":"%b"}' % (b"x" * 70_000), b'{"bundle":"%b"}' % (b"\\u0001" * 10_000),
    ],
)  # fmt: skip
def test_reload_with_another_body_is_refused(body: bytes) -> None:
    it = Admin()
    assert it.call("POST", "/reload", body).code == 422
    assert it.orders == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/drain"), ("GET", "/events"), ("GET", "/status")]
)
def test_supervisor_is_asked(method: str, path: str) -> None:
    it = Admin()
    it.call(method, path)
    assert it.orders == [(path[1:], ReloadOrder())]


@pytest.mark.parametrize(
    ("method", "what"), [("PUT", "latch"), ("DELETE", "release"), ("GET", "fallback")]
)
def test_fallback_is_latched_and_released_by_the_supervisor(method: str, what: str) -> None:
    it = Admin()
    it.call(method, "/fallback")
    assert it.orders == [(what, ReloadOrder())]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/reload", 405),
        ("POST", "/faults", 405),
        ("POST", "/fallback", 405),
        ("GET", "/", 404),
        ("GET", "/x", 404),
    ],
)
def test_other_paths_and_methods(method: str, path: str, code: int) -> None:
    it = Admin()
    assert it.call(method, path).code == code
    assert it.orders == []


CALLERS: dict[str, tuple[dict[str, str], int]] = {
    "nobody": ({}, 401),
    "a wrong token": ({"authorization": "Bearer 0123456789abcdeg"}, 401),
    "a token's beginning": ({"authorization": "Bearer 0123"}, 401),
    "another scheme": ({"authorization": "Basic 0123456789abcdef"}, 401),
    "an empty token": ({"authorization": "Bearer "}, 401),
    "the token": ({"authorization": "Bearer 0123456789abcdef"}, 202),
}


@pytest.mark.parametrize("who", CALLERS)
def test_token_is_demanded(who: str) -> None:
    headers, code = CALLERS[who]
    it = Admin(token=TOKEN)
    exchange = it.call("POST", "/drain", headers=headers)
    for then in it.thens:
        then(202, b"{}")
    assert exchange.code == code
    assert len(it.orders) == (code == 202)


@pytest.mark.parametrize("token", [None, TOKEN])
def test_page_in_the_operators_browser_cannot_ask(token: bytes | None) -> None:
    it = Admin(token=token)
    headers = {"origin": "https://evil.example", "authorization": f"Bearer {TOKEN.decode()}"}
    assert it.call("POST", "/drain", headers=headers).code == 403
    assert it.orders == []


HOSTS: dict[str, tuple[str, int]] = {
    "its address": ("127.0.0.1:8081", 200),
    "its address without a port": ("127.0.0.1", 200),
    "its address of IPv6": ("[::1]:8081", 200),
    "its name": ("LocalHost:8081", 200),
    "another's name": ("rebound.example:8081", 403),
    "another's name that looks like an address": ("127.0.0.1.example:8081", 403),
    "another's name below localhost": ("localhost.example", 403),
    "nothing": ("", 403),
}


@pytest.mark.parametrize("case", HOSTS)
def test_name_that_another_has_point_here_is_no_way_in(case: str) -> None:
    host, code = HOSTS[case]
    assert Admin().call("GET", "/breaker", headers={"host": host}).code == code


def test_who_bears_the_token_may_use_any_name() -> None:
    headers = {"host": "admin.internal", "authorization": f"Bearer {TOKEN.decode()}"}
    assert Admin(token=TOKEN).call("GET", "/breaker", headers=headers).code == 200


def test_what_is_asked_reads_bodies_of_any_bytes() -> None:
    body: Any = bytes(range(256))
    assert Admin().call("PUT", "/faults", body).code == 422
