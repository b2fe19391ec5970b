"""What `mlops init` accepts, writes and refuses."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from mlops.base.errors import ConfigError
from mlops.base.store import publish_folder
from mlops.base.verdict import Status
from mlops.cli import main as door
from mlops.cli.scaffold import project_files, refuse_name, write_project
from mlops.config.check import check
from mlops.config.compose import compose
from mlops.config.resolve import contracts
from mlops.contracts.schema import validate
from mlops.data.files import FileSource
from mlops.models.signature import PRIVATE_KEY

NAME = "trial_project"
BIN = Path(sys.executable).parent


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["offers", "shop_offers", "a", "a1_b2", "a" * 40])
def test_a_name_is_accepted(name: str) -> None:
    refuse_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is no name"),
        ("Offers", "is no name"),
        ("1offers", "is no name"),
        ("shop-offers", "is no name"),
        ("shop.offers", "is no name"),
        ("../offers", "is no name"),
        ("offers_", "is no name"),
        ("offers\n", "is no name"),
        ("über", "is no name"),
        ("a" * 41, "is no name"),
        ("lambda", "a word of Python"),
        ("yes", "in YAML"),
        ("null", "in YAML"),
        ("mlops", "a folder of every project"),
        ("conf", "a folder of every project"),
        ("json", "a Python module already"),
        ("numpy", "a Python module already"),
        ("sklearn", "a Python module already"),
    ],
)
def test_a_name_is_refused(
    name: str, why: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(["init", name]) == 2
    assert why in capsys.readouterr().err
    assert _everything(here) == []


def test_a_bare_folder_of_that_name_hides_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / NAME).mkdir()
    monkeypatch.syspath_prepend(str(here))
    refuse_name(NAME)


def _file(folder: Path) -> None:
    (folder / NAME).mkdir()
    (folder / NAME / "notes.txt").write_text("mine")


def _hidden_file(folder: Path) -> None:
    (folder / NAME).mkdir()
    (folder / NAME / ".git").mkdir()


def _no_folder(folder: Path) -> None:
    (folder / NAME).write_text("mine")


def _dangling(folder: Path) -> None:
    (folder / NAME).symlink_to("nowhere")


@pytest.mark.parametrize("lies_there", [_file, _hidden_file, _no_folder, _dangling])
@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_a_place_that_is_taken_is_refused_and_left_alone(
    lies_there: Callable[[Path], None],
    flags: list[str],
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lies_there(here)
    before = _everything(here)
    assert door.main(["init", NAME, *flags]) == 2
    assert "error" in capsys.readouterr().err
    assert _everything(here) == before


def test_the_folder_where_it_runs_is_refused(here: Path) -> None:
    assert door.main(["init", NAME, "."]) == 2
    assert _everything(here) == []


def test_an_empty_folder_is_used(here: Path) -> None:
    (here / NAME).mkdir()
    assert door.main(["init", NAME]) == 0
    assert (here / NAME / "conf" / "config.yaml").is_file()


def test_a_folder_that_cannot_be_made_is_exit_code_3(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "file").write_text("mine")
    assert door.main(["init", NAME, "file/below"]) == 3
    assert "cannot write" in capsys.readouterr().err
    assert _everything(here) == ["file"]


def test_a_project_is_written_whole_or_not_at_all(here: Path) -> None:
    with pytest.raises(ValueError, match="null"):
        write_project(here / NAME, {"first.txt": "1", "second\0.txt": "2"})
    assert _everything(here) == []


def test_a_folder_that_fills_up_meanwhile_is_left_alone(here: Path) -> None:
    _file(here)
    with pytest.raises(ConfigError, match="not empty"):
        write_project(here / NAME, {"first.txt": "1"})
    assert _everything(here) == [NAME, f"{NAME}/notes.txt"]


def test_publishing_leaves_what_is_there(here: Path) -> None:
    _file(here)
    assert not publish_folder(here / NAME, lambda draft: (draft / "new").touch())
    assert _everything(here) == [NAME, f"{NAME}/notes.txt"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["trial", "folder", "third"], [NAME, "service=x"], [NAME, "--force"]],
    ids=" ".join,
)
def test_used_wrongly_it_says_how(
    arguments: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(["init", *arguments]) == 2
    assert "mlops init NAME [FOLDER]" in capsys.readouterr().err
    assert _everything(here) == []


def test_help_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["init", "--help"]) == 0
    assert "usage: mlops init NAME" in capsys.readouterr().out


@pytest.mark.parametrize("folder", [NAME, "some/where/else"])
def test_json_is_the_list_of_files_and_a_dry_run_tells_it_beforehand(
    folder: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["init", NAME, folder, "--format", "json"]
    assert door.main([*arguments, "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert _everything(here) == []
    assert door.main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert sorted(told) == [
        str(path.relative_to(here)) for path in sorted(here.rglob("*")) if path.is_file()
    ]


def test_a_person_is_told_what_to_do_next(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["init", NAME]) == 0
    captured = capsys.readouterr()
    assert f"cd {NAME}\n  mlops check\n  mlops train" in captured.out
    assert captured.err == ""


def test_no_placeholder_is_left() -> None:
    for path, content in project_files(NAME).items():
        assert "NAME" not in path, path
        assert "dot_" not in path, path
        left = content.replace("${{", "").replace("$GITHUB", "").replace("$MLOPS", "")
        if not path.endswith(".py"):
            assert "$" not in left, path


def test_files_are_what_their_names_say() -> None:
    for path, content in project_files(NAME).items():
        assert content.endswith("\n"), path
        if path.endswith((".yaml", ".yml")):
            assert list(yaml.safe_load_all(content)), path
        if path.endswith(".py"):
            assert ast.get_docstring(ast.parse(content)), path


def test_names_of_objectives_keep_rfc_1123() -> None:
    documents = yaml.safe_load_all(
        project_files("a" * 19 + "_" + "b" * 20)[f"slo/{'a' * 19}_{'b' * 20}.yaml"]
    )
    names = [document["metadata"]["name"] for document in documents]
    assert len(names) == 4
    assert all("_" not in name and len(name) <= 63 for name in names)


def test_no_address_of_a_registry_is_written() -> None:
    for path, content in project_files(NAME).items():
        assert "https://" not in content.replace("git+https://HOST", ""), path


def test_private_key_is_not_committed() -> None:
    assert PRIVATE_KEY in project_files(NAME)[".gitignore"].splitlines()


def test_the_same_project_twice_is_the_same() -> None:
    assert project_files(NAME) == project_files(NAME)


@pytest.mark.parametrize("name", ["a", NAME, "a" * 40])
@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_the_code_is_clean(arguments: list[str], name: str, tmp_path: Path) -> None:
    write_project(tmp_path / NAME, project_files(name))
    rules = ["--select", "E,F,W,I,N,UP,B,SIM,RET"] if arguments == ["check"] else []
    done = subprocess.run(
        [BIN / "ruff", *arguments, "--isolated", "--no-cache", "--line-length=100", *rules],
        cwd=tmp_path / NAME,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose package can be imported, until the test ends."""
    folder = tmp_path / NAME
    write_project(folder, project_files(NAME))
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for module in [each for each in sys.modules if each.partition(".")[0] == NAME]:
        del sys.modules[module]


