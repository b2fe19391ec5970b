"""The ground of the matrix: keys, signed bundles, requests, and what each bundle answers."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mlops.cli.demo_traffic import bodies
from mlops.contracts.row import RowDecoder
from mlops.models.artifact import BundleRef, load, write
from mlops.models.heuristics import FittedHeuristic
from mlops.serving.settings import ServeSettings
from tests.components.postgres import RunningPostgres, running_postgres
from tests.components.releases import Keys, signed_bundle
from tests.fakes.own_heuristics import ByFee

SERVICE = "search_ranking"
CANDIDATES = 10
REQUESTS = 64
DEADLINE_MS = 50.0
RELEASED_S = 1000.0


@dataclass(frozen=True)
class Ground:
    """What all rows share; nothing in it changes.

    Attributes:
        folder: Where it lies.
        keys: Who releases.
        stranger: Who may not.
        first: The bundle that serves.
        second: Another one of the same contract, released in the same second.
        own: The first with a heuristic of a user's own class, named `own`.
        stack: Ends what was started.
    """

    folder: Path
    keys: Keys
    stranger: Keys
    first: BundleRef
    second: BundleRef
    own: BundleRef
    stack: ExitStack

    @classmethod
    def laid(cls, folder: Path, stack: ExitStack) -> "Ground":
        keys, stranger = Keys.made(folder / "keys"), Keys.made(folder / "stranger")
        root = folder / "bundles"
        trees = "hist_gradient_boosting"
        first = signed_bundle(SERVICE, root, keys, model=trees, at_s=RELEASED_S)
        second = signed_bundle(SERVICE, root, keys, at_s=RELEASED_S)
        return cls(folder, keys, stranger, first, second, _with_own(first, root, keys), stack)

    @cached_property
    def _postgres(self) -> RunningPostgres:
        return self.stack.enter_context(running_postgres())

    def postgres(self) -> RunningPostgres:
        """Return a real PostgreSQL, started when first asked for."""
        return self._postgres

    @cached_property
    def bodies(self) -> tuple[bytes, ...]:
        parts = load(self.first.path).parts
        made = bodies(
            parts.domain,
            dict(parts.program.known),
            requests=REQUESTS,
            candidates=CANDIDATES,
            seed=5,
        )
        return tuple(made)

    @cached_property
    def poison(self) -> bytes:
        """A request that ends its worker while the fault `poison` is on."""
        return json.dumps({**json.loads(self.bodies[0]), "subject": "poison"}).encode()

    @cached_property
    def expected(self) -> Mapping[str, list[dict[str, float]]]:
        return {ref.digest: self._answers(ref) for ref in (self.first, self.second)}

    def _answers(self, ref: BundleRef) -> list[dict[str, float]]:
        parts = load(ref.path).parts
        decoder = RowDecoder(parts.domain, max_candidates=CANDIDATES)
        requests = [decoder.decode(body) for body in self.bodies]
        return [
            dict(zip(each.ids, parts.program.score(each.table).tolist(), strict=True))
            for each in requests
        ]

    def settings(self, state: Path, serving: Mapping[str, Any], **top: Any) -> ServeSettings:
        """Return settings for a server.

        Args:
            state: Its folder.
            serving: Changes of the serving section, section by section.
            top: Changes beside it.
        """
        section: dict[str, Any] = {
            "port": 0,
            "admin_port": 0,
            "workers": 2,
            "deadline_ms": DEADLINE_MS,
            "fallback": ["popularity"],
            "faults_allowed": True,
            "drain_s": 5.0,
            "breaker": {"open_s": 0.5, "ramp_s": 0.2, "trip_s": 1.0},
            "trust": {"signatures": "required", "keys": [str(self.keys.public)]},
            # Requests repeat here; from the cache they would all be answered, whatever is broken.
            "cache": {"entries": 0},
        }
        content = {
            "service": SERVICE,
            "bundle": str(self.first.path),
            "bundles": str(self.folder / "bundles"),
            "state": str(state),
            "packages": ["tests"],
            "max_candidates": 50,
            "serving": merged(section, serving),
            **top,
        }
        return ServeSettings.model_validate_json(json.dumps(content))


def _with_own(ref: BundleRef, root: Path, keys: Keys) -> BundleRef:
    parts = load(ref.path).parts
    mine = FittedHeuristic("custom", f"{ByFee.__module__}.{ByFee.__qualname__}", ByFee())
    own = write(replace(parts, heuristics={**parts.heuristics, "own": mine}, golden=None), root)
    keys.sign(own.path, at_s=RELEASED_S)
    return own


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with changes, mappings inside it changed likewise."""
    found = dict(base)
    for name, value in changes.items():
        inner = found.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        found[name] = merged(inner, value) if both else value  # type: ignore[arg-type]  # both
    return found
