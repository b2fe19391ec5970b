"""A machine's timings: kept by what they depend on, refused where they are none."""

from pathlib import Path

import pytest

from mlops.base.errors import ConfigError
from mlops.cost import host
from mlops.cost.baseline import BASELINE
from mlops.cost.calibration import solve


def test_profile_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = host.place(tmp_path, host.machine())
    host.save(BASELINE, path)
    assert host.load(path) == BASELINE


def test_place_depends_on_what_the_timings_depend_on(tmp_path: Path) -> None:
    here = host.machine()
    same = here._replace(memory_mb=1.0)
    others = (
        here._replace(processor="another"),
        here._replace(cores=here.cores + 1),
        here._replace(python="3.99.0"),
        here._replace(scikit_learn="9.9"),
    )
    assert host.place(tmp_path, same) == host.place(tmp_path, here)
    assert len({host.place(tmp_path, each) for each in (here, *others)}) == 5


def test_this_machine_is_described() -> None:
    here = host.machine()
    assert here.cores >= 1
    assert here.memory_mb > 100
    assert here.processor


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": 2}'])
def test_file_that_is_no_profile_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"host\.json is no host profile") as caught:
        host.load(path)
    assert "mlops check --calibrate" in caught.value.hint


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no host profile"):
        host.load(tmp_path / "nowhere.json")


def test_calibration_of_a_machine_twice_as_fast_halves_what_it_does_not_measure() -> None:
    shipped = {"a": 2.0, "b": 8.0, "c": 4.0}
    counts = [{"a": 1.0}, {"a": 3.0, "b": 1.0}, {"b": 5.0}]
    amounts = [sum(shipped[unit] / 2 * count for unit, count in each.items()) for each in counts]
    found = solve(counts, amounts, shipped)
    assert found == pytest.approx({"a": 1.0, "b": 4.0, "c": 2.0}, rel=1e-6)


def test_calibration_believes_what_it_measures() -> None:
    found = solve([{"a": 1.0}, {"b": 1.0}, {"b": 2.0}], [6.0, 8.0, 16.0], {"a": 2.0, "b": 8.0})
    assert found["a"] == pytest.approx(6.0, rel=0.1)
    assert found["b"] == pytest.approx(8.0, rel=0.02)


def test_calibration_without_measurements_is_the_shipped_one() -> None:
    assert solve([], [], {"a": 2.0}) == {"a": 2.0}
