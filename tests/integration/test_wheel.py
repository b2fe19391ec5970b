"""The wheel carries configuration, templates and the C kernel: it works where no checkout is."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).parent / "uv"
SOURCES = ("mlops", "conf", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def _run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of an environment with the wheel and the locked packages."""
    if not UV.exists():
        pytest.skip("uv is not installed beside this Python: make setup")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            built = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(ROOT / name, source / name, ignore=built)
        elif (ROOT / name).is_file():
            shutil.copy(ROOT / name, source / name)
    python = f"--python={sys.executable}"
    _run(UV, "build", "-q", "--wheel", "--no-build-isolation", python, "-o", folder, folder=source)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    _run(UV, "venv", "-q", python, folder / "venv", folder=folder)
    # A path file is followed, but path files that lie there are not: the editable copy stays out.
    own = next((folder / "venv").glob("lib/python*/site-packages"))
    (own / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    new = f"--python={folder / 'venv' / 'bin' / 'python'}"
    _run(UV, "pip", "install", "-q", "--offline", "--no-deps", new, wheel, folder=folder)
    return folder / "venv" / "bin"


def test_a_new_project_passes_its_check(programs: Path, tmp_path: Path) -> None:
    _run(programs / "mlops", "init", "trial", folder=tmp_path)
    told = _run(programs / "mlops", "check", folder=tmp_path / "trial")
    assert "check of trial" in told
    assert "fail" not in told


def test_it_is_the_wheel_that_runs(programs: Path, tmp_path: Path) -> None:
    code = (
        "from mlops.config.compose import PACKAGED; from mlops.models.kernels import kernel_name;"
        "print(PACKAGED, kernel_name())"
    )
    packaged, kernel = _run(programs / "python", "-c", code, folder=tmp_path).split()
    assert Path(packaged).is_relative_to(programs.parent)
    assert sorted(path.name for path in Path(packaged).iterdir()) == sorted(
        path.name for path in (ROOT / "conf").iterdir()
    )
    assert kernel == ("c" if shutil.which("cc") else "numpy")
