"""A real Alertmanager on free loopback ports, and a webhook that keeps what it is told."""

import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.components.prometheus import binary, eventually, free_port, stop


@dataclass(frozen=True, slots=True)
class Told:
    """One alert of one notification.

    Attributes:
        path: Where on the webhook it came in.
        status: `firing` or `resolved`.
        labels: The alert's.
        annotations: The alert's.
    """

    path: str
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass
class Webhook:
    """A receiver of notifications.

    Attributes:
        url: Its base address.
        notified: What came in, in order.
    """

    url: str
    notified: list[Told] = field(default_factory=list)

    def told(self, path: str, status: str) -> dict[tuple[str, str], Told]:
        """Return the last of each alert by its name and SLO, of one path and status."""
        return {
            (each.labels["alertname"], each.labels.get("slo", "")): each
            for each in list(self.notified)
            if (each.path, each.status) == (path, status)
        }


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Listen on loopback until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            notification = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.notified.extend(
                Told(self.path, each["status"], each["labels"], each["annotations"])
                for each in notification["alerts"]
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Webhook(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True, slots=True)
class RunningAlertmanager:
    """A started Alertmanager.

    Attributes:
        address: Its `host:port`.
        log: What it has logged.
    """

    address: str
    log: Path

    def silenced(self) -> set[tuple[str, str]]:
        """Return name and SLO of the alerts that another alert silences now."""
        url = f"http://{self.address}/api/v2/alerts"
        with urllib.request.urlopen(url, timeout=5) as response:
            alerts = json.load(response)
        return {
            (each["labels"]["alertname"], each["labels"].get("slo", ""))
            for each in alerts
            if each["status"]["inhibitedBy"]
        }


@contextmanager
def running_alertmanager(folder: Path, config: str) -> Iterator[RunningAlertmanager]:
    """Start Alertmanager, wait until it is ready, and stop it at the end.

    Args:
        folder: For its files.
        config: Text of `alertmanager.yml`.
    """
    program = binary("prometheus-alertmanager", "prometheus-alertmanager")
    path = folder / "alertmanager.yml"
    path.write_text(config)
    server = RunningAlertmanager(f"127.0.0.1:{free_port()}", folder / "alertmanager.log")
    command = [
        program,
        f"--config.file={path}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={server.address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with server.log.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)

        def ready() -> bool:
            if process.poll() is not None:
                pytest.fail(f"alertmanager ended:\n{server.log.read_text()}")
            try:
                url = f"http://{server.address}/-/ready"
                with urllib.request.urlopen(url, timeout=2) as response:
                    return bool(response.status == 200)
            except OSError:
                return False

        try:
            eventually(ready, within_s=20, what=f"{server.address} ready")
            yield server
        finally:
            stop(process)
