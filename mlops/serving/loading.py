"""A loader: reads settings and bundles from disk, and refuses what may not serve."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from mlops.base.clock import Clock
from mlops.base.errors import BundleError, ConfigError, MlopsError
from mlops.base.store import write_file
from mlops.models.acceptance import Running, Wanted, accept
from mlops.models.artifact import Bundle, resolve_within
from mlops.models.manifest import MANIFEST
from mlops.models.signature import Trust
from mlops.serving.lanes import LaneKind, choose_lane
from mlops.serving.plan import Plan
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import Protection, ServingSpec

LAST_GOOD = "last_good"
LAST_RELEASE = "last_release"
_NOTE_BYTES = 128
_FIXED = ("service", "bundles", "state")
_FIXED_SERVING = (
    "host", "port", "admin_host", "admin_port", "admin_token_file", "workers", "http",
    "supervision", "decision_log", "limit", "drain_s", "faults_allowed", "without", "trust",
)  # fmt: skip
_log = logging.getLogger(__name__)


def trust_of(serving: ServingSpec) -> Trust | None:
    """Return whose bundles a service believes; None in a drill that takes signatures away.

    Raises:
        ConfigError: A key's file is not there or holds no key.
    """
    if not serving.protects(Protection.SIGNATURE):
        return None
    keys = [Path(each) for each in serving.trust.keys]
    return Trust.of(keys, required=serving.trust.signatures == "required")


class FileLoader:
    """Reads from files.

    Args:
        settings_path: Where the settings stand, to be read again with each reload.
        trust: Whose bundles are believed; None looks at no signature.
        clock: Monotonic time.
    """

    def __init__(self, settings_path: Path, *, trust: Trust | None, clock: Clock) -> None:
        self._settings_path = settings_path
        self._clock = clock
        self._trust = trust

    @property
    def _has_keys(self) -> bool:
        return self._trust is not None and bool(self._trust.keys)

    def reread(self, running: ServeSettings) -> ServeSettings:
        """Return the settings as they stand in their file now.

        Raises:
            ConfigError: They are wrong, or change what only a restart can.
        """
        again = read_settings(self._settings_path)
        changed = [name for name in _FIXED if getattr(again, name) != getattr(running, name)]
        changed += [
            f"serving.{name}"
            for name in _FIXED_SERVING
            if getattr(again.serving, name) != getattr(running.serving, name)
        ]
        if changed:
            raise ConfigError(
                f"{', '.join(changed)} cannot change while the service runs",
                hint="restart the service",
            )
        return again

    def locate(self, reference: str, settings: ServeSettings) -> Path:
        """Return the folder that a reference means.

        Raises:
            BundleError: There is none, or it lies outside the bundles' folder.
        """
        return resolve_within(reference, Path(settings.bundles), settings.service)

    def accept(self, path: Path, plan: Plan, *, allow_downgrade: bool, golden: bool) -> Bundle:
        """Return a bundle that may take the place of a plan's.

        A user's own heuristics are opened, which runs their code, only to play the golden batch:
        that is done in a trial process.

        Raises:
            RefusedBundleError: It is refused; the message says why.
        """
        packages = plan.settings.packages if golden else None
        running = None if plan.bundle is None else Running.of(plan.bundle)
        return self._accept(
            path,
            plan,
            allow_downgrade=allow_downgrade,
            golden=golden,
            packages=packages,
            running=running,
        )

    def _accept(
        self,
        path: Path,
        plan: Plan,
        *,
        allow_downgrade: bool,
        golden: bool,
        packages: Sequence[str] | None,
        running: Running | None,
    ) -> Bundle:
        settings = plan.settings
        wanted = Wanted(
            settings.service,
            domain=plan.domain,
            running=running,
            allow_downgrade=allow_downgrade,
            golden=golden and settings.serving.protects(Protection.GOLDEN_BATCH),
        )
        return accept(path, wanted, trust=self._trust, packages=packages)

    def lane(self, bundle: Bundle, settings: ServeSettings) -> LaneKind:
        """Measure a bundle's model on this host and return where it shall run."""
        return choose_lane(bundle, settings, self._clock).lane

    def keep(self, plan: Plan) -> None:
        """Note that a plan's bundle proved itself: a start that finds no better takes it.

        With it goes when it was released, before which no start takes another. Without a key
        anybody can sign for any time, so nothing is noted.
        """
        if plan.bundle is None:
            return
        folder, bundle = Path(plan.settings.state), plan.bundle
        try:
            write_file(folder / LAST_GOOD, str(bundle.ref.path.absolute()).encode())
            if bundle.signature is not None and self._has_keys:
                write_file(folder / LAST_RELEASE, Running.of(bundle).note())
        except MlopsError as error:
            _log.warning("the last good bundle cannot be noted: %s", error.message)

    def first(self, settings: ServeSettings) -> tuple[Plan, list[BundleError]]:
        """Return the plan to begin with, and what was refused on the way; it never fails.

        The configured bundle is tried first, then the last one that proved itself; without either
        the service begins in heuristic mode.
        """
        bare = Plan(1, settings, None)
        running = _last_release(settings) if self._has_keys else None
        refused: list[BundleError] = []
        for text in dict.fromkeys((settings.bundle, _last_good(settings))):
            if not text:
                continue
            try:
                bundle = self._accept(
                    Path(text),
                    bare,
                    allow_downgrade=False,
                    golden=True,
                    packages=None,
                    running=running,
                )
            except BundleError as error:
                refused.append(error)
                continue
            named = settings.model_copy(update={"bundle": text})
            return Plan(1, named, bundle, self.lane(bundle, named)), refused
        return bare, refused


def trained_at(plan: Plan) -> float:
    """Return when a plan's model was trained, or shortly after, in seconds since 1970.

    A bundle holds no time, so that equal parts give equal bytes. Its files were written when
    training ended, and copies of them later; it was signed after that.

    Returns:
        The earlier of the two; 0 without a bundle.
    """
    if plan.bundle is None:
        return 0.0
    signature = plan.bundle.signature
    times = [] if signature is None else [float(signature.signed_at)]
    try:
        times.append((plan.bundle.ref.path / MANIFEST).stat().st_mtime)
    except OSError as error:
        _log.warning("a bundle's age cannot be read: %s", error.strerror)
    return min(times, default=0.0)


def read_settings(path: Path) -> ServeSettings:
    """Return the settings that a file holds.

    Raises:
        ConfigError: It cannot be read, or is wrong; the message names the key.
    """
    try:
        return ServeSettings.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"settings {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ConfigError(
            f"settings {path}: {where}: {first['msg']}",
            hint="`mlops serve … --dry-run` prints settings that are right",
        ) from error


def _last_good(settings: ServeSettings) -> str:
    try:
        return (Path(settings.state) / LAST_GOOD).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _last_release(settings: ServeSettings) -> Running | None:
    try:
        with (Path(settings.state) / LAST_RELEASE).open("rb") as file:
            return Running.noted(file.read(_NOTE_BYTES))
    except OSError:
        return None
