"""Wrong configurations: each is refused with exit code 2, its key and its file or override."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops.cli.main import main

REPOSITORY = Path(__file__).parents[3]
CONFIG = """\
defaults:
  - service: open_bandit
  - _self_
"""


@dataclass(frozen=True)
class Case:
    """A command line in a folder, and what the message must hold.

    Attributes:
        arguments: What is typed, separated by spaces.
        says: Parts of the message: the key, the place, what is allowed.
        files: Files of the user's own folder, by path.
    """

    arguments: str
    says: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)


def typed(override: str, *says: str, command: str = "check") -> Case:
    """A wrong override: the message quotes it."""
    return Case(f"{command} {override}", (f"override {override.rpartition(' ')[2]}", *says))


def own(text: str, line: int, *says: str, file: str = "conf/config.yaml") -> Case:
    """A wrong file of the user's own: the message names it with the line."""
    files = {file: text if file != "conf/config.yaml" else CONFIG + text}
    if file != "conf/config.yaml":
        group = file.split("/")[1]
        files["conf/config.yaml"] = CONFIG.replace(
            "  - _self_", f"  - override /{group}: mine\n  - _self_"
        )
    return Case("check", (f"{file}:{line}", *says), files)


MODEL = "name: mine\ncolumns: []\nestimator:\n  _target_: "
NUMBERS = "  - name: numbers\n    select: numeric\n    steps:\n      - _target_: "
LINEAR = "estimator:\n  _target_: sklearn.linear_model.LogisticRegression\n"
CALIBRATED = MODEL + "sklearn.calibration.CalibratedClassifierCV\n  estimator:\n"

