"""What a training and its serving would take, and how it is held to its budgets."""

import json
from dataclasses import replace

import pytest
from numpy.random import default_rng

from mlops.base.digest import Json
from mlops.base.verdict import Finding, Status
from mlops.cost import host
from mlops.cost.baseline import BASELINE
from mlops.cost.budget import Budgets, judge
from mlops.cost.cost import Job, Learner, Prediction, predict, rounds_within, rows_within
from mlops.cost.host import HostProfile
from mlops.cost.spec import DeclaredHost
from mlops.cost.workload import make
from mlops.models.arrays import dump_arrays
from mlops.models.estimator import build_estimator
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.spec import HeadScore, ModelSpec

BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
DOMAIN = make(2, numbers=10, texts=3, rng=default_rng(0)).domain
TIMED = BASELINE.model_copy(update={"name": "this", "measured": True, "uncertainty": 1.5})
AMPLE = Budgets(
    cpu_s=1e6, memory_mb=1e6, gate_ms=1e6, model_ms=1e6, page=50, largest=200
)  # fmt: skip


def job(rows: float = 1_000_000, path: str = BOOSTING, **given: Json) -> Job:
    arguments: dict[str, Json] = {"max_iter": 100, "early_stopping": False} | given
    if path != BOOSTING:
        arguments = given
    node: dict[str, Json] = {"name": "m", "estimator": {"_target_": path, **arguments}}
    spec = ModelSpec.model_validate_json(json.dumps(node))
    return Job(
        estimator=build_estimator(spec, DOMAIN, seed=0),
        domain=DOMAIN,
        columns=20,
        rows=rows,
        train_share=0.75,
        learners=(Learner("p"),),
    )


def predicted(of: Job, profile: HostProfile = TIMED) -> Prediction:
    found = predict(of, profile)
    assert isinstance(found, Prediction)
    return found


def one(findings: tuple[Finding, ...], check: str) -> Finding:
    found = [each for each in findings if each.check == f"check.cost.{check}"]
    assert len(found) == 1, findings
    return found[0]


def test_every_head_is_fitted_and_the_largest_one_sets_the_memory() -> None:
    single = predicted(job())
    double = predicted(replace(job(), learners=(Learner("p"), Learner("q"))))
    assert double.cpu_s == pytest.approx(2 * single.cpu_s)
    assert double.memory_mb == pytest.approx(single.memory_mb)
    assert double.artifact_mb == pytest.approx(2 * single.artifact_mb)


def test_head_on_few_rows_costs_little_and_may_cost_much() -> None:
    few = predicted(replace(job(), learners=(Learner("p", share=0.05, most=1.0),)))
    whole = predicted(job())
    assert few.cpu_s < 0.3 * whole.cpu_s
    assert few.most_cpu_s == pytest.approx(whole.cpu_s)


def test_longer_page_takes_longer() -> None:
    found = predicted(job())
    times = [found.page_ms(rows) for rows in (0, 1, 50, 200)]
    assert times == sorted(times)
    assert times[0] > 0


@pytest.mark.parametrize("limit_s", [2.0, 5.0])
def test_what_would_fit_fits_and_a_little_more_does_not(limit_s: float) -> None:
    found = predicted(job())
    assert found.cpu_s > limit_s
    rows = rows_within(found, limit_s, lambda each: each.cpu_s)
    assert rows is not None
    assert predicted(job(rows)).cpu_s <= limit_s
    assert predicted(job(1.02 * rows)).cpu_s > limit_s


def test_rounds_that_would_fit_fit() -> None:
    found = predicted(job(max_iter=400))
    limit_s = 0.6 * found.cpu_s
    rounds = rounds_within(found, limit_s)
    assert rounds is not None
    assert predicted(job(max_iter=int(rounds))).cpu_s == pytest.approx(limit_s, rel=0.02)


def test_budget_that_nothing_fits_says_so() -> None:
    found = predicted(job())
    assert rows_within(found, 1e-6, lambda each: each.cpu_s) is None
    assert rounds_within(found, 1e-6) is None
    judged = judge(found, replace(AMPLE, cpu_s=1e-6))
    assert "raise training.budget_cpu_s" in one(judged, "cpu").hint


OVER = {
    "cpu": ("cpu_s", "training.budget_cpu_s", "rows would fit"),
    "memory": ("memory_mb", "training.budget_memory_mb", "rows would fit"),
    "latency": ("gate_ms", "release.max_latency_ms", "trees or pages of"),
    "deadline": ("model_ms", "serving.deadline_ms", "trees or pages of"),
}