def test_the_example_data_keep_the_contract(project: Path) -> None:
    loaded = contracts(compose([], folder=project))
    source = FileSource(project / "data" / f"{NAME}.csv", loaded.training.columns)
    assert validate(loaded.schema, source.read()).violations == ()


def test_the_example_data_have_all_that_the_contract_allows(project: Path) -> None:
    rows = (project / "data" / f"{NAME}.csv").read_text().splitlines()
    assert len(rows) == 8001
    for word in ("phone", "tablet", "desktop", "gift", "bundle", "discount", "free_shipping", ",,"):
        assert sum(word in row for row in rows) > 100, word


def test_check_names_a_heuristic_that_is_not_there(project: Path) -> None:
    key = "training.heuristics.take_rate.heuristic._target_"
    composed = compose([f"{key}={NAME}.heuristic.TakeRat"], folder=project)
    verdict = check(composed, project)
    failed = [finding for finding in verdict.findings if finding.status is Status.FAIL]
    assert [finding.check for finding in failed] == ["check.target.class"]
    assert "TakeRat" in failed[0].message
    assert failed[0].place is not None
    assert key in failed[0].place.origin


@pytest.mark.parametrize("is_project", [True, False])
def test_a_projects_own_folder_is_seen_and_no_other(
    is_project: bool, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    if is_project:
        (here / "conf").mkdir()
        (here / "conf" / "config.yaml").touch()
    for _ in range(2):
        assert door.main(["init", "--help"]) == 0
    assert sys.path.count(str(here)) == is_project
