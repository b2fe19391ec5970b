"""The SLO section: windows that cannot work are refused before anything is generated."""

import pytest
from pydantic import ValidationError

from mlops.base.digest import Json, canonical_json
from mlops.slo.spec import SloSpec

TIER: dict[str, Json] = {"factor": 14.4, "long_s": 3600, "short_s": 300, "severity": "page"}

WRONG: dict[str, tuple[dict[str, Json], str]] = {
    "a window of less than four scrapes": (
        {"scrape_interval_s": 60, "tiers": [{**TIER, "short_s": 180}]},
        "tiers.0.short_s=180 is shorter than 4 scrapes of 60 s",
    ),
    "a step of less than four scrapes": (
        {"scrape_interval_s": 15, "step_s": 30, "evaluation_interval_s": 15},
        "step_s=30 is shorter than 4 scrapes",
    ),
    "a long window that steps do not fill": (
        {"tiers": [{**TIER, "long_s": 7250}]},
        "tiers.0.long_s=7250 is summed from steps, so it must be a multiple of step_s=300",
    ),
    "a short window that is the longer one": (
        {"tiers": [{**TIER, "short_s": 3600}]},
        "short_s=3600 must be shorter than long_s=3600",
    ),
    "a pair given twice": ({"tiers": [TIER, {**TIER, "factor": 6}]}, "given twice"),
    "no tier": ({"tiers": []}, "at least 1 item"),
    "an evaluation rarer than steps": (
        {"evaluation_interval_s": 90, "step_s": 60},
        "leaves steps of step_s=60 unrecorded",
    ),
    "an evaluation so rare that its series go stale": (
        {"evaluation_interval_s": 301},
        "less than or equal to 120",
    ),
    "a period that steps do not fill": ({"period_s": 1000}, "no multiple of step_s=300"),
    "a factor of 0": ({"tiers": [{**TIER, "factor": 0}]}, "greater than 0"),
    "an unknown severity": ({"tiers": [{**TIER, "severity": "sms"}]}, "'page' or 'ticket'"),
    "an unknown key": ({"scrape_interval": 15}, "not permitted"),
    "a text for a number": ({"step_s": "300"}, "valid integer"),
    "an address that is no web address": ({"prometheus_url": "file:///etc/passwd"}, "pattern"),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_refused(sentence: str) -> None:
    values, message = WRONG[sentence]
    with pytest.raises(ValidationError) as caught:
        SloSpec.model_validate_json(canonical_json(values))
    assert message in str(caught.value)


def test_the_defaults_are_valid() -> None:
    assert SloSpec.model_validate_json(SloSpec().model_dump_json()) == SloSpec()
