"""An environment: what a run ran on, as far as its result can depend on it."""

import os
import platform
import resource
from importlib.metadata import PackageNotFoundError, version

from mlops.base.digest import Json
from mlops.models.kernels import kernel_name

_PACKAGES = ("mlops", "numpy", "pandas", "pandera", "pydantic", "scikit-learn", "scipy")
_KIB = 1024


def describe() -> dict[str, Json]:
    """Return interpreter, machine, kernel and the versions that a result can depend on."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "kernel": kernel_name(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def peak_memory_mb() -> float:
    """Return the most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB


def cpu_s() -> float:
    """Return CPU seconds that this process has used, its threads included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
