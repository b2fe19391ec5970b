"""A fetch: how the Open Bandit data come onto this machine, without running anything of theirs.

They are in the source distribution of a package. pip downloads that, but asks its build backend
for name and version first, which would run foreign code. So pip is given a backend of our own,
which answers these two and can do nothing else, in the place of the one that the package names.
The archive is then checked against its pinned sha256, and only the twelve CSV files are read.
"""

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.base import digest
from mlops.base.errors import UnavailableError
from mlops.base.store import write_file
from mlops.data.open_bandit import POLICIES
from mlops.data.spec import Campaign

CAMPAIGNS: tuple[Campaign, ...] = ("all", "men", "women")

_HINT = (
    "set MLOPS_DATA_DIR to a folder that holds open_bandit/, or use service=search_ranking, "
    "which needs no download"
)
_TIMEOUT_S = 300

# The module path is the one that the package's pyproject.toml names as its build backend.
_BACKEND_PATH = Path("poetry/core/masonry/api.py")
_BACKEND = '''"""A build backend that knows a name and a version and builds nothing."""
from pathlib import Path

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = Path(metadata_directory, "{name}-{version}.dist-info")
    folder.mkdir()
    text = "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
    folder.joinpath("METADATA").write_text(text)
    return folder.name

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("this package is downloaded for its data and never built")
'''


@dataclass(frozen=True, slots=True)
class Archive:
    """The source distribution that the data lie in.

    Attributes:
        name: The package's name.
        version: Its version.
        sha256: The archive's checksum, 64 hexadecimal digits.
        data: Folder of the data inside it.
        file_limit: Most bytes that one data file may have; the largest has 5.1 million.
    """

    name: str = "obp"
    version: str = "0.5.7"
    sha256: str = "3060d67fedfcfadf1e7a6f2608987f74412b5eb74d2c567edeb147595c68f2a0"
    data: str = "obp-0.5.7/obp/dataset/obd"
    file_limit: int = 16_000_000


OBP = Archive()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch did.

    Attributes:
        folder: Where the data lie now.
        written: Files that were written, relative to it; empty if all were there.
    """

    folder: Path
    written: tuple[str, ...]


def fetch(
    folder: Path,
    *,
    environment: Mapping[str, str],
    campaigns: Sequence[Campaign] = CAMPAIGNS,
    archive: Archive = OBP,
    download: Callable[[Archive, Path, Mapping[str, str]], Path] | None = None,
) -> Fetched:
    """Put the data into `<folder>/open_bandit`, unless they are there.

    Args:
        folder: Where fetched data lie.
        environment: The process's environment, which configures pip.
        campaigns: Which campaigns are wanted, under both policies.
        archive: Where they come from.
        download: Gets the archive into a folder and returns its path; by default with pip.

    Raises:
        UnavailableError: There is no network, no pip, no room, or the archive is another one.
    """
    target = folder / "open_bandit"
    wanted = tuple(_files(campaigns))
    missing = [name for name in wanted if not (target / name).is_file()]
    if not missing:
        return Fetched(target, ())
    with tempfile.TemporaryDirectory(prefix="mlops-fetch-") as name:
        path = (download or pip_download)(archive, Path(name), environment)
        contents = read_members(path, archive, missing)
    for file, content in contents.items():
        write_file(target / file, content)
    return Fetched(target, tuple(contents))


def _files(campaigns: Sequence[Campaign]) -> list[str]:
    return [
        f"{policy}/{campaign}/{file}"
        for policy in POLICIES
        for campaign in campaigns
        for file in (f"{campaign}.csv", "item_context.csv")
    ]


def pip_download(archive: Archive, folder: Path, environment: Mapping[str, str]) -> Path:
    """Download the archive with pip, running nothing of the package's own.

    Args:
        archive: Which one.
        folder: An empty folder to work in.
        environment: The environment that pip is configured by.

    Raises:
        UnavailableError: pip is missing, has no network, or found another archive.
    """
    backend = folder / "backend" / _BACKEND_PATH
    backend.parent.mkdir(parents=True)
    backend.write_text(_BACKEND.format(name=archive.name, version=archive.version))
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{archive.name}=={archive.version} --hash=sha256:{archive.sha256}\n")
    target = folder / "archive"
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-input", "--no-deps", "--no-binary", ":all:", "--no-build-isolation",
        "--require-hashes", "--dest", str(target), "--requirement", str(requirement),
    ]  # fmt: skip
    ours = {**environment, "PYTHONPATH": str(folder / "backend")}
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, cwd=folder, env=ours, capture_output=True, text=True, check=False,
            timeout=_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"pip could not download the data: {error}", hint=_HINT) from error
    found = sorted(target.glob("*.tar.gz")) if target.is_dir() else []
    if done.returncode != 0 or len(found) != 1:
        raise UnavailableError(
            f"pip could not download the data: {_last_error(done.stderr)}", hint=_HINT
        )
    return found[0]


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it said nothing"])[-1]


def read_members(path: Path, archive: Archive, files: Sequence[str]) -> dict[str, bytes]:
    """Return some data files out of the archive, after checking that it is the pinned one.

    Only regular files of the exact names are read; nothing is extracted to a path that the
    archive chooses.

    Args:
        path: The archive.
        archive: What it must be.
        files: Names below the archive's data folder.

    Raises:
        UnavailableError: The checksum differs, or a file is missing, a link or too large.
    """
    found = digest.of_file(path)
    if found != f"sha256:{archive.sha256}":
        raise UnavailableError(
            f"the archive {path.name} is not the pinned one: {found}", hint=_HINT
        )
    wanted = {f"{archive.data}/{file}": file for file in files}
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                file = wanted.get(member.name)
                if file is not None:
                    contents[file] = _read_member(tar, member, archive)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UnavailableError(f"cannot read {path.name}: {error}", hint=_HINT) from error
    missing = sorted(set(files) - set(contents))
    if missing:
        raise UnavailableError(f"the archive lacks {', '.join(missing)}", hint=_HINT)
    return contents


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo, archive: Archive) -> bytes:
    file = tar.extractfile(member) if member.isreg() else None
    if file is None or member.size > archive.file_limit:
        what = "is no regular file" if file is None else f"has {member.size} bytes"
        raise UnavailableError(f"{member.name} in the archive {what}", hint=_HINT)
    return file.read()