@pytest.mark.parametrize("check", OVER)
def test_over_a_budget_fails_with_figure_key_and_what_would_fit(check: str) -> None:
    name, key, hint = OVER[check]
    found = predicted(job())
    value = one(judge(found, AMPLE), check).value
    assert value is not None
    cases = ((0.9, Status.FAIL), (1.1, Status.WARN), (1.6, Status.PASS))
    for factor, status in cases:
        budgets = replace(AMPLE, **{name: value * factor})  # type: ignore[arg-type] # a float field
        finding = one(judge(found, budgets), check)
        assert finding.status is status
        assert (finding.value, finding.limit) == (value, value * factor)
        assert ".".join(finding.key) == key
        assert key in finding.message
        assert (hint in finding.hint) is (status is not Status.PASS)


def test_deadline_is_said_without_what_is_reserved_of_it() -> None:
    found = one(judge(predicted(job()), replace(AMPLE, model_ms=40.0)), "deadline")
    assert "serving.deadline_ms - reserve_ms leave it 40 ms" in found.message


def test_host_that_was_never_timed_fails_only_what_is_beyond_doubt() -> None:
    found = predicted(job(), BASELINE)
    for factor, status in ((0.3, Status.FAIL), (0.9, Status.WARN), (1.1, Status.PASS)):
        judged = judge(found, replace(AMPLE, cpu_s=found.cpu_s * factor))
        assert one(judged, "cpu").status is status


def test_figures_without_a_budget_are_told() -> None:
    judged = judge(predicted(job()), AMPLE)
    for check in ("wall", "artifact", "serving-memory"):
        finding = one(judged, check)
        assert finding.status is Status.PASS
        assert finding.value is not None
        assert finding.value > 0
        assert finding.unit


def test_bound_of_a_fit_that_may_not_converge_is_a_warning() -> None:
    # The first column's numbers are not scaled here, so what is expected is the bound itself.
    few = predicted(replace(job(), learners=(Learner("p", share=0.01, most=1.0),)))
    judged = judge(few, replace(AMPLE, cpu_s=2 * few.cpu_s))
    assert one(judged, "cpu-bound").status is Status.WARN
    assert one(judged, "cpu").status is Status.PASS


def test_largest_page_may_be_late_where_the_usual_one_is_not() -> None:
    found = predicted(job())
    budgets = replace(AMPLE, model_ms=2 * found.page_ms(50))
    finding = one(judge(found, budgets), "largest-page")
    assert finding.status is Status.WARN
    assert finding.key == ("contracts", "max_candidates")


def test_machine_with_too_little_memory_is_refused() -> None:
    small = DeclaredHost(speed=0.5, cores=4, memory_mb=256)
    profile = host.declared("small", small, BASELINE)
    found = predicted(job(), profile)
    budgets = replace(AMPLE, declared_host=("cost", "hosts", "small"))
    # 3 is how far figures of a machine that was never timed may be off.
    assert found.memory_mb > 3 * 256
    finding = one(judge(found, budgets), "machine")
    assert finding.status is Status.FAIL
    assert finding.key == ("cost", "hosts", "small")
    assert "take a machine with more memory" in finding.hint


def test_slower_machine_takes_longer_and_more_cores_less_wall_time() -> None:
    here = predicted(job())
    slow = predicted(
        job(), host.declared("slow", DeclaredHost(speed=0.5, cores=2, memory_mb=1e5), TIMED)
    )
    wide = predicted(job(), host.declared("wide", DeclaredHost(cores=16, memory_mb=1e5), TIMED))
    assert slow.cpu_s == pytest.approx(2 * here.cpu_s)
    assert slow.memory_mb == pytest.approx(here.memory_mb)
    assert wide.cpu_s == pytest.approx(here.cpu_s)
    assert wide.wall_s < here.wall_s


def test_compiled_model_is_as_large_as_is_told() -> None:
    rows = make(4_000, numbers=10, texts=3, rng=default_rng(0))
    asked = job(4_000, max_iter=60)
    node = {"_target_": BOOSTING, "max_iter": 60, "early_stopping": False}
    spec = ModelSpec.model_validate_json(json.dumps({"name": "m", "estimator": node}))
    fitted = SklearnPredictor(spec, rows.domain, seed=0).fit(rows.table, rows.outcome)
    program = lower({"p": fitted}, rows.domain, HeadScore(head="p"))
    size_mb = len(dump_arrays(program.to_arrays())) / 2**20
    assert size_mb / 1.5 < predicted(replace(asked, train_share=1.0)).artifact_mb < size_mb * 1.5
