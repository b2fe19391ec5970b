"""A role: what a contract's column is for, written into its pandera `Field(metadata=...)`.

class Request(DataFrameModel):
    area: str = Field(isin=["north", "south"], metadata=context())
    job_id: str = Field(str_matches="^j[0-9]+$", metadata=candidate(identifier=True))
    fee: float = Field(ge=0, le=5000, metadata=candidate(feature=False, unit="EUR"))

class Training(Request):
    clicked: int = Field(isin=[0, 1], metadata=outcome())
"""

from enum import StrEnum

METADATA_KEY = "mlops"


class Scope(StrEnum):
    """Where a column's value comes from, and when it is known.

    CONTEXT and CANDIDATE stand in the request: once, or once for each candidate. LOGGED is known
    at decision time but only recorded (time, policy, propensity). OUTCOME is known afterwards and
    can never be a feature.
    """

    CONTEXT = "context"
    CANDIDATE = "candidate"
    LOGGED = "logged"
    OUTCOME = "outcome"


def context(*, feature: bool = True, unit: str = "") -> dict[str, object]:
    """Mark a column that a request gives once: the user, the query.

    Args:
        feature: Whether models may read it.
        unit: Unit of a number, for documentation.
    """
    return _mark(Scope.CONTEXT, feature=feature, unit=unit)


def candidate(
    *, feature: bool = True, identifier: bool = False, unit: str = ""
) -> dict[str, object]:
    """Mark a column that a request gives for each candidate.

    Args:
        feature: Whether models may read it.
        identifier: Whether it names the candidate in the answer; exactly one column does.
        unit: Unit of a number, for documentation.
    """
    return _mark(Scope.CANDIDATE, feature=feature, identifier=identifier, unit=unit)


def logged(*, unit: str = "") -> dict[str, object]:
    """Mark a training column that is recorded at decision time and is no feature."""
    return _mark(Scope.LOGGED, feature=False, unit=unit)


def outcome(*, unit: str = "") -> dict[str, object]:
    """Mark a training column that is known only after the decision."""
    return _mark(Scope.OUTCOME, feature=False, unit=unit)


def _mark(
    scope: Scope, *, feature: bool, identifier: bool = False, unit: str = ""
) -> dict[str, object]:
    return {
        METADATA_KEY: {
            "scope": scope.value,
            "feature": feature,
            "identifier": identifier,
            "unit": unit,
        }
    }
