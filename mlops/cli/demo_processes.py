"""Processes: the real server and the real Prometheus that the demo starts, and stops by pid."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.base.errors import UnavailableError
from mlops.base.store import write_file
from mlops.slo.catalog import read_catalog
from mlops.slo.rules import generate
from mlops.slo.scrape import prometheus_config
from mlops.slo.spec import SloSpec

_START_S = 60.0
_STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        url: Base address.
        admin_url: Address of the fault switch.
        process: Its process.
    """

    url: str
    admin_url: str
    process: "subprocess.Popen[bytes]"

    def fault(self, name: str) -> None:
        """Switch a fault on, or off with `none`.

        Raises:
            UnavailableError: The server does not answer.
        """
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.admin_url}/faults", data=name.encode(), method="PUT"
        )
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own server
                pass
        except OSError as error:
            raise UnavailableError(f"the server does not answer: {error}") from error


@contextlib.contextmanager
def running_server(overrides: Sequence[str], log: Path) -> Generator[Server, None, None]:
    """Run `mlops serve` on free ports with faults allowed.

    Args:
        overrides: Hydra overrides that name the service and the bundle.
        log: File for what it prints on stderr.

    Raises:
        UnavailableError: It does not start.
    """
    command = [
        *(sys.executable, "-m", "mlops.cli.main", "serve", *overrides),
        *("serving.port=0", "serving.admin_port=0", "serving.faults_allowed=true"),
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file)  # noqa: S603 - no shell, fixed program
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            reason = log.read_text(errors="replace").strip()
            raise UnavailableError(f"the server did not start: {reason}", hint=f"see {log}")
        said = json.loads(line)
        yield Server(said["url"], said["admin_url"], process)
    finally:
        _stop(process)


@contextlib.contextmanager
def running_prometheus(
    target: str, slo_files: Sequence[Path], spec: SloSpec, folder: Path
) -> Generator[str | None, None, None]:
    """Run Prometheus with generated rules, if its binary is there; yields its address or None.

    Args:
        target: `host:port` of the server.
        slo_files: OpenSLO definitions.
        spec: Windows and intervals.
        folder: For its configuration and data; emptied first.

    Raises:
        UnavailableError: It does not start.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        yield None
        return
    shutil.rmtree(folder, ignore_errors=True)
    rules = [folder / f"{path.stem}.rules.yml" for path in slo_files]
    for path, rule_file in zip(slo_files, rules, strict=True):
        write_file(rule_file, generate(read_catalog([path]).objectives, spec).encode())
    names = [path.name for path in rules]
    config = folder / "prometheus.yml"
    write_file(config, prometheus_config([target], names, spec).encode())
    port = _free_port()
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - no shell, fixed program
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, folder / "prometheus.log")
        yield url
    finally:
        _stop(process)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    limit = time.monotonic() + _START_S
    while time.monotonic() < limit and process.poll() is None:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{url}/-/ready", timeout=2),  # noqa: S310 - loopback
        ):
            return
        time.sleep(0.1)
    raise UnavailableError("Prometheus did not start", hint=f"see {log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
