"""A heuristic: a ranking that needs no model and always answers.

It is a pure function of the request and a few counted figures, does far less work than a model,
and depends on nothing that a model depends on. Its scores are finite whatever it is given.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import ClassVar, Self, TypeAlias, assert_never, cast

import numpy as np

from mlops.base.digest import Json
from mlops.base.errors import ConfigError, ContractError
from mlops.base.target import load_class
from mlops.contracts.columns import listed
from mlops.contracts.domain import Floats, Table, Texts
from mlops.models.spec import (
    CustomSpec,
    FeeWeightedPopularitySpec,
    HeuristicSpec,
    PopularitySpec,
    StaticSpec,
)

_DAY_S = 86_400.0

Facts: TypeAlias = "dict[str, Json]"


@dataclass(frozen=True, slots=True)
class History:
    """What a heuristic may learn from.

    Attributes:
        table: Training rows, outcomes included, n rows.
        at_s: When each was logged, seconds since 1970, shape [n].
        as_of_s: Now, as far as training goes; rows after it are the future and are not used.
    """

    table: Table
    at_s: Floats
    as_of_s: float


@dataclass(frozen=True, slots=True)
class State:
    """What a fitted heuristic is made of, as the bundle carries it.

    Attributes:
        facts: JSON.
        arrays: float64 arrays by name, one dimension each.
    """

    facts: Facts = field(default_factory=dict)
    arrays: Mapping[str, Floats] = field(default_factory=dict)


class Heuristic(ABC):
    """A ranking without a model. A user's own one subclasses this."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Request columns that `score` reads."""

    @classmethod
    @abstractmethod
    def fit(cls, history: History) -> Self:
        """Learn from the past; a subclass may take keyword arguments, which config gives.

        Args:
            history: What may be learnt from.
        """

    @abstractmethod
    def score(self, table: Table, rows: int) -> Floats:
        """Return a finite score for each candidate; a higher one ranks earlier.

        Args:
            table: At least `columns`.
            rows: Number of candidates.

        Returns:
            Shape [rows].
        """

    @abstractmethod
    def state(self) -> State:
        """Return what `restore` needs to build this again."""

    @classmethod
    @abstractmethod
    def restore(cls, state: State) -> Self:
        """Build a heuristic from its state.

        Raises:
            ValueError: The state does not describe one.
        """


class Static(Heuristic):
    """Keeps the candidates in the order in which they came."""

    @property
    def columns(self) -> tuple[str, ...]:
        """It reads nothing."""
        return ()

    @classmethod
    def fit(cls, history: History) -> Self:
        """Learn nothing."""
        del history
        return cls()

    def score(self, table: Table, rows: int) -> Floats:
        """Return 0, -1, -2 and so on."""
        del table
        return 0.0 - np.arange(rows, dtype=np.float64)

    def state(self) -> State:
        """Return the empty state."""
        return State()

    @classmethod
    def restore(cls, state: State) -> Self:
        """Build it from nothing."""
        del state
        return cls()


