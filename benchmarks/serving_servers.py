"""The serving benchmark's servers: how each is started, asked, and ended by its id."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.answer import FOLDER
from benchmarks.processes import free_port, stop
from benchmarks.serving_model import MOST_CANDIDATES, SERVICE, Page, Served
from mlops.serving.settings import ServeSettings

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".mlops" / "benchmarks" / "peers"
"""The peers' environment; git ignores it."""
_LOCK = ROOT / "requirements" / "peers.txt"
_START_S = 90.0
_SETTINGS = {"deadline_ms": 50.0, "fallback": ["popularity"], "workers": 1, "port": 0}


@dataclass(frozen=True, slots=True)
class Contender:
    """A server to measure.

    Attributes:
        name: As in the table.
        command: Returns its command line for a port.
        path: Where it is asked.
        peer_body: Whether it takes MLflow's form of a body.
        scores: Reads its answer: the score of each candidate by identifier; None if it scores
            nothing.
        says_port: Whether it prints where it listens, as ours does.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    path: str = "/v1/decide"
    peer_body: bool = False
    scores: Callable[[bytes, Page], Mapping[str, float]] | None = None
    says_port: bool = False

    def bodies(self, page: Page) -> tuple[bytes, ...]:
        """Return the requests in the form that it takes."""
        return page.peer_bodies if self.peer_body else page.bodies


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        port: Where.
        process: Its first process.
        ready_s: Seconds from its start to the first 200.
    """

    port: int
    process: "subprocess.Popen[bytes]"
    ready_s: float


def contenders(served: Served) -> list[Contender]:
    """Return all servers, ours first."""
    settings = _settings(served)
    python = str(PEERS / "bin" / "python")
    model = served.folder / "mlflow"

    def uvicorn(app: str) -> Callable[[int], Sequence[str]]:
        quiet = ("--no-access-log", "--log-level", "warning")
        return lambda port: [python, "-m", "uvicorn", app, "--port", str(port), *quiet]

    return [
        Contender(
            "ours",
            lambda port: [sys.executable, "-m", "mlops.serving.server", str(settings)],
            scores=_ranking,
            says_port=True,
        ),
        Contender("FastAPI", uvicorn("benchmarks.peers.fastapi_app:app"), scores=_ranking),
        Contender(
            "LitServe",
            lambda port: [python, "-m", "benchmarks.peers.litserve_app", str(port)],
            scores=_ranking,
        ),
        Contender(
            "BentoML",
            lambda port: [
                *(python, "-m", "bentoml", "serve", "benchmarks.peers.bento_service:Ranker"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            scores=_ranking,
        ),
        Contender(
            "MLflow",
            lambda port: [
                *(str(PEERS / "bin" / "mlflow"), "models", "serve", "-m", str(model)),
                *("-p", str(port), "--env-manager", "local", "-w", "1"),
            ],
            path="/invocations",
            peer_body=True,
            scores=_predictions,
        ),
        Contender("uvicorn, constant", uvicorn("benchmarks.peers.constant_asgi:app")),
        Contender(
            "our HTTP, constant",
            lambda port: [sys.executable, "-m", "benchmarks.peers.constant_own", str(port)],
        ),
    ]


def make_peers() -> None:
    """Make the peers' environment from its lock, if it is not there or the lock is newer."""
    done = PEERS / ".ready"
    if done.exists() and done.stat().st_mtime > _LOCK.stat().st_mtime:
        return
    uv = str(Path(sys.executable).with_name("uv"))
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    python = str(PEERS / "bin" / "python")
    for command in (
        [uv, "venv", "-q", "--clear", "--python", sys.executable, str(PEERS)],
        [uv, "pip", "sync", "-q", "--require-hashes", "--python", python, str(_LOCK)],
    ):
        subprocess.run(command, check=True, env=environment)
    done.touch()


def save_for_mlflow(served: Served) -> None:
    """Write the model as MLflow serves it."""
    example = served.folder / "example.json"
    example.write_bytes(served.pages[-1].bodies[0])
    module = "benchmarks.peers.mlflow_save"
    python = str(PEERS / "bin" / "python")
    command = [python, "-m", module, str(served.folder / "mlflow"), str(example)]
    with (served.folder / "mlflow.log").open("wb") as log:
        subprocess.run(
            command, check=True, env=_environment(served), cwd=ROOT, stdout=log, stderr=log
        )


@contextlib.contextmanager
def running(contender: Contender, served: Served) -> Generator[Running, None, None]:
    """Run a server until it answers, and end it.

    Raises:
        RuntimeError: It does not start, or scores otherwise than the model.
    """
    log = served.folder / f"{contender.name.replace(' ', '_').replace(',', '')}.log"
    port = free_port()
    started = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            contender.command(port),
            env=_environment(served),
            cwd=ROOT,
            stdout=subprocess.PIPE if contender.says_port else file,
            stderr=file,
        )
    try:
        if contender.says_port:
            assert process.stdout is not None
            port = int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
        _wait(contender, port, process, served.pages[0])
        yield Running(port, process, time.monotonic() - started)
    finally:
        stop(process)
        if process.stdout is not None:
            process.stdout.close()


def check(contender: Contender, port: int, page: Page) -> bytes:
    """Ask once, and return the answer.

    Raises:
        RuntimeError: It scores otherwise than the model.
    """
    answer = _ask(contender, port, page)
    if contender.scores is not None:
        got = contender.scores(answer, page)
        wanted = page.expected[0]
        if got.keys() != wanted.keys() or any(abs(got[k] - wanted[k]) > 1e-12 for k in got):
            message = f"{contender.name} scores otherwise than the model"
            raise RuntimeError(message)
    return answer


def _wait(contender: Contender, port: int, process: "subprocess.Popen[bytes]", page: Page) -> None:
    limit = time.monotonic() + _START_S
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError):
            _ask(contender, port, page)
            return
        time.sleep(0.005)
    message = f"{contender.name} does not start"
    raise RuntimeError(message)


def _ask(contender: Contender, port: int, page: Page) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{contender.path}",
        data=contender.bodies(page)[0],
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        content: bytes = reply.read()
        return content


def _environment(served: Served) -> dict[str, str]:
    own = {
        FOLDER: str(served.folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(served.folder / "bentoml"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    # MLflow starts its server by a name looked up on the path.
    path = f"{PEERS / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **own, "PATH": path}


def _settings(served: Served) -> Path:
    settings = ServeSettings.model_validate_json(
        json.dumps(
            {
                "service": SERVICE,
                "bundle": str(served.bundle.path),
                "bundles": str(served.folder / "bundles"),
                "state": str(served.folder / "state"),
                "max_candidates": MOST_CANDIDATES,
                "serving": {**_SETTINGS, "admin_port": None},
            }
        )
    )
    path = served.folder / "settings.json"
    path.write_text(settings.model_dump_json(indent=2))
    return path


def _ranking(answer: bytes, page: Page) -> Mapping[str, float]:
    del page
    return {each["id"]: each["score"] for each in json.loads(answer)["ranking"]}


def _predictions(answer: bytes, page: Page) -> Mapping[str, float]:
    both = json.loads(answer)["predictions"]
    return dict(zip(page.expected[0], (each[1] for each in both), strict=True))
