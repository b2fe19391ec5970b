"""How many rows a source will give, told without reading one."""

import gzip
import json
from pathlib import Path

import pytest

from mlops.base.digest import Json
from mlops.data.size import size, usable_share
from mlops.data.spec import DataSpec


def spec(source: dict[str, Json], **rest: Json) -> DataSpec:
    return DataSpec.model_validate_json(json.dumps({"source": source, **rest}))


def csv(folder: Path, rows: int) -> Path:
    path = folder / "log.csv"
    lines = ["item,at_s,price,shown,taken"]
    lines += [f"offer-{n % 50},{1_767_225_600 + n},{n % 97 / 7:.2f},1,{n % 2}" for n in range(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_simulated_log_knows_its_size(tmp_path: Path) -> None:
    jobs: dict[str, Json] = {"kind": "jobboard", "searches": 250, "candidates": 40, "jobs": 30}
    found = size(spec(jobs), columns=28, folder=tmp_path)
    assert found is not None
    assert (found.rows, found.factor) == (250 * 30, 1.0)


def test_public_log_has_ten_thousand_rows_a_policy(tmp_path: Path) -> None:
    found = size(spec({"kind": "open_bandit", "policies": ["bts"]}), columns=26, folder=tmp_path)
    assert found is not None
    assert found.rows == 10_000


@pytest.mark.parametrize("rows", [200, 20_000])
def test_file_is_guessed_within_its_factor(rows: int, tmp_path: Path) -> None:
    csv(tmp_path, rows)
    found = size(spec({"kind": "csv", "path": "log.csv"}), columns=5, folder=tmp_path)
    assert found is not None
    assert rows / found.factor <= found.rows <= rows * found.factor


def test_packed_file_is_guessed_within_its_factor(tmp_path: Path) -> None:
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(csv(tmp_path, 20_000).read_bytes()))
    found = size(spec({"kind": "csv", "path": "log.csv.gz"}), columns=5, folder=tmp_path)
    assert found is not None
    assert 20_000 / found.factor <= found.rows <= 20_000 * found.factor


def test_file_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert size(spec({"kind": "csv", "path": "log.csv"}), columns=5, folder=tmp_path) is None


def test_record_is_better_than_a_guess_and_a_declaration_than_both(tmp_path: Path) -> None:
    csv(tmp_path, 100)
    source: dict[str, Json] = {"kind": "csv", "path": "log.csv"}
    recorded = size(spec(source), columns=5, folder=tmp_path, recorded=7_000)
    assert recorded is not None
    assert recorded.rows == 7_000
    declared = size(
        spec(source, expected_rows=2_000_000), columns=5, folder=tmp_path, recorded=7_000
    )
    assert declared is not None
    assert (declared.rows, declared.known_by) == (2_000_000, "data.expected_rows")


def test_head_that_depends_on_an_outcome_learns_from_fewer_rows() -> None:
    jobs = spec({"kind": "jobboard", "click_rate": 0.05, "apply_rate": 0.4})
    assert usable_share(jobs, "") == (1.0, 1.0)
    expected, most = usable_share(jobs, "applied")
    assert expected == pytest.approx(0.02)
    assert expected < most < 0.1
    assert usable_share(spec({"kind": "csv", "path": "x.csv"}), "applied")[1] == 1.0
