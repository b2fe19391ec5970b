"""A panel: the evaluation rows with what every subject says about them, scored once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.base.errors import ConfigError, ContractError
from mlops.quality.estimate import Estimate, Floats, Ints, Precision
from mlops.quality.measure import Measurement, SubjectKind
from mlops.quality.spec import Where
from mlops.quality.subject import Subject

Mask: TypeAlias = npt.NDArray[np.bool_]

_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows, subjects and their answers.

    Attributes:
        frame: The evaluation rows, index 0..n-1.
        subjects: The model first, then the heuristics.
        scores: Score of each subject, by name, shape (n,).
        heads: The model's heads, by name, shape (n,).
        mature: For a head with late outcomes, which rows' outcomes can be known, shape (n,).
        precision: How intervals are made.
        time: Column with a row's time; empty if none.
    """

    frame: pd.DataFrame
    subjects: tuple[Subject, ...]
    scores: Mapping[str, Floats]
    heads: Mapping[str, Floats]
    mature: Mapping[str, Mask]
    precision: Precision
    time: str

    @property
    def model(self) -> Subject:
        """The one subject that is the model."""
        return self.subjects[0]

    @property
    def heuristics(self) -> tuple[Subject, ...]:
        """The others."""
        return self.subjects[1:]

    def mask(self, where: Where, *, given: str = "", head: str = "") -> Mask:
        """Return which rows have these values, this outcome, and a mature label; shape (n,).

        Raises:
            ConfigError: A column is not there.
        """
        chosen = np.ones(len(self.frame), dtype=np.bool_)
        for column, value in where.items():
            chosen &= self.values(column) == value
        if given:
            chosen &= self.numbers(given) > 0
        if head in self.mature:
            chosen &= self.mature[head]
        return chosen

    def numbers(self, name: str) -> Floats:
        """Return a column as numbers, shape (n,).

        Raises:
            ConfigError: It is not there.
        """
        self.require(name)
        return np.asarray(self.frame[name].to_numpy(np.float64), dtype=np.float64)

    def values(self, name: str) -> npt.NDArray[np.object_]:
        """Return a column as it is, shape (n,).

        Raises:
            ConfigError: It is not there.
        """
        self.require(name)
        return np.asarray(self.frame[name].to_numpy(dtype=object), dtype=np.object_)

    def codes(self, name: str, mask: Mask) -> Ints:
        """Return the codes 0..m-1 of a column's values on some rows.

        Raises:
            ConfigError: It is not there.
        """
        self.require(name)
        return pd.factorize(self.frame[name][mask])[0].astype(np.intp)

    def require(self, name: str) -> None:
        """Hold that a column is there.

        Raises:
            ConfigError: It is not.
        """
        if name not in self.frame.columns:
            raise ConfigError(
                f"quality names column {name!r}, which the evaluation rows do not have",
                hint=f"they have: {', '.join(map(str, self.frame.columns))}",
            )

    def head(self, name: str) -> Floats:
        """Return a head's probabilities, shape (n,).

        Raises:
            ConfigError: The model has no such head.
        """
        if name not in self.heads:
            raise ConfigError(
                f"quality names head {name!r}, which the model does not have",
                hint=f"it has: {', '.join(self.heads) or 'none'}",
            )
        return self.heads[name]

    def days(self, mask: Mask) -> float | None:
        """Return how many days some rows span, or None if there is no time column or no row.

        A time column holds datetimes or seconds.
        """
        if not self.time or not mask.any():
            return None
        self.require(self.time)
        times = self.frame[self.time][mask]
        if pd.api.types.is_datetime64_any_dtype(times):
            stamps = pd.DatetimeIndex(times)
            return float((stamps.max() - stamps.min()).total_seconds()) / _SECONDS_PER_DAY
        return float(np.ptp(self.numbers(self.time)[mask])) / _SECONDS_PER_DAY


def assemble(
    frame: pd.DataFrame,
    subjects: Sequence[Subject],
    *,
    mature: Mapping[str, Mask],
    precision: Precision,
    time: str,
) -> Panel:
    """Let every subject answer for all rows, once.

    Raises:
        ConfigError: Not exactly one subject is the model, or two have the same name.
        ContractError: A subject's answer has a wrong shape or is not finite.
    """
    models = [subject for subject in subjects if subject.kind == "model"]
    names = [subject.name for subject in subjects]
    if len(models) != 1 or len(set(names)) < len(names):
        raise ConfigError(
            f"evaluation needs one model and heuristics of different names, not {names}",
            hint="rename the heuristic",
        )
    rows = frame.reset_index(drop=True)
    ordered = (*models, *(subject for subject in subjects if subject.kind != "model"))
    heads = models[0].heads(rows)
    return Panel(
        frame=rows,
        subjects=ordered,
        scores={s.name: _checked(s.name, s.score(rows), len(rows)) for s in ordered},
        heads={name: _checked(name, values, len(rows)) for name, values in heads.items()},
        mature=mature,
        precision=precision,
        time=time,
    )


def _checked(name: str, values: Floats, rows: int) -> Floats:
    if values.shape != (rows,) or not np.isfinite(values).all():
        raise ContractError(
            f"{name} answers {rows} rows with shape {values.shape} or numbers that are not finite",
            hint="a score is one finite number per row",
        )
    return values


def stated(template: Measurement, result: Estimate | str | None) -> Measurement:
    """Return a measurement with its result filled in.

    Args:
        template: Everything but the result; abstains.
        result: The estimate, the reason for having none, or None where no interval exists.
    """
    match result:
        case Estimate():
            return replace(
                template, value=result.value, low=result.low, high=result.high, abstained=""
            )
        case None:
            return replace(template, abstained="it is not defined on these rows")
        case reason:
            return replace(template, abstained=reason)


def blank(metric: str, subject: Subject, *, reference: str = "") -> Measurement:
    """Return a measurement of a subject that has no result yet."""
    return Measurement(
        metric=metric,
        subject=subject.name,
        kind=SubjectKind(subject.kind),
        reference=reference,
        abstained="not measured",
    )