WRONG = {
    # keys
    "a key is misspelt in an override": typed(
        "serving.deadlin_ms=80",
        "serving.deadlin_ms is not a known key", "did you mean `deadline_ms`?",
    ),
    "a key is misspelt in an override that adds": typed(
        "+serving.deadlin_ms=80", "serving.deadlin_ms", "did you mean `deadline_ms`?"
    ),
    "a key is misspelt in a file": own(
        "serving:\n  deadline_ms: 60\n  reserv_ms: 5\n",
        6, "serving.reserv_ms is not a known key", "did you mean `reserve_ms`?",
    ),
    "a group is misspelt": typed("models=logistic", "models is not a known key", "`model`"),
    "a key is misspelt in a list's item": own(
        "training:\n  heads:\n    - name: click\n      outcome: click\n      giv: click\n",
        8, "training.heads.0.giv", "`given`",
    ),
    "a key is taken away": typed("~serving.deadline_ms", "serving.deadline_ms is missing"),
    "a key that needs a value has none": Case(
        "check data=csv", ("data.source.path is missing", "conf/data/csv.yaml:3")
    ),
    "a key is missing in a file": own(
        "training:\n  heads:\n    - name: click\n", 6, "training.heads.0.outcome is missing"
    ),
    "rows are split by what is predicted": typed(
        "data.split.column=click", "'click' is the outcome of head 'click', not a time"
    ),
    "figures are drawn over what is predicted": typed(
        "quality.time=click", "'click' is the outcome of head 'click', not a time"
    ),
    # types and bounds
    "a text stands for a number in an override": typed(
        "serving.deadline_ms=fast", 'serving.deadline_ms is "fast"', "it should be a valid number"
    ),
    "a quoted number is no number": typed("seed='1'", 'seed is "1"', "valid integer"),
    "a text stands for a number in a file": own(
        "serving:\n  breaker:\n    probes: many\n",
        6, 'serving.breaker.probes is "many"', "valid integer",
    ),
    "a truth value is no number": typed("seed=true", "seed is true", "valid integer"),
    "a fraction is no whole number": typed("serving.port=80.5", "serving.port is 80.5"),
    "null stands for a number": typed("serving.drain_s=null", "serving.drain_s is null"),
    "a list stands for a text": own("owner: [a, b]\n", 4, 'owner is ["a", "b"]', "valid string"),
    "a value is below its bound": typed(
        "serving.deadline_ms=1", "serving.deadline_ms is 1", "greater than or equal to 2"
    ),
    "a share is above 1 in a file": own(
        "data:\n  split:\n    test_share: 1.5\n", 6, "data.split.test_share is 1.5", "less than 1"
    ),
    "a name has letters that a label may not have": typed("name=Has-Caps", 'name is "Has-Caps"'),
    "a list is empty that may not be": typed(
        "serving.fallback=[]", "serving.fallback is []", "it should have at least 1 item"
    ),
    "a value is none of the allowed ones": typed(
        "data.source.campaign=kids", 'data.source.campaign is "kids"', "'all', 'men' or 'women'"
    ),
    "a kind is unknown": typed(
        "training.score.kind=sum", "training.score.kind is 'sum'", "'head', 'expected_value'"
    ),
    # groups and files
    "an option of a group is unknown in an override": typed(
        "model=xgboost", "model/xgboost", "hist_gradient_boosting"
    ),
    "an option of a group is unknown in a file": Case(
        "check",
        ("conf/config.yaml:2", "service/nosuch", "search_ranking"),
        {"conf/config.yaml": "defaults:\n  - service: nosuch\n  - _self_\n"},
    ),
    "a YAML file is broken": own("serving: {deadline_ms: 60\nname: x\n", 5, "YAML cannot be read"),
    "a YAML file names a key twice": own(
        "serving:\n  drain_s: 1\n  drain_s: 2\n", 6, "YAML cannot be read", "duplicate key drain_s"
    ),
    "a YAML file of a group is broken": own("name: [\n", 2, "YAML", file="conf/model/mine.yaml"),
    "an SLO file is not there": typed("slo.files=[slo/no.yaml]", "slo.files", "slo/no.yaml"),
    "an SLO file that a file names is not there": own(
        "slo:\n  files:\n    - slo/no.yaml\n", 6, "slo.files", "there is no file"
    ),
    "an SLO file is no OpenSLO": Case(
        "check slo.files=[slo/bad.yaml]",
        ("slo/bad.yaml:2", "kind"),
        {"slo/bad.yaml": "apiVersion: openslo/v1\nkind: Nothing\nmetadata: {name: a}\nspec: {}\n"},
    ),
    "a file of rows is not there": Case(
        "check data=csv data.source.path=no.csv",
        ("override data.source.path=no.csv", "data.source.path", "there is no file"),
    ),
    "an environment variable is not set": own(
        "owner: ${oc.env:MLOPS_NO_SUCH_VARIABLE}\n",
        4, "owner: Environment variable 'MLOPS_NO_SUCH_VARIABLE' not found",
    ),
    "an interpolation leads nowhere": typed(
        "bundle=${no.such}", "bundle: Interpolation key 'no.such'"
    ),
    # code that configuration names
    "joblib.load is no estimator": typed(
        "model.estimator._target_=joblib.load", "outside the allowed packages", "sklearn, mlops"
    ),
    "os.system is no estimator": own(
        MODEL + "os.system\n  command: touch pwned\n",
        4, "model.estimator._target_", "outside the allowed packages", file="conf/model/mine.yaml",
    ),
    "open is no estimator": typed(
        "model.estimator._target_=builtins.open", "outside the allowed packages"
    ),
    "subprocess.Popen is no contract": typed(
        "contracts.training._target_=subprocess.Popen", "outside the allowed packages"
    ),
    "Hydra's own instantiate is no heuristic": typed(
        "+training.heuristics.mine={kind:custom,heuristic:{_target_:hydra.utils.instantiate}}",
        "training.heuristics.mine.heuristic._target_", "outside the allowed packages",
    ),
    "a target in an estimator's arguments is held to the same list": own(
        CALIBRATED + "    _target_: os.system\n    command: touch pwned\n",
        6, "model.estimator.estimator._target_", "outside the allowed packages",
        file="conf/model/mine.yaml",
    ),
    "a package whose name only begins like an allowed one": typed(
        "model.estimator._target_=sklearnx.Thing", "outside the allowed packages"
    ),
    "a function of an allowed package is no class": typed(
        "model.estimator._target_=sklearn.datasets.load_iris", "is not a BaseEstimator class"
    ),
    "a function of an allowed package that runs code": typed(
        "model.estimator._target_=sklearn.utils.extmath.os.system", "model.estimator._target_"
    ),
    "a class of the wrong kind stands as the estimator": typed(
        "model.estimator._target_=mlops.models.heuristics.Static", "is not a BaseEstimator class"
    ),
    "a transformer stands as the estimator": own(
        MODEL + "sklearn.preprocessing.StandardScaler\n",
        4, "model.estimator._target_", "predicts nothing", file="conf/model/mine.yaml",
    ),
    "a classifier stands as a transformer": own(
        "name: mine\ncolumns:\n" + NUMBERS + "sklearn.linear_model.LogisticRegression\n" + LINEAR,
        6, "model.columns.0.steps.0._target_", "is no transformer", file="conf/model/mine.yaml",
    ),
    "an estimator stands as the contract": typed(
        "contracts.request._target_=sklearn.linear_model.LogisticRegression",
        "contracts.request._target_", "is not a DataFrameModel class",
    ),
    "a module is not there": typed(
        "model.estimator._target_=sklearn.nosuch.Thing", "cannot be imported", "check the spelling"
    ),
    "a class is not there": typed(
        "model.estimator._target_=sklearn.ensemble.No", "cannot be imported"
    ),
    "a node that names code names none": own(
        "training:\n  heuristics:\n    mine:\n      kind: custom\n      heuristic: {half: 1}\n",
        8, "training.heuristics.mine.heuristic", "`_target_: package.module.Class`",
    ),
    "an estimator's argument is unknown in an override": typed(
        "model.estimator.max_itr=3", "model.estimator.max_itr", "did you mean 'max_iter'?"
    ),
    "an estimator's argument is unknown in an override that adds": typed(
        "+model.estimator.max_itr=3", "model.estimator.max_itr", "did you mean 'max_iter'?"
    ),
    "an estimator's argument is unknown in a file": own(
        MODEL + "sklearn.ensemble.HistGradientBoostingClassifier\n  max_depth: 3\n  max_itr: 3\n",
        6, "model.estimator.max_itr", "did you mean 'max_iter'?", file="conf/model/mine.yaml",
    ),
    "a nested estimator's argument is unknown": own(
        CALIBRATED + "    _target_: sklearn.linear_model.LogisticRegression\n    Z: 1\n",
        7, "model.estimator.estimator.Z", file="conf/model/mine.yaml",
    ),
    "an estimator's argument has the wrong type": typed(
        "model.estimator.max_iter=many", "model.estimator.max_iter", "must be an int"
    ),
    "an estimator's argument is out of its range": own(
        MODEL + "sklearn.linear_model.LogisticRegression\n  C: -1.0\n",
        5, "model.estimator.C", "must be a float in the range", file="conf/model/mine.yaml",
    ),
    "a heuristic's argument is unknown": typed(
        "+training.heuristics.mine="
        "{kind:custom,heuristic:{_target_:mlops.models.heuristics.Popularity,nosuch:1}}",
        "training.heuristics.mine.heuristic", "unexpected keyword argument 'nosuch'",
    ),
    # columns
    "a column step selects a column that is not there": own(
        "name: mine\ncolumns:\n  - name: a\n    select: [affinity, affinty]\n" + LINEAR,
        4, "model.columns.0.select.1", "did you mean 'affinity'?", file="conf/model/mine.yaml",
    ),
    "a column step selects a column that is known only afterwards": own(
        "name: mine\ncolumns:\n  - name: a\n    select:\n      - item_id\n      - click\n" + LINEAR,
        6, "model.columns.0.select.1", "'click'", "a leak", file="conf/model/mine.yaml",
    ),
    "a head's outcome is not there": own(
        "training:\n  heads:\n    - name: click\n      outcome: clik\n",
        7, "training.heads.0.outcome", "no column 'clik'",
    ),
    "a head's outcome is no outcome": typed(
        "training.heads.0.outcome=item_id", "training.heads.0.outcome", "is candidate, not outcome"
    ),
    "a split's time is not there": typed(
        "data.split.column=at", "data.split.column", "no column 'at'"
    ),
    "a heuristic counts a column that a request lacks": typed(
        "training.heuristics.popularity.key=position",
        "training.heuristics.popularity.key", "no column 'position'",
    ),
    "a measurement's outcome is not there": own(
        "quality:\n  versus: []\n  floors: []\n  evaluations:\n"
        "    - kind: binary\n      head: click\n      outcome: clik\n",
        10, "quality.evaluations.0.outcome", "no column 'clik'",
    ),
    "an output without a score": typed(
        "contracts.output._target_=mlops.contracts.open_bandit.Request", "no column 'score'"
    ),
    "a training contract of another service": typed(
        "contracts.training._target_=mlops.contracts.search_ranking.Training",
        "contracts.training", "'user_feature_0'",
    ),
    # contradictions
    "nothing is left of the deadline": typed(
        "serving.reserve_ms=50", "serving.reserve_ms", "must be less than deadline_ms (50)"
    ),
    "nothing is left of the deadline in a file": own(
        "serving:\n  reserve_ms: 80\n  deadline_ms: 80\n", 5, "serving.reserve_ms", "less than"
    ),
    "a fallback is not declared": typed(
        "serving.fallback=[nosuch]", "serving.fallback names nosuch", "popularity, static"
    ),
    "a fault is played that is not allowed": typed(
        "faults=model_hang", "faults=model_hang needs serving.faults_allowed=true"
    ),
    "the admin port is open to all and asks for no token": typed(
        "serving.admin_host=0.0.0.0", "serving.admin_host", "not loopback", "admin_token_file"
    ),
    "signatures are required of nobody": typed(
        "serving.trust.signatures=required", "serving.trust.keys", "no key is named"
    ),
    "the production profile is given no key": Case(
        "check serving=production",
        ("conf/serving/production.yaml:8", "serving.trust.keys", "no key is named", "keygen"),
    ),
    "a service is named without its key": Case(
        "serve search_ranking", ("override search_ranking", "did you mean service=search_ranking?")
    ),
    "a service of ones own is named without its key": Case(
        "serve shop_offers",
        ("override shop_offers", "did you mean service=shop_offers?"),
        {
            "conf/config.yaml": CONFIG,
            "conf/service/shop_offers.yaml": "name: shop_offers\n",
            "conf/model/shop_offers.yaml": "name: shop_offers\n",
        },
    ),
    "a word is the option of no group": Case("train nothing", ("KEY=VALUE", "service=NAME")),
    "a fault is unknown": typed("serving.faults_allowed=true faults=hang", "faults", "model_hang"),
    "a score's head is not trained": typed(
        "training.score.head=hire", "training.score.head", "score names hire", "the heads are click"
    ),
    "two heads have one name": own(
        "training:\n  heads:\n    - {name: click, outcome: click}\n"
        "    - {name: click, outcome: click}\n",
        5, "training.heads", "named twice: click",
    ),
    "a floor for a metric that nothing yields": own(
        "quality:\n  floors:\n    - metric: auc\n      head: click\n      minimum: 0.5\n"
        "    - metric: nosuch\n      head: click\n      minimum: 0.5\n",
        9, "quality.floors.1.metric", "no evaluation yields nosuch of click",
    ),
    "a comparison with a heuristic that is not declared": typed(
        "quality.versus=[{metric:auc,head:click,heuristic:nosuch,max_loss:0.1}]",
        "quality.versus.0.heuristic", "'nosuch' is not declared", "popularity, static",
    ),
    "a floor without a limit": typed(
        "quality.floors=[{metric:auc,head:click}]", "quality.floors.0", "`minimum` or `maximum`"
    ),
    # the command line
    "an override has no value": typed(
        "serving.deadline_ms", "is no KEY=VALUE", "a setting is KEY=VALUE"
    ),
    "an override's list does not end": typed("serving.fallback=[a,", "no viable alternative"),
    "a sweep without its flag": typed("seed=1,2", "Ambiguous value for argument", "--multirun"),
    "a command is unknown": Case("chek", ("there is no command 'chek'", "check")),
    "a flag is unknown": Case("check --nosuch", ("unrecognized arguments: --nosuch",)),
    "a format is unknown": Case("check --format xml", ("--format 'xml'", "text, json")),
    "a format is left out": Case("check --format", ("--format ''", "text, json")),
    "a word is unknown": Case("data fetch nosuch", ("data fetch nosuch", "open_bandit")),
    "a word is missing": Case("slo", ("slo needs a word", "validate")),
    "a bundle is not there": Case("gate bundle=nosuch", ("no bundle 'nosuch'", "latest")),
    "a bundle's folder is not there": Case("gate bundle=./no", ("no bundle './no'",)),
    # other commands refuse as `check` does
    "a training is checked first": typed(
        "training.heads.0.outcome=item_id", "training.heads.0.outcome", command="train"
    ),
    "an evaluation is typed too": typed("seed=x", 'seed is "x"', command="evaluate"),
    "a gate is typed too": typed(
        "release.max_latency_ms=0", "release.max_latency_ms", command="gate"
    ),
    "an SLO's command is typed too": typed(
        "slo.tiers=[{factor:1}]", "slo.tiers.0.long_s is missing", command="slo validate"
    ),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _no_interference() -> None:
    os.environ.pop("MLOPS_DEBUG", None)


@pytest.mark.parametrize("sentence", WRONG)
def test_wrong_config_is_refused(
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = WRONG[sentence]
    shutil.copytree(REPOSITORY / "slo", tmp_path / "slo")
    for name, text in case.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    code = main(case.arguments.split(" "))
    captured = capsys.readouterr()
    seen = captured.out + captured.err
    assert code == 2, seen
    assert "Traceback" not in seen
    for part in case.says:
        assert squashed(part) in squashed(seen), f"no {part!r} in:\n{seen}"
    assert files(tmp_path) == before


def squashed(text: str) -> str:
    """Return a text without what a table and a narrow terminal put between its letters."""
    return "".join(letter for letter in text if not letter.isspace() and letter not in "│┃")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and ".mlops" not in p.parts
    }


def test_right_config_of_ones_own_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(REPOSITORY / "slo", tmp_path / "slo")
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text(
        CONFIG.replace("  - _self_", "  - override /model: mine\n  - _self_")
        + "bundle: ${name}-${owner}\n"
    )
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(
        "name: mine\ncolumns:\n  - name: a\n    select: categorical\n    steps:\n"
        "      - {_target_: sklearn.preprocessing.OneHotEncoder, handle_unknown: ignore}\n" + LINEAR
    )
    monkeypatch.chdir(tmp_path)
    arguments = ["serving.deadline_ms=80", "owner=${name}", "seed=5", "model.estimator.C=0.5"]
    code = main(["check", *arguments, "quality.confidence=0.9", "serving.breaker.probes=3"])
    assert code == 0, capsys.readouterr()


def test_machines_get_the_place_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(REPOSITORY / "slo", tmp_path / "slo")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "model.estimator._target_=os.system", "--format", "json"]) == 2
    document = json.loads(capsys.readouterr().out)
    (failed,) = [f for f in document["findings"] if f["status"] == "fail"]
    assert failed["check"] == "check.target.class"
    assert failed["place"] == {
        "origin": "override model.estimator._target_=os.system",
        "line": None,
        "key": "model.estimator._target_",
    }


@pytest.mark.parametrize("order", ["-m seed=x,1", "seed=x,1 --multirun", "name=a -m seed=x,1"])
def test_sweep_with_a_bad_member_still_does_the_good_one(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(REPOSITORY / "slo", tmp_path / "slo")
    monkeypatch.chdir(tmp_path)
    code = main(["check", *order.split(" ")])
    captured = capsys.readouterr()
    assert code == 2
    assert squashed('override seed=x: error seed is "x"') in squashed(captured.out)
    assert "contracts, data" in captured.out
    assert "Traceback" not in captured.out + captured.err


def test_server_for_two_services_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "-m", "seed=1,2"]) == 2
    assert "one service at a time" in capsys.readouterr().err
