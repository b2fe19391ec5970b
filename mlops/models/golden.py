"""A golden batch: rows with the scores that a bundle gave for them where it was made.

    golden.json  {version, rows, texts, heuristics}
    golden.npz   column.NAME of each number column, score, heuristic.NAME, expit

Hashes show that a bundle's files are what they were; this shows that they still compute what they
did, on this host, by this version of the program. Trees must do so to the last bit. The rows are
drawn from the contract with its edges: missing values, ends, categories never seen.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from mlops.base.digest import Json, canonical_json
from mlops.base.target import StoppedError, contained
from mlops.contracts.domain import Domain, Floats, Table, Texts
from mlops.contracts.sample import draw
from mlops.models.arrays import dump_arrays, load_arrays
from mlops.models.heuristics import FittedHeuristic, Unopened
from mlops.models.kernels import expit
from mlops.models.program import Program

GOLDEN_FILES = ("golden.json", "golden.npz")
ROWS = 64
FEW_ULP = 1e-12
"""Allowed difference, relative beyond 1, where bits may differ: sums of a linear model, whatever
ends in `exp` on a host whose C library rounds it otherwise, and code of a user's own."""

_SEED = 20_260_101
_RAW = np.linspace(-12.0, 12.0, 97)


class _Facts(BaseModel):
    """What stands in `golden.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1] = 1
    rows: int = Field(ge=1, le=10_000)
    texts: dict[str, tuple[str | None, ...]]
    heuristics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows and their scores.

    Attributes:
        table: The request's columns, n rows.
        rows: n.
        score: The program's, shape [n].
        heuristics: Those of each heuristic that could score them all, shape [n] each.
        expit: `expit` of fixed numbers there, which tells whether this host rounds `exp` alike.
    """

    table: Table
    rows: int
    score: Floats
    heuristics: Mapping[str, Floats]
    expit: Floats

    def fits(self, columns: Container[str], heuristics: Container[str]) -> bool:
        """Tell whether the batch is of a bundle with these request columns and heuristics."""
        return all(name in columns for name in self.table) and all(
            name in heuristics for name in self.heuristics
        )

    def difference(self, program: Program, heuristics: Mapping[str, FittedHeuristic]) -> str | None:
        """Play the batch again.

        Args:
            program: What is about to serve.
            heuristics: The bundle's heuristics.

        Returns:
            What differs, as a sentence; None if nothing does.
        """
        exact = all(head.exact for head in program.outline.heads) and self._rounds_alike()
        try:
            found = program.score(self.table)
        except Exception as error:  # whatever it is, the bundle cannot be served
            return f"the program fails on the golden batch: {type(error).__name__}: {error}"
        told = _apart("the program", found, self.score, limit=0.0 if exact else FEW_ULP)
        for name, wanted in self.heuristics.items():
            if name in heuristics and isinstance(heuristics[name].heuristic, Unopened):
                continue  # the process that opens it plays the batch too
            if told is None:
                scores = _scores(heuristics[name], self.table, self.rows)
                limit = FEW_ULP if heuristics[name].kind == "custom" else 0.0
                told = _apart(f"heuristic {name!r}", scores, wanted, limit=limit)
        return told

    def _rounds_alike(self) -> bool:
        return _same_bits(expit(_RAW), self.expit)

    def to_files(self) -> dict[str, bytes]:
        """Return the batch as `golden.json` and `golden.npz`."""
        numbers = {n: v for n, v in self.table.items() if v.dtype == np.float64}
        texts = {n: tuple(v.tolist()) for n, v in self.table.items() if n not in numbers}
        facts = _Facts(rows=self.rows, texts=texts, heuristics=tuple(self.heuristics))
        arrays: dict[str, npt.NDArray[np.generic]] = {"score": self.score, "expit": self.expit}
        arrays |= {f"column.{name}": cast("Floats", v) for name, v in numbers.items()}
        arrays |= {f"heuristic.{name}": values for name, values in self.heuristics.items()}
        head = canonical_json(cast("Json", facts.model_dump(mode="json")))
        return dict(zip(GOLDEN_FILES, (head, dump_arrays(arrays)), strict=True))


def make_golden(
    program: Program, domain: Domain, heuristics: Mapping[str, FittedHeuristic]
) -> Golden:
    """Draw a batch and score it; the same parts give the same batch.

    Args:
        program: The compiled model.
        domain: The contract.
        heuristics: The fitted heuristics; one that fails here is left out: it fails when asked,
            and serving passes it over.
    """
    table = draw(domain, ROWS, np.random.default_rng(_SEED), known=program.known)
    scored = {name: _scores(fitted, table, ROWS) for name, fitted in heuristics.items()}
    return Golden(
        table=table,
        rows=ROWS,
        score=program.score(table),
        heuristics={name: scores for name, scores in scored.items() if scores is not None},
        expit=expit(_RAW),
    )


def golden_from(json: bytes, npz: bytes) -> Golden:
    """Read a batch back.

    Args:
        json: Content of `golden.json`.
        npz: Content of `golden.npz`.

    Raises:
        ValueError: They do not make a batch.
    """
    facts, arrays = _Facts.model_validate_json(json), dict(load_arrays(npz))
    if any(array.dtype != np.float64 for array in arrays.values()):
        message = "an array is not of float64"
        raise ValueError(message)
    numbers = {name: cast("Floats", array) for name, array in arrays.items()}
    known = numbers.pop("expit", np.zeros(0))
    score = numbers.pop("score", np.zeros(0))
    scores = {name: numbers.pop(f"heuristic.{name}", np.zeros(0)) for name in facts.heuristics}
    if not all(name.startswith("column.") for name in numbers):
        message = "an array belongs to no column and no heuristic"
        raise ValueError(message)
    table: dict[str, Floats | Texts] = {
        name.removeprefix("column."): values for name, values in numbers.items()
    }
    table |= {name: np.array(texts, dtype=object) for name, texts in facts.texts.items()}
    if any(len(each) != facts.rows for each in (score, *scores.values(), *table.values())):
        message = f"a column or a score has not {facts.rows} rows"
        raise ValueError(message)
    return Golden(table, facts.rows, score, scores, known)


def _scores(fitted: FittedHeuristic, table: Table, rows: int) -> Floats | None:
    """Return a heuristic's scores; None if it cannot give them."""
    try:
        with contained():
            found = np.asarray(fitted.heuristic.score(dict(table), rows), dtype=np.float64)
    except (Exception, StoppedError):  # a user's own class may raise anything
        return None
    return found if found.shape == (rows,) else None


def _apart(who: str, found: Floats | None, wanted: Floats, *, limit: float) -> str | None:
    if found is None or found.shape != wanted.shape:
        return f"{who} gives no scores for the golden batch"
    if _same_bits(found, wanted):
        return None
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore", over="ignore"):  # of infinities, which are told apart above
        off = np.where(same, 0.0, np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted)))
    worst = float(np.nan_to_num(off, nan=np.inf).max())
    if limit and worst <= limit:
        return None
    count = int((found.view(np.int64) != wanted.view(np.int64)).sum())
    return (
        f"{who} gives other scores than where it was made: {count} of {len(wanted)} rows of the"
        f" golden batch differ, at most by {worst:.3g} of the score"
    )


def _same_bits(found: Floats, wanted: Floats) -> bool:
    return found.tobytes() == wanted.tobytes()
