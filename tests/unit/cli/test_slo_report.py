"""`mlops slo report`: where it writes, in which format, and of which time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlops.base.errors import ConfigError
from mlops.cli.arguments import Arguments, Format
from mlops.cli.console import Console
from mlops.cli.slo_call import SloCall, asked_time
from mlops.cli.slo_report import write_report
from mlops.config.compose import compose

ROOT = Path(__file__).parents[3]
# Nothing listens there; what is wrong with the words must be said before anybody is asked.
COMPOSED = compose(["slo.prometheus_url=http://127.0.0.1:9"], folder=ROOT)


def call(options: Mapping[str, str], form: Format = "text") -> SloCall:
    given = Arguments((), (), frozenset(), form, options)
    return SloCall(Console(form), (ROOT / "slo/search_ranking.yaml",), given, COMPOSED)


WRONG: dict[str, tuple[SloCall, str]] = {
    "a file of another format": (call({"--out": "a.pdf"}), "--out a.pdf is no format"),
    "a file that contradicts --format": (
        call({"--out": "a.md"}, "html"), "a.md is no file for --format html",
    ),
    "a time without a zone": (call({"--at": "2026-11-24T09:00:00"}), "no time with a zone"),
    "a time that is none": (call({"--at": "noon"}), "no time with a zone"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", WRONG)
def test_wrong_words_are_refused(sentence: str) -> None:
    wrong, message = WRONG[sentence]
    with pytest.raises(ConfigError, match=message):
        write_report(wrong)


def test_a_time_is_read_with_its_zone() -> None:
    assert asked_time(call({"--at": "2026-11-24T09:00:00Z"})) == datetime(
        2026, 11, 24, 9, tzinfo=UTC
    )
    vienna = timezone(timedelta(hours=1))
    assert asked_time(call({"--at": "2026-11-24T10:00:00+01:00"})) == datetime(
        2026, 11, 24, 10, tzinfo=vienna
    )
