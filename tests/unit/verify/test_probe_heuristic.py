"""The heuristics' probe: what a user's own ranking would fail on is told before it answers."""

import pytest

from mlops.base.section import Target
from mlops.base.verdict import Finding, Status
from mlops.contracts import search_ranking
from mlops.contracts.domain import Domain
from mlops.contracts.schema import read_domain
from mlops.models.spec import CustomSpec, HeuristicSpec, StaticSpec
from mlops.verify.probe_heuristic import probe_heuristics

REQUEST, TRAINING = read_domain(search_ranking.Request), read_domain(search_ranking.Training)
KEY = ("training", "heuristics", "own", "heuristic")


def probed(
    name: str, *, request: Domain = REQUEST, training: Domain = TRAINING
) -> tuple[Finding, ...]:
    path = f"tests.fakes.own_heuristics.{name}"
    own = CustomSpec(kind="custom", heuristic=Target(path=path, arguments={"power": 2.0}))
    if name == "Unfinished":
        own = CustomSpec(kind="custom", heuristic=Target(path=path))
    specs: dict[str, HeuristicSpec] = {"own": own, "static": StaticSpec(kind="static")}
    return probe_heuristics(specs, request, training, seed=0, packages=("tests",))


def without_patterns(domain: Domain) -> Domain:
    columns = tuple(column.model_copy(update={"pattern": None}) for column in domain.columns)
    return domain.model_copy(update={"columns": columns})


def test_right_one_passes() -> None:
    (found,) = probed("ByFee")
    assert (found.check, found.status) == ("check.probe.heuristic", Status.PASS)


def test_nothing_is_said_of_the_packaged_ones() -> None:
    specs: dict[str, HeuristicSpec] = {"static": StaticSpec(kind="static")}
    assert probe_heuristics(specs, REQUEST, TRAINING, seed=0, packages=()) == ()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ReadsPosition", "reads 'position', which no request has"),
        ("ScoresByPosition", "reads column 'position', which is not there"),
        ("ReadsSalary", "200 finite numbers"),
        ("OneScore", "one for each candidate"),
    ],
)
def test_what_a_request_lacks_or_a_page_needs_fails(name: str, says: str) -> None:
    (found,) = probed(name)
    assert (found.status, found.key) == (Status.FAIL, KEY)
    assert says in found.message


def test_one_that_ends_the_program_is_told_and_ends_nothing() -> None:
    (found,) = probed("EndsTheProgram")
    assert "it ended the program: SystemExit: 0" in found.message
    assert (found.status, found.key) == (Status.FAIL, KEY)


def test_class_that_lacks_methods_fails_at_its_name() -> None:
    (found,) = probed("Unfinished")
    assert (found.status, found.key) == (Status.FAIL, (*KEY, "_target_"))
    assert "lacks restore, state" in found.message


@pytest.mark.parametrize(("name", "says"), [("Divides", "fit"), ("DoesNotRestore", "restore")])
def test_other_failures_only_warn_where_texts_were_invented(name: str, says: str) -> None:
    (found,) = probed(name)
    assert found.status is Status.WARN
    assert "job_id" in found.hint
    request, training = without_patterns(REQUEST), without_patterns(TRAINING)
    (found,) = probed(name, request=request, training=training)
    assert found.status is Status.FAIL
    assert f"{name}.{says} fails on rows drawn from the contract" in found.message


def test_an_argument_that_fit_does_not_take_fails() -> None:
    own = CustomSpec(
        kind="custom",
        heuristic=Target(path="tests.fakes.own_heuristics.ByFee", arguments={"pow": 1}),
    )
    (found,) = probe_heuristics({"own": own}, REQUEST, TRAINING, seed=0, packages=("tests",))
    assert (found.status, found.key) == (Status.FAIL, KEY)
    assert "unexpected keyword argument 'pow'" in found.message


def test_what_cannot_be_loaded_is_told_by_others() -> None:
    assert probed("NoSuch") == ()
