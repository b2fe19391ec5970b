"""A call: what every word of `mlops slo` is given."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops.base.clock import SystemClock
from mlops.base.errors import ConfigError
from mlops.cli.arguments import Arguments
from mlops.cli.console import Console
from mlops.config.compose import Composed
from mlops.slo.spec import SloSpec


@dataclass(frozen=True, slots=True)
class SloCall:
    """What a word of `mlops slo` works with.

    Attributes:
        console: What it prints with.
        files: Definitions: those named behind the word, else those of the configuration.
        given: Its flags and options.
        composed: The whole configuration.
    """

    console: Console
    files: tuple[Path, ...]
    given: Arguments
    composed: Composed

    @property
    def spec(self) -> SloSpec:
        """The section `slo`."""
        return self.composed.settings.slo


def asked_time(call: SloCall) -> datetime:
    """Return the time that budgets are asked for: `--at`, or now.

    Raises:
        ConfigError: `--at` is no time with a zone.
    """
    text = call.given.options.get("--at")
    if text is None:
        return SystemClock().now()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ConfigError(
            f"--at {text} is no time with a zone", hint="such as --at 2026-11-24T09:00:00Z"
        )
    return at
