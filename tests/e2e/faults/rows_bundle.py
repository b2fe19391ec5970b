"""Rows of the bundle: mutations that are offered to a running server, and settings that break."""

import json
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.load import Step
from mlops.models.artifact import FILES, load, write
from mlops.models.manifest import MANIFEST, Manifest
from mlops.models.signature import SIGNATURE
from tests.components.releases import copied
from tests.e2e.faults.ground import RELEASED_S, SERVICE, Ground
from tests.e2e.faults.scene import Row, Scene, observe
from tests.e2e.faults.servers import Server
from tests.e2e.faults.verdicts import Goal, Observed

MUTATIONS = 300
_ALL_FILES = (*FILES, MANIFEST, SIGNATURE)

Mutation = Callable[[Ground, Path, random.Random], None]


def _truncate(ground: Ground, path: Path, chance: random.Random) -> None:
    file = path / chance.choice(_ALL_FILES)
    whole = file.read_bytes()
    file.write_bytes(whole[: chance.randrange(len(whole))])


def _flip(ground: Ground, path: Path, chance: random.Random) -> None:
    file = path / chance.choice(_ALL_FILES)
    whole = bytearray(file.read_bytes())
    whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    file.write_bytes(whole)


def _unsign(ground: Ground, path: Path, chance: random.Random) -> None:
    """Take the signature away, half of the time with a change that the manifest covers up."""
    (path / SIGNATURE).unlink()
    if chance.random() < 0.5:
        stated = Manifest.model_validate_json((path / MANIFEST).read_bytes())
        (path / "quality.json").write_bytes(b'{"auc":%d}' % chance.randrange(100))
        files = {name: (path / name).read_bytes() for name in FILES}
        made = Manifest.of(
            service=stated.service, model=stated.model, heads=stated.heads, files=files
        )
        (path / MANIFEST).write_bytes(made.to_bytes())


def _age(ground: Ground, path: Path, chance: random.Random) -> None:
    ground.keys.sign(path, at_s=chance.uniform(0, RELEASED_S - 1))


def _change_contract(ground: Ground, path: Path, chance: random.Random) -> None:
    parts = load(path).parts
    renamed = parts.domain.model_copy(update={"name": f"Other{chance.randrange(10**6)}"})
    ref = write(replace(parts, domain=renamed, golden=None), path.parent / "contracts")
    ground.keys.sign(ref.path, at_s=RELEASED_S + 1)
    copied(ref.path, path)


_KINDS: tuple[Mutation, ...] = (_truncate, _flip, _unsign, _age, _change_contract)


def _offered(scene: Scene) -> Observed:
    """Offer bad bundles to a server under load."""
    ground, chance = scene.ground, random.Random(20260101)
    store = scene.folder / "bundles"
    with (
        scene.serve(bundles=str(store)) as server,
        scene.traffic(server, Step(20.0, 50.0)) as load_,
    ):
        began = load_.wait_until(0.0)
        accepted = 0
        for number in range(MUTATIONS):
            path = copied(ground.second.path, store / SERVICE / f"m{number}")
            _KINDS[number % len(_KINDS)](ground, path, chance)
            code, _ = server.reload(str(path))
            accepted += code == 200
        samples = load_.finish()
    found = observe(scene, server, samples, began=began)
    found.told = {"offered": MUTATIONS, "accepted": accepted}
    if accepted:
        found.misses.append(f"{accepted} of {MUTATIONS} accepted")
    return found


def _bad_reload(scene: Scene) -> Observed:
    """Break the settings, then the bundle that they name, and tell the server to read them."""
    store = scene.folder / "bundles"
    latest = store / SERVICE / "latest"
    good = copied(scene.ground.first.path, store / SERVICE / "good")
    bad = copied(scene.ground.second.path, store / SERVICE / "bad")
    (bad / SIGNATURE).unlink()
    latest.write_text(scene.ground.first.digest + "\n")
    with (
        scene.serve(bundle=str(good), bundles=str(store), reference=str(bad)) as server,
        scene.traffic(server, Step(5.0, 200.0)) as load_,
    ):
        path = scene.folder / "settings.json"
        right = json.loads(path.read_text())
        began = load_.wait_until(1.0)
        for content in (
            "{",
            json.dumps({**right, "serving": {**right["serving"], "deadline_ms": -1}}),
            json.dumps({**right, "service": "another"}),
            json.dumps({**right, "serving": {**right["serving"], "workers": 3}}),
            json.dumps(right),
        ):
            path.write_text(content)
            _hang_up(server)
        samples = load_.finish()
        kept = server.status()["current"]["digest"] == scene.ground.first.digest
        events = server.events()
    found = observe(scene, server, samples, events=events, began=began)
    if not kept:
        found.misses.append("another configuration runs")
    return found


def _hang_up(server: Server) -> None:
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.4)


ROWS = (
    Row("bundle cut, flipped, unsigned, older, other", Goal(in_time=0.99, lost=0), _offered,
        unguarded={"without": ["signature"]}),
    Row("bad reload of settings and bundle", Goal(in_time=0.995, lost=0), _bad_reload,
        unguarded={"without": ["signature"]}),
)  # fmt: skip
