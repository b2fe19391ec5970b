"""Gates: verdicts become one decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status, Verdict
from mlops.release.gates import decide

STATES = st.sampled_from(list(Status))


def _verdict(name: str, *states: Status) -> Verdict:
    return Verdict(name, tuple(Finding(f"{name}.{n}", s, "seen") for n, s in enumerate(states)))


CASES: dict[str, tuple[tuple[Status, ...], bool, bool, Status]] = {
    "all pass": ((Status.PASS, Status.PASS), True, True, Status.PASS),
    "a warning passes": ((Status.PASS, Status.WARN), True, True, Status.WARN),
    "a failure blocks": ((Status.PASS, Status.FAIL), False, False, Status.FAIL),
    "an unknown does not block": ((Status.UNKNOWN, Status.PASS), False, True, Status.UNKNOWN),
    "an unknown blocks where it shall": ((Status.UNKNOWN,), True, False, Status.UNKNOWN),
    "a verdict that saw nothing passes": ((), True, True, Status.PASS),
}


@pytest.mark.parametrize("case", CASES)
def test_decision(case: str) -> None:
    states, unknown_blocks, passed, status = CASES[case]
    found = decide("shop", [_verdict("quality", *states)], unknown_blocks=unknown_blocks)
    assert (found.passed, found.status) == (passed, status)


def test_failures_stand_before_unknowns_among_what_blocks() -> None:
    verdicts = [_verdict("a", Status.UNKNOWN), _verdict("b", Status.PASS, Status.FAIL)]
    found = decide("shop", verdicts, unknown_blocks=True)
    assert [f.check for f in found.blocking] == ["b.1", "a.0"]


@given(st.lists(st.lists(STATES), min_size=1), st.booleans())
def test_it_passes_just_when_nothing_blocks(states: list[list[Status]], strict: bool) -> None:
    verdicts = [_verdict(f"v{n}", *each) for n, each in enumerate(states)]
    found = decide("shop", verdicts, unknown_blocks=strict)
    flat = [s for each in states for s in each]
    bad = Status.FAIL in flat or (strict and Status.UNKNOWN in flat)
    assert found.passed == (not bad) == (not found.blocking)
    assert all(found.blocks(f) for f in found.blocking)


def test_a_gate_that_asks_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to decide by"):
        decide("shop", [], unknown_blocks=False)
