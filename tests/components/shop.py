"""A shop: a small contract with one column of every sort, for checks of pipelines."""

from typing import Any

from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.roles import Scope

NUMBER, INTEGER = ColumnKind.NUMBER, ColumnKind.INTEGER
BOOLEAN, CATEGORY = ColumnKind.BOOLEAN, ColumnKind.CATEGORY
CONTEXT, CANDIDATE = Scope.CONTEXT, Scope.CANDIDATE


def column(name: str, kind: ColumnKind, scope: Scope = CANDIDATE, **limits: Any) -> Column:
    feature = limits.pop("feature", scope in (CONTEXT, CANDIDATE))
    return Column(name=name, kind=kind, scope=scope, feature=feature, **limits)


REQUEST = Domain(
    name="Request",
    columns=(
        column("area", CATEGORY, CONTEXT, categories=("north", "south", "west")),
        column("tier", CATEGORY, CONTEXT, categories=("gold", "silver"), nullable=True),
        column("city", CATEGORY, CONTEXT, nullable=True, pattern="^[a-z]+$"),
        column("visits", INTEGER, CONTEXT, minimum=0.0, maximum=1000.0),
        column("item", CATEGORY, identifier=True, pattern="^[0-9]{1,6}$"),
        column("price", NUMBER, minimum=0.0, maximum=500.0, minimum_open=True),
        column("basket", NUMBER, minimum=0.0, maximum=1000.0, nullable=True),
        column("balance", NUMBER, minimum=-1000.0, maximum=1000.0),
        column("promo", BOOLEAN),
        column("spend", NUMBER, minimum=0.0),
        column("fee", NUMBER, feature=False, minimum=0.0, maximum=50.0),
    ),
)
TRAINING = REQUEST.model_copy(
    update={
        "name": "Training",
        "columns": (
            *REQUEST.columns,
            column("position", INTEGER, Scope.LOGGED, minimum=1.0, maximum=20.0),
            column("clicked", INTEGER, Scope.OUTCOME, minimum=0.0, maximum=1.0),
            column("bought", BOOLEAN, Scope.OUTCOME),
            column("amount", NUMBER, Scope.OUTCOME, minimum=-5.0, maximum=900.0),
            column("opinion", INTEGER, Scope.OUTCOME, minimum=0.0, maximum=1.0, nullable=True),
            column("verdict", CATEGORY, Scope.OUTCOME, categories=("no", "yes")),
            column("clicked_at_s", NUMBER, Scope.OUTCOME, minimum=0.0, nullable=True),
        ),
    }
)


def without(*names: str, domain: Domain = REQUEST) -> Domain:
    """Return a contract without some columns."""
    kept = tuple(column for column in domain.columns if column.name not in names)
    return domain.model_copy(update={"columns": kept})
