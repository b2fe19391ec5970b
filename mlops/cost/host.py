"""A host profile: what a unit of work takes on one machine, in seconds and in bytes."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.base.digest import of_json
from mlops.base.errors import ConfigError
from mlops.base.store import write_file
from mlops.cost.spec import DeclaredHost
from mlops.cost.work import Counts

THIS = "this"
_MIB = 2.0**20
_CPU_INFO = Path("/proc/cpuinfo")


class Machine(NamedTuple):
    """What tells one machine's timings from another's.

    Attributes:
        processor: Model of the processor.
        cores: Cores that this process may use.
        memory_mb: Memory in MiB.
        python: Version of the interpreter.
        scikit_learn: Version of the library that fits.
    """

    processor: str
    cores: int
    memory_mb: float
    python: str
    scikit_learn: str


class HostProfile(BaseModel):
    """A machine's timings.

    Attributes:
        version: Format.
        name: What it is called in messages.
        measured: Whether it was timed; else its figures are another machine's.
        uncertainty: Factor that a prediction may be wrong by, either way.
        processor: Model of the processor.
        cores: Cores that a run may use.
        memory_mb: Memory in MiB.
        python: Version of the interpreter.
        scikit_learn: Version of the library that fits.
        seconds: CPU seconds of a unit of work.
        bytes: Bytes of a unit of memory.
        base_mb: MiB that a training process holds before it reads a row.
        server_mb: MiB that a model process holds without a model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    name: str
    measured: bool
    uncertainty: float
    processor: str
    cores: int
    memory_mb: float
    python: str
    scikit_learn: str
    seconds: dict[str, float]
    bytes: dict[str, float]
    base_mb: float
    server_mb: float

    def cpu_s(self, counts: Counts) -> float:
        """Return the CPU seconds of some work; a unit without a timing takes none."""
        return sum(self.seconds.get(unit, 0.0) * count for unit, count in counts.items())

    def memory_mb_of(self, counts: Counts) -> float:
        """Return the MiB of some work."""
        return sum(self.bytes.get(unit, 0.0) * count for unit, count in counts.items()) / _MIB


def machine() -> Machine:
    """Return this machine."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        memory_mb=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _MIB),
        python=platform.python_version(),
        scikit_learn=version("scikit-learn"),
    )


def _cores() -> int:
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def place(root: Path, here: Machine) -> Path:
    """Return the file that a machine's calibration is kept in.

    Memory is not part of the name: a container's limit does not change what a unit takes.

    Args:
        root: The store's root.
        here: The machine.
    """
    named = of_json([here.processor, here.cores, here.python, here.scikit_learn])
    return root / "hosts" / f"{named.removeprefix('sha256:')[:16]}.json"


def save(profile: HostProfile, path: Path) -> None:
    """Write a profile.

    Raises:
        UnavailableError: The folder cannot be written.
    """
    write_file(path, profile.model_dump_json(indent=1).encode() + b"\n")


def load(path: Path) -> HostProfile:
    """Read a profile.

    Raises:
        ConfigError: There is none, or it is none.
    """
    again = "`mlops check --calibrate` writes and names one on the machine that it is for"
    try:
        return HostProfile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"there is no host profile {path}", hint=again) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        message = f"{path} is no host profile: {where}: {first['msg']}"
        raise ConfigError(message, hint=again) from error


def declared(name: str, spec: DeclaredHost, base: HostProfile) -> HostProfile:
    """Return the profile of a machine that is described relative to another one.

    Args:
        name: What it is called.
        spec: Its description.
        base: The machine that its speed is relative to.
    """
    return base.model_copy(
        update={
            "name": name,
            "measured": False,
            "cores": spec.cores,
            "memory_mb": spec.memory_mb,
            "seconds": {unit: each / spec.speed for unit, each in base.seconds.items()},
        }
    )
