"""A call of `mlops slo WORD`: what every word is given."""

from dataclasses import dataclass
from pathlib import Path

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
