"""A whole frame's check: the rules of a contract on any number of rows, each text judged once.

The rules are those of the page check; this is its form for frames, whose columns lie in pandas'
dtypes and hold the same texts many times over.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.frames import numbers
from mlops.contracts.judgement import Bools, TextRules, broken_numbers


def broken_rows(domain: Domain, rows: pd.DataFrame) -> Iterator[tuple[str, str, Bools]]:
    """Yield each broken rule with the rows that break it.

    Args:
        domain: What is allowed.
        rows: n rows with the contract's columns in their dtypes.

    Yields:
        The column, or nothing for a rule of several; the rule; a mask of shape [n].
    """
    for column in domain.columns:
        series = rows[column.name]
        broken = _texts(column, series) if column.is_category else _numbers(column, series)
        for rule, mask in broken.items():
            yield column.name, rule, mask
        if column.unique:
            repeated = series.duplicated(keep=False).to_numpy(np.bool_)
            if repeated.any():
                yield column.name, "unique", repeated
    if domain.unique:
        repeated = rows.duplicated(list(domain.unique), keep=False).to_numpy(np.bool_)
        if repeated.any():
            yield "", f"unique({', '.join(domain.unique)})", repeated


def _numbers(column: Column, series: "pd.Series[Any]") -> dict[str, Bools]:
    whole = column.kind is ColumnKind.INTEGER and series.dtype.kind in "iu"
    # Whole numbers are judged as they are: float64 would round those beyond 2**53.
    values = series.to_numpy() if whole and not _is_masked(series) else numbers(series)
    return dict(broken_numbers(column, values))


def _is_masked(series: "pd.Series[Any]") -> bool:
    return bool(series.isna().any())


def _texts(column: Column, series: "pd.Series[Any]") -> dict[str, Bools]:
    rules = TextRules(column)
    try:
        codes, unique = pd.factorize(series)
        different: list[object] = unique.tolist()
    except TypeError:  # a list among the texts
        codes = np.where(series.isna(), -1, np.arange(len(series)))
        different = series.tolist()
    found: dict[str, Bools] = {}
    broken: dict[str, list[int]] = {}
    for code, value in enumerate([*different, None]):
        for rule in rules.broken(value):
            broken.setdefault(rule, []).append(code)
    last = len(different)
    codes = np.where(codes < 0, last, codes)
    for rule, bad in broken.items():
        wrong = np.zeros(last + 1, np.bool_)
        wrong[bad] = True
        mask = wrong[codes]
        if mask.any():
            found[rule] = mask
    return found
