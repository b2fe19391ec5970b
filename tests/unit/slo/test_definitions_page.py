"""The page about SLO definitions: what it shows is what is read."""

import re
from pathlib import Path
from typing import get_args

from mlops.base.verdict import Status
from mlops.slo.catalog import Catalog, read_catalog
from mlops.slo.check import judge
from mlops.slo.ml_source import MlSource
from mlops.slo.resolve import ANNOTATIONS
from mlops.slo.spec import SloSpec

PAGE = (Path(__file__).parents[3] / "docs" / "slo-definitions.md").read_text()


def examples(folder: Path) -> Catalog:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = folder / "slo.yaml"
    path.write_text("---\n".join(blocks))
    return read_catalog([path])


def test_all_examples_are_one_set_of_which_nothing_is_omitted(tmp_path: Path) -> None:
    catalog = examples(tmp_path)
    assert catalog.omitted == ()
    assert [objective.slo for objective in catalog.objectives] == [
        "shop-availability", "shop-paid", "shop-minutes-ours", "shop-minutes-contract",
        "shop-journey", "shop-model-fresh",
    ]  # fmt: skip
    assert {objective.service for objective in catalog.objectives} == {"my_shop"}
    (rule,) = catalog.policies[0].rules
    assert rule.slos == ("shop-availability", "shop-minutes-ours", "shop-minutes-contract")


def test_no_example_fails_the_check(tmp_path: Path) -> None:
    verdict = judge(examples(tmp_path), SloSpec())
    assert verdict.status in (Status.PASS, Status.WARN)


def test_every_sli_of_ours_is_in_the_table() -> None:
    union, *_ = get_args(MlSource)
    named = {get_args(kind.model_fields["sli"].annotation)[0] for kind in get_args(union)}
    assert len(named) == 11
    rows = re.findall(r"^\| `([a-z-]+)`.*\|$", PAGE, re.MULTILINE)
    assert named <= set(rows)


def test_every_annotation_that_we_read_is_in_the_table() -> None:
    assert all(f"`{name}`" in PAGE for name in ANNOTATIONS)
