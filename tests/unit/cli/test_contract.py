"""`mlops contract`: what it prints in each form, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.cli.main import main
from mlops.contracts.domain import Domain
from mlops.contracts.open_bandit import Request
from mlops.contracts.schema import read_domain
from mlops.models.artifact import point, write
from tests.components.bundles import parts


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["contract", *arguments]) == code
    return capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_show_speaks_each_language(capsys: pytest.CaptureFixture[str]) -> None:
    domain = read_domain(Request)
    assert "item_feature_0" in shown(capsys, "show")
    for arguments in (("--as", "json"), ("--as=json",), ("--format", "json")):
        text = shown(capsys, "show", "request", *arguments)
        assert Domain.model_validate_json(text) == domain
    schema = json.loads(shown(capsys, "show", "request", "--as", "json-schema"))
    assert set(schema["properties"]) == {column.name for column in domain.columns}
    standard = yaml.safe_load(shown(capsys, "show", "output", "--as", "odcs"))
    assert standard["id"] == "open_bandit.output"
    training = shown(capsys, "show", "training", "--as", "markdown", "service=search_ranking")
    assert "| `hired` | integer | outcome | 0 to 1 | no | no |" in training


def narrower(folder: Path, **changes: Any) -> str:
    """Write the request's contract with one column changed; returns the file's name."""
    domain = read_domain(Request)
    columns = [
        {**column.model_dump(), **(changes if column.name == "affinity" else {})}
        for column in domain.columns
    ]
    path = folder / "changed.json"
    changed = Domain.model_validate({**domain.model_dump(), "columns": tuple(columns)})
    path.write_text(changed.model_dump_json())
    return path.name


def test_diff_says_no_by_its_exit_code(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = shown(capsys, "diff", "request", "mlops.contracts.open_bandit:Request")
    assert "say the same" in same
    compatible = narrower(here, description="How often they clicked it.")
    assert "compatible" in shown(capsys, "diff", "request", compatible)
    text = shown(capsys, "diff", "request", narrower(here, maximum=10.0), code=1)
    assert "breaks callers" in text
    assert "0 to 1000 became 0 to 10" in text
    wider = narrower(here, maximum=2000.0)
    document = json.loads(shown(capsys, "diff", "request", wider, "--format", "json", code=1))
    assert (document["breaks_callers"], document["breaks_bundles"]) == (False, True)
    (change,) = document["changes"]
    assert (change["column"], change["facet"], change["impacts"]) == (
        "affinity", "ends", ["breaks bundles"],
    )  # fmt: skip
    turned = shown(capsys, "diff", "request", wider, "--output", "--format", "json", code=1)
    assert json.loads(turned)["breaks_callers"]


def test_bundle_is_compared_with_the_contract_of_today(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = here / ".mlops" / "bundles"
    ref = write(parts("open_bandit"), root)
    point(ref, root, "open_bandit")
    assert "say the same" in shown(capsys, "diff", "latest", "request")
    assert "breaks bundles" in shown(
        capsys, "diff", str(ref.path), narrower(here, nullable=True), code=1
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "is not known"),
        (("diff", "request"), "is not known"),
        (("show", "answer"), "there is no contract 'answer'"),
        (("show", "--as", "xml"), "--as 'xml' is no form"),
        (("diff", "request", "nope"), "there is no bundle 'nope'"),
        (("diff", "request", "mlops.contracts.roles:Scope"), "not a DataFrameModel class"),
        (("diff", "request", "os:PathLike"), "outside the allowed packages"),
        (("diff", "request", "wrong.json"), "wrong.json is no contract"),
        (("diff", "request", "nowhere.json"), "cannot read nowhere.json"),
    ],
)
def test_wrong_use_is_told(
    arguments: tuple[str, ...], complaint: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "wrong.json").write_text('{"version":1,"name":"x","columns":[]}')
    assert main(["contract", *arguments]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert complaint in told
    assert "Traceback" not in told


MINE = """
import pandera.pandas as pa
from mlops.contracts import open_bandit

class Request(open_bandit.Request):
    @pa.check("affinity")
    @classmethod
    def is_whole(cls, values):
        return values % 1 == 0

class Training(Request, open_bandit.Training):
    pass
"""


def test_check_warns_of_what_is_not_compiled(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "mine_whole.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(here))
    targets = [
        f"contracts.{role}._target_=mine_whole.{role.title()}" for role in ("request", "training")
    ]
    arguments = ["packages=[mine_whole]", *targets, "slo.files=[]", "verify.probe=false"]
    assert main(["check", *arguments, "--format", "json"]) == 0
    (told,) = [
        finding
        for finding in json.loads(capsys.readouterr().out)["findings"]
        if finding["check"] == "check.contracts.opaque"
    ]
    assert told["status"] == "warn"
    assert "check 'is_whole' of column 'affinity'" in told["message"]
    assert told["place"]["key"] == "contracts.request._target_"
    assert "is_whole" in shown(capsys, "show", "request", *arguments)
