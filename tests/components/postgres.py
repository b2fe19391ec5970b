"""A real PostgreSQL on a free loopback port, for tests that stop, kill and freeze it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.components.prometheus import eventually, free_port

READY_WITHIN_S = 60.0
USER = "log"


def binary(name: str) -> str:
    """Return the path of a program of the `postgresql` package, which keeps them off PATH.

    Where it is missing the test is skipped, but in CI (`CI=true`) it fails: there, a test that
    does not run must not look like one that passed.
    """
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = shutil.which(name) or (str(installed[-1]) if installed else None)
    if path is None:
        message = f"{name} is not installed: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


class RunningPostgres:
    """A server that a test may stop and start again.

    Args:
        folder: Belongs to the account it runs as.
        account: Who it runs as; None for the test's own account.
    """

    def __init__(self, folder: Path, account: pwd.struct_passwd | None) -> None:
        self.port = free_port()
        self._folder = folder
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the files of an empty cluster."""
        done = self._popen(
            binary("initdb"), "-D", "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        assert done.wait(READY_WITHIN_S) == 0, self.log()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._process = self._popen(
            binary("postgres"), "-D", "data", "-k", ".", "-h", "127.0.0.1", "-p", str(self.port),
            "-c", "fsync=off",  # the machine stays up, and the disk is slow
        )  # fmt: skip
        eventually(self._answers, within_s=READY_WITHIN_S, what="PostgreSQL answers")

    def create(self, database: str) -> str:
        """Create a database and return its URL."""
        self.sql(f"CREATE DATABASE {database}")
        return self.url(database)

    def sql(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Return the rows of a statement."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=10) as session:
            cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def crash(self) -> None:
        """End it at once, as `pg_ctl stop -m immediate` does: it recovers when it starts."""
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(READY_WITHIN_S)
            self._process = None

    def freeze(self) -> None:
        """Stop all its processes in the middle of whatever they do: it hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def log(self) -> str:
        """Return what its programs have printed."""
        return (self._folder / "log").read_text()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            return self.sql("SELECT 1") == [(1,)]
        except Exception:  # psycopg's; the next attempt or the deadline decides
            return False

    def _signal(self, number: int) -> None:
        if self._process is not None:
            for pid in (self._process.pid, *children(self._process.pid)):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue

    def _popen(self, *command: str) -> "subprocess.Popen[bytes]":
        user = None if self._account is None else self._account.pw_uid
        group = None if self._account is None else self._account.pw_gid
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                user=user, group=group, extra_groups=None if user is None else [],
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            )  # fmt: skip


def children(pid: int) -> list[int]:
    """Return a process' children."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found.append(int(entry.parent.name))
    return found


@contextmanager
def running_postgres() -> Iterator[RunningPostgres]:
    """Start an empty PostgreSQL and end it afterwards.

    It refuses to run as root, so then it runs as `nobody`, in a folder that `nobody` can enter.
    """
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    binary("postgres")
    folder = Path(tempfile.mkdtemp(prefix="mlops-postgres-"))
    server = RunningPostgres(folder, account)
    try:
        (folder / "log").touch()
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        server.initialise()
        server.start()
        yield server
    finally:
        server.crash()
        shutil.rmtree(folder, ignore_errors=True)