class Popularity(Heuristic):
    """Ranks by the decayed rate of the outcome for a key, times a value if it has one.

    The rate is the mean of a Beta posterior: (strength * prior + successes) / (strength + events),
    where an event of age a counts 0.5 ** (a / half_life) and the prior is the rate over all keys.
    Unknown and missing keys get the prior.

    Source: Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.1, for the posterior mean.

    Args:
        key: Request column that is counted.
        value: Request column that the rate is multiplied with; None for none.
        prior: Rate of keys never seen.
        rates: Rate of each key: a text, or a number.
    """

    def __init__(
        self,
        key: str,
        *,
        value: str | None,
        prior: float,
        rates: Mapping[str, float] | Mapping[float, float],
    ) -> None:
        self._key = key
        self._value = value
        self._prior = prior
        self._rates = cast("dict[object, float]", dict(rates))

    @property
    def columns(self) -> tuple[str, ...]:
        """The key's column and the value's."""
        return (self._key,) if self._value is None else (self._key, self._value)

    @classmethod
    def fit(
        cls,
        history: History,
        *,
        key: str = "",
        outcome: str = "",
        value: str | None = None,
        half_life_days: float = 14.0,
        prior_strength: float = 100.0,
    ) -> Self:
        """Count the past.

        Args:
            history: Rows with the key's and the outcome's column.
            key: Column that is counted.
            outcome: Column with 0 or 1; rows where it is missing do not count.
            value: Request column that the rate is multiplied with; None for none.
            half_life_days: Age at which an event counts half.
            prior_strength: Events at the overall rate that every key is given.

        Raises:
            ContractError: A column is not there.
        """
        happened = np.asarray(_column(history.table, outcome), dtype=np.float64)
        keys = _column(history.table, key)
        age_days = (history.as_of_s - history.at_s) / _DAY_S
        used = (age_days >= 0) & np.isfinite(happened)
        weight = np.where(used, 0.5 ** (np.maximum(age_days, 0.0) / half_life_days), 0.0)
        success = weight * np.where(used, happened, 0.0)
        # One event at a rate of a half keeps the prior off 0 where nothing has happened yet.
        prior = (float(success.sum()) + 0.5) / (float(weight.sum()) + 1.0)
        known, place = np.unique(_sortable(keys), return_inverse=True)
        events = np.bincount(place, weight, len(known))
        successes = np.bincount(place, success, len(known))
        rates = (prior_strength * prior + successes) / (prior_strength + events)
        found = dict(zip(known.tolist(), rates.tolist(), strict=True))
        missing = "" if keys.dtype == object else np.nan
        kept = {k: rate for k, rate in found.items() if k == k and k != missing}
        return cls(key, value=value, prior=prior, rates=kept)

    def score(self, table: Table, rows: int) -> Floats:
        """Return each candidate's rate, times its value if it has one; shape [rows].

        Raises:
            ContractError: The table lacks a column.
        """
        del rows
        keys = listed(table, self._key) or _column(table, self._key).tolist()
        rate, prior = self._rates.get, self._prior
        rates = [rate(key, prior) for key in keys]
        if self._value is None:
            return np.array(rates, np.float64)
        values = cast("list[float]", listed(table, self._value) or _column(table, self._value))
        products = list(map(mul, rates, values))  # for a page faster than numpy, and never warns
        found = np.array(products, np.float64)
        return found if math.isfinite(sum(products)) else np.nan_to_num(found, nan=0.0)

    def state(self) -> State:
        """Return keys and rates."""
        texts = all(isinstance(key, str) for key in self._rates)
        facts: Facts = {"key": self._key, "value": self._value, "prior": self._prior}
        arrays = {"rates": np.array(list(self._rates.values()), dtype=np.float64)}
        if texts:
            facts["keys"] = [str(key) for key in self._rates]
        else:
            arrays["keys"] = np.array(list(self._rates), dtype=np.float64)
        return State(facts, arrays)

    @classmethod
    def restore(cls, state: State) -> Self:
        """Build it from keys and rates.

        Raises:
            ValueError: They do not belong together, or a rate is not finite.
        """
        key, value, prior = (state.facts.get(name) for name in ("key", "value", "prior"))
        rates = state.arrays.get("rates")
        texts, numbers = state.facts.get("keys"), state.arrays.get("keys")
        keys = texts if isinstance(texts, list) else [] if numbers is None else numbers.tolist()
        valid = (
            isinstance(key, str)
            and isinstance(value, str | None)
            and isinstance(prior, float)
            and rates is not None
            and len(keys) == len(rates)
            and bool(np.isfinite([prior, *rates]).all())
        )
        if not valid:
            message = "the popularity table is not one"
            raise ValueError(message)
        assert rates is not None
        return cls(
            str(key),
            value=cast("str | None", value),
            prior=cast("float", prior),
            rates=cast("dict[str, float]", dict(zip(keys, rates.tolist(), strict=True))),
        )


def _column(table: Table, name: str) -> Floats | Texts:
    values = table.get(name)
    if values is None:
        raise ContractError(
            f"the heuristic reads column {name!r}, which is not there",
            hint=f"there are: {', '.join(table)}",
        )
    return values


