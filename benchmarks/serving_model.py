"""The serving benchmark's model: one bundle for our server, the same pipeline for the peers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import msgspec
import numpy as np

from benchmarks.kernel import CATEGORIES, CODES, Case
from benchmarks.kernel import boosted_case as fitted_case
from benchmarks.peers.pipeline import FILE, Categories
from mlops.contracts.domain import Column, Domain, Table
from mlops.contracts.row import RowDecoder
from mlops.contracts.sample import draw
from mlops.models.artifact import BundleRef, Parts, write
from mlops.models.heuristics import History, fit_heuristic
from mlops.models.spec import PopularitySpec
from mlops.proofs.bounds import certify

SERVICE = "benchmark"
MOST_CANDIDATES = 200
_PAST = 5000


@dataclass(frozen=True, slots=True)
class Page:
    """Requests of one size.

    Attributes:
        candidates: Candidates in each.
        bodies: The requests.
        peer_bodies: The same as MLflow wants them.
        expected: For each request the model's score of each candidate.
    """

    candidates: int
    bodies: tuple[bytes, ...]
    peer_bodies: tuple[bytes, ...]
    expected: tuple[dict[str, float], ...]


@dataclass(frozen=True, slots=True)
class Served:
    """What is served.

    Attributes:
        bundle: For our server.
        folder: With the pipeline, for the peers.
        pages: Requests by size.
    """

    bundle: BundleRef
    folder: Path
    pages: tuple[Page, ...]


def prepare(folder: Path, sizes: Sequence[int], *, requests: int = 64) -> Served:
    """Fit the model, and write it in both forms.

    Args:
        folder: For all files.
        sizes: Candidates in a request.
        requests: How many different requests of each size.
    """
    case = fitted_case()
    domain = case.predictor.domain
    folder.mkdir(parents=True, exist_ok=True)
    bundle = write(_parts(case), folder / "bundles")
    columns = [column.name for column in domain.features]
    categories = Categories(dict(case.predictor.vocabulary), columns)
    joblib.dump(_pipeline(categories, case.predictor.estimator), folder / FILE)
    rng = np.random.default_rng(1)
    pages = tuple(_page(case, size, requests, rng) for size in sizes)
    return Served(bundle, folder, pages)


def _pipeline(categories: Categories, estimator: object) -> object:
    from sklearn.pipeline import Pipeline

    return Pipeline([("categories", categories), ("model", estimator)])


def _parts(case: Case) -> Parts:
    domain, program = case.predictor.domain, case.program
    rng = np.random.default_rng(2)
    past = dict(draw(domain, _PAST, rng, known=program.known))
    past["outcome"] = (rng.random(_PAST) < 0.2).astype(np.float64)
    history = History(past, np.linspace(0.0, 1e6, _PAST), as_of_s=1e6)
    popularity = PopularitySpec(key=domain.identifier.name, outcome="outcome")
    return Parts(
        service=SERVICE,
        model="hist_gradient_boosting",
        domain=domain,
        program=program,
        heuristics={"popularity": fit_heuristic(popularity, history)},
        certificate=certify(program, domain),
        quality={},
    )


def _page(case: Case, size: int, requests: int, rng: np.random.Generator) -> Page:
    domain = case.predictor.domain
    known = {f"c{at}": [f"v{code}" for code in range(CODES)] for at in range(CATEGORIES)}
    decoder = RowDecoder(domain, max_candidates=MOST_CANDIDATES)
    bodies, peer_bodies, expected = [], [], []
    for number in range(requests):
        rows = _rows(domain, draw(domain, size, rng, known=known), size)
        ours = {"request_id": f"r{number}", "subject": f"u{number}", "context": {}}
        body = msgspec.json.encode({**ours, "candidates": rows})
        request = decoder.decode(body)
        scores = case.program.score(request.table).tolist()
        bodies.append(body)
        peer_bodies.append(msgspec.json.encode({"dataframe_records": rows}))
        expected.append(dict(zip(request.ids, scores, strict=True)))
    return Page(size, tuple(bodies), tuple(peer_bodies), tuple(expected))


def _rows(domain: Domain, table: Table, size: int) -> list[dict[str, object]]:
    """Return candidates with different identifiers and numbers of four decimals."""

    def value(column: Column, at: int) -> object:
        if column.identifier:
            return f"v{at}"
        given = table[column.name][at]
        if given is None or column.is_category:
            return given
        return None if np.isnan(given) else round(float(given), 4)

    return [{c.name: value(c, at) for c in domain.candidate} for at in range(size)]
