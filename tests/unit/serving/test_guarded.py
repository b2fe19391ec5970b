"""A guarded model: what is said of one that is corrupted, and how often."""

import pytest

from mlops.serving.guard import Limits
from mlops.serving.spec import BreakerMode, BreakerSpec
from tests.components.serving import GOOD, Joined, spec
from tests.fakes.model import FakeInline


@pytest.mark.parametrize(
    ("mode", "always"), [(BreakerMode.AUTO, True), (BreakerMode.METRICS_ONLY, False)]
)
def test_corrupted_model_that_is_only_counted_does_not_fill_the_log(
    mode: BreakerMode, always: bool, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(0.0, 1.0, finite=True)
    it = Joined(FakeInline(GOOD + 1), spec=spec(breaker=BreakerSpec(mode=mode)), limits=limits)
    it.decide()
    (line,) = [each for each in caplog.records if "corrupted" in each.message]
    assert getattr(line, "always", False) is always
    assert line.message.endswith("it is left alone") is always