def _sortable(keys: Floats | Texts) -> Floats | Texts:
    if keys.dtype == object:
        return cast("Texts", np.array(["" if k is None else str(k) for k in keys], dtype=str))
    return keys


class Unopened(Heuristic):
    """A user's own heuristic in a process that does not run users' code; another one does."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads is not known here."""
        return ()

    @classmethod
    def fit(cls, history: History) -> Self:
        """Learn nothing."""
        del history
        return cls()

    def score(self, table: Table, rows: int) -> Floats:
        """Refuse.

        Raises:
            ContractError: Always.
        """
        del table, rows
        raise ContractError("a user's own heuristic does not run in this process")

    def state(self) -> State:
        """Return the empty state."""
        return State()

    @classmethod
    def restore(cls, state: State) -> Self:
        """Leave the state closed."""
        del state
        return cls()


@dataclass(frozen=True, slots=True)
class FittedHeuristic:
    """A heuristic with what the bundle has to know to build it again.

    Attributes:
        kind: The spec's kind: `popularity`, `fee_weighted_popularity`, `static` or `custom`.
        path: Dotted path of a custom one's class; empty for our own.
        heuristic: The thing itself.
    """

    kind: str
    path: str
    heuristic: Heuristic

    _OWN: ClassVar[Mapping[str, type[Heuristic]]] = {
        "popularity": Popularity,
        "fee_weighted_popularity": Popularity,
        "static": Static,
    }

    @classmethod
    def restored(
        cls, kind: str, path: str, state: State, *, packages: Sequence[str] | None
    ) -> "FittedHeuristic":
        """Build a heuristic from what the bundle says.

        Args:
            kind: The spec's kind.
            path: Dotted path of a custom one's class.
            state: Its state.
            packages: Where custom classes may come from; None imports none and leaves them
                unopened.

        Raises:
            ConfigError: The class is not allowed, does not exist, or is no heuristic.
            ValueError: The kind is unknown, or the state does not describe a heuristic.
        """
        if kind == "custom" and packages is None:
            return cls(kind, path, Unopened())
        if kind == "custom":
            assert packages is not None
            found: type[Heuristic] = load_class(path, Heuristic, packages=packages)  # type: ignore[type-abstract] # any subclass may come back
        elif kind in cls._OWN and not path:
            found = cls._OWN[kind]
        else:
            message = f"unknown kind of heuristic {kind!r}"
            raise ValueError(message)
        try:
            return cls(kind, path, found.restore(state))
        except Exception as error:  # a user's own class may raise anything
            message = f"heuristic {path or kind} cannot be restored: {error}"
            raise ValueError(message) from error


def fit_heuristic(
    spec: HeuristicSpec, history: History, *, packages: Sequence[str] = ()
) -> FittedHeuristic:
    """Fit the heuristic that the config declares.

    Args:
        spec: Which one, with its settings.
        history: What it may learn from.
        packages: Where custom classes may come from.

    Raises:
        ConfigError: A custom class is not allowed, does not exist, is no heuristic, or does not
            take the arguments given.
        ContractError: The history lacks a column.
    """
    if isinstance(spec, StaticSpec):
        return FittedHeuristic(spec.kind, "", Static.fit(history))
    if isinstance(spec, (PopularitySpec, FeeWeightedPopularitySpec)):
        fitted = Popularity.fit(history, **spec.model_dump(exclude={"kind"}))
        return FittedHeuristic(spec.kind, "", fitted)
    if isinstance(spec, CustomSpec):
        path, arguments = spec.heuristic.path, spec.heuristic.arguments
        found: type[Heuristic] = load_class(path, Heuristic, packages=packages)  # type: ignore[type-abstract] # any subclass may come back
        try:
            return FittedHeuristic(spec.kind, path, found.fit(history, **arguments))
        except TypeError as error:
            raise ConfigError(f"`_target_: {path}` cannot be fitted: {error}") from error
    assert_never(spec)
