"""What a scrape gets, as promtool reads it: well-formed, and named by the conventions."""

import subprocess

from mlops.serving.breaker import State
from mlops.serving.instruments import Instruments
from tests.components.prometheus import binary


def test_promtool_has_nothing_to_say_about_the_metrics() -> None:
    instruments = Instruments("open_bandit")
    instruments.bundles(("sha256:abc", 'a "quoted"\\\nname'), ("sha256:def", "m"))
    instruments.breaker_is(State.CLOSED)
    instruments.observe_model(0.0123)
    done = subprocess.run(
        [binary("promtool"), "check", "metrics"],
        input=instruments.exposition(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
